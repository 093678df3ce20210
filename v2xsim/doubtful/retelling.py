"""Parameters of retelling rules with which nothing can be told on."""

from collections.abc import Iterator

from v2xsim.comms.messages.retelling.random_told import RandomTold
from v2xsim.comms.messages.retelling.rule import FreshOnly
from v2xsim.doubtful.doubt import Doubt
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.scenario.schema import Scenario


def retelling_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield a doubt about an age that no report is below when it arrives, and about a share of nothing."""
    work, rule, key = scenario.cooperation, scenario.cooperation.retelling, "cooperation.retelling"
    if work.fusion.shares is not Share.REPORTS or work.transport != "radio" or scenario.radio.access.ideal:
        return
    # With clock errors, what is old may seem new.
    is_timed = scenario.errors.clock_sigma_ms == 0.0
    if isinstance(rule, FreshOnly) and is_timed and rule.oldest_ms <= work.detect_ms:
        yield Doubt(
            f"{key}.oldest_ms", f"{rule.oldest_ms:g} ms",
            f"a report is sent {work.detect_ms:g} ms after the capture at the earliest (cooperation.detect_ms), so it is too old when it arrives, and nothing is told on; "
            "150 to 500 ms are usual",
        )  # fmt: skip
    if isinstance(rule, RandomTold) and rule.share == 0.0:
        yield Doubt(
            f"{key}.share", "0", "with this value, nothing is told on; 0.05 to 0.5 are usual, and the rule none switches it off"
        )  # fmt: skip
