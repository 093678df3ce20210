"""Build a town: roads with SUMO's netconvert, buildings from the map, traffic with randomTrips, and a test run to choose the region."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Float

from v2xsim.import_osm.driving_side import is_left_hand
from v2xsim.import_osm.extract import OsmImportError, unpacked
from v2xsim.import_osm.osm_map import read_osm
from v2xsim.import_osm.polygons import BUILDINGS, write_buildings
from v2xsim.import_osm.road_losses import road_notices
from v2xsim.import_osm.road_network import build_network
from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.mobility.sumo_vehicle_types import type_xml
from v2xsim.notices import Notice
from v2xsim.scenario.schema_world import World
from v2xsim.staging import staged
from v2xsim.world.buildings import load_prisms

# Side of the square region from which stations are drawn.
REGION_M = 1500.0
STATIONS = 30
LIDARS = 10
# Measuring starts after five minutes, when the roads have filled.
BEGIN_S = 300
DURATION_S = 30
# Shares of vehicle classes in European urban traffic; rounded values that we chose.
MIX = {"passenger": 0.75, "van": 0.13, "truck": 0.08, "bus": 0.04}

Progress = Callable[[str], None]


def import_osm(
    osm_file: Path, out: Path, *, vehicles: int = 260, seed: int = 1, driving_side: Literal["left", "right"] | None = None,
    progress: Progress | None = None, notify: Callable[[Notice], None] | None = None,
) -> Path:  # fmt: skip
    """Turn an OpenStreetMap extract into a folder with a scenario; return the scenario's path.

    Args:
        osm_file: The extract, .osm or .osm.xml, optionally gzipped.
        out: Folder to write into; it must be new or empty.
        vehicles: Desired number of vehicles on the road at the same time during the measured time.
        seed: Seed of the traffic demand.
        driving_side: Side of the road on which traffic drives; None finds it from the extract and from where it lies.
        progress: Function called with the name of the present step.
        notify: Function called with each thing of the extract that is left out, repaired or assumed. The file of the buildings
            keeps these notices, so that `check` and `run` report them, too.

    Raises:
        OsmImportError: If the extract or the folder cannot be used.
    """

    def say(what: str) -> None:
        if progress is not None:
            progress(what)

    def check(target: Path) -> None:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise OsmImportError(f"{out}: must be a new or empty folder")

    with staged(out, check, OsmImportError) as folder:
        try:
            for notice in roads_and_buildings(osm_file, folder, driving_side, say):
                if notify is not None:
                    notify(notice)
            period_s = 1.0
            for _ in range(5):
                say(f"making traffic, a vehicle every {period_s:.2f} s")
                _demand(folder, period_s, seed)
                center_m, least, inside = _busiest(folder, seed)
                if least >= vehicles and inside >= STATIONS:
                    break
                shortage = max(vehicles / max(least, 1), STATIONS / max(inside, 1))
                period_s /= min(4.0, 1.15 * shortage)
        except MobilityError as error:
            raise OsmImportError(f"{osm_file}: {error}") from error
        _scenario(folder, center_m, min(STATIONS, inside), osm_file.name, out.name)
        (folder / "town.osm.xml").unlink()
    return out / "town.yaml"


def roads_and_buildings(
    osm_file: Path, folder: Path, driving_side: Literal["left", "right"] | None = None, progress: Progress | None = None
) -> list[Notice]:
    """Write the road network and the buildings of an extract into a folder; return what is left out, repaired or assumed."""
    say = progress or (lambda _: None)
    say("reading the extract")
    unpacked(osm_file, folder / "town.osm.xml")
    osm = read_osm(folder / "town.osm.xml")
    is_left, reason = (driving_side == "left", "") if driving_side else is_left_hand(osm)
    say("building roads")
    notices = list(road_notices(osm, build_network(folder, osm, is_left), is_left, reason))
    say("building houses")
    notices += write_buildings(folder, osm, notices)
    _, sources = load_prisms(World(buildings=folder / BUILDINGS))
    return [*notices, *replace(sources, kept=()).notices(BUILDINGS)]


def _least_trip_m(folder: Path) -> float:
    """Return the least straight distance of a trip: 800 m, or half the diagonal of a smaller network."""
    with (folder / "town.net.xml").open("rb") as stream:
        location = next(element for _, element in ET.iterparse(stream) if element.tag == "location")
    x_min, y_min, x_max, y_max = map(float, location.get("convBoundary", "").split(","))
    return min(800.0, 0.5 * math.hypot(x_max - x_min, y_max - y_min))


def _demand(folder: Path, period_s: float, seed: int) -> None:
    """Write trips between random edges, one every `period_s`, until the end of the measured time.

    Edges are chosen with probabilities in proportion to their length, and those at the border of the network are preferred.
    """
    kinds = "".join(type_xml(kind, share) for kind, share in MIX.items())
    types = f'<additional><vTypeDistribution id="mix">{kinds}</vTypeDistribution></additional>'
    (folder / "types.add.xml").write_text(types, encoding="utf-8")
    run_tool(
        "randomTrips.py",
        ["--net-file", "town.net.xml", "--output-trip-file", "town.trips.xml", "--route-file", "town.rou.xml",
         "--additional-file", "types.add.xml", "--trip-attributes", 'type="mix" departLane="best" departSpeed="max"',
         "--begin", "0", "--end", str(BEGIN_S + DURATION_S), "--period", f"{period_s:.4f}", "--seed", str(seed),
         "--min-distance", f"{_least_trip_m(folder):.0f}", "--length", "--fringe-factor", "2", "--validate"],
        folder,
    )  # fmt: skip
    for left in ("town.trips.xml", "town.rou.alt.xml"):
        (folder / left).unlink(missing_ok=True)
    own_types = "<vType" in (folder / "town.rou.xml").read_text(encoding="utf-8")
    additional = "" if own_types else '<additional-files value="types.add.xml"/>'
    (folder / "town.sumocfg").write_text(
        "<configuration><input>"
        f'<net-file value="town.net.xml"/><route-files value="town.rou.xml"/>{additional}'
        "</input></configuration>\n",
        encoding="utf-8",
    )


def _busiest(folder: Path, seed: int) -> tuple[Float[np.ndarray, " 2"], int, int]:
    """Return the centre of the busiest square, and two least numbers of vehicles over time: on all roads, and in that square."""
    run_tool(
        "sumo",
        ["-c", "town.sumocfg", "--fcd-output", "trial.xml", "--device.fcd.begin", str(BEGIN_S), "--device.fcd.period",
         "5", "--end", str(BEGIN_S + DURATION_S + 1), "--step-length", "0.5", "--seed", str(seed), "--no-step-log",
         "--no-warnings"],
        folder,
    )  # fmt: skip
    steps = [
        np.array([[float(v.get("x", 0)), float(v.get("y", 0))] for v in step.iter("vehicle")]).reshape(-1, 2)
        for step in ET.parse(folder / "trial.xml").getroot().iter("timestep")
    ]
    (folder / "trial.xml").unlink()
    steps = [step for step in steps if len(step)]
    if not steps:
        raise OsmImportError("no vehicle finds a way through the roads of the extract")
    everywhere = np.concatenate(steps)
    candidates = np.unique(np.round(everywhere / 100.0), axis=0) * 100.0
    counts = np.array(
        [[(np.abs(step - center) <= REGION_M / 2.0).all(axis=1).sum() for step in steps] for center in candidates]
    )
    best = int(np.argmax(counts.mean(axis=1)))
    return candidates[best], min(len(step) for step in steps), int(counts[best].min())


def _scenario(folder: Path, center_m: Float[np.ndarray, " 2"], stations: int, source: str, name: str) -> None:
    # The name is also that of the folder of a run, so that runs of two towns do not replace each other.
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:80].strip("_.") or "town"
    low, high = center_m - REGION_M / 2.0, center_m + REGION_M / 2.0
    region = f"[{low[0]:.0f}, {low[1]:.0f}, {high[0]:.0f}, {high[1]:.0f}]"
    text = f"""# A town imported from {source} ((c) OpenStreetMap contributors, ODbL) by `v2xsim import-osm`.
# Traffic is random; earlier than begin_s the roads fill up. Stations are drawn in the busiest {REGION_M:.0f} m square.
name: "{name}"
run: {{seed: 1, begin_s: {BEGIN_S}, duration_s: {DURATION_S}, step_s: 0.1}}
world:
  buildings: town.poly.xml
traffic:
  sumocfg: town.sumocfg
stations: {{count: {stations}, region: {region}}}
lidars: {{count: {min(LIDARS, stations)}, model: beam64}}
radio: {{access: random_slot, channel: tr37885_urban}}
cooperation: {{relay: hybrid, fusion: early}}
"""
    (folder / "town.yaml").write_text(text, encoding="utf-8")
