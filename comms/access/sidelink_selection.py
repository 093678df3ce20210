"""Choice of resources by a sidelink station, from the slots that it remembers.

A resource is a slot and its first subchannel. The steps are those of TS 36.213, 14.1.1.6. Claim: mark the resources
that others have reserved and those for which the station could not listen. Exclude: remove the claimed resources, with
a threshold that rises until a given share remains. Rank: keep the resources with the least mean power (mode 4 only).
Draw: choose one of the remaining resources at random.

Memories are ring buffers over slots. Received power, decoded reservations and their power are stored by slot, then
station column, then subchannel, so that the data of one slot lie together. The slots in which a station sent are stored
by station.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt64
from numba import njit

from v2xsim.comms.access.sidelink_tables import MEMORY
from v2xsim.comms.draws import hashed
from v2xsim.comms.phases import PHASE

# Step of 3 dB by which the threshold rises (TS 36.213, 14.1.1.6, step 6), and its upper limit, far above any received
# power.
_RISE = 10.0**0.3
_HIGHEST_MW = 1e6


class ResourceRequest(NamedTuple):
    """Input of the choice of resources for one station and packet.

    Attributes:
        column: Column of the station in the arrays of `Senses`.
        now: Slot in which the station chooses the resource.
        width: Number of subchannels that the packet takes.
        step: Period of the station's transmissions, in slots.
        uses: Number of transmissions for which a resource will be used.
        first: First slot of the selection window.
        last: Last slot of the selection window.
        key: Random key of the packet combined with that of the station.
        turn: Number of the first random draw made with the key.
    """

    column: int
    now: int
    width: int
    step: int
    uses: int
    first: int
    last: int
    key: UInt64[np.ndarray, ""]
    turn: int


@njit(cache=True, nogil=True)
def resource_request(column, now, width, period, uses, first, last, key, turn):  # type: ignore[no-untyped-def]
    """Return a request; single packets (period 0) count as sent every 100 slots (P_step in TS 36.213)."""
    return ResourceRequest(column, now, width, 100 if period <= 0 else period, uses, first, last, key, turn)


@njit(cache=True, nogil=True)
def deaf_phases(request, sent_slot, window_slots):  # type: ignore[no-untyped-def]
    """Return, by slot number modulo the period, whether the station sent in the sensing window and so could not listen."""
    deaf = np.zeros(request.step, np.bool_)
    oldest = max(0, request.now - window_slots)
    row, phase = oldest % MEMORY, oldest % request.step
    for slot in range(oldest, request.now + 1):
        # The ring stores slot numbers, so entries of an earlier round do not match.
        if sent_slot[request.column, row] == slot:
            deaf[phase] = True
        row = row + 1 if row + 1 < MEMORY else 0
        phase = phase + 1 if phase + 1 < request.step else 0
    return deaf


@njit(**PHASE)
def _block_own(claim_mw, request, own_slots, deaf):  # type: ignore[no-untyped-def]
    """Block slots in which the station already sends, and slots a whole number of periods after a slot in which it sent."""
    for i in range(len(claim_mw)):
        slot = request.first + i
        # Others may have reserved this slot in an announcement that the station missed because it was sending.
        blocked = deaf[slot % request.step]
        for n in range(len(own_slots)):
            if own_slots[n] == slot:
                blocked = True
        if blocked:
            for c in range(claim_mw.shape[1]):
                claim_mw[i, c] = math.inf


@njit(**PHASE)
def _claim(claim_mw, request, reserved_slot, period, subchannel, power_mw):  # type: ignore[no-untyped-def]
    """Mark with a reservation's power every resource one of whose uses overlaps a use of the reservation."""
    span, places = claim_mw.shape
    slot = reserved_slot
    while slot <= request.last + request.uses * request.step and slot <= reserved_slot + span:
        candidate, use = slot, 0
        while candidate >= request.first and use < request.uses:
            if candidate <= request.last:
                for c in range(max(0, subchannel - request.width + 1), min(places, subchannel + 1)):
                    claim_mw[candidate - request.first, c] = max(claim_mw[candidate - request.first, c], power_mw)
            candidate -= request.step
            use += 1
        # Only a reservation with a shorter period repeats within the selection window (TS 36.213, 14.1.1.6, step 5: Q >
        # 1).
        if period >= span:
            break
        slot += period


@njit(cache=True, nogil=True)
def claims_mw(request, own_slots, senses, rules):  # type: ignore[no-untyped-def]
    """Return the power in mW of the strongest reservation that overlaps each resource; infinity if the resource is blocked.

    The result is indexed by slot of the selection window and first subchannel.
    """
    span = request.last - request.first + 1
    claim_mw = np.zeros((span, rules.subchannels - request.width + 1))
    _block_own(claim_mw, request, own_slots, deaf_phases(request, senses.sent_slot, rules.window_slots))
    rsrp_mw, reserved, column = senses.rsrp_mw, senses.reserved, request.column
    # A reservation announced more than the longest period ago has expired.
    for slot in range(max(0, request.now - min(rules.window_slots, senses.longest_period[0])), request.now):
        row = slot % MEMORY
        for c in range(rules.subchannels):
            period = np.int64(reserved[row, column, c])
            if period > 0:
                _claim(claim_mw, request, slot + period, period, c, rsrp_mw[row, column, c])
    return claim_mw


