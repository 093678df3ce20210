"""The results of a simulation that has run to its end, and the notices about what a program did in it."""

import time
from collections.abc import Mapping

from v2xsim.engine.cooperation.own_messages import MessageCounts
from v2xsim.engine.simulation import Simulation
from v2xsim.notices import Notice
from v2xsim.results.listed import ListedMetrics
from v2xsim.results.results import Results
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_world import simulated_s
from v2xsim.scenario.steered import NOTICE, Steered


def results_of(
    simulation: Simulation, notices: tuple[Notice, ...], inputs: dict[str, str], steered: Steered,
    timing: Mapping[str, float],
) -> Results:  # fmt: skip
    """Return the results of a simulation.

    Args:
        simulation: Simulation that has run to its end.
        notices: Notices of the run.
        inputs: Digests of the files that it read, by path.
        steered: How often a program acted in it.
        timing: Times of the run's phases; `measured_s` is that of the ticks.
    """
    started, scenario, recording = time.perf_counter(), simulation.scenario, simulation.recording
    simulated = simulated_s(scenario.run.duration_s, scenario.run.step_s)
    recording.join(round((scenario.run.begin_s + simulated) * 1e6))
    rows = recording.metrics(simulated)
    tables = recording.store.finish()
    times = {
        **timing, **simulation.stages.timing(), "results_s": time.perf_counter() - started, "simulated_s": simulated,
        "real_time_factor": simulated / timing["measured_s"],
    }  # fmt: skip
    return Results(
        scenario,
        tables,
        ListedMetrics({name: metric for name, part, metric in rows if part == ""}),
        times,
        rung_of(scenario),
        notices,
        inputs,
        steered,
    )


def rung_of(scenario: Scenario) -> dict[str, str]:
    """Return the variant of each model that a scenario chooses."""
    return {
        "detection": scenario.detector.name if scenario.detector.file else "visibility detection model",
        "channel": scenario.radio.channel.name,
        "access": scenario.radio.access.name,
        "payload": scenario.cooperation.fusion.shares.value,
        "traffic": scenario.traffic.source,
    }


def steered_notices(steered: Steered, messages: MessageCounts) -> tuple[Notice, ...]:
    """Return that a program acted in a run, and how many of its messages had no outcome when the run ended."""
    notices = []
    if steered:
        text = (
            f"the program that stepped this run {steered}; of its messages, {messages.arrived:,} arrived, {messages.lost:,} were lost and "
            f"{messages.under_way:,} were under way at the end. The scenario alone gives other results"
        )
        notices.append(Notice(NOTICE, steered.messages_sent + steered.speeds_set, text))
    if messages.under_way:
        text = (
            f"{messages.under_way:,} of {messages.sent:,} messages of the program were under way when the run ended, so their outcome is not known; increase "
            "run.duration_s, or send them earlier"
        )
        notices.append(Notice("run.messages_under_way", messages.under_way, text))
    return tuple(notices)
