"""What asking a few helpers is worth beside asking all of them, and which matching rule picks helpers that see most.

A scenario runs with its own matching rule. Each time egos choose, all rules choose from the same announced matrices, for several numbers
of helpers and byte budgets. What an answer covers and how large it is follows from the announced matrix of the helper, as the ego
predicts both: nothing is lost on the way, and the helper sees what it announced.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.answer_sizes import predicted_bytes
from v2xsim.engine.cooperation.matching import answer_costs
from v2xsim.errors import UserError
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.perception.matching.choice import Choices, chosen_helpers, order_of, orders_of
from v2xsim.perception.matching.greedy_loops import window
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.history import History
from v2xsim.perception.matching.rules.most_weight import MostWeight
from v2xsim.perception.matching.rules.nearest import Nearest
from v2xsim.perception.matching.rules.random_helpers import RandomHelpers
from v2xsim.records import OCCUPIED, UNOBSERVED
from v2xsim.scenario import Scenario
from v2xsim.scenario.schema import Cooperation
from v2xsim.simulate import Simulation

KNOWN = 8
"""An ego has a wide choice if it knows at least this many helpers."""

HELPERS, BUDGETS_BYTES = (1, 2, 3, 5), (250, 500, 1000)
"""Numbers of helpers, and byte budgets beside that of the scenario."""

PICKED = (1, 3)
"""Numbers of helpers for which the picks of rules are compared."""

NOBODY, EVERYBODY = "none", "(everybody)"

ASKED_BY = MostWeight()
"""The rule that chooses whom to ask instead of everybody."""

RULES: tuple[MatchingRule, ...] = (RandomHelpers(), Nearest(), BlindCells(), ASKED_BY)
"""Rules whose picks are compared in one run; `history` has runs of its own."""


@dataclass(frozen=True)
class Sizes:
    """How large answers are, as an ego predicts them from matrices.

    Attributes:
        work: Section `cooperation` of the scenario.
    """

    work: Cooperation

    def answers(self, asked: Int64[np.ndarray, " n"], occupied: Int64[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the size of each whole answer, given how many cells are asked for and how many of these are occupied."""
        scheme, cell_m = self.work.fusion, self.work.matrix.cell_m
        size: np.ndarray = np.asarray(
            predicted_bytes(occupied, asked, scheme.shares, scheme.thinned_to_m, cell_m), np.float64
        )
        return size

    @cached_property
    def of_a_cell(self) -> float:
        """Size of the content of one occupied cell, without its code."""
        size = self.answers(np.zeros(2, np.int64), np.array([0, 1]))
        return float(size[1] - size[0])

    def within(self, cells: Bool[np.ndarray, "nx ny"], code: UInt8[np.ndarray, "nx ny"], allowance_bytes: int) -> tuple[Bool[np.ndarray, "nx ny"], float]:  # fmt: skip
        """Return the cells that an answer covers, and its size. Occupied cells that do not fit are left out, the farthest first.

        Args:
            cells: The cells that are asked for.
            code: What the helper announced of each cell.
            allowance_bytes: Largest size of the answer, but codes are always sent.
        """
        row, column = np.nonzero(cells & (code == OCCUPIED))
        middle = (np.array(cells.shape) - 1) / 2.0
        nearest_first = np.argsort(np.hypot(row - middle[0], column - middle[1]), kind="stable")
        asked = int(cells.sum())
        head_bytes = float(self.answers(np.array([asked]), np.zeros(1, np.int64))[0])
        room = max(0, int((allowance_bytes - head_bytes) / self.of_a_cell))
        covered = cells & (code != UNOBSERVED)
        left_out = nearest_first[room:]
        covered[row[left_out], column[left_out]] = False
        return covered, head_bytes + self.of_a_cell * min(room, len(row))


@dataclass
class Sums:
    """Sums over frames of egos.

    Attributes:
        frames: Number of frames.
        blind: Blind weight.
        covered: Blind weight that answers cover.
        answer_bytes: Size of these answers.
        occupied: Number of blind cells that these answers report as occupied.
    """

    frames: int = 0
    blind: float = 0.0
    covered: float = 0.0
    answer_bytes: float = 0.0
    occupied: int = 0

    def add(self, ego: "Ego", covered: Bool[np.ndarray, "nx ny"], answer_bytes: float = 0.0, occupied: int = 0) -> None:
        """Add the frame of one ego, given the cells that answers cover."""
        self.frames += 1
        self.blind += float(ego.weight.sum())
        self.covered += float(ego.weight[covered].sum())
        self.answer_bytes += answer_bytes
        self.occupied += occupied


