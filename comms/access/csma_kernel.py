"""The compiled event loop of IEEE 802.11p broadcast: carrier sensing, back-off, receptions, all stations at once.

Events are a packet that becomes ready, a transmission that begins, one that ends. Each touches its station and the
stations linked with it, so a transmission costs what its neighbours cost. Most of them are too far away to lock on it or
to sense it: for those only the power on the air changes.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.access.events import longer_rows, pop, push, roomy
from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.draws import faded, hashed
from v2xsim.comms.phy.error_rate import LUCK_BINS, error_rate_at

# Columns of the integer state of a station.
(QUEUED, FIRST, BACKOFF, START_US, VERSION, SENT_AT_US, LOCKED_PLACE, IDLE_SINCE_US, BUSY_SINCE_US, NUMBER, TARGET, LINKS,
 INTEGERS) = range(13)  # fmt: skip
# Columns of what every link touches, all of a station side by side: power on the air there; what it receives (a station,
# NOTHING, or ITSELF while it sends), that packet's power (infinity without one), its interference (the most, or summed over
# time) and when it began; how many transmissions are on the air; for how many reasons apart from power its channel is busy;
# since when the channel counts as busy, or -1.
ENERGY, LOCKED_ON, LOCKED_MW, DISTURBANCE, LOCKED_AT_US, ONGOING, HOLDS, LOUD_SINCE_US, FLOATS = range(9)
NOTHING, ITSELF = -1.0, -2.0
# Columns of the rest: energy per bit against SINR of what it sends, since when interference has not been summed up.
EBN0_DB, CHANGED_US, RARE = range(3)
END, START = 0, 1
NONE = -1


@njit(cache=True, nogil=True)
def _mark_load(level, load_us, r, now_us, busy_mw):  # type: ignore[no-untyped-def]
    """Note whether the channel counts as busy at a station from now on, and add up the time in which it did."""
    loud = level[r, ENERGY] > busy_mw or level[r, LOCKED_ON] == ITSELF
    if busy_mw == math.inf:
        # A threshold of infinity asks for packets heard one by one rather than for the sum of powers.
        loud = loud or level[r, HOLDS] > (0.0 if level[r, LOCKED_ON] == NOTHING else 1.0)
    if loud:
        if level[r, LOUD_SINCE_US] < 0.0:
            level[r, LOUD_SINCE_US] = now_us
    elif level[r, LOUD_SINCE_US] >= 0.0:
        load_us[r] += now_us - np.int64(level[r, LOUD_SINCE_US])
        level[r, LOUD_SINCE_US] = -1.0


@njit(cache=True, nogil=True)
def _summed(level, rare, r, now_us):  # type: ignore[no-untyped-def]
    """Bring the interference over time of the packet that a station is locked on up to now."""
    if level[r, LOCKED_MW] != math.inf:
        disturbance = level[r, ENERGY] - level[r, LOCKED_MW]
        if disturbance > 0.0:
            level[r, DISTURBANCE] += (now_us - rare[r, CHANGED_US]) * disturbance
        rare[r, CHANGED_US] = now_us


@njit(cache=True, nogil=True)
def _drawn(packet_key, station_key, window):  # type: ignore[no-untyped-def]
    """Return a back-off in slots."""
    return int(hashed(packet_key, station_key, 1) * (window + 1))


@njit(cache=True, nogil=True)
def _plan(state, heap, size, r, now_us, aifs_us, slot_us):  # type: ignore[no-untyped-def]
    """Plan the start of the packet that an idle station has waiting."""
    at_us = max(now_us, state[r, IDLE_SINCE_US] + aifs_us + state[r, BACKOFF] * slot_us)
    state[r, START_US] = at_us
    state[r, VERSION] += 1
    heap = roomy(heap, size)
    return heap, push(heap, size, at_us, START, r, state[r, VERSION])


@njit(cache=True, nogil=True)
def advanced(  # type: ignore[no-untyped-def]
    state, level, rare, queue_of, queue, queue_key, queue_db, send_key, station_key, receiver, power_mw, verdict, heap, size,
    new_number, new_sender, new_target, new_ready_us, new_airtime_us, new_ebn0_db, new_key,
    offset, other, link_mw, link_m, now_us, until_us,
    aifs_us, slot_us, window, capacity, noise_mw, sensitivity_mw, preamble_mw, energy_mw, busy_mw, capture, worst, bound,
    curve_db, curve_rate,
):  # fmt: skip
    """Run all events before an instant, those exactly at it left for later except ends.

    Returns the events still ahead, how many, packets and receptions as in Receptions, busy time, numbers of packets dropped.
    """
    stations = len(state)
    load_us = np.zeros(stations, np.int64)
    number, by = np.empty(256, np.int64), np.empty(256, np.int64)
    began_us, ended_us, begin = np.empty(256, np.int64), np.empty(256, np.int64), np.empty(256, np.int64)
    heard_by, outcomes = np.empty(4096, np.int32), np.empty(4096, np.int8)
    heard_mw, ratio = np.empty(4096, np.float32), np.empty(4096, np.float32)
    sent, found = 0, 0
    dropped = np.empty(len(new_number) + 1, np.int64)
    unsent, next_new = 0, 0
    # Weaker packets change the power on the air and nothing else, unless that crosses a threshold.
    weak_mw = min(sensitivity_mw, preamble_mw)
    fades = len(link_m) > 0
    by_packet = busy_mw == math.inf
    # Stations whose channel a transmission's end left idle while they have something waiting.
    idle = np.empty(stations + 1, np.int64)
    while True:
        ready_us = new_ready_us[next_new] if next_new < len(new_number) else until_us
        event_us = heap[0, 0] if size > 0 else until_us + 1
        ends_now = size > 0 and event_us == until_us and heap[0, 1] == END
        if ready_us >= until_us and event_us >= until_us and not ends_now:
            break
        if ready_us < until_us and ready_us < event_us:
            # A packet becomes ready.
            n, s, t = next_new, new_sender[next_new], ready_us
            next_new += 1
            if state[s, QUEUED] == capacity:
                # The oldest waiting makes room: what it says is out of date.
                first = state[s, FIRST]
                dropped[unsent] = queue[queue_of[s], first, 0]
                unsent += 1
                state[s, FIRST] = (first + 1) % capacity
                state[s, QUEUED] -= 1
            place = (state[s, FIRST] + state[s, QUEUED]) % capacity
            q = queue_of[s]
            queue[q, place, 0], queue[q, place, 1] = new_number[n], new_target[n]
            queue[q, place, 2] = new_airtime_us[n]
            queue_key[q, place], queue_db[q, place] = new_key[n], new_ebn0_db[n]
            state[s, QUEUED] += 1
            if state[s, QUEUED] == 1 or state[s, START_US] == NONE:
                at_us = max(t, state[s, IDLE_SINCE_US] + aifs_us + state[s, BACKOFF] * slot_us)
                if level[s, HOLDS] > 0.0 or level[s, ENERGY] >= energy_mw:
                    # What began less than a slot ago is not heard yet by one that would send by then.
                    unheard = level[s, LOCKED_ON] != ITSELF and at_us < state[s, BUSY_SINCE_US] + slot_us
                    if not unheard and state[s, BACKOFF] <= 0:
                        state[s, BACKOFF] = _drawn(queue_key[queue_of[s], state[s, FIRST]], station_key[s], window)
                else:
                    unheard = True
                if unheard:
                    # What is left of the back-off after the last packet goes first.
                    heap, size = _plan(state, heap, size, s, t, aifs_us, slot_us)
            continue

        t, kind, s, version = heap[0, 0], heap[0, 1], heap[0, 2], heap[0, 3]
        size = pop(heap, size)
        if kind == START:
            if version != state[s, VERSION] or state[s, START_US] != t or state[s, QUEUED] == 0:
                continue
            first = state[s, FIRST]
            q = queue_of[s]
            state[s, NUMBER], state[s, TARGET] = queue[q, first, 0], queue[q, first, 1]
            send_key[s], rare[s, EBN0_DB] = queue_key[q, first], queue_db[q, first]
            state[s, FIRST], state[s, QUEUED] = (first + 1) % capacity, state[s, QUEUED] - 1
            if level[s, LOCKED_ON] != NOTHING:
                # It begins to send before it could notice what it had begun to receive.
                verdict[np.int64(level[s, LOCKED_ON]), state[s, LOCKED_PLACE]] = HALF_DUPLEX
                level[s, HOLDS] -= 1.0
            level[s, LOCKED_ON], level[s, LOCKED_MW] = ITSELF, math.inf
            level[s, HOLDS] += 1.0
            state[s, SENT_AT_US], state[s, START_US] = t, NONE
            state[s, BUSY_SINCE_US] = t
            _mark_load(level, load_us, s, t, busy_mw)
            # The back-off after this packet.
            state[s, BACKOFF] = int(hashed(send_key[s], station_key[s], 2) * (window + 1))
            heap = roomy(heap, size)
            size = push(heap, size, t + queue[q, first, 2], END, s, 0)
            low = offset[s]
            state[s, LINKS] = offset[s + 1] - low
            for n in range(state[s, LINKS]):
                r = np.uint64(other[low + n])
                p = link_mw[low + n]
                if fades:
                    p *= faded(link_m[low + n], send_key[s], station_key[r])
                receiver[s, n], power_mw[s, n] = other[low + n], p
                before = level[r, ENERGY]
                after = before + p
                if not worst:
                    _summed(level, rare, r, t)
                elif after - level[r, LOCKED_MW] > level[r, DISTURBANCE]:
                    level[r, DISTURBANCE] = after - level[r, LOCKED_MW]
                level[r, ENERGY] = after
                level[r, ONGOING] += 1.0
                was_busy = level[r, HOLDS] > 0.0 or before >= energy_mw
                if p >= weak_mw:
                    if p >= preamble_mw:
                        level[r, HOLDS] += 1.0
                    if p >= sensitivity_mw:
                        on, held = level[r, LOCKED_ON], level[r, LOCKED_MW]
                        locks = False
                        if on == ITSELF:
                            verdict[s, n] = HALF_DUPLEX
                        elif on == NOTHING:
                            level[r, HOLDS] += 1.0
                            locks = True
                        else:
                            # Within a slot the receiver is still at the preamble and turns to the stronger; later only by
                            # capture.
                            together = t < level[r, LOCKED_AT_US] + slot_us
                            if (together and p > held) or (capture > 0.0 and p > capture * held):
                                verdict[np.int64(on), state[r, LOCKED_PLACE]] = RECEIVER_BUSY if together else COLLISION
                                locks = True
                            else:
                                verdict[s, n] = RECEIVER_BUSY
                        if locks:
                            verdict[s, n] = DELIVERED
                            level[r, LOCKED_ON], level[r, LOCKED_MW], level[r, LOCKED_AT_US] = s, p, t
                            state[r, LOCKED_PLACE] = n
                            level[r, DISTURBANCE] = max(0.0, after - p) if worst else 0.0
                            if not worst:
                                rare[r, CHANGED_US] = t
                    else:
                        verdict[s, n] = SENSING
                if level[r, LOUD_SINCE_US] < 0.0 and (after > busy_mw or (by_packet and p >= preamble_mw)):
                    level[r, LOUD_SINCE_US] = t
                if not was_busy and (level[r, HOLDS] > 0.0 or after >= energy_mw):
                    state[r, BUSY_SINCE_US] = t
                    # A start within the slot can no longer be called off.
                    start_us, left = state[r, START_US], state[r, BACKOFF]
                    if start_us == NONE or start_us >= t + slot_us:
                        passed = t - state[r, IDLE_SINCE_US] - aifs_us
                        if left > 0 and passed >= slot_us:
                            left = max(0, left - passed // slot_us)
                            state[r, BACKOFF] = left
                        if start_us != NONE:
                            # One that waited for AIFS alone draws a back-off.
                            if left == 0:
                                state[r, BACKOFF] = _drawn(
                                    queue_key[queue_of[r], state[r, FIRST]], station_key[r], window
                                )
                            state[r, START_US] = NONE
                            state[r, VERSION] += 1
            continue

        # A transmission ends.
        level[s, LOCKED_ON] = NOTHING
        level[s, HOLDS] -= 1.0
        _mark_load(level, load_us, s, t, busy_mw)
        duration = float(t - state[s, SENT_AT_US])
        waiting = 0
        number, by = longer_rows(number, sent, 1), longer_rows(by, sent, 1)
        began_us, ended_us = longer_rows(began_us, sent, 1), longer_rows(ended_us, sent, 1)
        begin = longer_rows(begin, sent, 1)
        number[sent], by[sent], began_us[sent], ended_us[sent], begin[sent] = (
            state[s, NUMBER], s, state[s, SENT_AT_US], t, found
        )  # fmt: skip
        sent += 1
        target = state[s, TARGET]
        links = state[s, LINKS]
        heard_by, outcomes = longer_rows(heard_by, found, links), longer_rows(outcomes, found, links)
        heard_mw, ratio = longer_rows(heard_mw, found, links), longer_rows(ratio, found, links)
        ebn0 = 10.0 ** (0.1 * rare[s, EBN0_DB])
        for n in range(links):
            if receiver[s, n] < 0:
                continue
            r, p = np.uint64(receiver[s, n]), power_mw[s, n]
            if not worst:
                _summed(level, rare, r, t)
            before = level[r, ENERGY]
            was_busy = level[r, HOLDS] > 0.0 or before >= energy_mw
            level[r, ONGOING] -= 1.0
            # The sum of nothing is nothing, whatever rounding left of it.
            after = before - p if level[r, ONGOING] > 0.0 else 0.0
            level[r, ENERGY] = after
            if p >= weak_mw or receiver[s, n] == target:
                if p >= preamble_mw:
                    level[r, HOLDS] -= 1.0
                outcome = verdict[s, n] if p >= weak_mw else SENSING
                disturbance = 0.0
                if level[r, LOCKED_ON] == s:
                    disturbance = level[r, DISTURBANCE] if worst else level[r, DISTURBANCE] / duration
                    # A millionth of the noise is what rounding leaves in the sum.
                    if disturbance < 1e-6 * noise_mw:
                        disturbance = 0.0
                    luck = hashed(send_key[s], station_key[r], 0)
                    # Bounds on the ratio decide nearly always, without a logarithm.
                    bin_of = int(luck * LUCK_BINS)
                    lost_at, safe_at = bound[bin_of, 0], bound[bin_of, 1]
                    clear = ebn0 * p / noise_mw
                    lost = clear < safe_at
                    if lost and clear >= lost_at:
                        lost = luck < error_rate_at(10.0 * math.log10(clear), curve_db, curve_rate)
                    if lost:
                        outcome = PROPAGATION
                    else:
                        outcome = DELIVERED
                        if disturbance > 0.0:
                            spoilt = ebn0 * p / (noise_mw + disturbance)
                            lost = spoilt < safe_at
                            if lost and spoilt >= lost_at:
                                lost = luck < error_rate_at(10.0 * math.log10(spoilt), curve_db, curve_rate)
                            if lost:
                                outcome = COLLISION
                    level[r, LOCKED_ON], level[r, LOCKED_MW] = NOTHING, math.inf
                    level[r, HOLDS] -= 1.0
                if outcome != SENSING or receiver[s, n] == target:
                    heard_by[found], outcomes[found] = receiver[s, n], outcome
                    heard_mw[found], ratio[found] = p, disturbance / noise_mw
                    found += 1
            if by_packet:
                _mark_load(level, load_us, r, t, busy_mw)
            elif before > busy_mw >= after and level[r, LOUD_SINCE_US] >= 0.0 and level[r, LOCKED_ON] != ITSELF:
                load_us[r] += t - np.int64(level[r, LOUD_SINCE_US])
                level[r, LOUD_SINCE_US] = -1.0
            if was_busy and level[r, HOLDS] <= 0.0 and after < energy_mw:
                state[r, IDLE_SINCE_US], state[r, BUSY_SINCE_US] = t, NONE
                if state[r, QUEUED] > 0 and state[r, START_US] == NONE:
                    idle[waiting] = r
                    waiting += 1
        if level[s, HOLDS] <= 0.0 and level[s, ENERGY] < energy_mw:
            state[s, IDLE_SINCE_US], state[s, BUSY_SINCE_US] = t, NONE
            if state[s, QUEUED] > 0:
                idle[waiting] = s
                waiting += 1
        for k in range(waiting):
            heap, size = _plan(state, heap, size, idle[k], t, aifs_us, slot_us)
    for station in range(stations):
        if level[station, LOUD_SINCE_US] >= 0.0:
            load_us[station] += until_us - np.int64(level[station, LOUD_SINCE_US])
            level[station, LOUD_SINCE_US] = until_us
    begin = longer_rows(begin, sent, 1)
    begin[sent] = found
    return (
        heap, size, (number[:sent], by[:sent], began_us[:sent], ended_us[:sent], begin[: sent + 1]),
        (heard_by[:found], outcomes[:found], heard_mw[:found], ratio[:found]), load_us, dropped[:unsent],
    )  # fmt: skip
