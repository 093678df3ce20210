"""Link forecasts that can foretell nothing, or that believe in another channel than that of the run."""

from collections.abc import Iterator

from v2xsim.comms.relay.foresight.history import FORGET_US
from v2xsim.comms.relay.foresight.tracks import Tracks
from v2xsim.doubtful.doubt import Doubt
from v2xsim.scenario.schema import Scenario

_STEP_S = 0.1


def foresight_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield what keeps a link forecast from foretelling what happens in the run."""
    model, radio, step_s = scenario.cooperation.foresight, scenario.radio, scenario.run.step_s
    if not model.foresees or radio.access.ideal or scenario.cooperation.transport != "radio":
        return
    if not scenario.cooperation.fusion.shares.asked_for:
        return
    farthest_s = max(model.horizon_s, model.body_horizon_s) if isinstance(model, Tracks) else None
    if farthest_s is not None and model.confirms and step_s >= farthest_s:
        yield Doubt(
            "run.step_s", f"{step_s:g} s",
            f"an alarm is raised if a death is foretold at two ticks in a row, and cooperation.foresight {model.name} looks {farthest_s:g} s ahead, so no alarm is "
            f"ever raised; {_STEP_S:g} s is usual",
        )  # fmt: skip
    elif model.learns and step_s > FORGET_US * 1e-6:
        yield Doubt(
            "run.step_s", f"{step_s:g} s",
            f"what cooperation.foresight {model.name} learns of a link is forgotten after {FORGET_US * 1e-6:g} s, so at each tick it begins again; {_STEP_S:g} s is usual",
        )  # fmt: skip
    gains_dbi = radio.propagation.gain_by_kind_dbi
    if any(gain_dbi != radio.antenna_gain_dbi for gain_dbi in gains_dbi.values()):
        yield Doubt(
            "radio.propagation.gain_by_kind_dbi", ", ".join(f"{kind} {gain_dbi:g} dBi" for kind, gain_dbi in gains_dbi.items()),
            f"announcements do not tell gains, so cooperation.foresight {model.name} counts radio.antenna_gain_dbi ({radio.antenna_gain_dbi:g} dBi) for every antenna, "
            "and takes the difference for shadowing; give all antennas the same gain",
        )  # fmt: skip
    if radio.propagation.states != "geometry":
        yield Doubt(
            "radio.propagation.states", radio.propagation.states,
            f"states are drawn at random, and cooperation.foresight {model.name} foretells them from the map and the known vehicles, so its alarms mean nothing; "
            "geometry computes them from the same bodies",
        )  # fmt: skip
