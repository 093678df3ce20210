"""Build a town: roads with SUMO's netconvert, buildings from the map, traffic with randomTrips, and a test run to choose the region."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from v2xsim.import_osm.demand import BEGIN_S, DURATION_S, make_traffic
from v2xsim.import_osm.driving_side import is_left_hand
from v2xsim.import_osm.extract import OsmImportError, unpacked
from v2xsim.import_osm.filling import REGION_M
from v2xsim.import_osm.mistyped_keys import key_notices
from v2xsim.import_osm.osm_map import read_osm
from v2xsim.import_osm.polygons import BUILDINGS, keep_notices, write_buildings
from v2xsim.import_osm.road_losses import road_notices
from v2xsim.import_osm.road_network import build_network
from v2xsim.mobility.base import MobilityError
from v2xsim.notices import Notice
from v2xsim.scenario.schema_world import World
from v2xsim.staging import staged
from v2xsim.world.buildings import load_prisms

LIDARS = 10
NLOS_STATIONS, NLOS_LIDARS = 40, 20
"""Stations and lidars of the second scenario, nlos.yaml."""
Progress = Callable[[str], None]


def import_osm(
    osm_file: Path, out: Path, *, vehicles: int = 260, seed: int = 1, duration_s: float = DURATION_S,
    driving_side: Literal["left", "right"] | None = None, progress: Progress | None = None,
    notify: Callable[[Notice], None] | None = None,
) -> Path:  # fmt: skip
    """Turn an OpenStreetMap extract into a folder with a scenario; return the scenario's path.

    Args:
        osm_file: The extract, .osm or .osm.xml, optionally gzipped.
        out: Folder to write into; it must be new or empty.
        vehicles: Desired number of vehicles on the road at the same time during the measured time.
        seed: Seed of the traffic demand.
        duration_s: Duration of the run of the scenario, until whose end vehicles start: 1 s to a day.
        driving_side: Side of the road on which traffic drives; None finds it from the extract and from where it lies.
        progress: Function called with the name of the present step.
        notify: Function called with each thing of the extract that is left out, repaired or assumed. The file of the buildings
            keeps these notices, so that `check` and `run` report them, too.

    Raises:
        OsmImportError: If the extract or the folder cannot be used.
    """
    if not 1.0 <= duration_s <= 86_400.0:
        raise OsmImportError(f"the duration must be 1 to 86400 s, got {duration_s:.12g}")

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
            traffic = make_traffic(folder, vehicles, seed, say, duration_s)
            keep_notices(folder, traffic.notices)
            for notice in traffic.notices:
                if notify is not None:
                    notify(notice)
        except MobilityError as error:
            raise OsmImportError(f"{osm_file}: {error}") from error
        _scenario(folder, traffic.center_m, traffic.stations, osm_file.name, out.name, duration_s)
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
    notices = [*key_notices(osm), *road_notices(osm, build_network(folder, osm, is_left), is_left, reason)]
    say("building houses")
    notices += write_buildings(folder, osm, notices)
    _, sources = load_prisms(World(buildings=folder / BUILDINGS))
    return [*notices, *replace(sources, kept=()).notices(BUILDINGS)]


def _scenario(
    folder: Path, center_m: Float[np.ndarray, " 2"], stations: int, source: str, name: str, duration_s: float
) -> None:
    # The name is also that of the folder of a run, so that runs of two towns do not replace each other.
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:80].strip("_.") or "town"
    low, high = center_m - REGION_M / 2.0, center_m + REGION_M / 2.0
    region = f"[{low[0]:.0f}, {low[1]:.0f}, {high[0]:.0f}, {high[1]:.0f}]"
    text = f"""# A town imported from {source} ((c) OpenStreetMap contributors, ODbL) by `v2xsim import-osm`.
# Traffic is random, with nearly as many vehicles at the end as at the beginning. It lasts for duration_s; for a longer run, import
# the town again with --duration. Stations are drawn in the busiest {REGION_M:.0f} m square.
name: "{name}"
run: {{seed: 1, begin_s: {BEGIN_S}, duration_s: {duration_s:.12g}, step_s: 0.1}}
world:
  buildings: town.poly.xml
traffic:
  sumocfg: town.sumocfg
stations: {{count: {stations}, region: {region}}}
lidars: {{count: {min(LIDARS, stations)}, model: beam64}}
radio:
  access: random_slot
  channel: tr37885_urban
  propagation: {{vehicle_blockage: knife_edges, building_loss: corner}}
cooperation: {{relay: hybrid, fusion: early}}
"""
    (folder / "town.yaml").write_text(text, encoding="utf-8")
    # The family of docs/nlos.md for this town; its radio and its sources are those of the packaged scenario nlos_grid.
    text = f"""# The same town as one of the families of docs/nlos.md, which has the sources: buildings and vehicles block the radio, and matrices reach 120 m.
# {NLOS_STATIONS} stations and {NLOS_LIDARS} lidars in the square are assumptions.
name: "{name[:75]}_nlos"
run: {{seed: 1, begin_s: {BEGIN_S}, duration_s: {min(duration_s, 15.0):.12g}, step_s: 0.1}}
world:
  buildings: town.poly.xml
traffic:
  sumocfg: town.sumocfg
stations: {{count: {max(stations, NLOS_STATIONS)}, region: {region}}}
lidars: {{count: {NLOS_LIDARS}}}
radio:
  access: ieee80211p
  channel: tr37885_urban
  tx_power_dbm: 23.0
  propagation: {{vehicle_blockage: knife_edges, building_loss: corner, fading: nakagami}}
cooperation:
  matrix: {{extent_m: 120, cell_m: 4}}
"""
    (folder / "nlos.yaml").write_text(text, encoding="utf-8")