@dataclass
class Tally:
    """What is counted in one run.

    Attributes:
        sizes: How large answers are.
        known: Number of helpers from which on an ego has a wide choice.
        known_sum: Sum of the number of known helpers, over the frames with a wide choice.
        asked: Sums by largest number of helpers and budget, over the frames with a wide choice, for the rule `ASKED_BY`.
        everybody: The same if everybody is asked for all blind cells that he announced to have observed.
        unmatched_bytes: Size of the answers if everybody is asked for all blind cells, as by a rule that compares no matrices.
        picked: Sums by rule, number of helpers, and least number of helpers known.
    """

    sizes: Sizes
    known: int = KNOWN
    known_sum: int = 0
    asked: dict[tuple[int, int], Sums] = field(default_factory=dict)
    everybody: Sums = field(default_factory=Sums)
    unmatched_bytes: float = 0.0
    picked: dict[tuple[str, int, int], Sums] = field(default_factory=dict)

    def add(self, views: MatchingViews, helpers: Sequence[int], budgets_bytes: Sequence[int]) -> None:
        """Let all rules choose, and count.

        Args:
            views: What egos know at one instant.
            helpers: Largest numbers of helpers.
            budgets_bytes: Byte budgets.
        """
        egos = egos_of(views)
        for ego in egos.values():
            size = self.sizes.answers(ego.observed_cells, ego.occupied_cells)
            if len(ego.code) >= self.known:
                # Who has nothing to give is not asked.
                bodies = int((ego.occupied & (ego.weight > 0.0)).sum())
                self.everybody.add(ego, ego.observed, float(size[ego.observed_cells > 0].sum()), bodies)
                all_cells = np.full(len(ego.code), np.count_nonzero(ego.weight > 0.0), np.int64)
                self.unmatched_bytes += float(self.sizes.answers(all_cells, ego.occupied_cells).sum())
                self.known_sum += len(ego.code)
            for count in PICKED:
                self._pick(EVERYBODY, count, ego, ego.observed)
                self._pick(NOBODY, count, ego, np.zeros_like(ego.observed))
        wide = {row: ego for row, ego in egos.items() if len(ego.code) >= self.known}
        for count in helpers:
            for budget_bytes in budgets_bytes:
                sums = self.asked.setdefault((count, budget_bytes), Sums())
                for answers in self._answers(ASKED_BY, views, wide, count, budget_bytes):
                    sums.add(*answers)
        for rule in RULES:
            for count in PICKED:
                self.add_picks(rule, views, egos, count)

    def add_picks(self, rule: MatchingRule, views: MatchingViews, egos: "dict[int, Ego]", count: int) -> None:
        """Let one rule choose a number of helpers with the scenario's budget, and count what they announced to have observed."""
        choices, _ = self._chosen(rule, views, count, self.sizes.work.budget_bytes)
        seen = {row: np.zeros(ego.weight.shape, bool) for row, ego in egos.items()}
        for row, helper in zip(choices.requester.tolist(), choices.helper.tolist(), strict=True):
            if row in egos:
                seen[row] |= egos[row].code[helper - views.offset[row]] != UNOBSERVED
        for row, ego in egos.items():
            self._pick(rule.name, count, ego, seen[row])

    def add_picks_of_history(self, views: MatchingViews, count: int) -> None:
        """Count the picks of `history` in a run that this rule drives."""
        self.add_picks(History(), views, egos_of(views), count)

    def _pick(self, name: str, count: int, ego: "Ego", covered: Bool[np.ndarray, "nx ny"]) -> None:
        for least in {1, self.known}:
            if len(ego.code) >= least:
                self.picked.setdefault((name, count, least), Sums()).add(ego, covered)

    def _answers(
        self, rule: MatchingRule, views: MatchingViews, egos: "dict[int, Ego]", count: int, budget_bytes: int
    ) -> Iterator[tuple["Ego", Bool[np.ndarray, "nx ny"], float, int]]:
        """Yield for each ego which cells the answers to it cover together, their size, and how many cells they report as occupied."""
        choices, cost = self._chosen(rule, views, count, budget_bytes)
        # The budget is divided as the engine divides it.
        total = np.bincount(choices.requester, cost, len(views))
        allowance = (budget_bytes * cost / total[choices.requester]).astype(np.int64)
        covered = {row: np.zeros(ego.weight.shape, bool) for row, ego in egos.items()}
        sent_bytes, bodies = dict.fromkeys(egos, 0.0), dict.fromkeys(egos, 0)
        for n, row in enumerate(choices.requester.tolist()):
            if row in egos:
                code = egos[row].code[choices.helper[n] - views.offset[row]]
                cells, size_bytes = self.sizes.within(choices.cells[n], code, int(allowance[n]))
                covered[row] |= cells
                sent_bytes[row] += size_bytes
                # No cell is asked of two helpers.
                bodies[row] += int((cells & (code == OCCUPIED)).sum())
        for row, ego in egos.items():
            yield ego, covered[row], sent_bytes[row], bodies[row]

    def _chosen(
        self, rule: MatchingRule, views: MatchingViews, count: int, budget_bytes: int
    ) -> tuple[Choices, Float[np.ndarray, " choices"]]:
        """Return the choices of a rule for a number of helpers and a budget, and the size that is predicted for each answer."""
        work = self.sizes.work.model_copy(update={"matching": rule, "max_helpers": count, "budget_bytes": budget_bytes})
        cost = answer_costs(
            views.blind_weight, views.lower, views.offset, views.matrix, views.codes, views.lowers, work
        )
        choices = chosen_helpers(rule, replace(views, cost_bytes=cost, max_helpers=count, budget_bytes=budget_bytes))
        return choices, cost[choices.helper]


