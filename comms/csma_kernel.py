"""The compiled event loop of IEEE 802.11p broadcast: carrier sensing, back-off, receptions, all stations at once.

Events are a packet that becomes ready, a transmission that begins, one that ends. Each touches its station and the
stations linked with it, so a transmission costs what its neighbours cost.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.phy import error_rate_at

# Columns of the integer state of a station.
(QUEUED, FIRST, BACKOFF, START_US, VERSION, SENDING, SENT_AT_US, LOCKED_ON, LOCKED_AT_US, HEARD, ONGOING, IDLE_SINCE_US,
 BUSY_SINCE_US, LOAD_SINCE_US, CHANGED_US, AIRTIME_US, NUMBER, TARGET, LINKS, LAST_SENT_US, INTEGERS) = range(21)  # fmt: skip
# Columns of its numbers: power on the air there, interference summed over time, power of the packet locked on.
ENERGY, DISTURBANCE, LOCKED_MW, EBN0_DB, FLOATS = range(5)
END, START = 0, 1
NONE = -1
# From dBm to the natural logarithm of milliwatts.
_NEPER = math.log(10.0) / 10.0


@njit(cache=True, nogil=True)
def hashed(first, second, turn):  # type: ignore[no-untyped-def]
    """Return a number in (0, 1) from two keys and a counter: splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    bits = first + np.uint64(turn) * np.uint64(0xD1B54A32D192ED03)
    for fold in range(2):
        bits = bits + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
        if fold == 0:
            bits = bits ^ second
    return (float(bits >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(cache=True, nogil=True)
def faded(shape, first, second):  # type: ignore[no-untyped-def]
    """Return the power of a Nakagami-m channel of mean 1: a gamma variate (Marsaglia, Tsang, ACM TOMS 2000)."""
    if not shape < 1e6:
        return 1.0
    boosted = shape if shape >= 1.0 else shape + 1.0
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    turn = 10
    while True:
        u1, u2, u3 = hashed(first, second, turn), hashed(first, second, turn + 1), hashed(first, second, turn + 2)
        turn += 3
        x = math.sqrt(-2.0 * math.log(u1)) * math.cos(2.0 * math.pi * u2)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(u3) < 0.5 * x * x + d - d * v + d * math.log(v):
            value = d * v
            break
    if shape < 1.0:
        value *= hashed(first, second, 9) ** (1.0 / shape)
    return value / shape


@njit(cache=True, nogil=True)
def _roomy(heap, size):  # type: ignore[no-untyped-def]
    """Return the heap, or a longer copy where it is full."""
    if size + 1 < len(heap):
        return heap
    longer = np.empty((2 * len(heap), 4), np.int64)
    for i in range(size):
        for c in range(4):
            longer[i, c] = heap[i, c]
    return longer


@njit(cache=True, nogil=True)
def _push(heap, size, time_us, kind, who, version):  # type: ignore[no-untyped-def]
    """Add an event; rows are time, kind, station, version. Earlier first, ends before starts."""
    i = size
    while i > 0:
        up = (i - 1) // 2
        if heap[up, 0] < time_us or (heap[up, 0] == time_us and heap[up, 1] <= kind):
            break
        for c in range(4):
            heap[i, c] = heap[up, c]
        i = up
    heap[i, 0], heap[i, 1], heap[i, 2], heap[i, 3] = time_us, kind, who, version
    return size + 1


@njit(cache=True, nogil=True)
def _pop(heap, size):  # type: ignore[no-untyped-def]
    size -= 1
    time_us, kind, who, version = heap[size, 0], heap[size, 1], heap[size, 2], heap[size, 3]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        if down + 1 < size and (
            heap[down + 1, 0] < heap[down, 0]
            or (heap[down + 1, 0] == heap[down, 0] and heap[down + 1, 1] < heap[down, 1])
        ):
            down += 1
        if time_us < heap[down, 0] or (time_us == heap[down, 0] and kind <= heap[down, 1]):
            break
        for c in range(4):
            heap[i, c] = heap[down, c]
        i = down
    heap[i, 0], heap[i, 1], heap[i, 2], heap[i, 3] = time_us, kind, who, version
    return size


@njit(cache=True, nogil=True)
def _occupied(state, level, r, energy_mw):  # type: ignore[no-untyped-def]
    """Return whether a station's carrier sense finds the channel busy."""
    return state[r, SENDING] == 1 or state[r, HEARD] > 0 or state[r, LOCKED_ON] != NONE or level[r, ENERGY] >= energy_mw


@njit(cache=True, nogil=True)
def _account(state, level, load_us, r, now_us, busy_mw, worst):  # type: ignore[no-untyped-def]
    """Bring what a station gathers over time up to now: interference of the packet locked on, busy time."""
    span = now_us - state[r, CHANGED_US]
    if span > 0:
        if state[r, LOCKED_ON] != NONE:
            disturbance = max(0.0, level[r, ENERGY] - level[r, LOCKED_MW])
            if worst:
                level[r, DISTURBANCE] = max(level[r, DISTURBANCE], disturbance)
            else:
                level[r, DISTURBANCE] += span * disturbance
        # A threshold of infinity asks for packets heard one by one rather than for the sum of powers.
        if state[r, SENDING] == 1 or level[r, ENERGY] > busy_mw or (busy_mw == math.inf and state[r, HEARD] > 0):
            load_us[r] += span
        state[r, CHANGED_US] = now_us


@njit(cache=True, nogil=True)
def _drawn(packet_key, station_key, window):  # type: ignore[no-untyped-def]
    """Return a back-off in slots."""
    return int(hashed(packet_key, station_key, 1) * (window + 1))


@njit(cache=True, nogil=True)
def _freeze(state, queue_key, station_key, r, now_us, aifs_us, slot_us, window):  # type: ignore[no-untyped-def]
    """Stop the back-off of a station whose channel became busy; one that waited for AIFS alone draws one."""
    if state[r, BACKOFF] > 0:
        passed = (now_us - state[r, IDLE_SINCE_US] - aifs_us) // slot_us
        if passed > 0:
            state[r, BACKOFF] = max(0, state[r, BACKOFF] - passed)
    if state[r, START_US] != NONE:
        if state[r, BACKOFF] == 0:
            state[r, BACKOFF] = _drawn(queue_key[r, state[r, FIRST]], station_key[r], window)
        state[r, START_US] = NONE
        state[r, VERSION] += 1


@njit(cache=True, nogil=True)
def _plan(state, heap, size, r, now_us, aifs_us, slot_us):  # type: ignore[no-untyped-def]
    """Plan the start of the packet that an idle station has waiting."""
    at_us = max(now_us, state[r, IDLE_SINCE_US] + aifs_us + state[r, BACKOFF] * slot_us)
    state[r, START_US] = at_us
    state[r, VERSION] += 1
    return _push(heap, size, at_us, START, r, state[r, VERSION])


@njit(cache=True, nogil=True)
def advanced(  # type: ignore[no-untyped-def]
    state, level, queue, queue_key, queue_db, send_key, station_key, receiver, power_mw, power_dbm, verdict,
    heap, size,
    new_number, new_sender, new_target, new_ready_us, new_airtime_us, new_ebn0_db, new_key,
    offset, other, link_dbm, link_m, now_us, until_us,
    aifs_us, slot_us, window, capacity, noise_mw, sensitivity_mw, preamble_mw, energy_mw, busy_mw, capture, worst, curve_db,
    curve_rate,
):  # fmt: skip
    """Run all events before an instant, those exactly at it left for later except ends.

    Returns the events still ahead, how many, receptions (integers and levels), busy time, numbers of packets dropped.
    """
    stations = len(state)
    load_us = np.zeros(stations, np.int64)
    rows = np.empty((4096, 6), np.int64)
    levels = np.empty((4096, 3))
    found = 0
    noise_dbm = 10.0 * math.log10(noise_mw)
    dropped = np.empty(len(new_number) + 1, np.int64)
    lost = 0
    next_new = 0
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
                dropped[lost] = queue[s, first, 0]
                lost += 1
                state[s, FIRST] = (first + 1) % capacity
                state[s, QUEUED] -= 1
            place = (state[s, FIRST] + state[s, QUEUED]) % capacity
            queue[s, place, 0], queue[s, place, 1] = new_number[n], new_target[n]
            queue[s, place, 2] = new_airtime_us[n]
            queue_key[s, place], queue_db[s, place] = new_key[n], new_ebn0_db[n]
            state[s, QUEUED] += 1
            if state[s, QUEUED] == 1 or state[s, START_US] == NONE:
                at_us = max(t, state[s, IDLE_SINCE_US] + aifs_us + state[s, BACKOFF] * slot_us)
                if _occupied(state, level, s, energy_mw):
                    # What began less than a slot ago is not heard yet by one that would send by then.
                    unheard = state[s, SENDING] == 0 and at_us < state[s, BUSY_SINCE_US] + slot_us
                    if not unheard and state[s, BACKOFF] <= 0:
                        state[s, BACKOFF] = _drawn(queue_key[s, state[s, FIRST]], station_key[s], window)
                else:
                    unheard = True
                if unheard:
                    # What is left of the back-off after the last packet goes first.
                    heap = _roomy(heap, size)
                    size = _plan(state, heap, size, s, t, aifs_us, slot_us)
            continue

        t, kind, s, version = heap[0, 0], heap[0, 1], heap[0, 2], heap[0, 3]
        size = _pop(heap, size)
        if kind == START:
            if version != state[s, VERSION] or state[s, START_US] != t or state[s, QUEUED] == 0:
                continue
            first = state[s, FIRST]
            state[s, NUMBER], state[s, TARGET] = queue[s, first, 0], queue[s, first, 1]
            airtime = queue[s, first, 2]
            send_key[s], level[s, EBN0_DB] = queue_key[s, first], queue_db[s, first]
            state[s, FIRST], state[s, QUEUED] = (first + 1) % capacity, state[s, QUEUED] - 1
            _account(state, level, load_us, s, t, busy_mw, worst)
            if state[s, LOCKED_ON] != NONE:
                # It begins to send before it could notice what it had begun to receive.
                k = state[s, LOCKED_ON]
                for n in range(state[k, LINKS]):
                    if receiver[k, n] == s:
                        verdict[k, n] = HALF_DUPLEX
                state[s, LOCKED_ON] = NONE
            state[s, SENDING], state[s, SENT_AT_US], state[s, START_US] = 1, t, NONE
            state[s, LAST_SENT_US] = t
            state[s, AIRTIME_US] = airtime
            state[s, BUSY_SINCE_US] = t
            # The back-off after this packet.
            state[s, BACKOFF] = int(hashed(send_key[s], station_key[s], 2) * (window + 1))
            heap = _roomy(heap, size)
            size = _push(heap, size, t + airtime, END, s, 0)
            state[s, LINKS] = offset[s + 1] - offset[s]
            for n in range(state[s, LINKS]):
                link = offset[s] + n
                r = other[link]
                p_dbm = link_dbm[link]
                p = math.exp(_NEPER * p_dbm)
                if link_m[link] < 1e6:
                    p *= faded(link_m[link], send_key[s], station_key[r])
                    p_dbm = 10.0 * math.log10(p)
                receiver[s, n], power_mw[s, n], power_dbm[s, n] = r, p, p_dbm
                _account(state, level, load_us, r, t, busy_mw, worst)
                was_busy = _occupied(state, level, r, energy_mw)
                level[r, ENERGY] += p
                state[r, ONGOING] += 1
                if p >= preamble_mw:
                    state[r, HEARD] += 1
                if state[r, SENDING] == 1:
                    verdict[s, n] = HALF_DUPLEX
                elif p < sensitivity_mw:
                    verdict[s, n] = SENSING
                elif state[r, LOCKED_ON] == NONE:
                    verdict[s, n] = DELIVERED
                    state[r, LOCKED_ON], state[r, LOCKED_AT_US] = s, t
                    level[r, LOCKED_MW], level[r, DISTURBANCE] = p, 0.0
                else:
                    # Within a slot the receiver is still at the preamble and turns to the stronger; later only by capture.
                    k = state[r, LOCKED_ON]
                    together = t < state[r, LOCKED_AT_US] + slot_us
                    if (together and p > level[r, LOCKED_MW]) or (capture > 0.0 and p > capture * level[r, LOCKED_MW]):
                        for i in range(state[k, LINKS]):
                            if receiver[k, i] == r:
                                verdict[k, i] = RECEIVER_BUSY if together else COLLISION
                        verdict[s, n] = DELIVERED
                        state[r, LOCKED_ON], state[r, LOCKED_AT_US] = s, t
                        level[r, LOCKED_MW], level[r, DISTURBANCE] = p, 0.0
                    else:
                        verdict[s, n] = RECEIVER_BUSY
                if not was_busy and _occupied(state, level, r, energy_mw):
                    state[r, BUSY_SINCE_US] = t
                    # A start within the slot can no longer be called off.
                    if state[r, START_US] == NONE or state[r, START_US] >= t + slot_us:
                        _freeze(state, queue_key, station_key, r, t, aifs_us, slot_us, window)
            continue

        # A transmission ends.
        _account(state, level, load_us, s, t, busy_mw, worst)
        state[s, SENDING] = 0
        duration = float(t - state[s, SENT_AT_US])
        while found + state[s, LINKS] > len(rows):
            longer_rows, longer_levels = np.empty((2 * len(rows), 6), np.int64), np.empty((2 * len(rows), 3))
            for i in range(found):
                for c in range(6):
                    longer_rows[i, c] = rows[i, c]
                for c in range(3):
                    longer_levels[i, c] = levels[i, c]
            rows, levels = longer_rows, longer_levels
        for n in range(state[s, LINKS]):
            r, p = receiver[s, n], power_mw[s, n]
            if r < 0:
                continue
            _account(state, level, load_us, r, t, busy_mw, worst)
            was_busy = _occupied(state, level, r, energy_mw)
            state[r, ONGOING] -= 1
            level[r, ENERGY] = level[r, ENERGY] - p if state[r, ONGOING] > 0 else 0.0
            if p >= preamble_mw:
                state[r, HEARD] -= 1
            outcome = verdict[s, n]
            snr_db = power_dbm[s, n] - noise_dbm
            sinr_db = snr_db
            if state[r, LOCKED_ON] == s:
                disturbance = level[r, DISTURBANCE] if worst else level[r, DISTURBANCE] / duration
                if disturbance > 0.0:
                    sinr_db -= 10.0 * math.log10(1.0 + disturbance / noise_mw)
                luck = hashed(send_key[s], station_key[r], 0)
                if luck < error_rate_at(snr_db + level[s, EBN0_DB], curve_db, curve_rate):
                    outcome = PROPAGATION
                elif luck < error_rate_at(sinr_db + level[s, EBN0_DB], curve_db, curve_rate):
                    outcome = COLLISION
                state[r, LOCKED_ON] = NONE
            rows[found, 0], rows[found, 1], rows[found, 2] = state[s, NUMBER], s, r
            rows[found, 3], rows[found, 4], rows[found, 5] = state[s, SENT_AT_US], t, outcome
            levels[found, 0], levels[found, 1], levels[found, 2] = power_dbm[s, n], snr_db, sinr_db
            found += 1
            if was_busy and not _occupied(state, level, r, energy_mw):
                state[r, IDLE_SINCE_US], state[r, BUSY_SINCE_US] = t, NONE
                if state[r, QUEUED] > 0 and state[r, START_US] == NONE:
                    heap = _roomy(heap, size)
                    size = _plan(state, heap, size, r, t, aifs_us, slot_us)
        if not _occupied(state, level, s, energy_mw):
            state[s, IDLE_SINCE_US], state[s, BUSY_SINCE_US] = t, NONE
            if state[s, QUEUED] > 0:
                heap = _roomy(heap, size)
                size = _plan(state, heap, size, s, t, aifs_us, slot_us)
    for r in range(stations):
        _account(state, level, load_us, r, until_us, busy_mw, worst)
    return heap, size, rows[:found].copy(), levels[:found].copy(), load_us, dropped[:lost].copy()
