"""How differently relay rules choose from the same candidates, what that is worth, and which of their terms saturate.

The scenario's own rule drives the run. Each time it is asked, all rules score the same candidates, and only counts are kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.claims.relay_worth import Worth
from v2xsim.comms.relay.choice import scores_of
from v2xsim.comms.relay.rule import NEVER, RelayRule, RelayView
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.comms.relay.rules.longest_lifetime import LongestLifetime
from v2xsim.errors import UserError
from v2xsim.parts import parts_of
from v2xsim.scenario import Scenario
from v2xsim.simulate import Simulation

FAMILIES = ("nlos_grid", "t_junction", "overtaking", "motorway", "hidden_grid", "rural_trucks")
"""The packaged scenarios of the tables in docs/nlos.md."""

JUDGED = ("hybrid", "height", "mobility", "best_snr")
"""Rules that are compared with each other."""

OTHERS = ("longest_lifetime", "tallest_antenna", "farthest_qualified", "midpoint", "random_qualified")
"""Rules that are compared with `hybrid` alone; a rule that draws shows how much any rule can differ."""

WITHOUT_LOAD = "hybrid_without_load"
"""`hybrid` without its load term: what differs from it is the work of that term."""

_PAIRS = (
    *combinations(JUDGED, 2), ("hybrid", WITHOUT_LOAD), (WITHOUT_LOAD, "height"), (WITHOUT_LOAD, "mobility"),
    *(("hybrid", other) for other in OTHERS),
)  # fmt: skip
_SAME = 1e-9


class Ranked(NamedTuple):
    """Rows of candidates of each choice; of equal values, the one with the larger `RelayView.uniform` comes first.

    Attributes:
        best: Row of the candidate with the largest value.
        second: Row of the next one.
        worst: Row of the candidate with the smallest value.
    """

    best: Int64[np.ndarray, " choices"]
    second: Int64[np.ndarray, " choices"]
    worst: Int64[np.ndarray, " choices"]


def ranked(value: Float[np.ndarray, " candidates"], view: RelayView) -> Ranked:
    """Return the best, the second and the worst candidate of each pair that has two or more."""
    order = np.lexsort((-view.uniform, -value, view.pair))
    count = np.bincount(view.pair, minlength=len(view.requester))
    end = np.cumsum(count)[count >= 2]
    begin = end - count[count >= 2]
    return Ranked(order[begin], order[begin + 1], order[end - 1])


@dataclass(frozen=True)
class _Term:
    """A quantity of candidates that rules rank.

    Attributes:
        lower: Value at which the term ends below, minus infinity for an unknown one.
        upper: Value at which it ends above; infinity if it does not.
        resolution: Step to which values are rounded for their quartiles.
        sign: -1 if candidates with smaller values are preferred.
    """

    lower: float
    upper: float
    resolution: float
    sign: float = 1.0

    def of(self, name: str, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the value of each candidate."""
        value: np.ndarray = LongestLifetime().score(view) if name == "lifetime_s" else getattr(view, name)
        return value


TERMS = {
    "height": _Term(-1.0, 1.0, 0.001),
    "mobility": _Term(-1.0, 1.0, 0.001),
    "load": _Term(0.0, 1.0, 0.001, sign=-1.0),
    "weaker_snr_db": _Term(-np.inf, np.inf, 0.1),
    "weaker_delivery": _Term(0.0, 1.0, 0.001),
    "lifetime_s": _Term(0.0, 3600.0, 0.1),
}
"""The terms, by the name that `RelayView` has for them; `lifetime_s` is that of the shorter-lived hop, at most an hour."""


@dataclass
class TermCount:
    """What is counted of one term in a run, over the candidates of choices with two or more.

    Attributes:
        candidates: Number of candidates.
        at_lower: Number of these at the lower end of the term.
        at_upper: Number of these at its upper end.
        tied: Number of choices in which the two best candidates are equal.
        tied_at_end: Number of these in which both are at an end of the term.
        spread: Sum over the choices of the difference between the best and the worst candidate, where both are known.
        spreads: Number of choices in this sum.
        values: Number of candidates with each finite value, in steps of the term's resolution.
    """

    candidates: int = 0
    at_lower: int = 0
    at_upper: int = 0
    tied: int = 0
    tied_at_end: int = 0
    spread: float = 0.0
    spreads: int = 0
    values: Counter[int] = field(default_factory=Counter)

    def add(self, term: _Term, value: Float[np.ndarray, " candidates"], view: RelayView) -> None:
        """Count the values of one view."""
        best, second, worst = ranked(term.sign * value, view)
        kept = value[np.bincount(view.pair, minlength=len(view.requester))[view.pair] >= 2]
        self.candidates += len(kept)
        self.at_lower += int((kept <= term.lower + _SAME).sum())
        self.at_upper += int((kept >= term.upper - _SAME).sum())
        is_tied = _same(value[best], value[second])
        at_end = (value[best] <= term.lower + _SAME) | (value[best] >= term.upper - _SAME)
        self.tied += int(is_tied.sum())
        self.tied_at_end += int((is_tied & at_end).sum())
        is_known = np.isfinite(value[best]) & np.isfinite(value[worst])
        self.spread += float(np.abs(value[best[is_known]] - value[worst[is_known]]).sum())
        self.spreads += int(is_known.sum())
        steps, counts = np.unique(
            np.rint(kept[np.isfinite(kept)] / term.resolution).astype(np.int64), return_counts=True
        )
        self.values.update(dict(zip(steps.tolist(), counts.tolist(), strict=True)))

    def quantile(self, share: float, resolution: float) -> float | None:
        """Return the smallest value that at least a share of the finite values do not exceed; None without any."""
        if not self.values:
            return None
        steps = np.array(sorted(self.values))
        below = np.cumsum([self.values[step] for step in steps.tolist()])
        return float(steps[np.searchsorted(below, share * below[-1])] * resolution)


