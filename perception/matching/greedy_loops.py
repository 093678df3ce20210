"""Compiled loops of the choice of helpers, over all requesters of an instant; each reads the matrices that it knows."""

import numpy as np
from numba import njit

from v2xsim.records import OCCUPIED, UNOBSERVED
from v2xsim.spatial.sums import pairwise_sum_in, sum_memory

# Relative margin for rounding errors when a helper is passed over because of an upper limit of its gain.
_MARGIN = 1e-9
# Number of steps of the largest weight of a requester.
_STEPS = 1 << 20


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
    blind = np.empty((nx, ny), np.uint8)
    for r in range(len(weight)):
        if offset[r] == offset[r + 1]:
            continue
        _mark_blind(weight[r].ravel(), blind.ravel())
        for k in range(offset[r], offset[r + 1]):
            m = matrix[k]
            x, y = lower[r, 0] - lowers[m, 0], lower[r, 1] - lowers[m, 1]
            first = min(ny, max(0, -y))
            last = max(first, min(ny, codes.shape[2] - y))
            for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
                # Loops over parts of one row: the compiler turns each into steps of many cells.
                own, code = blind[i, first:last], codes[m, i + x, first + y : last + y]
                seen, full = np.int64(0), np.int64(0)
                for j in range(len(own)):
                    seen += own[j] if code[j] != UNOBSERVED else np.uint8(0)
                    full += own[j] if code[j] == OCCUPIED else np.uint8(0)
                observed[k] += seen
                occupied[k] += full
    return observed, occupied


@njit(cache=True, nogil=True)
def _mark_blind(weight, blind):  # type: ignore[no-untyped-def]
    """Write whether a requester is blind in each cell."""
    for n in range(len(weight)):
        blind[n] = weight[n] > 0.0


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
    seen, still_open = np.empty((nx, ny), np.uint8), np.empty(nx * ny, np.uint8)
    cells, kept, previous = np.zeros((count, nx, ny), np.bool_), 0, -1
    for n in range(count):
        r, k = requester[n], helper[n]
        if r != previous:
            _mark_blind(weight[r].ravel(), still_open)
            previous = r
        x, y = lower[r] - lowers[matrix[k]]
        spread(codes[matrix[k]], x, y, seen)
        # A helper that has no cell to offer is not asked.
        if _take(seen.ravel(), still_open, cells[kept].ravel()):
            requester[kept], helper[kept] = r, k
            kept += 1
    return requester[:kept].copy(), helper[:kept].copy(), cells[:kept]


@njit(cache=True, nogil=True)
def _take(seen, still_open, cells):  # type: ignore[no-untyped-def]
    """Write which open cells a helper observed, close them, because no cell is requested twice, and return whether there are any."""
    some = np.uint8(0)
    for c in range(len(seen)):
        taken = np.uint8(seen[c] & still_open[c])
        cells[c] = taken != 0
        still_open[c] ^= taken
        some |= taken
    return some != 0


@njit(cache=True, nogil=True)
def best_by_gain(weight, lower, offset, matrix, codes, lowers, delivery, cost_bytes, budget_bytes, max_helpers):  # type: ignore[no-untyped-def]
    """Return for each requester the better of two greedy choices: one by gain per byte, one by gain alone.

    The arguments are those of `counted`, `delivery` as in `expected`, and the others as in `greedy`.

    Returns:
        Index of the first helper of each requester among the chosen helpers, and their rows among those of their requesters.
    """
    begin, rows = np.zeros(len(weight) + 1, np.int64), np.empty(len(matrix), np.int64)
    nx, ny = weight.shape[1:]
    most = max(0, (offset[1:] - offset[:-1]).max()) if len(weight) else 0
    all_seen, gain, memory = np.empty((most, nx, ny), np.uint8), np.empty(most), sum_memory()
    for r in range(len(weight)):
        first, last = offset[r], offset[r + 1]
        begin[r + 1] = begin[r]
        if first == last:
            continue
        blind = blind_cells(weight[r].ravel())
        for k in range(last - first):
            m = matrix[first + k]
            x, y = lower[r] - lowers[m]
            spread(codes[m], x, y, all_seen[k])
            gain[k] = upper_limit_of(all_seen[k].ravel(), blind)
        seen, gains = all_seen[: last - first].reshape(last - first, nx * ny), gain[: last - first]
        worth, cost = delivery[first:last], cost_bytes[first:last]
        best = greedy(blind, seen, gains, worth / cost, cost, budget_bytes, max_helpers)
        # With equal answer sizes both choices are the same.
        if cost.min() < cost.max():
            by_gain = greedy(blind, seen, gains, worth, cost, budget_bytes, max_helpers)
            total = pairwise_sum_in(weight[r].ravel(), nx * ny, memory)
            if expected(by_gain, blind, seen, worth, total) > expected(best, blind, seen, worth, total):
                best = by_gain
        begin[r + 1] += len(best)
        rows[begin[r] : begin[r + 1]] = best
    return begin, rows[: begin[len(weight)]].copy()


