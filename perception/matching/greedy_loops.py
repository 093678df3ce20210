"""Compiled loops of the choice of helpers, over all requesters of an instant; each reads the matrices that it knows."""

import numpy as np
from numba import njit

from v2xsim.records import OCCUPIED, UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum_in, sum_memory

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
def _blind_cells(weight, row, column):  # type: ignore[no-untyped-def]
    """Write row and column of each blind cell of a requester, and return their number."""
    count = 0
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            row[count], column[count] = i, j
            count += weight[i, j] > 0.0
    return count


@njit(cache=True, nogil=True)
def _look(code, x, y, row, column, seen):  # type: ignore[no-untyped-def]
    """Write whether a helper observed each of some cells; its window begins `x` and `y` cells before that of the requester."""
    nx, ny = code.shape
    for n in range(len(row)):
        i, j = row[n] + x, column[n] + y
        seen[n] = 0 <= i < nx and 0 <= j < ny and code[i, j] != UNOBSERVED


@njit(cache=True, nogil=True)
def spread(code, x, y, seen):  # type: ignore[no-untyped-def]
    """Write whether a helper observed each cell of its requester's grid; its window begins `x` and `y` cells before that of the requester."""
    nx, ny = seen.shape
    first = min(ny, max(0, -y))
    last = max(first, min(ny, code.shape[1] - y))
    for i in range(nx):
        # Loops over parts of one row: the compiler turns each into steps of many cells.
        row = seen[i]
        if 0 <= i + x < code.shape[0]:
            row[:first], row[last:] = 0, 0
            inside, theirs = row[first:last], code[i + x, first + y : last + y]
            for j in range(len(inside)):
                inside[j] = theirs[j] != UNOBSERVED
        else:
            row[:] = 0


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
    row, column, seen = np.empty(nx * ny + 1, np.int64), np.empty(nx * ny + 1, np.int64), np.empty(nx * ny, np.bool_)
    cells, kept, previous, still_open = np.zeros((count, nx, ny), np.bool_), 0, -1, 0
    for n in range(count):
        r, k = requester[n], helper[n]
        if r != previous:
            still_open, previous = _blind_cells(weight[r], row, column), r
        x, y = lower[r] - lowers[matrix[k]]
        _look(codes[matrix[k]], x, y, row[:still_open], column[:still_open], seen)
        before, still_open = still_open, 0
        for c in range(before):
            # No cell is requested twice.
            if seen[c]:
                cells[kept, row[c], column[c]] = True
            else:
                row[still_open], column[still_open] = row[c], column[c]
                still_open += 1
        # A helper that has no cell to offer is not asked.
        if still_open < before:
            requester[kept], helper[kept] = r, k
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
    row, column = np.empty(nx * ny + 1, np.int64), np.empty(nx * ny + 1, np.int64)
    gained, memory = np.empty(nx * ny), sum_memory()
    for r in range(len(weight)):
        first, last = offset[r], offset[r + 1]
        begin[r + 1] = begin[r]
        if first == last:
            continue
        blind = _blind_cells(weight[r], row, column)
        weights, seen, gain = np.empty(blind), np.empty((last - first, blind), np.bool_), np.empty(last - first)
        for n in range(blind):
            weights[n] = weight[r, row[n], column[n]]
        for k in range(last - first):
            m = matrix[first + k]
            x, y = lower[r] - lowers[m]
            _look(codes[m], x, y, row[:blind], column[:blind], seen[k])
            for n in range(blind):
                gained[n] = weights[n] if seen[k, n] else 0.0
            gain[k] = pairwise_sum_in(gained, blind, memory)
        worth, cost = delivery[first:last], cost_bytes[first:last]
        best = greedy(weights, seen, gain, worth / cost, cost, budget_bytes, max_helpers)
        # With equal answer sizes both choices are the same.
        if cost.min() < cost.max():
            by_gain = greedy(weights, seen, gain, worth, cost, budget_bytes, max_helpers)
            total = pairwise_sum_in(weight[r].ravel(), nx * ny, memory)
            if expected(by_gain, weights, seen, worth, total) > expected(best, weights, seen, worth, total):
                best = by_gain
        begin[r + 1] += len(best)
        rows[begin[r] : begin[r + 1]] = best
    return begin, rows[: begin[len(weight)]].copy()


@njit(cache=True, nogil=True)
def greedy(weight, seen, gain, worth, cost_bytes, budget_bytes, max_helpers):  # type: ignore[no-untyped-def]
    """Return helpers in the order of choice: the next has the largest new blind weight times `worth` that fits the budget.

    Args:
        weight: Weight of each blind cell.
        seen: Whether each helper observed each of these cells.
        gain: Weight of the cells that each helper observed.
        worth: Factor of each helper's weight.
        cost_bytes: Size of each helper's answer.
        budget_bytes: Largest total size of all answers.
        max_helpers: Largest number of helpers.
    """
    helpers, left_bytes = len(seen), budget_bytes
    chosen, count = np.empty(helpers, np.int64), 0
    is_free = np.ones(helpers, np.bool_)
    # No helper gains more when more cells are covered.
    most = gain * worth
    cells = len(weight)
    weight, cell, gained, memory = weight.copy(), np.arange(cells), np.empty(cells), sum_memory()
    while count < min(max_helpers, helpers):
        best, best_value = -1, 0.0
        for k in range(helpers):
            if not is_free[k] or cost_bytes[k] > left_bytes or most[k] * (1.0 + _MARGIN) < best_value:
                continue
            if count > 0:
                for n in range(cells):
                    gained[n] = weight[n] if seen[k, cell[n]] else 0.0
                most[k] = pairwise_sum_in(gained, cells, memory) * worth[k]
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
            kept += not seen[best, cell[n]]
        cells = kept
    return chosen[:count]


@njit(cache=True, nogil=True)
def expected(chosen, weight, seen, delivery, total):  # type: ignore[no-untyped-def]
    """Return the expected share of the blind weight that arrives: gain times delivery, summed over the chosen helpers."""
    cells, share = len(weight), 0.0
    weight, cell, gained, memory = weight.copy(), np.arange(cells), np.empty(cells), sum_memory()
    for k in chosen:
        kept, taken = 0, 0
        for n in range(cells):
            if seen[k, cell[n]]:
                gained[taken] = weight[n]
                taken += 1
            else:
                weight[kept], cell[kept] = weight[n], cell[n]
                kept += 1
        cells = kept
        share += (pairwise_sum_in(gained, taken, memory) / total if total > 0.0 else 0.0) * delivery[k]
    return share