@dataclass
class Tally:
    """What is counted in one run, over choices with two or more candidates.

    Attributes:
        choices: Number of choices.
        candidates: Number of their candidates, all together.
        differ: Number of choices in which two rules pick differently, by the names of the rules.
        by_score: Number of these in which neither rule has two best candidates with equal scores, of which chance picks one.
        terms: Counts of each term.
        worth: What the picks are worth by the true channel; None if that is not asked for.
    """

    choices: int = 0
    candidates: int = 0
    differ: dict[tuple[str, str], int] = field(default_factory=lambda: dict.fromkeys(_PAIRS, 0))
    by_score: dict[tuple[str, str], int] = field(default_factory=lambda: dict.fromkeys(_PAIRS, 0))
    terms: dict[str, TermCount] = field(default_factory=lambda: {name: TermCount() for name in TERMS})
    worth: Worth | None = None

    def add(self, view: RelayView, rules: Sequence[tuple[str, RelayRule]]) -> None:
        """Let rules choose from the candidates of one view, without hysteresis, and count.

        Args:
            view: The candidates.
            rules: The rules of the compared pairs, by name.
        """
        count = np.bincount(view.pair, minlength=len(view.requester))
        if not (count >= 2).any():
            return
        self.choices += int((count >= 2).sum())
        self.candidates += int(count[count >= 2].sum())
        picks, by_chance = {}, {}
        for name, rule in rules:
            score = scores_of(rule, view)
            best, second, _ = ranked(score, view)
            # A rule may refuse all candidates.
            picks[name] = np.where(score[best] == NEVER, -1, best)
            by_chance[name] = _same(score[best], score[second]) & (picks[name] >= 0)
        for one, other in _PAIRS:
            differ = picks[one] != picks[other]
            self.differ[one, other] += int(differ.sum())
            self.by_score[one, other] += int((differ & ~by_chance[one] & ~by_chance[other]).sum())
        for name, term in TERMS.items():
            self.terms[name].add(term, term.of(name, view), view)
        if self.worth is not None:
            self.worth.add(view, picks)


