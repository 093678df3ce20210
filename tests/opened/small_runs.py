"""Runs of one second for the tests of opened runs: an intersection with a building, two egos, and a roadside unit that is one.

The car `leaver` is a station only while it is in the region: it leaves it and comes back, each time for some frames.
"""

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

import v2xsim

SCENARIO = {
    "name": "small",
    "run": {"seed": 3, "begin_s": 0.5, "duration_s": 1.0, "step_s": 0.1},
    "world": {"buildings": [{"footprint_m": [[-40, 8], [-8, 8], [-8, 40], [-40, 40]], "height_m": 9.0}]},
    "traffic": {
        "script": [
            {"id": "ego", "waypoints": [[0, -30, 0], [10, 70, 0]]},
            {"id": "helper", "waypoints": [[0, 0, 40], [10, 0, -60]]},
            {"id": "van", "kind": "van", "waypoints": [[0, -12, 0], [10, 40, 0]]},
            {"id": "crossing", "waypoints": [[0, 3, 30], [10, 3, -70]]},
            {"id": "leaver", "waypoints": [[0, 44, 4], [0.8, 48, 4], [1.0, 53, 4], [1.2, 47, 4], [9, 40, 4]]},
            {"id": "far", "waypoints": [[0, 75, -3], [10, 70, -3]]},
        ]
    },
    "stations": {
        "penetration": 1.0,
        "region": [-60, -60, 50, 60],
        "roadside": [{"id": "pole", "position_m": [9, -9], "height_m": 6.0, "heading_deg": 135, "lidar": True}],
    },
    "lidars": {
        "include": ["ego", "helper", "leaver"],
        "model": {"beams": 16, "columns": 240, "lowest_deg": -18, "highest_deg": 4, "range_m": 80},
        "mounts": [{"x_m": 1.0, "z_m": 0.3}, {"x_m": -1.0, "z_m": 0.4, "yaw_deg": 90, "pitch_deg": 3}],
        "range_noise_m": 0.02,
        "dropout": 0.05,
    },
    "radio": {"access": "random_slot", "channel": "tr37885_urban", "tx_power_dbm": -6.0},
    "cooperation": {"egos": ["ego", "leaver", "pole"], "fusion": "early", "deadline_ms": 60.0, "budget_bytes": 9000},
    "detector": {"model": "visibility", "false_per_frame": 2.0},
    "errors": {"gnss_sigma_m": 0.3, "heading_sigma_deg": 0.5, "clock_sigma_ms": 1.0},
    "record": {"clouds_every_s": 0.3, "cloud_egos": 2, "evaluation_range_m": 45.0},
}


def scenario(*overrides):
    """Return the small scenario with some values set, each `dotted.key=value` as on the command line."""
    from v2xsim.scenario.choices import word_in
    from v2xsim.scenario.errors import Document
    from v2xsim.scenario.load import checked
    from v2xsim.scenario.overrides import with_overrides
    from v2xsim.scenario.schema import Scenario

    document = with_overrides(Document("small", SCENARIO), list(overrides), word_in(Scenario))
    return checked(document, Path())


@cache
def finished(*overrides):
    """Return the results of the small scenario with some values set, and the folder into which they were written."""
    folder = Path(mkdtemp(prefix="v2xsim-small-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return v2xsim.run(scenario(*overrides), out=folder), folder


def same(one, other):
    """Return whether two tables have equal cells, bit for bit; a value that is no number equals another."""
    return all(_same_cells(one.column(name), other.column(name)) for name in other.column_names)


def _same_cells(one, other):
    numbers = one.to_numpy()
    if numbers.dtype.kind == "f":
        return np.array_equal(numbers, other.to_numpy(), equal_nan=True)
    # Two columns of words may number the same words differently.
    return one.equals(other) or one.to_pylist() == other.to_pylist()