@dataclass(frozen=True)
class Ego:
    """One ego with a blind zone, and what its possible helpers announced, on its own grid.

    Attributes:
        weight: Weight of each blind cell.
        code: Codes of each helper.
    """

    weight: Float[np.ndarray, "nx ny"]
    code: UInt8[np.ndarray, "helpers nx ny"]

    @cached_property
    def observed(self) -> Bool[np.ndarray, "nx ny"]:
        """Whether any of them observed each cell."""
        return np.any(self.code != UNOBSERVED, axis=0)

    @cached_property
    def occupied(self) -> Bool[np.ndarray, "nx ny"]:
        """Whether any of them saw each cell occupied."""
        return np.any(self.code == OCCUPIED, axis=0)

    @cached_property
    def observed_cells(self) -> Int64[np.ndarray, " helpers"]:
        """Number of blind cells that each helper observed."""
        count: np.ndarray = ((self.code != UNOBSERVED) & (self.weight > 0.0)).sum(axis=(1, 2))
        return count

    @cached_property
    def occupied_cells(self) -> Int64[np.ndarray, " helpers"]:
        """Number of these that it saw occupied."""
        count: np.ndarray = ((self.code == OCCUPIED) & (self.weight > 0.0)).sum(axis=(1, 2))
        return count


def egos_of(views: MatchingViews) -> dict[int, Ego]:
    """Return the egos that are blind somewhere and know a helper, by their row."""
    rows = np.flatnonzero((np.diff(views.offset) > 0) & np.any(views.blind_weight > 0.0, axis=(1, 2)))
    shape = views.blind_weight.shape[1:]
    return {
        row: Ego(
            views.blind_weight[row],
            window(
                views.codes, views.lowers, views.matrix[views.offset[row] : views.offset[row + 1]], views.lower[row], *shape
            ),
        )
        for row in rows.tolist()
    }  # fmt: skip


def watching(driver: MatchingRule, look: Callable[[MatchingViews], None]) -> MatchingRule:
    """Return a rule that chooses as another one does, and shows what egos know to a function first."""

    @dataclass(frozen=True)
    class Watching(MatchingRule):
        name: ClassVar[str] = driver.name
        asks: ClassVar[bool] = driver.asks
        compares: ClassVar[bool] = driver.compares

        def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
            return order_of(driver, view)

        def choose_all(self, views: MatchingViews) -> Orders:
            look(views)
            return orders_of(driver, views)

    return Watching()


def refuse_unasked(scenario: Scenario) -> None:
    """Check that egos of a scenario ask helpers for parts of their frames, and that their rule is shown whole matrices.

    Raises:
        UserError: If they do not; the message has what to set.
    """
    work = scenario.cooperation
    why = (
        f"cooperation.matching {work.matching.name} asks nobody; set most_weight" if not work.matching.asks
        else f"cooperation.matching {work.matching.name} is shown occupied cells alone; set most_weight" if work.matching.seeks_bodies
        else f"cooperation.fusion {work.fusion.name} has no requests; set early or late"
        if not work.fusion.shares.asked_for
        else f"cooperation.fusion {work.fusion.name} sends whole frames whatever is asked for; set early or late"
        if work.fusion.shares is Share.FRAMES
        else "cooperation.max_helpers is 0; set 3" if work.max_helpers == 0
        else "cooperation.budget_bytes is 0; set 2000" if work.budget_bytes == 0
        else None
    )  # fmt: skip
    if why is not None:
        raise UserError(f"{scenario.name}: egos must ask for parts of frames, but {why}")


def counted(
    scenario: Scenario,
    known: int = KNOWN,
    helpers: Sequence[int] = HELPERS,
    budgets_bytes: Sequence[int] = BUDGETS_BYTES,
) -> Tally:
    """Run a scenario under its own rule, and twice more under `history`; return what is counted.

    Raises:
        UserError: If no ego of the scenario asks, or if its helpers send whole frames.
    """
    refuse_unasked(scenario)
    work = scenario.cooperation
    tally = Tally(Sizes(work), known)
    budgets = sorted({*budgets_bytes, work.budget_bytes})
    _run(scenario, work.matching, lambda views: tally.add(views, helpers, budgets))
    # What an ego learned of its helpers depends on whom it asked, so this rule must drive a run of its own.
    for count in PICKED:
        alone = scenario.with_({"cooperation.matching": "history", "cooperation.max_helpers": count})
        _run(alone, History(), partial(tally.add_picks_of_history, count=count))
    return tally


def _run(scenario: Scenario, driver: MatchingRule, look: Callable[[MatchingViews], None]) -> None:
    work = scenario.cooperation.model_copy(update={"matching": watching(driver, look)})
    with Simulation(scenario.model_copy(update={"cooperation": work}), tables=False) as simulation:
        simulation.finish()
