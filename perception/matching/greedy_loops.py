"""Compiled loops of the greedy choice of helpers: they read the blind cells of a requester alone, and not the whole grid."""

import numpy as np
from numba import njit

from v2xsim.records import OCCUPIED, UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum

# Relative margin for rounding errors when a helper is passed over because of an earlier, larger gain.
_MARGIN = 1e-9


@njit(cache=True, nogil=True)
def window(codes, lowers, lower_x, lower_y, nx, ny):  # type: ignore[no-untyped-def]
    """Return matrices of one shape on another window of the same grid; cells outside their own windows are UNOBSERVED."""
    moved = np.zeros((len(codes), nx, ny), codes.dtype)
    for k in range(len(codes)):
        x, y = lower_x - lowers[k, 0], lower_y - lowers[k, 1]
        first, last = max(0, -y), min(ny, codes.shape[2] - y)
        for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
            for j in range(first, last):
                moved[k, i, j] = codes[k, i + x, j + y]
    return moved


@njit(cache=True, nogil=True)
def counted(code, blind):  # type: ignore[no-untyped-def]
    """Return how many of some cells each helper observed, and how many it saw occupied."""
    observed, occupied = np.zeros(len(code), np.int64), np.zeros(len(code), np.int64)
    for k in range(len(code)):
        for cell in blind:
            observed[k] += code[k, cell] != UNOBSERVED
            occupied[k] += code[k, cell] == OCCUPIED
    return observed, occupied


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
