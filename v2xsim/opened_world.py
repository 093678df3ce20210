"""The world of a run, opened and run up to its first tick: buildings, roads, traffic and stations."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.ahead import AheadMobility
from v2xsim.mobility.base import Mobility, Names
from v2xsim.mobility.source import extra_buildings, named_roads, open_mobility, roads_of_run
from v2xsim.notices import Notice
from v2xsim.records import Obstacles
from v2xsim.rehearsal import rehearse
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.buildings import load_obstacles
from v2xsim.world.height_sources import HeightSources
from v2xsim.world.roads import Roads


@dataclass
class OpenedWorld:
    """The world of one run, or of several that advance in lockstep.

    Attributes:
        names: Names of all road users and roadside units.
        obstacles: Buildings.
        height_sources: Where the height of each building comes from.
        mobility: Source of the traffic.
        roster: Chooses the stations.
        roads: Roads of the run.
        timing: Wall-clock times of its phases.
    """

    names: Names
    obstacles: Obstacles
    height_sources: HeightSources
    mobility: Mobility
    roster: Roster
    roads: Roads
    timing: dict[str, float] = field(default_factory=dict)

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """What traffic and stations reported; read once, after the last tick and before SUMO ends."""
        return (*self.mobility.notices(), *self.roster.notices())


@contextmanager
def opened_world(
    scenario: Scenario, is_ahead: bool, progress: Callable[[float, float, str], None]
) -> Iterator[OpenedWorld]:
    """Open the world of a scenario, and let its traffic run up to the first tick.

    Args:
        scenario: The scenario; also the kernels of its run are compiled and loaded.
        is_ahead: Whether SUMO runs in a process of its own, ahead of the run.
        progress: Function called with the progress of a phase, its end, and its name.

    Raises:
        UserError: If an input of the scenario is wrong, or another simulation with SUMO is open in this process.
    """
    started, names = time.perf_counter(), Names()
    for unit in scenario.stations.roadside:
        names.register(unit.id, "a roadside unit")
    obstacles, height_sources = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    roads = named_roads(scenario.world)
    begin_us = round(scenario.run.begin_s * 1e6)

    def warmed(time_us: int) -> None:
        if begin_us > 0:
            progress(time_us * 1e-6, begin_us * 1e-6, "warm-up")

    opening = AheadMobility if is_ahead else open_mobility
    with opening(scenario.traffic, scenario.run, names) as mobility:
        built = time.perf_counter()
        # After the inputs are read, so that a wrong one is reported at once; but SUMO in another process starts meanwhile.
        progress(0.0, 1.0, "compiling")
        rehearse(scenario)
        progress(1.0, 1.0, "compiling")
        rehearsed = time.perf_counter()
        mobility.warm_up(begin_us, warmed)
        roster = Roster(scenario, Streams(scenario.run.seed), names.register, names.name_of)
        world = OpenedWorld(names, obstacles, height_sources, mobility, roster, roads_of_run(roads, mobility))
        warm = time.perf_counter()
        world.timing |= {"build_s": built - started, "compile_s": rehearsed - built, "warm_up_s": warm - rehearsed}
        yield world
