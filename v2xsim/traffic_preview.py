"""A run of the traffic alone, without lidars, radio and results, to find what looks wrong in it."""

from collections.abc import Callable

from v2xsim.engine.plausibility import Plausibility
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.origins import origin_notices
from v2xsim.mobility.source import extra_buildings, named_roads, open_mobility, roads_of_run
from v2xsim.mobility.sumo_demand import ending_notices
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.buildings import building_notices, load_obstacles
from v2xsim.world.hidden_speeds import HiddenSpeeds

MOST_STATES = 300_000
"""Number of states (road users times ticks) after which a preview ends: some ten seconds of a large town."""
# A tick itself takes as long as the states of so many road users.
_TICK_STATES = 30


def previewed(scenario: Scenario, progress: Callable[[float, float], None] | None = None) -> tuple[Notice, ...]:
    """Run the traffic of a scenario, and return what its inputs left out and what looks wrong in it.

    Args:
        scenario: A checked scenario.
        progress: Function called with the simulated seconds done and all simulated seconds.

    Raises:
        UserError: If an input cannot be used; a run would end in the same way.
    """
    names = Names()
    for unit in scenario.stations.roadside:
        names.register(unit.id, "a roadside unit")
    # Refuses a file that is no road network.
    roads = named_roads(scenario.world)
    obstacles, height_sources = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    begin_us, step_us = round(scenario.run.begin_s * 1e6), round(scenario.run.step_s * 1e6)
    tick_count = round(scenario.run.duration_s * 1e6 / step_us)
    states = 0
    unseen: tuple[Notice, ...] = ()
    with open_mobility(scenario.traffic, scenario.run, names) as mobility:
        mobility.warm_up(begin_us)
        work = scenario.cooperation
        speeds = HiddenSpeeds(roads_of_run(roads, mobility), work.matrix.cell_m, work.hidden_speed_mps)
        plausibility = Plausibility(scenario, obstacles, speeds)
        roster = Roster(scenario, Streams(scenario.run.seed), names.register, names.name_of)
        for tick in range(tick_count):
            snapshot = mobility.snapshot(begin_us + tick * step_us)
            plausibility.note(snapshot, roster.update(snapshot))
            states += _TICK_STATES + len(snapshot)
            if progress is not None:
                progress((tick + 1) * step_us * 1e-6, tick_count * step_us * 1e-6)
            if states > MOST_STATES and tick + 1 < tick_count:
                unseen = (_unseen(tick + 1, tick_count, step_us), *_ending(scenario))
                break
        notices = (*mobility.notices(), *roster.notices(complete=not unseen))
    buildings = (
        *building_notices(scenario.world, height_sources),
        *origin_notices(scenario.traffic, scenario.world, height_sources),
    )
    return (*buildings, *notices, *plausibility.notices(names), *unseen)


def _ending(scenario: Scenario) -> tuple[Notice, ...]:
    """Return the notice about a demand that ends before the run, as far as files tell it."""
    if scenario.traffic.sumocfg is None:
        return ()
    run = scenario.run
    return ending_notices(scenario.traffic.sumocfg, round((run.begin_s + run.duration_s) * 1e6))


def _unseen(seen: int, ticks: int, step_us: int) -> Notice:
    text = (
        f"traffic: only the first {seen * step_us * 1e-6:.12g} s of {ticks * step_us * 1e-6:.12g} s were checked, because there are many "
        "road users or steps; the run itself checks all of them"
    )
    return Notice("check.unseen_ticks", ticks - seen, text)
