"""Compiled loops of the choice of helpers, over all requesters of an instant; each reads the matrices that it knows."""

import numpy as np
from numba import njit

from v2xsim.records import OCCUPIED, UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum

# Relative margin for rounding errors when a helper is passed over because of an earlier, larger gain.
_MARGIN = 1e-9


@njit(cache=True, nogil=True)
def window(codes, lowers, rows, lower, nx, ny):  # type: ignore[no-untyped-def]
    """Return some of the matrices on another window of the same grid; cells outside their own windows are UNOBSERVED."""
    moved = np.zeros((len(rows), nx, ny), codes.dtype)
    for k in range(len(rows)):
        m = rows[k]
        x, y = lower[0] - lowers[m, 0], lower[1] - lowers[m, 1]
        first, last = max(0, -y), min(ny, codes.shape[2] - y)
        for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
            for j in range(first, last):
                moved[k, i, j] = codes[m, i + x, j + y]
    return moved


@njit(cache=True, nogil=True)
def counted(weight, lower, offset, matrix, codes, lowers):  # type: ignore[no-untyped-def]
    """Return how many of its requester's blind cells each helper observed, and how many it saw occupied.

    Args:
        weight: Weight of each cell of each requester; 0 for those that are not blind.
        lower: World cell index of cell (0, 0) of each requester.
        offset: Index of each requester's first helper.
        matrix: Row of each helper's matrix.
        codes: Matrices as codes.
        lowers: World cell index of cell (0, 0) of each matrix.
    """
    observed, occupied = np.zeros(len(matrix), np.int64), np.zeros(len(matrix), np.int64)
    nx, ny = weight.shape[1:]
    for r in range(len(weight)):
        for k in range(offset[r], offset[r + 1]):
            m = matrix[k]
            x, y = lower[r, 0] - lowers[m, 0], lower[r, 1] - lowers[m, 1]
            first, last = max(0, -y), min(ny, codes.shape[2] - y)
            for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
                for j in range(first, last):
                    code = codes[m, i + x, j + y]
                    observed[k] += (weight[r, i, j] > 0.0) & (code != UNOBSERVED)
                    occupied[k] += (weight[r, i, j] > 0.0) & (code == OCCUPIED)
    return observed, occupied


@njit(cache=True, nogil=True)
def shared_out(  # type: ignore[no-untyped-def]
    order_offset, order, weight, lower, offset, matrix, codes, lowers, cost_bytes, budget_bytes, max_helpers
):
    """Return requester, helper and cells of each choice of `v2xsim.perception.matching.choice.shared_out`."""
    requester, helper, count = np.empty(len(order), np.int64), np.empty(len(order), np.int64), 0
    for r in range(len(weight)):
        left_bytes, taken = budget_bytes, 0
        for n in range(order_offset[r], order_offset[r + 1]):
            k = offset[r] + order[n]
            # No break: a later helper with a smaller answer may still fit.
            if taken < max_helpers and cost_bytes[k] <= left_bytes:
                requester[count], helper[count] = r, k
                count, taken, left_bytes = count + 1, taken + 1, left_bytes - cost_bytes[k]
    nx, ny = weight.shape[1:]
    cells, is_open = np.zeros((count, nx, ny), np.bool_), np.empty((nx, ny), np.bool_)
    kept, previous = 0, -1
    for n in range(count):
        r, m = requester[n], matrix[helper[n]]
        if r != previous:
            is_open[:], previous = weight[r] > 0.0, r
        x, y = lower[r, 0] - lowers[m, 0], lower[r, 1] - lowers[m, 1]
        first, last = max(0, -y), min(ny, codes.shape[2] - y)
        asked = 0
        for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
            for j in range(first, last):
                # No cell is requested twice.
                is_asked = is_open[i, j] & (codes[m, i + x, j + y] != UNOBSERVED)
                cells[kept, i, j] = is_asked
                is_open[i, j] &= not is_asked
                asked += is_asked
        # The cells of a helper that has none to offer are all False, so they need no reset for the next one.
        if asked:
            requester[kept], helper[kept] = r, helper[n]
            kept += 1
    return requester[:kept].copy(), helper[:kept].copy(), cells[:kept]


