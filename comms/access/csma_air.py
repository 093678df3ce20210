"""What a transmission of IEEE 802.11p does at its receivers when it begins and when it ends.

Most receivers are too far away to lock on a packet or to sense it: for those only the power on the air changes.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.access.csma_tables import (
    BACKOFF,
    BACKOFF_BEFORE,
    BUSY_SINCE_US,
    CBR_BUSY_SINCE_US,
    CHANGED_US,
    DISTURBANCE,
    EBN0_DB,
    ENERGY,
    FIRST,
    HOLDS,
    IDLE_SINCE_US,
    ITSELF,
    LINKS,
    LOCKED_AT_US,
    LOCKED_LINK,
    LOCKED_MW,
    LOCKED_ON,
    NONE,
    NOTHING,
    ONGOING,
    QUEUED,
    SENT_AT_US,
    START_US,
    TARGET,
    TARGET_CAUSE,
    VERSION,
)
from v2xsim.comms.access.decoding import ROUNDING_SHARE, decoded
from v2xsim.comms.access.outcome import report_reception
from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, RECEIVER_BUSY, SENSING
from v2xsim.comms.draws import faded, hashed
from v2xsim.comms.phases import INLINED_PHASE, PHASE


@njit(**PHASE)
def count_busy_time(level, busy_us, r, now_us, busy_mw):  # type: ignore[no-untyped-def]
    """Record whether station `r` finds the channel busy (for the busy ratio) from now on; when a busy time ends, add it up."""
    is_busy = level[r, ENERGY] > busy_mw or level[r, LOCKED_ON] == ITSELF
    if busy_mw == math.inf:
        # With an infinite threshold, single packets make the channel busy, not the sum of powers. The packet that the
        # station is locked on is counted in HOLDS twice, every other sensed packet once.
        is_busy = is_busy or level[r, HOLDS] > (0.0 if level[r, LOCKED_ON] == NOTHING else 1.0)
    if is_busy:
        if level[r, CBR_BUSY_SINCE_US] < 0.0:
            level[r, CBR_BUSY_SINCE_US] = now_us
    elif level[r, CBR_BUSY_SINCE_US] >= 0.0:
        busy_us[r] += now_us - np.int64(level[r, CBR_BUSY_SINCE_US])
        level[r, CBR_BUSY_SINCE_US] = -1.0


@njit(**INLINED_PHASE)
def sum_interference(level, rare, r, now_us):  # type: ignore[no-untyped-def]
    """Update to `now_us` the time integral of the interference with the packet that station `r` is locked on."""
    if level[r, LOCKED_MW] != math.inf:
        interference_mw = level[r, ENERGY] - level[r, LOCKED_MW]
        if interference_mw > 0.0:
            level[r, DISTURBANCE] += (now_us - rare[r, CHANGED_US]) * interference_mw
        rare[r, CHANGED_US] = now_us


@njit(**PHASE)
def arrive(now_us, s, stations, queues, on_air, links, rules, thresholds):  # type: ignore[no-untyped-def]
    """Update all stations linked with sender `s` when its transmission begins: power, sensing, and what they are locked on."""
    state, level, rare = stations.state, stations.level, stations.rare
    receiver, power_mw, cause_so_far = on_air.receiver, on_air.power_mw, on_air.cause_so_far
    other, link_mw, link_m = links.other, links.power_mw, links.nakagami_m
    energy_mw, busy_mw, preamble_mw = thresholds.energy_mw, thresholds.busy_mw, thresholds.preamble_mw
    # A packet weaker than this only adds to the received power, unless the sum crosses a threshold.
    weak_mw = min(thresholds.sensitivity_mw, preamble_mw)
    fades, by_packet, worst = len(link_m) > 0, busy_mw == math.inf, rules.worst == 1
    low = links.offset[s]
    state[s, LINKS] = links.offset[s + 1] - low
    for n in range(state[s, LINKS]):
        r, p = np.uint64(other[low + n]), link_mw[low + n]
        if fades:
            p *= faded(link_m[low + n], on_air.key[s], stations.key[r])
        receiver[s, n], power_mw[s, n] = other[low + n], p
        before = level[r, ENERGY]
        after = before + p
        if not worst:
            sum_interference(level, rare, r, now_us)
        elif after - level[r, LOCKED_MW] > level[r, DISTURBANCE]:
            level[r, DISTURBANCE] = after - level[r, LOCKED_MW]
        level[r, ENERGY] = after
        level[r, ONGOING] += 1.0
        was_busy = level[r, HOLDS] > 0.0 or before >= energy_mw
        if p >= weak_mw:
            notice(now_us, s, n, r, p, after, stations, cause_so_far, rules, thresholds)
        if level[r, CBR_BUSY_SINCE_US] < 0.0 and (after > busy_mw or (by_packet and p >= preamble_mw)):
            level[r, CBR_BUSY_SINCE_US] = now_us
        if not was_busy and (level[r, HOLDS] > 0.0 or after >= energy_mw):
            hold_back(now_us, r, state, queues, stations.key, rules)


@njit(**INLINED_PHASE)
def notice(now_us, s, n, r, p, after, stations, cause_so_far, rules, thresholds):  # type: ignore[no-untyped-def]
    """Count a packet that station `r` senses as a reason why its channel is busy, and lock the station on it if possible."""
    state, level, rare = stations.state, stations.level, stations.rare
    if p >= thresholds.preamble_mw:
        level[r, HOLDS] += 1.0
    if p >= thresholds.sensitivity_mw:
        locked_on, locks = level[r, LOCKED_ON], False
        if locked_on == ITSELF:
            cause_so_far[s, n] = HALF_DUPLEX
        elif locked_on == NOTHING:
            level[r, HOLDS] += 1.0
            locks = True
        else:
            # Within one slot the receiver is still in the preamble and changes to a stronger packet; later it changes
            # only by capture.
            together = now_us < level[r, LOCKED_AT_US] + rules.slot_us
            held_mw = level[r, LOCKED_MW]
            if (together and p > held_mw) or (rules.capture > 0.0 and p > rules.capture * held_mw):
                cause_so_far[np.int64(locked_on), state[r, LOCKED_LINK]] = RECEIVER_BUSY if together else COLLISION
                locks = True
            else:
                cause_so_far[s, n] = RECEIVER_BUSY
        if locks:
            cause_so_far[s, n] = DELIVERED
            level[r, LOCKED_ON], level[r, LOCKED_MW], level[r, LOCKED_AT_US] = s, p, now_us
            state[r, LOCKED_LINK] = n
            if rules.worst == 1:
                level[r, DISTURBANCE] = max(0.0, after - p)
            else:
                level[r, DISTURBANCE], rare[r, CHANGED_US] = 0.0, now_us
    else:
        cause_so_far[s, n] = SENSING


@njit(**PHASE)
def drawn_backoff(packet_key, station_key, window, draw):  # type: ignore[no-untyped-def]
    """Return a random back-off: a whole number of slots from 0 to `window` (IEEE 802.11-2016, 10.3.3)."""
    return int(hashed(packet_key, station_key, draw) * (window + 1))


@njit(**INLINED_PHASE)
def hold_back(now_us, r, state, queues, station_key, rules):  # type: ignore[no-untyped-def]
    """Stop the back-off of a station whose channel becomes busy, and cancel its planned start."""
    state[r, BUSY_SINCE_US] = now_us
    # A start less than a slot ahead can no longer be cancelled: the station notices the other packet too late.
    start_us, left = state[r, START_US], state[r, BACKOFF]
    if start_us == NONE or start_us >= now_us + rules.slot_us:
        passed_us = now_us - state[r, IDLE_SINCE_US] - rules.aifs_us
        if left > 0 and passed_us >= rules.slot_us:
            left = max(0, left - passed_us // rules.slot_us)
            state[r, BACKOFF] = left
        if start_us != NONE:
            # A station that waited for AIFS alone, without a back-off, draws one now.
            if left == 0:
                key = queues.key[queues.row[r], state[r, FIRST]]
                state[r, BACKOFF] = drawn_backoff(key, station_key[r], rules.window, BACKOFF_BEFORE)
            state[r, START_US] = NONE
            state[r, VERSION] += 1


@njit(**PHASE)
def leave(now_us, s, stations, on_air, rules, thresholds, curve, outcome, busy_us, idle):  # type: ignore[no-untyped-def]
    """End the transmission of station `s` at its receivers and report its receptions; return how many stations may now send.

    The rows of the stations that may now send are written into the first entries of `idle`.
    """
    state, level, rare = stations.state, stations.level, stations.rare
    receiver, power_mw, cause_so_far = on_air.receiver, on_air.power_mw, on_air.cause_so_far
    noise_mw, energy_mw, busy_mw, preamble_mw = (
        thresholds.noise_mw, thresholds.energy_mw, thresholds.busy_mw, thresholds.preamble_mw
    )  # fmt: skip
    weak_mw = min(thresholds.sensitivity_mw, preamble_mw)
    by_packet, worst = busy_mw == math.inf, rules.worst == 1
    airtime_us, target, ebn0 = float(now_us - state[s, SENT_AT_US]), state[s, TARGET], 10.0 ** (0.1 * rare[s, EBN0_DB])
    waiting = 0
    for n in range(state[s, LINKS]):
        if receiver[s, n] < 0:
            continue
        r, p = np.uint64(receiver[s, n]), power_mw[s, n]
        if not worst:
            sum_interference(level, rare, r, now_us)
        before = level[r, ENERGY]
        was_busy = level[r, HOLDS] > 0.0 or before >= energy_mw
        level[r, ONGOING] -= 1.0
        # With no transmission on the air, the power is set to 0, to remove rounding errors of the sum.
        after = before - p if level[r, ONGOING] > 0.0 else 0.0
        level[r, ENERGY] = after
        if p >= weak_mw or receiver[s, n] == target:
            if p >= preamble_mw:
                level[r, HOLDS] -= 1.0
            cause = cause_so_far[s, n] if p >= weak_mw else SENSING
            interference_mw = 0.0
            if level[r, LOCKED_ON] == s:
                interference_mw = level[r, DISTURBANCE] if worst else level[r, DISTURBANCE] / airtime_us
                if interference_mw < ROUNDING_SHARE * noise_mw:
                    interference_mw = 0.0
                uniform = hashed(on_air.key[s], stations.key[r], 0)
                cause = decoded(uniform, ebn0 * p, noise_mw, interference_mw, curve)
                level[r, LOCKED_ON], level[r, LOCKED_MW] = NOTHING, math.inf
                level[r, HOLDS] -= 1.0
            if receiver[s, n] == target:
                state[s, TARGET_CAUSE] = cause
            if cause != SENSING or receiver[s, n] == target:
                report_reception(outcome, receiver[s, n], cause, p, interference_mw / noise_mw)
        if by_packet:
            count_busy_time(level, busy_us, r, now_us, busy_mw)
        elif before > busy_mw >= after and level[r, CBR_BUSY_SINCE_US] >= 0.0 and level[r, LOCKED_ON] != ITSELF:
            busy_us[r] += now_us - np.int64(level[r, CBR_BUSY_SINCE_US])
            level[r, CBR_BUSY_SINCE_US] = -1.0
        if was_busy and level[r, HOLDS] <= 0.0 and after < energy_mw:
            state[r, IDLE_SINCE_US], state[r, BUSY_SINCE_US] = now_us, NONE
            if state[r, QUEUED] > 0 and state[r, START_US] == NONE:
                idle[waiting] = r
                waiting += 1
    return waiting
