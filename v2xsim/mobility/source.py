"""Select the source of traffic of a scenario."""

from pathlib import Path

from v2xsim.mobility.base import Mobility, Names
from v2xsim.mobility.fcd import FcdMobility
from v2xsim.mobility.generated import grid_buildings, open_grid, open_highway
from v2xsim.mobility.recorded import RecordedMobility, recorded_buildings
from v2xsim.mobility.road_network import read_roads
from v2xsim.mobility.script import ScriptMobility
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.records import Prisms
from v2xsim.scenario.schema_world import Run, Traffic, World
from v2xsim.world.roads import Roads, roads_from


def open_mobility(traffic: Traffic, run: Run, names: Names) -> Mobility:
    """Start the source of traffic of a scenario and return it. The caller must close it, or use it in a `with` statement.

    Raises:
        MobilityError: If the source of traffic cannot start.
    """
    step_us, begin_us = round(run.step_s * 1e6), round(run.begin_s * 1e6)
    # As many whole steps as the engine runs.
    run_us = begin_us, begin_us + round(run.duration_s * 1e6 / step_us) * step_us
    if traffic.sumocfg is not None:
        return SumoMobility(traffic.sumocfg, step_us, run.seed, names, trailers=traffic.trailers)
    if traffic.fcd is not None:
        return FcdMobility(traffic.fcd, names, step_us, run_us)
    if traffic.grid is not None:
        return open_grid(traffic.grid, run, names)
    if traffic.highway is not None:
        return open_highway(traffic.highway, run, names)
    if traffic.recorded is not None:
        return RecordedMobility(traffic.recorded, run, names)
    return ScriptMobility(traffic.script or (), names, run_us)


def named_roads(world: World) -> Roads:
    """Return the roads that a scenario names or lists; none if it has none.

    Raises:
        MobilityError: If the network cannot be read.
    """
    return read_roads(world.roads) if isinstance(world.roads, Path) else roads_from(world.roads)


def roads_of_run(named: Roads, mobility: Mobility) -> Roads:
    """Return the roads of a run: those that the scenario gives, or else those of its traffic, before its first snapshot."""
    return named if len(named) else mobility.roads()


def extra_buildings(traffic: Traffic) -> Prisms:
    """Return the buildings that the traffic brings: those of a generated town, or of a run that is replayed.

    Raises:
        MobilityError: If the run that is replayed cannot be read.
    """
    if traffic.recorded is not None:
        return recorded_buildings(traffic.recorded)
    return grid_buildings(traffic.grid) if traffic.grid is not None else Prisms.none()
