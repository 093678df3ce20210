"""What the choice among candidates is worth: how surely packets cross the two hops over the candidate that each rule picks, by the true channel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.relay.rule import RelayView
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.true_delivery import TrueDelivery
from v2xsim.engine.stations.own_state import rows_of
from v2xsim.scenario import Scenario
from v2xsim.scenario.schema_radio import Radio

DIRECT, WORST, BEST, ANY = "(direct)", "(worst candidate)", "(best candidate)", "(best station)"
"""What stands beside the rules: the direct link, the ends of what a choice can do, and the best of all stations, known or not."""


@dataclass
class Worth:
    """Sums of the true probability of crossing both hops, over choices with two or more candidates.

    Attributes:
        radio: Section `radio` of the scenario.
        links: Function that returns the true links at the present tick.
        choices: Number of choices.
        once: Sum of the probability that a packet crosses both hops at the first try, by rule.
        retried: The same with the retries of the scenario on each hop.
    """

    radio: Radio
    links: Callable[[], LinkBudget]
    choices: int = 0
    once: dict[str, float] = field(default_factory=dict)
    retried: dict[str, float] = field(default_factory=dict)

    def add(self, view: RelayView, picks: Mapping[str, Int64[np.ndarray, " choices"]]) -> None:
        """Count the choices of one view.

        Args:
            view: The candidates.
            picks: Row of the candidate that each rule picks in each choice with two or more candidates; -1 for none.
        """
        links = self.links()
        count = np.bincount(view.pair, minlength=len(view.requester))
        chosen = np.flatnonzero(count >= 2)
        self.choices += len(chosen)
        once = TrueDelivery(self.radio).square(links)
        tries = 1 + self.radio.retries
        for sums, share in ((self.once, once), (self.retried, 1.0 - (1.0 - once) ** tries)):
            for name, worth in _worth(view, picks, chosen, links.agent, share).items():
                sums[name] = sums.get(name, 0.0) + float(worth.sum())


def _worth(
    view: RelayView, picks: Mapping[str, Int64[np.ndarray, " choices"]], chosen: Int64[np.ndarray, " choices"],
    agent: Int64[np.ndarray, " stations"], share: Float[np.ndarray, "stations stations"],
) -> dict[str, Float[np.ndarray, " choices"]]:  # fmt: skip
    """Return how surely packets cross both hops in each choice, by rule, if they cross each link with a share."""
    requester, helper, relay = (rows_of(agent, ends.agent) for ends in (view.requester, view.helper, view.candidate))
    over = share[requester[view.pair], relay] * share[relay, helper[view.pair]]
    direct = share[requester[chosen], helper[chosen]]
    best, worst = np.zeros(len(view.requester)), np.ones(len(view.requester))
    np.maximum.at(best, view.pair, over)
    np.minimum.at(worst, view.pair, over)
    return {
        DIRECT: direct, WORST: worst[chosen], **{name: np.where(row >= 0, over[row], direct) for name, row in picks.items()},
        BEST: best[chosen], ANY: (share[requester[chosen]] * share[helper[chosen]]).max(axis=1, initial=0.0),
    }  # fmt: skip


class HasWorth(Protocol):
    """Runs of one scenario, of each of which it is known what its choices are worth."""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""

    @property
    def worths(self) -> list[Worth]:
        """What the choices of each run are worth."""


@dataclass(frozen=True)
class WorthRow:
    """How surely packets cross the two hops over the candidate that a rule picks; shares are 0 to 1, None without a choice.

    Attributes:
        scenario: Name of the scenario.
        rule: Name of the rule; in brackets, what stands beside the rules.
        seeds: Number of runs, each with a seed of its own.
        choices: Choices with two or more candidates, per run.
        once: Probability that a packet crosses both hops at the first try; mean over the runs.
        retried: The same with the scenario's retries on each hop.
        retried_least: Smallest such mean of a run.
        retried_most: Largest such mean of a run.
    """

    scenario: str
    rule: str
    seeds: int
    choices: float
    once: float | None
    retried: float | None
    retried_least: float | None
    retried_most: float | None


def worth_rows(several: Sequence[HasWorth]) -> Iterator[WorthRow]:
    """Yield what the picks of each rule are worth, scenario by scenario."""
    for one in several:
        made = [worth for worth in one.worths if worth.choices]
        for name in made[0].once if made else ():
            once = [worth.once[name] / worth.choices for worth in made]
            retried = [worth.retried[name] / worth.choices for worth in made]
            yield WorthRow(
                one.scenario.name, name, len(one.worths), sum(worth.choices for worth in made) / len(one.worths),
                float(np.mean(once)), float(np.mean(retried)), min(retried), max(retried),
            )  # fmt: skip
