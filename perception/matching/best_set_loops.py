"""Compiled choice of the set of helpers from which most blind weight is expected to arrive, over all requesters of an instant.

The helpers of a requester are sorted by delivery, the highest first. If cells are shared out in this order, each cell is asked of the
helper of the set with the highest delivery that saw it. Weights and deliveries are integers here, so sums have no rounding errors and
can be computed several at once.
"""

import numpy as np
from numba import njit

from v2xsim.perception.matching.greedy_loops import spread, weight_of

# Steps of the integers for the largest weight of a requester and for a delivery of 1; their product, summed over 2**27 cells, fits 64 bits.
_WEIGHT_STEPS, _DELIVERY_STEPS = 1 << 20, 1 << 15


@njit(cache=True, nogil=True)
def best_sets(  # type: ignore[no-untyped-def]
    weight, lower, offset, matrix, codes, lowers, delivery, cost_bytes, budget_bytes, max_helpers, tried
):
    """Return for each requester the chosen helpers, those with the highest delivery first.

    The arguments are those of `v2xsim.perception.matching.greedy_loops.best_by_gain`, and `tried` is the number of helpers of which all sets
    are tried.

    Returns:
        Index of the first helper of each requester among the chosen helpers, and their rows among those of their requesters.
    """
    begin, rows = np.zeros(len(weight) + 1, np.int64), np.empty(len(matrix), np.int64)
    nx, ny = weight.shape[1:]
    most = max(0, (offset[1:] - offset[:-1]).max()) if len(weight) else 0
    seen, whole = np.empty((most, nx, ny), np.uint8), np.empty(nx * ny, np.int32)
    steps, gain, cost = np.empty(most, np.uint16), np.empty(most, np.int64), np.empty(most)
    helper, reached = np.empty(most, np.int64), np.empty(nx * ny, np.uint16)
    tables = _tables(min(tried, most), nx * ny)
    for r in range(len(weight)):
        first, last, count = offset[r], offset[r + 1], 0
        begin[r + 1] = begin[r]
        if first == last or not _in_steps(weight[r].ravel(), whole):
            continue
        for k in np.argsort(-delivery[first:last], kind="mergesort"):
            m = matrix[first + k]
            x, y = lower[r] - lowers[m]
            spread(codes[m], x, y, seen[count])
            gain[count] = weight_of(seen[count].ravel(), whole)
            # Who adds nothing to nobody adds nothing to others.
            if gain[count] > 0 and delivery[first + k] > 0.0 and cost_bytes[first + k] <= budget_bytes:
                # Whoever may be received at all counts.
                steps[count] = max(1, round(min(1.0, delivery[first + k]) * _DELIVERY_STEPS))
                cost[count], helper[count], count = cost_bytes[first + k], k, count + 1
        known = seen[:count].reshape(count, nx * ny), steps[:count], gain[:count], cost[:count]
        is_chosen = _best_set(known, whole, budget_bytes, max_helpers, tried, reached, tables)
        for k in range(count):
            if is_chosen[k]:
                rows[begin[r + 1]] = helper[k]
                begin[r + 1] += 1
    return begin, rows[: begin[len(weight)]].copy()


@njit(cache=True, nogil=True)
def _in_steps(weight, whole):  # type: ignore[no-untyped-def]
    """Write the weights of a requester's cells as integers, and return whether one is above 0."""
    largest = weight.max()
    if not largest > 0.0:
        return False
    steps = _WEIGHT_STEPS / largest
    for n in range(len(weight)):
        # A blind cell counts however little it weighs.
        whole[n] = np.int32(max(np.rint(weight[n] * steps), 1.0)) if weight[n] > 0.0 else 0
    return True


@njit(cache=True, nogil=True)
def _improvement(seen, weight, reached, steps):  # type: ignore[no-untyped-def]
    """Return what a helper adds to the weight that is expected to arrive.

    Args:
        seen: Whether it observed each cell.
        weight: Weight of each cell.
        reached: Highest delivery of the helpers chosen so far that observed each cell.
        steps: Its delivery.
    """
    total = np.int64(0)
    for n in range(len(weight)):
        # Numbers of 32 bits up to the product: processors without AVX-512 multiply whole ones of 64 bits four times as slowly.
        more = max(np.int32(steps) - np.int32(reached[n]), np.int32(0))
        more = more if seen[n] else np.int32(0)
        total += np.int64(weight[n]) * np.int64(more)
    return total


@njit(cache=True, nogil=True)
def _best_set(known, weight, budget_bytes, max_helpers, tried, reached, tables):  # type: ignore[no-untyped-def]
    """Return whether each helper of a requester is chosen.

    Args:
        known: Helpers, by falling delivery: whether each observed each cell, its delivery, the weight that it observed, and its answer's size.
        weight: Weight of each cell.
        budget_bytes: Largest total size of all answers.
        max_helpers: Largest number of helpers.
        tried: Number of helpers of which all sets are tried.
        reached: Memory for one number for each cell.
        tables: Memory of `_tables`.
    """
    _, steps, gain, cost = known
    count = len(cost)
    if count <= tried:
        return _best_of(np.arange(count), known, weight, budget_bytes, max_helpers, tables)
    is_chosen, worth = _greedy(known, weight, cost, budget_bytes, max_helpers, reached)
    is_listed = is_chosen.copy()
    # With equal sizes of answers both choices are the same.
    if cost.min() < cost.max():
        by_gain, worth_by_gain = _greedy(known, weight, np.ones(count), budget_bytes, max_helpers, reached)
        is_listed |= by_gain
        if worth_by_gain > worth:
            is_chosen = by_gain
    listed = np.count_nonzero(is_listed)
    if listed > tried:
        return is_chosen
    # The list is filled with those from whom most would arrive if they were asked alone.
    alone = gain * steps
    while listed < tried:
        best = -1
        for k in range(count):
            if not is_listed[k] and (best < 0 or alone[k] > alone[best]):
                best = k
        is_listed[best] = True
        listed += 1
    return _best_of(np.flatnonzero(is_listed), known, weight, budget_bytes, max_helpers, tables)


