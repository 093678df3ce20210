"""The function that runs a scenario: it builds the world, drives the engine, and returns and writes the results."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.roster import Roster
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.mobility.base import Names
from v2xsim.mobility.origins import origin_notices
from v2xsim.mobility.source import extra_buildings, named_roads, open_mobility
from v2xsim.notices import Notice
from v2xsim.part_trials import try_own_parts
from v2xsim.records import Prisms
from v2xsim.rehearsal import rehearse
from v2xsim.results.results import Results, metrics_table
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.buildings import building_notices, load_obstacles
from v2xsim.world.roads import Roads

Progress = Callable[[float, float, str], None]
"""Function called with the simulated seconds done, all simulated seconds, and the name of the present phase."""


def run(
    scenario: Scenario, *, out: Path | str | None = None, progress: Progress | None = None, threads: int | None = None
) -> Results:
    """Simulate a scenario.

    Args:
        scenario: Scenario to run, as `v2xsim.load` returns it.
        out: Folder to write the results into; None writes nothing.
        progress: Function called with the progress of the run.
        threads: Number of threads on which lidars are cast; by default the number of processors, at most 4. The results do
            not depend on it.

    Returns:
        Tables, metrics and timing of the run. Tables and metrics depend only on the scenario and its seed.
    """
    started = time.perf_counter()
    try_own_parts(scenario)
    begin_us = round(scenario.run.begin_s * 1e6)
    names = Names()
    for unit in scenario.stations.roadside:
        names.register(unit.id, "a roadside unit")
    obstacles, height_sources = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    named = named_roads(scenario.world)
    with open_mobility(scenario.traffic, scenario.run, names) as mobility:
        built = time.perf_counter()
        # After the inputs are read, so that a wrong one is reported at once.
        if progress is not None:
            progress(0.0, 1.0, "compiling")
        rehearse(scenario)
        if progress is not None:
            progress(1.0, 1.0, "compiling")
        rehearsed = time.perf_counter()

        def warmed(time_us: int) -> None:
            if progress is not None and begin_us > 0:
                progress(time_us * 1e-6, begin_us * 1e-6, "warm-up")

        mobility.warm_up(begin_us, warmed)
        warm = time.perf_counter()

        def ticked(done_us: int) -> None:
            if progress is not None:
                progress(done_us * 1e-6, scenario.run.duration_s, "simulating")

        roster = Roster(scenario, Streams(scenario.run.seed), names.register, names.name_of)
        simulation = Simulation(scenario, mobility, obstacles, roster, threads or _threads(), ticked)
        simulation.run()
        done = time.perf_counter()
        roads = named if len(named) else mobility.roads()
        notices = (
            *building_notices(scenario.world, height_sources),
            *origin_notices(scenario.traffic, scenario.world, height_sources),
            *mobility.notices(),
            *roster.notices(),
            *simulation.plausibility.notices(names),
        )
    results = _results(simulation, names, obstacles.prisms, roads, notices)
    finished = time.perf_counter()
    results.timing.update(
        build_s=built - started,
        compile_s=rehearsed - built,
        warm_up_s=warm - rehearsed,
        measured_s=done - warm,
        results_s=finished - done,
        simulated_s=scenario.run.duration_s,
        real_time_factor=scenario.run.duration_s / (done - warm),
    )
    if out is not None:
        results.write(Path(out))
    return results


def _threads() -> int:
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def _results(
    simulation: Simulation, names: Names, prisms: Prisms, roads: Roads, notices: tuple[Notice, ...]
) -> Results:
    scenario = simulation.scenario
    recording = simulation.recording
    recording.write_participants(names, prisms, roads)
    tables: dict[str, pa.Table] = {name: columns.finished() for name, columns in recording.tables.items()}
    frames = tables["fusion"].num_rows
    rows = all_metrics(
        tables,
        recording.average_precision(),
        frames,
        scenario.run.duration_s,
        scenario.record.prr_range_m,
        scenario.record.packet_share,
    )
    tables["metrics"] = metrics_table(rows)
    rung = {
        "detection": scenario.detector.name if scenario.detector.file else "visibility detection model",
        "channel": scenario.radio.channel.name,
        "access": scenario.radio.access.name,
        "payload": scenario.cooperation.fusion.shares.value,
        "traffic": scenario.traffic.source,
    }
    return Results(scenario, tables, {name: metric for name, part, metric in rows if part == ""}, {}, rung, notices)
