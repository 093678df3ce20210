"""Periods and times that are longer than the run."""

from collections.abc import Iterator

from v2xsim.comms.messages.awareness.periodic import Periodic
from v2xsim.doubtful.doubt import Doubt
from v2xsim.perception.tracking.params import TrackerParams
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_world import simulated_s


def time_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield the times of a scenario that do not fit its duration."""
    run, work, record = scenario.run, scenario.cooperation, scenario.record
    simulated = simulated_s(run.duration_s, run.step_s)
    ticks, hits = round(simulated / run.step_s), TrackerParams().confirm_hits
    if ticks < hits:
        yield Doubt(
            "run.duration_s", f"{run.duration_s:g} s",
            f"this is {ticks} step of {run.step_s:g} s, and a road user counts as known from {hits} detections on, so no road user ever counts as known; simulate several seconds",
        )  # fmt: skip
    for key, value_ms, meaning in (
        ("detect_ms", work.detect_ms, "no station announces what it detected before the run ends"),
        ("deadline_ms", work.deadline_ms, "every frame is fused only after the last tick"),
    ):
        if value_ms * 1e-3 > simulated and f"cooperation.{key}" not in scenario.automatic:
            yield Doubt(
                f"cooperation.{key}", f"{value_ms:g} ms",
                f"this is longer than the run of {simulated:g} s: {meaning}; values of 20 to 500 ms are usual",
            )  # fmt: skip
    rule = work.awareness_rule
    if isinstance(rule, Periodic) and 1.0 / rule.rate_hz > simulated:
        yield Doubt(
            "cooperation.awareness_rule.rate_hz", f"{rule.rate_hz:g} Hz",
            f"a station announces itself every {1.0 / rule.rate_hz:g} s, and the run lasts {simulated:g} s, so most stations are never heard; 1 to 10 Hz "
            "are usual",
        )  # fmt: skip
    for key, every, none in (
        ("link_ticks", record.link_ticks, "0 lists none"),
        ("seen_ticks", record.seen_ticks, "0 lists none"),
        ("state_ticks", record.state_ticks, "record.states false records none"),
    ):
        if every > max(ticks, 1):
            yield Doubt(
                f"record.{key}", f"{every:,}",
                f"the run has {ticks} ticks, so only the first one is recorded, and the run can hardly be evaluated later; {none}",
            )  # fmt: skip
