"""The compiled slot loop of sensing-based sidelink: transmissions, receptions, sensing memories, use of resources.

Nothing happens in a slot in which nobody transmits or selects; otherwise a slot costs what its senders' neighbours cost.
Most of those are too far away to notice a packet: for them only the power in its subchannels changes.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.access.events import longer_rows, pop, push, roomy
from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, SENSING
from v2xsim.comms.access.sidelink_selection import MEMORY, selected
from v2xsim.comms.draws import faded, hashed
from v2xsim.comms.phy.error_rate import LUCK_BINS, error_rate_at

# Columns of what is scheduled: packet, station addressed, slot, first subchannel, subchannels, period announced in slots,
# transmissions left after this one, whether others have been told of it, row of its keys.
NUMBER, TARGET, SLOT, SUB, WIDTH, PERIOD, LEFT, TOLD, USED, ENTRY = range(10)
# Columns of a station: slot of its stream's last use, subchannel, width, period, uses left, slot of its last transmission, packets scheduled.
GRANT_SLOT, GRANT_SUB, GRANT_WIDTH, GRANT_PERIOD, GRANT_LEFT, SENT_SLOT, PENDING, STATION = range(8)
# Events of a slot, in order.
RECHECK, SEND = 0, 1


@njit(cache=True, nogil=True)
def _own_slots(entry, size, s, heap, pending):  # type: ignore[no-untyped-def]
    """Return the slots in which a station has something scheduled."""
    if pending == 0:
        return np.empty(0, np.int64)
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
    station, column, mine, rssi, rsrp, reserved, cleared, longest, got, entry, entry_key, station_key, heap, size,
    new_number, new_sender, new_target, new_slot, new_width, new_period, new_key,
    offset, other, link_mw, link_m, now, until,
    subchannels, t1, new_t2, share, threshold_mw, ranked, window, keep, least_uses, most_uses, repetitions, recheck,
    noise_mw, sensitivity_mw, busy_mw, sci_sinr, overlap, leak, resource_elements, bound, curve_db, curve_rate, slot_us,
    capacity,
):  # fmt: skip
    """Run the slots from now up to until, and return packets, receptions and busy time.

    Returns the tables that may have grown, how many events are ahead, packets and receptions as in Receptions, busy time.
    """
    stations = len(station)
    busy = np.zeros(stations)
    # Power in each subchannel of the slot at hand, and who sends in it.
    present = np.zeros((stations, subchannels))
    sending = np.zeros(stations, np.bool_)
    number, by = np.empty(256, np.int64), np.empty(256, np.int64)
    began_us, begin, noises_dbm = np.empty(256, np.int64), np.empty(256, np.int64), np.empty(256)
    heard_by, outcomes = np.empty(4096, np.int32), np.empty(4096, np.int8)
    heard_mw, ratio = np.empty(4096, np.float32), np.empty(4096, np.float32)
    ended, found, next_new, free_row = 0, 0, 0, 0
    result = np.empty((repetitions + 1, 2), np.int64)
    senders, which, first_near = (
        np.empty(stations, np.int64),
        np.empty(stations, np.int64),
        np.empty(stations + 1, np.int64),
    )
    near, near_mw = np.empty(4096, np.int32), np.empty(4096)
    fades = len(link_m) > 0
    dropped, unsent = np.empty(len(new_number), np.int64), 0
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
            rssi[row] = 0.0
            reserved[row] = 0
            cleared[0] += 1

        while next_new < len(new_number) and new_slot[next_new] == slot:
            # A packet becomes ready: it takes its stream's resource, or new ones.
            n, s = next_new, new_sender[next_new]
            next_new += 1
            if station[s, PENDING] >= capacity:
                dropped[unsent] = new_number[n]
                unsent += 1
                continue
            station[s, PENDING] += 1
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
                chosen = selected(
                    column[s], slot, width, period, uses, new_key[n] ^ station_key[s], 20, slot + t1, slot + new_t2[n],
                    _own_slots(entry, size, s, heap, station[s, PENDING] - 1), rssi, rsrp, reserved, mine, longest[0], subchannels, share,
                    threshold_mw, ranked, window, repetitions + 1, result,
                )  # fmt: skip
                if period > 0:
                    station[s, GRANT_SLOT], station[s, GRANT_SUB] = result[0, 0], result[0, 1]
                    station[s, GRANT_WIDTH], station[s, GRANT_PERIOD] = width, period
                    station[s, GRANT_LEFT] = uses - 1
            elif repetitions > 0:
                chosen = 1 + selected(
                    column[s], slot, width, 0, 1, new_key[n] ^ station_key[s], 40, slot + t1, slot + new_t2[n],
                    np.append(_own_slots(entry, size, s, heap, 1), result[0, 0]), rssi, rsrp, reserved, mine,
                    longest[0], subchannels, share, threshold_mw, ranked, window, repetitions, result[1:],
                )  # fmt: skip
            for k in range(chosen):
                row, entry, entry_key = _stored(entry, entry_key, free_row)
                free_row = row + 1
                entry[row, NUMBER], entry[row, TARGET] = new_number[n], new_target[n]
                entry[row, SLOT], entry[row, SUB], entry[row, WIDTH] = result[k, 0], result[k, 1], width
                entry[row, PERIOD] = period if k == 0 and station[s, GRANT_LEFT] > 0 else 0
                entry[row, LEFT], entry[row, TOLD], entry[row, USED] = chosen - 1, int(first_told), 1
                entry_key[row] = new_key[n]
                heap = roomy(heap, size)
                size = push(heap, size, result[k, 0], SEND, s, row)
                if recheck > 0 and not first_told and k == 0 and result[k, 0] - recheck > slot:
                    heap = roomy(heap, size)
                    size = push(heap, size, result[k, 0] - recheck, RECHECK, s, row)

        # Re-evaluation: whether what was chosen and not yet announced has been announced by somebody else meanwhile.
        while size > 0 and heap[0, 0] == slot and heap[0, 1] == RECHECK:
            s, row = heap[0, 2], heap[0, 3]
            size = pop(heap, size)
            if entry[row, USED] == 0 or entry[row, TOLD] == 1:
                continue
            at, sub, width = entry[row, SLOT], entry[row, SUB], entry[row, WIDTH]
            clash = False
            for z in range(max(0, slot - min(window, longest[0])), slot):
                for c in range(subchannels):
                    p = np.int64(reserved[z % MEMORY, column[s], c])
                    if (
                        p > 0
                        and z + p == at
                        and rsrp[z % MEMORY, column[s], c] > threshold_mw
                        and sub <= c < sub + width
                    ):
                        clash = True
            last = max(at, slot + t1)
            if clash:
                chosen = selected(
                    column[s], slot, width, entry[row, PERIOD], 1, entry_key[row] ^ station_key[s], 60, slot + t1,
                    max(slot + t1 + 1, last), _own_slots(entry, size, s, heap, 1), rssi, rsrp, reserved, mine,
                    longest[0], subchannels, share, threshold_mw, ranked, window, 1, result,
                )  # fmt: skip
                for n in range(size):
                    if heap[n, 1] == SEND and heap[n, 3] == row:
                        heap[n, 0], heap[n, 1] = heap[n, 0], 2
                if chosen > 0:
                    if station[s, GRANT_SLOT] == at:
                        station[s, GRANT_SLOT], station[s, GRANT_SUB] = result[0, 0], result[0, 1]
                    entry[row, SLOT], entry[row, SUB], entry[row, TOLD] = result[0, 0], result[0, 1], 1
                    heap = roomy(heap, size)
                    size = push(heap, size, result[0, 0], SEND, s, row)

        # Who transmits in this slot; a station sends one thing at a time.
        count = 0
        while size > 0 and heap[0, 0] == slot:
            kind, s, row = heap[0, 1], heap[0, 2], heap[0, 3]
            size = pop(heap, size)
            if kind == 2 or entry[row, USED] == 0 or entry[row, SLOT] != slot:
                continue
            if station[s, SENT_SLOT] == slot:
                # Two of its own met: the later goes one slot on.
                entry[row, SLOT] = slot + 1
                heap = roomy(heap, size)
                size = push(heap, size, slot + 1, SEND, s, row)
                continue
            station[s, SENT_SLOT] = slot
            mine[column[s], slot % MEMORY] = slot
            senders[count], which[count], sending[s] = s, row, True
            count += 1
        if count == 0:
            continue
        memory = slot % MEMORY
        at = 0
        for k in range(count):
            s, row = senders[k], which[k]
            sub, width = entry[row, SUB], entry[row, WIDTH]
            target, repeated = entry[row, TARGET], repetitions > 0
            first_near[k] = at
            low, links = offset[s], offset[s + 1] - offset[s]
            near, near_mw = longer_rows(near, at, links), longer_rows(near_mw, at, links)
            for link in range(low, low + links):
                r, p = np.uint64(other[link]), link_mw[link]
                if fades:
                    p *= faded(link_m[link], entry_key[row] ^ np.uint64(entry[row, LEFT]), station_key[r])
                for c in range(sub, sub + width):
                    present[r, c] += p / width
                if p >= sensitivity_mw or sending[r] or other[link] == target or repeated:
                    near[at], near_mw[at] = other[link], p
                    at += 1
                    # What is below the sensitivity is not told from noise, so it does not count in the ranking.
                    if p >= sensitivity_mw:
                        for c in range(sub, sub + width):
                            rssi[memory, column[r], c] += p / width
            for c in range(sub, sub + width):
                # A sender knows its own subchannels to be in use.
                present[s, c] += 1.0
        first_near[count] = at
        heard_by, outcomes = longer_rows(heard_by, found, at), longer_rows(outcomes, found, at)
        heard_mw, ratio = longer_rows(heard_mw, found, at), longer_rows(ratio, found, at)
        number, by = longer_rows(number, ended, count), longer_rows(by, ended, count)
        began_us, begin = longer_rows(began_us, ended, count), longer_rows(begin, ended, count)
        noises_dbm = longer_rows(noises_dbm, ended, count)
        for k in range(count):
            s, row = senders[k], which[k]
            sub, width, target = entry[row, SUB], entry[row, WIDTH], entry[row, TARGET]
            noise = noise_mw * width / subchannels
            noise_dbm = 10.0 * math.log10(noise)
            last_one = entry[row, LEFT] == 0
            if last_one:
                station[s, PENDING] -= 1
                number[ended], by[ended], began_us[ended] = entry[row, NUMBER], s, slot * slot_us
                noises_dbm[ended], begin[ended] = noise_dbm, found
                ended += 1
            period = entry[row, PERIOD]
            longest[0] = max(longest[0], period)
            for n in range(first_near[k], first_near[k + 1]):
                r, p = np.uint64(near[n]), near_mw[n]
                inside, outside = 0.0, 0.0
                for c in range(subchannels):
                    if sub <= c < sub + width:
                        inside += present[r, c]
                    elif leak[1] > 0.0:
                        gap = sub - c if c < sub else c - sub - width + 1
                        outside += leak[gap] * present[r, c] * width
                disturbance = max(0.0, inside - p) * overlap + outside
                # A millionth of the noise is what rounding leaves in the sum that held the packet itself.
                if disturbance < 1e-6 * noise:
                    disturbance = 0.0
                if sending[r]:
                    outcome = HALF_DUPLEX
                elif p < sensitivity_mw:
                    outcome = SENSING
                else:
                    luck = hashed(entry_key[row] ^ np.uint64(entry[row, LEFT]), station_key[r], 0)
                    # Bounds on the ratio decide nearly always, without a logarithm.
                    bin_of = int(luck * LUCK_BINS)
                    lost_at, safe_at = bound[bin_of, 0], bound[bin_of, 1]
                    clear = p / noise
                    lost = clear < safe_at
                    if lost and clear >= lost_at:
                        lost = luck < error_rate_at(10.0 * math.log10(clear), curve_db, curve_rate)
                    if lost:
                        outcome = PROPAGATION
                    else:
                        outcome = DELIVERED
                        if disturbance > 0.0:
                            spoilt = p / (noise + disturbance)
                            lost = spoilt < safe_at
                            if lost and spoilt >= lost_at:
                                lost = luck < error_rate_at(10.0 * math.log10(spoilt), curve_db, curve_rate)
                            if lost:
                                outcome = COLLISION
                    if period > 0 and p >= sci_sinr * (noise + disturbance):
                        per_element = p / (resource_elements * width)
                        for c in range(sub, sub + width):
                            if per_element > rsrp[memory, column[r], c] or reserved[memory, column[r], c] == 0:
                                rsrp[memory, column[r], c], reserved[memory, column[r], c] = per_element, period
                if repetitions > 0:
                    if outcome == DELIVERED:
                        got[column[s], column[r]] = entry[row, NUMBER] + 1
                    if not last_one:
                        continue
                    if got[column[s], column[r]] == entry[row, NUMBER] + 1:
                        outcome = DELIVERED
                if outcome != SENSING or near[n] == target:
                    heard_by[found], outcomes[found] = near[n], outcome
                    heard_mw[found], ratio[found] = p, disturbance / noise
                    found += 1
            entry[row, USED] = 0
        for k in range(count):
            sending[senders[k]] = False
        # The transmissions left of a packet count down in the order in which they are sent.
        for k in range(count):
            resent, s = entry[which[k], NUMBER], senders[k]
            if repetitions > 0:
                for n in range(size):
                    if heap[n, 1] == SEND and heap[n, 2] == s and entry[heap[n, 3], NUMBER] == resent:
                        entry[heap[n, 3], LEFT] -= 1
        for station_row in range(stations):
            used = 0
            for c in range(subchannels):
                used += present[station_row, c] > busy_mw
                present[station_row, c] = 0.0
            busy[station_row] += slot_us * used / subchannels
    begin = longer_rows(begin, ended, 1)
    begin[ended] = found
    return (
        heap, size, entry, entry_key, (number[:ended], by[:ended], began_us[:ended], noises_dbm[:ended], begin[: ended + 1]),
        (heard_by[:found], outcomes[:found], heard_mw[:found], ratio[:found]), busy, dropped[:unsent],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _uses(packet_key, station_key, least, most, period, turn):  # type: ignore[no-untyped-def]
    """Return for how many packets a resource is kept: more where they come faster than every 100 slots."""
    factor = max(1, -(-100 // max(20, period)))
    drawn = least + int(hashed(packet_key, station_key, turn) * (most - least + 1))
    return factor * min(most, drawn)