def _same(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Return whether numbers are equal up to rounding errors; two that are infinite alike are equal."""
    with np.errstate(invalid="ignore"):
        return (one == other) | (np.abs(one - other) <= _SAME)


def counted(scenario: Scenario) -> Tally:
    """Run a scenario, and return how differently rules choose from the candidates of its relay rule.

    The rule `hybrid` has the weights of the scenario if that is its rule, else its defaults.
    """
    work = scenario.cooperation
    why = (
        f"cooperation.relay {work.relay.name} chooses none; set a rule, such as hybrid" if not work.relay.relays
        else f"cooperation.bound {work.bound.name} chooses them by the truth; set none" if work.bound.sees
        else "cooperation.transport synchronous needs none; set radio" if work.transport != "radio"
        else "radio.access ideal needs none; set a scheme with a channel" if scenario.radio.access.ideal
        else None
    )  # fmt: skip
    if why is not None:
        raise UserError(f"{scenario.name}: must choose relays, but {why}")
    tally = Tally()
    watching = work.model_copy(update={"relay": counting(work.relay, tally, rules_of(work.relay))})
    with Simulation(scenario.model_copy(update={"cooperation": watching}), tables=False) as simulation:
        tally.worth = Worth(scenario.radio, lambda: simulation._engine.instant.links)
        simulation.finish()
    return tally


def rules_of(driver: RelayRule) -> list[tuple[str, RelayRule]]:
    """Return the rules that are compared, by name, for the rule of a scenario; if that is `hybrid`, it has its weights."""
    known, hybrid = parts_of(RelayRule), driver if isinstance(driver, Hybrid) else Hybrid()
    others: list[tuple[str, RelayRule]] = [(name, known[name]()) for name in (*JUDGED[1:], *OTHERS)]
    return [("hybrid", hybrid), (WITHOUT_LOAD, replace(hybrid, load_weight=0.0)), *others]


def counting(driver: RelayRule, tally: Tally, rules: Sequence[tuple[str, RelayRule]]) -> RelayRule:
    """Return a rule that chooses as another one does, and shows all candidates to a tally first."""

    @dataclass(frozen=True)
    class Counting(RelayRule):
        name: ClassVar[str] = driver.name
        hysteresis: ClassVar[float] = driver.hysteresis

        @property
        def copies(self) -> int:
            return driver.copies

        def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
            tally.add(view, rules)
            return scores_of(driver, view)

    return Counting()


@dataclass(frozen=True)
class ChoiceRow:
    """How often two rules pick differently in one scenario; shares are 0 to 1, and None where there is nothing to share.

    Attributes:
        scenario: Name of the scenario.
        rule: Name of one rule.
        other: Name of the other rule.
        seeds: Number of runs, each with a seed of its own.
        choices: Choices with two or more candidates, per run.
        candidates: Mean number of candidates in these.
        differ: Share of these in which the two rules pick differently; mean over the runs.
        differ_least: Smallest such share of a run.
        differ_most: Largest such share of a run.
        by_score: Share of the choices in which they pick differently, and neither of them by chance from equal scores; mean over the runs.
    """

    scenario: str
    rule: str
    other: str
    seeds: int
    choices: float
    candidates: float | None
    differ: float | None
    differ_least: float | None
    differ_most: float | None
    by_score: float | None


@dataclass(frozen=True)
class TermRow:
    """Where one term of the candidates lies in one scenario; shares are 0 to 1, and all figures are means over the runs.

    Attributes:
        scenario: Name of the scenario.
        term: Name of the term in `RelayView`.
        seeds: Number of runs, each with a seed of its own.
        candidates: Candidates of the choices with two or more, per run.
        at_lower: Share of these at the lower end of the term; of the SNR, those whose SNR is unknown.
        at_upper: Share of these at its upper end.
        tied: Share of the choices in which the two best candidates are equal.
        tied_at_end: Share of the choices in which they are equal because both are at an end of the term.
        spread: Mean difference between the best and the worst candidate of a choice.
        lower_quartile: Value that a quarter of the candidates do not exceed.
        median: Value that half of them do not exceed.
        upper_quartile: Value that three quarters of them do not exceed.
        interquartile_range: Difference between the two quartiles.
    """

    scenario: str
    term: str
    seeds: int
    candidates: float
    at_lower: float | None
    at_upper: float | None
    tied: float | None
    tied_at_end: float | None
    spread: float | None
    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    interquartile_range: float | None


@dataclass(frozen=True)
class Tallied:
    """Runs of one scenario with the seeds 1, 2, and so on; they are carried out once, when their counts are first read.

    Attributes:
        scenario: The scenario.
        seeds: Number of runs.
    """

    scenario: Scenario
    seeds: int = 3

    @cached_property
    def runs(self) -> list[Tally]:
        """Counts of each run."""
        return [counted(self.scenario.with_({"run.seed": seed})) for seed in range(1, self.seeds + 1)]

    @property
    def worths(self) -> list[Worth]:
        """What the choices of each run are worth."""
        return [run.worth for run in self.runs if run.worth is not None]


def choice_rows(tallied: Sequence[Tallied]) -> Iterator[ChoiceRow]:
    """Yield how often each two rules pick differently, scenario by scenario."""
    for one in tallied:
        made = [run for run in one.runs if run.choices]
        choices, candidates = (
            _mean([run.choices for run in one.runs]),
            _mean([run.candidates / run.choices for run in made]),
        )
        for pair in _PAIRS:
            differ = [run.differ[pair] / run.choices for run in made]
            yield ChoiceRow(
                one.scenario.name, *pair, one.seeds, choices or 0.0, candidates, _mean(differ), min(differ, default=None),
                max(differ, default=None), _mean([run.by_score[pair] / run.choices for run in made]),
            )  # fmt: skip


def term_rows(tallied: Sequence[Tallied]) -> Iterator[TermRow]:
    """Yield where each term of the candidates lies, scenario by scenario."""
    for one in tallied:
        made = [run for run in one.runs if run.choices]
        for name, term in TERMS.items():
            counts = [(run.terms[name], run.choices) for run in made]
            lower, median, upper = (
                _mean([value for count, _ in counts if (value := count.quantile(share, term.resolution)) is not None])
                for share in (0.25, 0.5, 0.75)
            )
            yield TermRow(
                one.scenario.name, name, one.seeds, sum(count.candidates for count, _ in counts) / one.seeds,
                _mean([count.at_lower / count.candidates for count, _ in counts]),
                _mean([count.at_upper / count.candidates for count, _ in counts]),
                _mean([count.tied / choices for count, choices in counts]),
                _mean([count.tied_at_end / choices for count, choices in counts]),
                _mean([count.spread / count.spreads for count, _ in counts if count.spreads]), lower, median, upper,
                None if lower is None or upper is None else upper - lower,
            )  # fmt: skip


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
