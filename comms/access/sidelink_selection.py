"""Which resources a sidelink station chooses, from what it remembers of the slots before.

Memories are rings of slots: the power, the reservations decoded and their power by slot, then column of the station, then
subchannel, so that what one slot writes lies together; and by station the slots in which it sent.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.draws import hashed

MEMORY = 1100
NONE = -1


@njit(cache=True, nogil=True)
def _claims(  # type: ignore[no-untyped-def]
    column, now, width, uses, step, first, last, taken, rsrp, reserved, mine, longest, subchannels, window,
):  # fmt: skip
    """Return by slot and first subchannel the strongest reservation that overlaps; infinity where it cannot send."""
    span, places = last - first + 1, subchannels - width + 1
    claim = np.zeros((span, places))
    # Own transmissions of the sensing window: what others announced then is unknown.
    deaf = np.zeros(step, np.bool_)
    oldest = max(0, now - window)
    row, phase = oldest % MEMORY, oldest % step
    for slot in range(oldest, now + 1):
        if mine[column, row] == slot:
            deaf[phase] = True
        row = row + 1 if row + 1 < MEMORY else 0
        phase = phase + 1 if phase + 1 < step else 0
    for i in range(span):
        slot = first + i
        blocked = deaf[slot % step]
        for n in range(len(taken)):
            if taken[n] == slot:
                blocked = True
        if blocked:
            for c in range(places):
                claim[i, c] = math.inf
    # What was reserved longer ago than the longest reservation is over.
    for z in range(max(0, now - min(window, longest)), now):
        row = z % MEMORY
        for c in range(subchannels):
            p = np.int64(reserved[row, column, c])
            if p <= 0:
                continue
            power = rsrp[row, column, c]
            t = z + p
            while t <= last + uses * step and t <= z + max(p, span + p):
                y, j = t, 0
                while y >= first and j < uses:
                    if y <= last and y >= now:
                        for place in range(max(0, c - width + 1), min(places, c + 1)):
                            claim[y - first, place] = max(claim[y - first, place], power)
                    y -= step
                    j += 1
                if p >= span:
                    break
                t += p
    return claim


@njit(cache=True, nogil=True)
def _quietest(  # type: ignore[no-untyped-def]
    column, now, width, step, first, free, left, kept, rssi, window, key, turn, subchannels
):
    """Return the free resources with the least mean power over the periods before."""
    span, places = free.shape
    value, index = np.empty(left), np.empty(left, np.int64)
    mean, oldest = np.empty(subchannels), max(0, now - window)
    # Unsigned rows need no test for counting from the end.
    home, wide = np.uint64(column), np.uint64(subchannels)
    n = 0
    for i in range(span):
        anything = False
        for c in range(places):
            anything = anything or free[i, c]
        if not anything:
            continue
        for c in range(wide):
            mean[c] = 0.0
        seen = 0
        z = first + i - step
        row = z % MEMORY
        while z >= oldest:
            if z < now:
                r = np.uint64(row)
                for c in range(wide):
                    mean[c] += rssi[r, home, c]
                seen += 1
            z -= step
            row -= step
            if row < 0:
                row += MEMORY
        for c in range(places):
            if free[i, c]:
                power = 0.0
                for w in range(width):
                    power += mean[c + w]
                # Resources that nobody uses are put in random order.
                value[n] = power / max(1, seen)
                if power == 0.0:
                    value[n] = 1e-18 * hashed(key, np.uint64(i * subchannels + c + 1), turn)
                index[n] = i * places + c
                n += 1
    limit = np.partition(value, kept - 1)[kept - 1]
    chosen = np.empty(kept, np.int64)
    m = 0
    for n in range(left):
        if value[n] <= limit and m < kept:
            chosen[m] = index[n]
            m += 1
    return chosen[:m]


@njit(cache=True, nogil=True)
def selected(  # type: ignore[no-untyped-def]
    column, now, width, period, uses, key, turn, first, last, taken, rssi, rsrp, reserved, mine, longest, subchannels,
    share, threshold_mw, ranked, window, count_wanted, result,
):  # fmt: skip
    """Choose resources for a station: into result, rows of slot and subchannel; return how many.

    Excluded are slots in which the station itself sent and so heard nothing (they may hold a reservation one period
    on), slots in which it already has something to send, and what announced reservations stronger than the threshold
    overlap; the threshold rises by 3 dB until the share remains. Ranked, only the share with the least mean power over
    the periods before is kept. Among what remains chance decides.
    """
    step = 100 if period <= 0 else period
    claim = _claims(
        column, now, width, uses, step, first, last, taken, rsrp, reserved, mine, longest, subchannels, window
    )
    span, places = claim.shape
    total = span * places
    # The threshold at which the share remains: steps of 3 dB up to the strongest claim among the weakest that make the share.
    wanted = max(1, math.ceil(share * total))
    least = np.partition(claim.reshape(total), wanted - 1)[wanted - 1]
    level = threshold_mw
    while level < least and level <= 1e6:
        level *= 10.0**0.3
    left = 0
    free = np.empty((span, places), np.bool_)
    for i in range(span):
        for c in range(places):
            free[i, c] = claim[i, c] <= level
            left += free[i, c]
    if left == 0:
        for i in range(span):
            for c in range(places):
                free[i, c] = True
        left = total
    if ranked:
        kept = min(left, max(1, math.ceil(share * total)))
        chosen = _quietest(column, now, width, step, first, free, left, kept, rssi, window, key, turn, subchannels)
    else:
        chosen = np.empty(left, np.int64)
        n = 0
        for i in range(span):
            for c in range(places):
                if free[i, c]:
                    chosen[n] = i * places + c
                    n += 1
    kept, found = len(chosen), 0
    for k in range(count_wanted):
        if kept == 0:
            break
        pick = min(kept - 1, int(hashed(key, np.uint64(7919 + k), turn + 1) * kept))
        slot, sub = first + chosen[pick] // places, chosen[pick] % places
        result[found, 0], result[found, 1] = slot, sub
        found += 1
        # The others are of other slots.
        n = 0
        for m in range(kept):
            if first + chosen[m] // places != slot:
                chosen[n] = chosen[m]
                n += 1
        kept = n
    return found