@njit(cache=True, nogil=True)
def _greedy(known, weight, divisor, budget_bytes, max_helpers, reached):  # type: ignore[no-untyped-def]
    """Return whether each helper is chosen if the next is always the one that adds most, and what is expected to arrive.

    Args:
        known: As in `_best_set`.
        weight: Weight of each cell.
        divisor: What each helper adds is divided by this number.
        budget_bytes: Largest total size of all answers.
        max_helpers: Largest number of helpers.
        reached: Memory for one number for each cell.
    """
    seen, steps, gain, cost = known
    count = len(cost)
    is_chosen, chosen, worth = np.zeros(count, np.bool_), 0, np.int64(0)
    added, chosen_then = gain * steps, np.zeros(count, np.int64)
    reached[:] = 0
    while chosen < max_helpers:
        best = -1
        for k in range(count):
            # Of equal values, the higher delivery wins.
            if added[k] > 0 and (best < 0 or added[k] / divisor[k] > added[best] / divisor[best]):
                best = k
        if best < 0:
            break
        if chosen_then[best] < chosen:
            # It was computed for fewer chosen helpers, and is an upper limit now: nobody adds more to a larger set.
            fits = _fits(is_chosen, best, cost, budget_bytes)
            added[best] = _improvement(seen[best], weight, reached, steps[best]) if fits else 0
            chosen_then[best] = chosen
            continue
        worth += added[best]
        is_chosen[best], added[best], chosen = True, 0, chosen + 1
        for n in range(len(weight)):
            reached[n] = max(reached[n], steps[best]) if seen[best, n] else reached[n]
    return is_chosen, worth


@njit(cache=True, nogil=True)
def _fits(is_chosen, more, cost, budget_bytes):  # type: ignore[no-untyped-def]
    """Return whether the answers of the chosen helpers and of one more fit into the budget, taken away from it in their order."""
    left_bytes = budget_bytes
    for k in range(len(cost)):
        if is_chosen[k] or k == more:
            if cost[k] > left_bytes:
                return False
            left_bytes -= cost[k]
    return True


@njit(cache=True, nogil=True)
def _tables(tried, cells):  # type: ignore[no-untyped-def]
    """Return memory for all sets of some helpers: weight, worth, bytes that are left, and size; and for who saw each cell."""
    sets = 1 << tried
    missed, worth, size = np.empty(sets, np.int64), np.empty(sets, np.int64), np.empty(sets, np.int64)
    return missed, worth, np.empty(sets), size, np.empty(cells, np.uint16)


@njit(cache=True, nogil=True)
def _best_of(listed, known, weight, budget_bytes, max_helpers, tables):  # type: ignore[no-untyped-def]
    """Return whether each helper is in the best set of some helpers, of equally good ones that with the smallest answers.

    A set is a number with one bit for each helper, the lowest bit for the highest delivery.
    """
    seen, steps, _, cost = known
    missed, worth, left_bytes, size, seers = tables
    sets = 1 << len(listed)
    seers[:] = 0
    for bit in range(len(listed)):
        row, seer = seen[listed[bit]], np.uint16(1 << bit)
        for n in range(len(seers)):
            seers[n] |= seer if row[n] else np.uint16(0)
    missed[:sets] = 0
    for n in range(len(seers)):
        missed[seers[n]] += weight[n]
    # Now: the weight that exactly the helpers of each set saw. Then: the weight that none but helpers of the set saw.
    for bit in range(len(listed)):
        half = 1 << bit
        for start in range(0, sets, 2 * half):
            for n in range(start, start + half):
                missed[n + half] += missed[n]
    worth[0], left_bytes[0], size[0], best = 0, budget_bytes, 0, 0
    for bit in range(len(listed)):
        k, flag = listed[bit], 1 << bit
        for rest in range(flag):
            some = rest | flag
            # A set of a smaller one and of a helper that gets the cells which nobody in the smaller one saw.
            worth[some] = worth[rest] + steps[k] * (missed[sets - 1 - rest] - missed[sets - 1 - some])
            left_bytes[some], size[some] = left_bytes[rest] - cost[k], size[rest] + 1
            if left_bytes[some] < 0.0 or size[some] > max_helpers:
                # No larger set is allowed, either.
                left_bytes[some] = -np.inf
            elif worth[some] > worth[best] or (worth[some] == worth[best] and left_bytes[some] > left_bytes[best]):
                best = some
    is_chosen = np.zeros(len(cost), np.bool_)
    for bit in range(len(listed)):
        is_chosen[listed[bit]] = (best >> bit) & 1
    return is_chosen