@njit(cache=True, nogil=True)
def best_by_gain(weight, lower, offset, matrix, codes, lowers, delivery, cost_bytes, budget_bytes, max_helpers):  # type: ignore[no-untyped-def]
    """Return for each requester the better of two greedy choices: one by gain per byte, one by gain alone.

    The arguments are those of `counted`, `delivery` as in `expected`, and the others as in `greedy`.

    Returns:
        Index of the first helper of each requester among the chosen helpers, and their rows among those of their requesters.
    """
    begin, rows = np.zeros(len(weight) + 1, np.int64), np.empty(len(matrix), np.int64)
    nx, ny = weight.shape[1:]
    for r in range(len(weight)):
        first, last = offset[r], offset[r + 1]
        begin[r + 1] = begin[r]
        if first == last:
            continue
        flat = weight[r].ravel()
        blind = np.flatnonzero(flat > 0.0)
        weights = flat[blind]
        code = window(codes, lowers, matrix[first:last], lower[r], nx, ny).reshape(last - first, nx * ny)
        worth, cost = delivery[first:last], cost_bytes[first:last]
        best = greedy(weights, blind, code, worth / cost, cost, budget_bytes, max_helpers)
        # With equal answer sizes both choices are the same.
        if cost.min() < cost.max():
            by_gain, total = (
                greedy(weights, blind, code, worth, cost, budget_bytes, max_helpers),
                pairwise_sum(flat, nx * ny),
            )
            if expected(by_gain, weights, blind, code, worth, total) > expected(
                best, weights, blind, code, worth, total
            ):
                best = by_gain
        begin[r + 1] += len(best)
        rows[begin[r] : begin[r + 1]] = best
    return begin, rows[: begin[len(weight)]].copy()


@njit(cache=True, nogil=True)
def greedy(weight, cell, code, worth, cost_bytes, budget_bytes, max_helpers):  # type: ignore[no-untyped-def]
    """Return helpers in the order of choice: the next has the largest new blind weight times `worth` that fits the budget.

    Args:
        weight: Weight of each blind cell.
        cell: Index of each blind cell in the columns of `code`.
        code: Codes of each helper's matrix, by helper and cell.
        worth: Factor of each helper's weight.
        cost_bytes: Size of each helper's answer.
        budget_bytes: Largest total size of all answers.
        max_helpers: Largest number of helpers.
    """
    helpers, left_bytes = len(code), budget_bytes
    chosen, count = np.empty(helpers, np.int64), 0
    is_free = np.ones(helpers, np.bool_)
    # No helper gains more when more cells are covered.
    most = np.full(helpers, np.inf)
    weight, cell, gained = weight.copy(), cell.copy(), np.empty(len(cell))
    cells = len(cell)
    while count < min(max_helpers, helpers):
        best, best_value = -1, 0.0
        for k in range(helpers):
            if not is_free[k] or cost_bytes[k] > left_bytes or most[k] * (1.0 + _MARGIN) < best_value:
                continue
            for n in range(cells):
                gained[n] = weight[n] if code[k, cell[n]] != UNOBSERVED else 0.0
            most[k] = pairwise_sum(gained, cells) * worth[k]
            # Of equal values, the lowest row wins.
            if most[k] > best_value:
                best, best_value = k, most[k]
        if best < 0:
            break
        chosen[count] = best
        count += 1
        is_free[best] = False
        left_bytes -= cost_bytes[best]
        # Cells that are covered now add no weight for later helpers.
        kept = 0
        for n in range(cells):
            weight[kept], cell[kept] = weight[n], cell[n]
            kept += code[best, cell[n]] == UNOBSERVED
        cells = kept
    return chosen[:count]


@njit(cache=True, nogil=True)
def expected(chosen, weight, cell, code, delivery, total):  # type: ignore[no-untyped-def]
    """Return the expected share of the blind weight that arrives: gain times delivery, summed over the chosen helpers."""
    weight, cell, gained = weight.copy(), cell.copy(), np.empty(len(cell))
    cells, share = len(cell), 0.0
    for k in chosen:
        kept, taken = 0, 0
        for n in range(cells):
            if code[k, cell[n]] == UNOBSERVED:
                weight[kept], cell[kept] = weight[n], cell[n]
                kept += 1
            else:
                gained[taken] = weight[n]
                taken += 1
        cells = kept
        share += (pairwise_sum(gained, taken) / total if total > 0.0 else 0.0) * delivery[k]
    return share
