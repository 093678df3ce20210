"""Tables of what asking a few helpers is worth beside asking all of them, and of what the helpers cover that each matching rule picks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from v2xsim.claims.matching_coverage import (
    EVERYBODY,
    KNOWN,
    NOBODY,
    PICKED,
    RULES,
    Sums,
    Tally,
    counted,
    refuse_unasked,
)
from v2xsim.perception.matching.rules.history import History
from v2xsim.scenario import Scenario

FAMILIES = ("nlos_grid", "hidden_grid")
"""The packaged scenarios that are run by default."""

COVERAGE_LINE, BYTES_LINE = 0.90, 0.25
"""The aims: at least this share of the coverage of asking everybody, for at most this share of the bytes of its answers."""


@dataclass(frozen=True)
class Tallied:
    """Runs of one scenario with the seeds 1, 2, and so on; they are carried out once, when their counts are first read.

    Attributes:
        scenario: The scenario.
        seeds: Number of seeds.
        known: Number of helpers from which on an ego has a wide choice.

    Raises:
        UserError: If nothing can be counted in the scenario; before anything is measured.
    """

    scenario: Scenario
    seeds: int = 1
    known: int = KNOWN

    def __post_init__(self) -> None:
        """Check the scenario."""
        refuse_unasked(self.scenario)

    @cached_property
    def runs(self) -> list[Tally]:
        """Counts of the runs of each seed."""
        return [counted(self.scenario.with_({"run.seed": seed}), self.known) for seed in range(1, self.seeds + 1)]


@dataclass(frozen=True)
class AskedRow:
    """What asking a few helpers brings beside asking everybody, in frames of egos with a wide choice; None without such frames.

    Attributes:
        scenario: Name of the scenario.
        helpers: Largest number of helpers that the rule `most_weight` may ask.
        budget_bytes: Byte budget.
        seeds: Number of runs.
        least_known: Number of helpers from which on an ego has a wide choice.
        frames: Number of frames, of all runs together.
        known: Mean number of helpers that the ego knows.
        coverage: Share of the blind weight which everybody would cover that the answers of the chosen helpers cover, 0 to 1.
        occupied: Share of the occupied cells which everybody would send that are in these answers, 0 to 1.
        bytes_share: Size of these answers relative to those of everybody, if everybody is asked for all blind cells.
        matched_share: The same if everybody is asked only for the blind cells that he announced to have observed.
        frame_bytes: Mean size of these answers for a frame.
        everybody_bytes: Mean size of the answers of everybody for a frame, if everybody is asked for all blind cells.
        met: Whether `coverage` is at least 0.90 and `bytes_share` at most 0.25.
    """

    scenario: str
    helpers: int
    budget_bytes: int
    seeds: int
    least_known: int
    frames: int
    known: float | None
    coverage: float | None
    occupied: float | None
    bytes_share: float | None
    matched_share: float | None
    frame_bytes: float | None
    everybody_bytes: float | None
    met: bool | None


@dataclass(frozen=True)
class PickRow:
    """Which share of the blind weight the helpers that a rule picks announced to have observed.

    Attributes:
        scenario: Name of the scenario.
        least_known: Only frames of egos that know at least this many helpers count.
        helpers: Number of helpers that a rule may pick.
        rule: Name of the rule, or everybody.
        seeds: Number of runs.
        frames: Number of frames, of all runs together.
        covered: Share of the blind weight of all these frames, 0 to 1; None without such frames.
    """

    scenario: str
    least_known: int
    helpers: int
    rule: str
    seeds: int
    frames: int
    covered: float | None


def asked_rows(tallied: Sequence[Tallied]) -> Iterator[AskedRow]:
    """Yield what asking a few helpers brings beside asking everybody, scenario by scenario."""
    for one in tallied:
        every = _total(run.everybody for run in one.runs)
        known, unmatched_bytes = sum(run.known_sum for run in one.runs), sum(run.unmatched_bytes for run in one.runs)
        for key in one.runs[0].asked:
            some = _total(run.asked[key] for run in one.runs)
            coverage, bytes_share = _ratio(some.covered, every.covered), _ratio(some.answer_bytes, unmatched_bytes)
            yield AskedRow(
                one.scenario.name, *key, one.seeds, one.known, every.frames, _ratio(known, every.frames), coverage,
                _ratio(some.occupied, every.occupied), bytes_share, _ratio(some.answer_bytes, every.answer_bytes),
                _ratio(some.answer_bytes, some.frames), _ratio(unmatched_bytes, every.frames),
                None if coverage is None or bytes_share is None else coverage >= COVERAGE_LINE and bytes_share <= BYTES_LINE,
            )  # fmt: skip


def pick_rows(tallied: Sequence[Tallied]) -> Iterator[PickRow]:
    """Yield which share of the blind weight the picks of each rule cover, scenario by scenario."""
    names = (NOBODY, History.name, *(rule.name for rule in RULES), EVERYBODY)
    for one in tallied:
        for least in sorted({1, one.known}):
            for count in PICKED:
                for name in names:
                    sums = _total(run.picked.get((name, count, least), Sums()) for run in one.runs)
                    yield PickRow(
                        one.scenario.name, least, count, name, one.seeds, sums.frames, _ratio(sums.covered, sums.blind)
                    )


def _total(parts: Iterable[Sums]) -> Sums:
    rows = [(one.frames, one.blind, one.covered, one.answer_bytes, one.occupied) for one in parts]
    return Sums(*map(sum, zip(*rows, strict=True)))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None