@njit(cache=True, nogil=True)
def unclaimed(claim_mw, rules):  # type: ignore[no-untyped-def]
    """Return whether each resource remains after exclusion, by slot and first subchannel, and the number that remain.

    Claims weaker than the threshold do not exclude a resource. The threshold rises by 3 dB until the required share
    remains.
    """
    span, places = claim_mw.shape
    total = span * places
    # Find the threshold directly: it must reach the strongest of those weakest claims that make up the share.
    wanted = max(1, math.ceil(rules.candidate_share * total))
    needed_mw = np.partition(claim_mw.reshape(total), wanted - 1)[wanted - 1]
    threshold_mw = rules.threshold_mw
    while threshold_mw < needed_mw and threshold_mw <= _HIGHEST_MW:
        threshold_mw *= _RISE
    remaining = 0
    free = np.empty((span, places), np.bool_)
    for i in range(span):
        for c in range(places):
            free[i, c] = claim_mw[i, c] <= threshold_mw
            remaining += free[i, c]
    if remaining == 0:
        # The station sends in every slot of the window or missed all announcements for it: all resources count as
        # equal.
        for i in range(span):
            for c in range(places):
                free[i, c] = True
        remaining = total
    return free, remaining


@njit(**PHASE)
def _sum_powers(sum_mw, slot, request, oldest, rssi_mw):  # type: ignore[no-untyped-def]
    """Sum the power in each subchannel 1, 2, ... periods before a slot; return the number of slots summed."""
    # With unsigned row numbers, numba needs no test for negative indices.
    column, subchannels = np.uint64(request.column), np.uint64(len(sum_mw))
    for c in range(subchannels):
        sum_mw[c] = 0.0
    periods = 0
    before = slot - request.step
    row = before % MEMORY
    while before >= oldest:
        if before < request.now:
            r = np.uint64(row)
            for c in range(subchannels):
                sum_mw[c] += rssi_mw[r, column, c]
            periods += 1
        before -= request.step
        row -= request.step
        if row < 0:
            row += MEMORY
    return periods


@njit(cache=True, nogil=True)
def quietest(request, free, remaining, kept, senses, rules):  # type: ignore[no-untyped-def]
    """Return the `kept` remaining resources with the least mean power in the sensing window."""
    span, places = free.shape
    subchannels, rssi_mw = rules.subchannels, senses.rssi_mw
    value, index = np.empty(remaining), np.empty(remaining, np.int64)
    sum_mw, oldest = np.empty(subchannels), max(0, request.now - rules.window_slots)
    n = 0
    for i in range(span):
        anything = False
        for c in range(places):
            anything = anything or free[i, c]
        if not anything:
            continue
        periods = _sum_powers(sum_mw, request.first + i, request, oldest, rssi_mw)
        for c in range(places):
            if free[i, c]:
                power_mw = 0.0
                for w in range(request.width):
                    power_mw += sum_mw[c + w]
                value[n] = power_mw / max(1, periods)
                # Unused resources get a random value below every real power. Sorted by position, early slots would
                # always win.
                if power_mw == 0.0:
                    value[n] = 1e-18 * hashed(request.key, np.uint64(i * subchannels + c + 1), request.turn)
                index[n] = i * places + c
                n += 1
    limit = np.partition(value, kept - 1)[kept - 1]
    chosen = np.empty(kept, np.int64)
    count = 0
    for n in range(remaining):
        if value[n] <= limit and count < kept:
            chosen[count] = index[n]
            count += 1
    return chosen[:count]


@njit(cache=True, nogil=True)
def _listed(free, remaining):  # type: ignore[no-untyped-def]
    """Return the indices of all resources that remain."""
    span, places = free.shape
    listed = np.empty(remaining, np.int64)
    n = 0
    for i in range(span):
        for c in range(places):
            if free[i, c]:
                listed[n] = i * places + c
                n += 1
    return listed


@njit(**PHASE)
def _draw(candidates, request, places, wanted, choice):  # type: ignore[no-untyped-def]
    """Draw resources in different slots and write slot and first subchannel of each to `choice`; return their number."""
    left, drawn = len(candidates), 0
    for k in range(wanted):
        if left == 0:
            break
        # `turn + 1` makes these draws independent of the other draws with the same key.
        pick = min(left - 1, int(hashed(request.key, np.uint64(7919 + k), request.turn + 1) * left))
        slot = request.first + candidates[pick] // places
        choice[drawn, 0], choice[drawn, 1] = slot, candidates[pick] % places
        drawn += 1
        # A station sends at most once per slot, so its further transmissions need other slots.
        n = 0
        for m in range(left):
            if request.first + candidates[m] // places != slot:
                candidates[n] = candidates[m]
                n += 1
        left = n
    return drawn


@njit(cache=True, nogil=True)
def select(request, own_slots, senses, rules, wanted, choice):  # type: ignore[no-untyped-def]
    """Choose resources for the transmissions of one packet.

    Args:
        request: Input of the choice: station, packet and selection window.
        own_slots: Slots in which the station already has a transmission scheduled.
        senses: Memories of all stations.
        rules: Rules for choosing resources.
        wanted: Number of resources to choose.
        choice: Output: one row per resource, with its slot and first subchannel.

    Returns:
        The number of resources found, at most `wanted`.

    References:
        3GPP TS 36.213 V14, 14.1.1.6 (mode 4); TS 38.214 V16, 8.1.4 (mode 2, which does not rank resources by their measured power).
    """
    claim_mw = claims_mw(request, own_slots, senses, rules)
    span, places = claim_mw.shape
    free, remaining = unclaimed(claim_mw, rules)
    if rules.ranked:
        kept = min(remaining, max(1, math.ceil(rules.candidate_share * (span * places))))
        candidates = quietest(request, free, remaining, kept, senses, rules)
    else:
        candidates = _listed(free, remaining)
    return _draw(candidates, request, places, wanted, choice)
