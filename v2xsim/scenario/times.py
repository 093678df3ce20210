"""What the time step of a scenario means for its run, where it is not what one may expect."""

from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_world import simulated_s

# Rotating lidars turn 5 to 20 times a second.
_USUAL_FRAMES_PER_S = 20.0


def time_notices(scenario: Scenario) -> tuple[Notice, ...]:
    """Return the notices about the time step: a duration that is rounded, and lidars that are faster than real ones."""
    run, notices = scenario.run, []
    simulated = simulated_s(run.duration_s, run.step_s)
    if simulated != run.duration_s:
        notices.append(Notice(
            "run.duration_rounded", 1,
            f"run.duration_s ({run.duration_s:g} s) is not a whole number of steps of {run.step_s:g} s; {simulated:g} s are simulated",
        ))  # fmt: skip
    frames_per_s = 1.0 / run.step_s
    if frames_per_s > _USUAL_FRAMES_PER_S + 1e-6:
        notices.append(Notice(
            "run.many_frames", 1,
            f"with run.step_s {run.step_s:g} s, each lidar captures {frames_per_s:g} frames a second, where usual ones capture 5 to 20; each "
            "ego requests data as often, and the channel carries that load",
        ))  # fmt: skip
    return tuple(notices)
