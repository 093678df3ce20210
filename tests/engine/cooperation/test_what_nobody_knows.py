"""Decisions do not change with what no station can know: what stands behind walls, drives out of range, or has not happened yet."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

import v2xsim
from v2xsim.engine.world import World
from v2xsim.mobility.base import Mobility
from v2xsim.records import Boxes
from v2xsim.scenario.load import document_of
from v2xsim.world.road_users import KINDS

DECISIONS = {
    "relays": ("time_us", "requester", "helper", "relay", "score", "height", "mobility", "delivery"),
    "nominations": ("time_us", "station", "requester", "helper", "score", "height", "mobility", "delivery"),
    "foretold": ("time_us", "station", "neighbour", "death_us", "cause"),
    "transfers": (
        "frame_us", "origin", "kind", "destination", "relay", "capture_us", "queue_us", "size_bytes", "fragments", "predicted",
    ),
}  # fmt: skip
SETTINGS = ["lidars.model=beam16", "cooperation.min_delivery=0.5", "cooperation.foresight=tracks"]
AGENTS = {"requester", "helper", "relay", "station", "neighbour", "origin", "destination"}
SLOT = "radio.access=random_slot"
CSMA = ["radio.access=ieee80211p", "radio.retries=2"]
CAR_M, TRUCK_M = (4.5, 1.8, 1.5), (12.0, 2.5, 3.8)


def decisions(scenario, *, of=None, before_us=10**12):
    """Return the decisions of some stations (None: of all) for frames before a time, as sorted rows of the tables with names."""
    tables, found = v2xsim.run(scenario, threads=1).tables, {}
    name_of = dict(zip(*(tables["agents"].column(column).to_pylist() for column in ("agent", "name")), strict=True))

    def values(name, column):
        numbers = tables[name].column(column).to_pylist()
        return [name_of.get(number, number) for number in numbers] if column in AGENTS else numbers

    for name, columns in DECISIONS.items():
        rows = zip(*(values(name, column) for column in columns), strict=True)
        found[name] = sorted(repr(row) for row in rows if row[0] < before_us and (of is None or row[1] in of))
    assert found["transfers"]
    return found


class Changed(Mobility):
    """The traffic of a run with one more vehicle, or without some from an instant on.

    Attributes:
        place_m, size_m: Where the vehicle stands, and its size; None for no vehicle.
        empty_us: From this instant on there is nobody but the road user with the lowest number.
    """

    def __init__(self, place_m=None, size_m=CAR_M, empty_us=10**12):
        self.place_m, self.size_m, self.empty_us = place_m, size_m, empty_us

    def use(self, mobility):
        super().__init__(mobility.names)
        self.mobility = mobility
        # The name is there without the vehicle, too, so that all others keep their numbers.
        self.agent = mobility.names.register("hidden", "a vehicle")
        return self

    @property
    def bounds(self):
        return self.mobility.bounds

    def snapshot(self, time_us):
        world = self.mobility.snapshot(time_us)
        if time_us >= self.empty_us:
            return _only(world, world.agent == world.agent[0])
        if self.place_m is None:
            return world
        row = int(np.searchsorted(world.agent, self.agent))
        box = Boxes(np.array([self.place_m], float), np.array([self.size_m]), np.zeros(1))
        before, after = np.arange(row), np.arange(row, len(world))
        return replace(
            world, agent=np.insert(world.agent, row, self.agent), kind=np.insert(world.kind, row, KINDS.index("bicycle")),
            boxes=Boxes.joined([world.boxes[before], box, world.boxes[after]]),
            velocity_mps=np.insert(world.velocity_mps, row, 0.0, axis=0),
            antenna_height_m=np.insert(world.antenna_height_m, row, self.size_m[2]),
        )  # fmt: skip


def _only(world, kept):
    return replace(
        world, agent=world.agent[kept], kind=world.kind[kept], boxes=world.boxes[np.flatnonzero(kept)],
        velocity_mps=world.velocity_mps[kept], antenna_height_m=world.antenna_height_m[kept],
    )  # fmt: skip


@pytest.fixture
def in_traffic(monkeypatch):
    """Return a function that changes the traffic of the runs that follow."""
    begin = World.__init__

    def changed_by(change):
        def begun(self, scenario, mobility, *others):
            begin(self, scenario, change.use(mobility), *others)

        monkeypatch.setattr(World, "__init__", begun)

    return changed_by


# What no lidar ray and no radio wave meets

SCENES = {
    # Inside a block of the grid; between the houses of the side street; beside the motorway, out of reach of the lidars.
    "urban_grid": ((60, 60, 0), ["stations.count=50", "lidars.count=12", "radio.tx_power_dbm=14", SLOT]),
    "t_junction": ((-100, -40, 0), ["radio.tx_power_dbm=0", *CSMA]),
    "motorway": ((1200, 400, 0), ["lidars.count=5", "radio.tx_power_dbm=10", *CSMA]),
    "demo": ((-100, -40, 0), ["run.begin_s=5", SLOT, "radio.retries=1"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_an_unconnected_vehicle_that_nobody_meets_changes_no_decision(in_traffic, name):
    (x, y, z), settings = SCENES[name]
    scenario, found = v2xsim.load(name, [*SETTINGS, *settings, "run.duration_s=1.5"]), []
    for change in (Changed(), Changed((x, y, z)), Changed((x + 8, y + 5, z)), Changed((x, y, z), TRUCK_M)):
        in_traffic(change)
        found.append(decisions(scenario))
    assert all(one == found[0] for one in found)


# What has not happened yet


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_no_decision_is_made_for_what_happens_later(in_traffic, name):
    scenario = v2xsim.load(name, [*SETTINGS, *SCENES[name][1], "run.duration_s=1.5"])
    empty_us, found = round(scenario.run.begin_s * 1e6) + 1_000_000, []
    for change in (Changed(), Changed(empty_us=empty_us)):
        in_traffic(change)
        found.append(decisions(scenario, before_us=empty_us))
    assert found[0] == found[1]


# What happens out of range

FAR_M = 9000


def with_copy(name, size, settings):
    """Return a scripted scene, with as many of its road users as given once more, far away."""
    document = deepcopy(document_of(name)[0].data)
    script = document["traffic"]["script"]
    for user in script[:size]:
        moved = [[t, x + FAR_M, y] for t, x, y in user["waypoints"]]
        # At the front, so that the others get other agent ids.
        document["traffic"]["script"] = [
            {**user, "id": f"far_{user['id']}", "waypoints": moved},
            *document["traffic"]["script"],
        ]
    names = {user["id"] for user in script[:size]}
    for section, key in (("stations", "include"), ("lidars", "include"), ("cooperation", "egos")):
        document[section][key] += [f"far_{one}" for one in document[section][key] if one in names]
    return v2xsim.load(document, [*SETTINGS, *settings, "run.duration_s=1.5"]), {user["id"] for user in script}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [("demo", ["run.begin_s=5", SLOT, "radio.retries=1"]), ("demo", ["run.begin_s=5", *CSMA]), ("t_junction", CSMA)],
)
def test_stations_that_talk_out_of_range_change_no_decision(name, settings):
    near = [with_copy(name, size, settings) for size in (0, 4, 20)]
    found = [decisions(scenario, of=agents) for scenario, agents in near]
    assert found[0] == found[1] == found[2]


# Who is not in the file at all


@pytest.mark.slow
@pytest.mark.parametrize("settings", [[SLOT, "radio.retries=1"], CSMA])
def test_no_decision_depends_on_whether_the_file_names_someone_whom_nobody_meets(settings):
    document = document_of("demo")[0].data
    hidden = {"id": "hidden", "kind": "truck", "waypoints": [[0, -100, -40]]}
    more = {**document, "traffic": {**document["traffic"], "script": [hidden, *document["traffic"]["script"]]}}
    scenarios = [
        v2xsim.load(one, [*SETTINGS, *settings, "run.begin_s=5", "run.duration_s=1.5"]) for one in (document, more)
    ]
    without, found = map(decisions, scenarios)
    assert found == without
