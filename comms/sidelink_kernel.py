"""The compiled slot loop of sensing-based sidelink: transmissions, receptions, sensing memories, selection of resources.

Nothing happens in a slot in which nobody transmits or selects; otherwise a slot costs what its senders' neighbours cost.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.csma_kernel import _NEPER, _pop, _push, _roomy, faded, hashed
from v2xsim.comms.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, SENSING
from v2xsim.comms.phy import error_rate_at

# Columns of what is scheduled: packet, station addressed, slot, first subchannel, subchannels, period announced in slots,
# transmissions left after this one, whether others have been told of it, row of its keys.
NUMBER, TARGET, SLOT, SUB, WIDTH, PERIOD, LEFT, TOLD, USED, ENTRY = range(10)
# Columns of a station: slot of its stream's last use, subchannel, width, period, uses left, slot of its last transmission.
GRANT_SLOT, GRANT_SUB, GRANT_WIDTH, GRANT_PERIOD, GRANT_LEFT, SENT_SLOT, STATION = range(7)
# Events of a slot, in order.
RECHECK, SEND = 0, 1
NONE = -1
MEMORY = 1100


@njit(cache=True, nogil=True)
def _selected(  # type: ignore[no-untyped-def]
    s, now, width, period, uses, key, turn, first, last, taken, rssi, rsrp, reserved, sent_at, subchannels,
    share, threshold_mw, ranked, window, count_wanted, result,
):  # fmt: skip
    """Choose resources for a station: into result, rows of slot and subchannel.

    Excluded are slots in which the station itself sent and so heard nothing (they may hold a reservation one period
    on), slots in which it already has something to send, and what announced reservations stronger than the threshold
    overlap; the threshold rises by 3 dB until the share remains. Ranked, only the share with the least mean power over
    the periods before is kept. Among what remains chance decides.
    """
    span, places = last - first + 1, subchannels - width + 1
    total = span * places
    free = np.empty((span, places), np.bool_)
    level = threshold_mw
    step = 100 if period <= 0 else period
    # Own transmissions of the sensing window: what others announced then is unknown.
    deaf = np.zeros(step, np.bool_)
    for n in range(sent_at.shape[1]):
        if sent_at[s, n] != NONE and now - sent_at[s, n] <= window:
            deaf[sent_at[s, n] % step] = True
    while True:
        for i in range(span):
            for c in range(places):
                free[i, c] = True
        for i in range(span):
            slot = first + i
            for n in range(len(taken)):
                if taken[n] == slot:
                    for c in range(places):
                        free[i, c] = False
            if deaf[slot % step]:
                for c in range(places):
                    free[i, c] = False
        oldest = max(0, now - window)
        for z in range(oldest, now):
            row = z % MEMORY
            for c in range(subchannels):
                p = reserved[s, row, c]
                if p <= 0 or rsrp[s, row, c] <= level:
                    continue
                t = z + p
                while t <= last + uses * step and t <= z + max(p, span + p):
                    y, j = t, 0
                    while y >= first and j < uses:
                        if y <= last and y >= now:
                            for place in range(max(0, c - width + 1), min(places, c + 1)):
                                free[y - first, place] = False
                        y -= step
                        j += 1
                    if p >= span:
                        break
                    t += p
        left = 0
        for i in range(span):
            for c in range(places):
                left += free[i, c]
        if left >= share * total or level > 1e6:
            break
        level *= 10.0**0.3
    if left == 0:
        for i in range(span):
            for c in range(places):
                free[i, c] = True
        left = total
    kept = left
    if ranked:
        # The mean power of each free resource over the last periods, and the lowest share of all resources by it.
        kept = min(left, max(1, math.ceil(share * total)))
        value, index = np.empty(left), np.empty(left, np.int64)
        n = 0
        for i in range(span):
            for c in range(places):
                if not free[i, c]:
                    continue
                mean, seen = 0.0, 0
                z = first + i - step
                while z >= max(0, now - window):
                    if z < now:
                        for w in range(width):
                            mean += rssi[s, z % MEMORY, c + w]
                        seen += 1
                    z -= step
                value[n] = mean / max(1, seen)
                # Equal powers, as of resources that nobody uses, are put in random order.
                value[n] += 1e-18 * hashed(key, np.uint64(i * subchannels + c + 1), turn)
                index[n] = i * places + c
                n += 1
        order = np.argsort(value)
        chosen = np.empty(kept, np.int64)
        for n in range(kept):
            chosen[n] = index[order[n]]
    else:
        chosen = np.empty(left, np.int64)
        n = 0
        for i in range(span):
            for c in range(places):
                if free[i, c]:
                    chosen[n] = i * places + c
                    n += 1
    found = 0
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


@njit(cache=True, nogil=True)
def _own_slots(entry, size, s, heap):  # type: ignore[no-untyped-def]
    """Return the slots in which a station has something scheduled."""
    slots = np.empty(size, np.int64)
    count = 0
    for n in range(size):
        if heap[n, 2] == s and heap[n, 1] == SEND:
            slots[count] = entry[heap[n, 3], SLOT]
            count += 1
    return slots[:count]


@njit(cache=True, nogil=True)
def _stored(entry, entry_key, free_row):  # type: ignore[no-untyped-def]
    """Return a free row of what is scheduled, and the tables, longer where there was none."""
    rows = len(entry)
    for n in range(rows):
        row = (free_row + n) % rows
        if entry[row, USED] == 0:
            return row, entry, entry_key
    longer, longer_key = np.zeros((2 * rows, ENTRY), np.int64), np.zeros(2 * rows, np.uint64)
    for n in range(rows):
        for c in range(ENTRY):
            longer[n, c] = entry[n, c]
        longer_key[n] = entry_key[n]
    return rows, longer, longer_key


@njit(cache=True, nogil=True)
def advanced(  # type: ignore[no-untyped-def]
    station, sent_at, rssi, rsrp, reserved, cleared, got, entry, entry_key, station_key, heap, size,
    new_number, new_sender, new_target, new_slot, new_width, new_period, new_key,
    offset, other, link_dbm, link_m, now, until,
    subchannels, t1, new_t2, share, threshold_mw, ranked, window, keep, least_uses, most_uses, repetitions, recheck,
    noise_mw, sensitivity_mw, busy_mw, sci_sinr, leak, resource_elements, curve_db, curve_rate, slot_us,
):  # fmt: skip
    """Run the slots from now up to until, and return receptions and busy time.

    Returns the tables that may have grown, how many events are ahead, receptions (integers and levels), busy time.
    """
    stations = len(station)
    busy = np.zeros(stations)
    # Power in each subchannel of the slot at hand.
    present = np.zeros((stations, subchannels))
    rows, levels = np.empty((4096, 6), np.int64), np.empty((4096, 3))
    found, next_new, free_row = 0, 0, 0
    result = np.empty((repetitions + 1, 2), np.int64)
    senders, which = np.empty(stations, np.int64), np.empty(stations, np.int64)
    power, power_dbm = np.empty(0), np.empty(0)
    while True:
        slot = until
        if next_new < len(new_number):
            slot = min(slot, new_slot[next_new])
        if size > 0:
            slot = min(slot, heap[0, 0])
        if slot >= until:
            break
        # Forget what the memories hold of slots that this round of the ring has passed.
        while cleared[0] <= slot:
            row = cleared[0] % MEMORY
            for r in range(stations):
                for c in range(subchannels):
                    rssi[r, row, c], reserved[r, row, c] = 0.0, 0
            cleared[0] += 1

        while next_new < len(new_number) and new_slot[next_new] == slot:
            # A packet becomes ready: it takes its stream's resource, or new ones.
            n, s = next_new, new_sender[next_new]
            next_new += 1
            period, width = new_period[n], new_width[n]
            uses, chosen = 1, 0
            if period > 0:
                if (
                    station[s, GRANT_LEFT] == 0 and station[s, GRANT_PERIOD] == period
                    and hashed(new_key[n], station_key[s], 5) < keep
                ):  # fmt: skip
                    station[s, GRANT_LEFT] = _uses(new_key[n], station_key[s], least_uses, most_uses, period, 6)
                if (
                    station[s, GRANT_LEFT] > 0 and station[s, GRANT_PERIOD] == period and station[s, GRANT_WIDTH] == width
                ):  # fmt: skip
                    at = station[s, GRANT_SLOT] + period
                    while at < slot + 1:
                        at += period
                    result[0, 0], result[0, 1] = at, station[s, GRANT_SUB]
                    station[s, GRANT_SLOT], chosen = at, 1
                    station[s, GRANT_LEFT] -= 1
                else:
                    uses = _uses(new_key[n], station_key[s], least_uses, most_uses, period, 4)
            first_told = chosen == 1
            if chosen == 0:
                chosen = _selected(
                    s, slot, width, period, uses, new_key[n] ^ station_key[s], 20, slot + t1, slot + new_t2[n],
                    _own_slots(entry, size, s, heap), rssi, rsrp, reserved, sent_at, subchannels, share, threshold_mw,
                    ranked, window, repetitions + 1, result,
                )  # fmt: skip
                if period > 0:
                    station[s, GRANT_SLOT], station[s, GRANT_SUB] = result[0, 0], result[0, 1]
                    station[s, GRANT_WIDTH], station[s, GRANT_PERIOD] = width, period
                    station[s, GRANT_LEFT] = uses - 1
            elif repetitions > 0:
                chosen = 1 + _selected(
                    s, slot, width, 0, 1, new_key[n] ^ station_key[s], 40, slot + t1, slot + new_t2[n],
                    np.append(_own_slots(entry, size, s, heap), result[0, 0]), rssi, rsrp, reserved, sent_at,
                    subchannels, share, threshold_mw, ranked, window, repetitions, result[1:],
                )  # fmt: skip
            for k in range(chosen):
                row, entry, entry_key = _stored(entry, entry_key, free_row)
                free_row = row + 1
                entry[row, NUMBER], entry[row, TARGET] = new_number[n], new_target[n]
                entry[row, SLOT], entry[row, SUB], entry[row, WIDTH] = result[k, 0], result[k, 1], width
                entry[row, PERIOD] = period if k == 0 and station[s, GRANT_LEFT] > 0 else 0
                entry[row, LEFT], entry[row, TOLD], entry[row, USED] = chosen - 1, int(first_told), 1
                entry_key[row] = new_key[n]
                heap = _roomy(heap, size)
                size = _push(heap, size, result[k, 0], SEND, s, row)
                if recheck > 0 and not first_told and k == 0 and result[k, 0] - recheck > slot:
                    heap = _roomy(heap, size)
                    size = _push(heap, size, result[k, 0] - recheck, RECHECK, s, row)

        # Re-evaluation: whether what was chosen and not yet announced has been announced by somebody else meanwhile.
        while size > 0 and heap[0, 0] == slot and heap[0, 1] == RECHECK:
            s, row = heap[0, 2], heap[0, 3]
            size = _pop(heap, size)
            if entry[row, USED] == 0 or entry[row, TOLD] == 1:
                continue
            at, sub, width = entry[row, SLOT], entry[row, SUB], entry[row, WIDTH]
            clash = False
            for z in range(max(0, slot - window), slot):
                for c in range(subchannels):
                    p = reserved[s, z % MEMORY, c]
                    if p > 0 and z + p == at and rsrp[s, z % MEMORY, c] > threshold_mw and sub <= c < sub + width:
                        clash = True
            last = max(at, slot + t1)
            if clash:
                chosen = _selected(
                    s, slot, width, entry[row, PERIOD], 1, entry_key[row] ^ station_key[s], 60, slot + t1,
                    max(slot + t1 + 1, last), _own_slots(entry, size, s, heap), rssi, rsrp, reserved, sent_at,
                    subchannels, share, threshold_mw, ranked, window, 1, result,
                )  # fmt: skip
                for n in range(size):
                    if heap[n, 1] == SEND and heap[n, 3] == row:
                        heap[n, 0], heap[n, 1] = heap[n, 0], 2
                if chosen > 0:
                    if station[s, GRANT_SLOT] == at:
                        station[s, GRANT_SLOT], station[s, GRANT_SUB] = result[0, 0], result[0, 1]
                    entry[row, SLOT], entry[row, SUB], entry[row, TOLD] = result[0, 0], result[0, 1], 1
                    heap = _roomy(heap, size)
                    size = _push(heap, size, result[0, 0], SEND, s, row)

        # Who transmits in this slot; a station sends one thing at a time.
        count, links = 0, 0
        while size > 0 and heap[0, 0] == slot:
            kind, s, row = heap[0, 1], heap[0, 2], heap[0, 3]
            size = _pop(heap, size)
            if kind == 2 or entry[row, USED] == 0 or entry[row, SLOT] != slot:
                continue
            if station[s, SENT_SLOT] == slot:
                # Two of its own met: the later goes one slot on.
                entry[row, SLOT] = slot + 1
                heap = _roomy(heap, size)
                size = _push(heap, size, slot + 1, SEND, s, row)
                continue
            station[s, SENT_SLOT] = slot
            sent_at[s, slot % sent_at.shape[1]] = slot
            senders[count], which[count] = s, row
            links += offset[s + 1] - offset[s]
            count += 1
        if count == 0:
            continue
        if links > len(power):
            power, power_dbm = np.empty(2 * links), np.empty(2 * links)
        memory = slot % MEMORY
        at = 0
        for k in range(count):
            s, row = senders[k], which[k]
            sub, width = entry[row, SUB], entry[row, WIDTH]
            for link in range(offset[s], offset[s + 1]):
                r = other[link]
                p_dbm = link_dbm[link]
                p = math.exp(_NEPER * p_dbm)
                if link_m[link] < 1e6:
                    p *= faded(link_m[link], entry_key[row] ^ np.uint64(entry[row, LEFT]), station_key[r])
                    p_dbm = 10.0 * math.log10(p)
                power[at], power_dbm[at] = p, p_dbm
                at += 1
                for c in range(sub, sub + width):
                    present[r, c] += p / width
                    # What is below the sensitivity is not told from noise, so it does not count in the ranking.
                    if p >= sensitivity_mw:
                        rssi[r, memory, c] += p / width
            for c in range(sub, sub + width):
                # A sender knows its own subchannels to be in use.
                present[s, c] += 1.0
        while found + links > len(rows):
            longer_rows, longer_levels = np.empty((2 * len(rows), 6), np.int64), np.empty((2 * len(rows), 3))
            for i in range(found):
                for c in range(6):
                    longer_rows[i, c] = rows[i, c]
                for c in range(3):
                    longer_levels[i, c] = levels[i, c]
            rows, levels = longer_rows, longer_levels
        at = 0
        for k in range(count):
            s, row = senders[k], which[k]
            sub, width = entry[row, SUB], entry[row, WIDTH]
            noise = noise_mw * width / subchannels
            noise_dbm = 10.0 * math.log10(noise)
            last_one = entry[row, LEFT] == 0
            for link in range(offset[s], offset[s + 1]):
                r, p, sent_dbm = other[link], power[at], power_dbm[at]
                at += 1
                inside, outside = 0.0, 0.0
                for c in range(subchannels):
                    if sub <= c < sub + width:
                        inside += present[r, c]
                    elif leak[1] > 0.0:
                        gap = sub - c if c < sub else c - sub - width + 1
                        outside += leak[gap] * present[r, c] * width
                disturbance = max(0.0, inside - p) + outside
                sinr = p / (noise + disturbance)
                snr_db = sent_dbm - noise_dbm
                sinr_db = snr_db
                # Below a thousandth of the noise is rounding of the sum that held the packet itself.
                if disturbance > 1e-3 * noise:
                    sinr_db -= 10.0 * math.log10(1.0 + disturbance / noise)
                if station[r, SENT_SLOT] == slot:
                    outcome = HALF_DUPLEX
                elif p < sensitivity_mw:
                    outcome = SENSING
                else:
                    luck = hashed(entry_key[row] ^ np.uint64(entry[row, LEFT]), station_key[r], 0)
                    if luck < error_rate_at(snr_db, curve_db, curve_rate):
                        outcome = PROPAGATION
                    elif luck < error_rate_at(sinr_db, curve_db, curve_rate):
                        outcome = COLLISION
                    else:
                        outcome = DELIVERED
                    if sinr >= sci_sinr and entry[row, PERIOD] > 0:
                        per_element = p / (resource_elements * width)
                        for c in range(sub, sub + width):
                            if per_element > rsrp[r, memory, c] or reserved[r, memory, c] == 0:
                                rsrp[r, memory, c], reserved[r, memory, c] = per_element, entry[row, PERIOD]
                if repetitions > 0:
                    if outcome == DELIVERED:
                        got[s, r] = entry[row, NUMBER] + 1
                    if not last_one:
                        continue
                    if got[s, r] == entry[row, NUMBER] + 1:
                        outcome = DELIVERED
                rows[found, 0], rows[found, 1], rows[found, 2] = entry[row, NUMBER], s, r
                rows[found, 3], rows[found, 4], rows[found, 5] = slot * slot_us, (slot + 1) * slot_us, outcome
                levels[found, 0], levels[found, 1], levels[found, 2] = sent_dbm, snr_db, sinr_db
                found += 1
            entry[row, USED] = 0
        # The transmissions left of a packet count down in the order in which they are sent.
        for k in range(count):
            number, s = entry[which[k], NUMBER], senders[k]
            if repetitions > 0:
                for n in range(size):
                    if heap[n, 1] == SEND and heap[n, 2] == s and entry[heap[n, 3], NUMBER] == number:
                        entry[heap[n, 3], LEFT] -= 1
        for r in range(stations):
            used = 0
            for c in range(subchannels):
                used += present[r, c] > busy_mw
                present[r, c] = 0.0
            busy[r] += slot_us * used / subchannels
    return heap, size, entry, entry_key, rows[:found].copy(), levels[:found].copy(), busy


@njit(cache=True, nogil=True)
def _uses(packet_key, station_key, least, most, period, turn):  # type: ignore[no-untyped-def]
    """Return for how many packets a resource is kept: more where they come faster than every 100 slots."""
    factor = max(1, -(-100 // max(20, period)))
    drawn = least + int(hashed(packet_key, station_key, turn) * (most - least + 1))
    return factor * min(most, drawn)
