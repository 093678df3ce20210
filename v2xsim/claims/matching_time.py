"""How long the choice of helpers takes: of one requester with many neighbours, and of all requesters of one tick."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from v2xsim.claims.matching_greedy import RULES, sight
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.greedy_loops import counted
from v2xsim.perception.matching.rule import MatchingRule, MatchingViews
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED

CELLS = 50
"""Number of cells along each side of a matrix."""

SIZES = ((1, 200, 5.0), (500, 30, 50.0))
"""Requesters, neighbours of each, and the time in ms within which all of them should have chosen."""

_BUDGET_BYTES, _MAX_HELPERS = 2000.0, 3


def made_views(requesters: int, neighbours: int) -> MatchingViews:
    """Return what requesters know of their neighbours, all with matrices of `CELLS` x `CELLS` cells.

    If there is one requester, its neighbours stand anywhere within half a matrix. Otherwise, all stand in a square such that the nearest
    neighbours of each lie about that far away.
    """
    chance = np.random.default_rng(23)
    if requesters == 1:
        place = np.concatenate([np.zeros((1, 2), np.int64), chance.integers(-CELLS // 2, CELLS // 2, (neighbours, 2))])
    else:
        side = round(CELLS * (requesters / neighbours) ** 0.5)
        place = chance.integers(0, side, (requesters, 2))
    middle = (CELLS - 1) / 2.0
    seen = np.array([sight(chance, CELLS, middle, middle) for _ in place])
    codes = np.where(seen, np.where(chance.random(seen.shape) < 0.05, OCCUPIED, FREE), UNOBSERVED).astype(np.uint8)
    apart = np.hypot(*(place[:, None] - place[None]).T).T
    nearest = np.argsort(apart[:requesters], axis=1, kind="stable")[:, 1 : neighbours + 1]
    matrix = np.sort(nearest, axis=1).ravel()
    x, y = np.meshgrid(np.arange(CELLS) - middle, np.arange(CELLS) - middle, indexing="ij")
    weight = np.where(seen[:requesters], 0.0, np.exp(-np.hypot(x, y) / CELLS))
    count = requesters * neighbours
    owner = np.repeat(np.arange(requesters), neighbours)
    return MatchingViews(
        weight, place[:requesters], np.arange(0, count + 1, neighbours), matrix, apart[owner, matrix].astype(np.float64),
        chance.uniform(0.3, 1.0, count), np.zeros(count, bool), chance.uniform(200.0, 600.0, count), matrix, codes, place,
        _BUDGET_BYTES, _MAX_HELPERS, lambda row: np.zeros(neighbours), lambda row: np.full(neighbours, np.nan),
    )  # fmt: skip


@dataclass(frozen=True)
class TimeRow:
    """Time of the choices of one tick by a rule, as medians.

    Attributes:
        rule: Matching rule, with its parameters.
        requesters: Number of requesters.
        neighbours: Number of possible helpers of each.
        cells: Number of cells along each side of a matrix.
        repeats: Number of repetitions.
        threads: Number of threads that compute the choices.
        load: Number of programs that waited for a processor in the last minute, on average; None where the system does not count them.
        choice_ms: Time from the view to the cells that are asked of each helper.
        cpu_ms: Processor time of the same, which other programs disturb less.
        sizes_ms: Further processor time to count cells, from which the sizes of answers are predicted.
        line_ms: Aim for the time of the choice on an idle core.
        met: Whether the processor time of the choice is below it.
    """

    rule: str
    requesters: int
    neighbours: int
    cells: int
    repeats: int
    threads: int
    load: float | None
    choice_ms: float
    cpu_ms: float
    sizes_ms: float
    line_ms: float
    met: bool


def time_rows(repeats: int = 31) -> Iterator[TimeRow]:
    """Yield how long the choices of one tick take.

    Args:
        repeats: Number of repetitions of each choice, of which the median counts.
    """
    for requesters, neighbours, line_ms in SIZES:
        views = made_views(requesters, neighbours)

        def count(views: MatchingViews = views) -> object:
            return counted(views.blind_weight, views.lower, views.offset, views.matrix, views.codes, views.lowers)

        _, sizes_ms = _median_ms(count, repeats)
        for name, rule in RULES:

            def choose(rule: MatchingRule = rule, views: MatchingViews = views) -> object:
                return chosen_helpers(rule, views)

            choice_ms, cpu_ms = _median_ms(choose, repeats)
            yield TimeRow(
                name, requesters, neighbours, CELLS, repeats, 1, _load(), choice_ms, cpu_ms, sizes_ms, line_ms, cpu_ms < line_ms
            )  # fmt: skip


def _median_ms(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median time of some work and its median processor time."""
    work()  # Compiles what is not compiled yet.
    wall_s, cpu_s = np.zeros(repeats), np.zeros(repeats)
    for turn in range(repeats):
        begun_s, begun_cpu_s = time.perf_counter(), time.thread_time()
        work()
        wall_s[turn], cpu_s[turn] = time.perf_counter() - begun_s, time.thread_time() - begun_cpu_s
    return float(np.median(wall_s) * 1e3), float(np.median(cpu_s) * 1e3)


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