@njit(cache=True, nogil=True)
def weight_of(seen, whole):  # type: ignore[no-untyped-def]
    """Return the weight of the cells that a helper observed.

    Args:
        seen: Whether it observed each cell.
        whole: Weight of each cell as an integer, so that the sum has no rounding error and can be computed several cells at once.
    """
    total = np.int64(0)
    for n in range(len(whole)):
        total += np.int64(whole[n]) if seen[n] else np.int64(0)
    return total


@njit(cache=True, nogil=True)
def blind_cells(weight):  # type: ignore[no-untyped-def]
    """Return the blind cells of a requester: row and weight of each, the weights of all cells rounded up to whole steps, and the step."""
    cell, held, count = np.empty(len(weight) + 1, np.int64), np.empty(len(weight) + 1), 0
    for n in range(len(weight)):
        cell[count], held[count] = n, weight[n]
        count += weight[n] > 0.0
    largest, whole = weight.max(), np.zeros(len(weight), np.int32)
    if largest > 0.0:
        steps = _STEPS / largest
        for n in range(len(weight)):
            whole[n] = np.int32(np.ceil(weight[n] * steps))
    return cell[:count], held[:count], whole, largest / _STEPS


@njit(cache=True, nogil=True)
def upper_limit_of(seen, blind):  # type: ignore[no-untyped-def]
    """Return an upper limit of the weight that a helper observed, which takes a fraction of the time of the exact sum."""
    _, _, whole, step = blind
    return weight_of(seen, whole) * step * (1.0 + _MARGIN)


@njit(cache=True, nogil=True)
def greedy(blind, seen, gain, worth, cost_bytes, budget_bytes, max_helpers):  # type: ignore[no-untyped-def]
    """Return helpers in the order of choice: the next has the largest new blind weight times `worth` that fits the budget.

    Args:
        blind: The blind cells, as from `blind_cells`.
        seen: Whether each helper observed each cell.
        gain: Upper limit of the weight of the cells that each helper observed.
        worth: Factor of each helper's weight.
        cost_bytes: Size of each helper's answer.
        budget_bytes: Largest total size of all answers.
        max_helpers: Largest number of helpers.
    """
    helpers, left_bytes = len(seen), budget_bytes
    chosen, count = np.empty(helpers, np.int64), 0
    cell, held, whole, step = blind[0].copy(), blind[1].copy(), blind[2].copy(), blind[3]
    cells, gained, memory = len(cell), np.empty(len(cell)), sum_memory()
    limit, of_round, is_exact = gain * worth, np.zeros(helpers, np.int64), np.zeros(helpers, np.bool_)
    while count < min(max_helpers, helpers):
        best = -1
        for k in range(helpers):
            # Of equal values, the lowest row wins.
            if limit[k] > (limit[best] if best >= 0 else 0.0):
                best = k
        if best < 0:
            break
        if cost_bytes[best] > left_bytes:
            # It will not fit later, either.
            limit[best] = 0.0
        elif of_round[best] < count:
            # No helper gains more when more cells are covered: what it gained then limits what it gains now.
            limit[best] = min(limit[best], upper_limit_of(seen[best], (cell, held, whole, step)) * worth[best])
            of_round[best], is_exact[best] = count, False
        elif not is_exact[best]:
            for n in range(cells):
                gained[n] = held[n] if seen[best, cell[n]] else 0.0
            limit[best] = pairwise_sum_in(gained, cells, memory) * worth[best]
            is_exact[best] = True
        else:
            chosen[count] = best
            count += 1
            # A sum over fewer cells is rounded in another way. (With an array operation here, the compiled choice took twice as long.)
            for k in range(helpers):
                limit[k] *= 1.0 + _MARGIN
            limit[best] = 0.0
            left_bytes -= cost_bytes[best]
            # Cells that are covered now add no weight for later helpers.
            kept = 0
            for n in range(cells):
                cell[kept], held[kept] = cell[n], held[n]
                kept += not seen[best, cell[n]]
            cells = kept
            for n in range(len(whole)):
                whole[n] = 0 if seen[best, n] else whole[n]
    return chosen[:count]


@njit(cache=True, nogil=True)
def expected(chosen, blind, seen, delivery, total):  # type: ignore[no-untyped-def]
    """Return the expected share of the blind weight that arrives: gain times delivery, summed over the chosen helpers."""
    cell, held = blind[0].copy(), blind[1].copy()
    cells, share, gained, memory = len(cell), 0.0, np.empty(len(cell)), sum_memory()
    for k in chosen:
        kept, taken = 0, 0
        for n in range(cells):
            if seen[k, cell[n]]:
                gained[taken] = held[n]
                taken += 1
            else:
                held[kept], cell[kept] = held[n], cell[n]
                kept += 1
        cells = kept
        share += (pairwise_sum_in(gained, taken, memory) / total if total > 0.0 else 0.0) * delivery[k]
    return share
