"""Transmissions in one slot of sensing-based sidelink: which stations sense them and which decode them.

Most neighbours of a sender are too far away to notice a packet: at those, only the power in the sender's subchannels
changes.
"""

import math

import numpy as np
from numba import njit

from v2xsim.comms.access.decoding import ROUNDING_SHARE, decoded
from v2xsim.comms.access.events import DETAIL, KIND, STATION
from v2xsim.comms.access.outcome import report_packet, report_reception
from v2xsim.comms.access.packets import DELIVERED, HALF_DUPLEX, SENSING
from v2xsim.comms.access.sidelink_feedback import plan_feedback
from v2xsim.comms.access.sidelink_tables import (
    LEFT,
    MEMORY,
    NUMBER,
    PENDING,
    PERIOD,
    RETRIES,
    SEND,
    SUBCHANNEL,
    TARGET,
    USED,
    WIDTH,
    Air,
)
from v2xsim.comms.draws import faded, hashed
from v2xsim.comms.phases import INLINED_PHASE, PHASE


@njit(cache=True, nogil=True)
def silent_air(stations, subchannels, links):  # type: ignore[no-untyped-def]
    """Return the `Air` record of a slot in which no station sends."""
    return Air(
        np.zeros((stations, subchannels)), np.zeros(stations, np.bool_), np.empty(stations, np.int64),
        np.empty(stations, np.int64), np.empty(stations + 1, np.int64), np.empty(links, np.int32), np.empty(links),
    )  # fmt: skip


@njit(**PHASE)
def transmit(slot, senders, air, schedule, senses, links, rules, thresholds):  # type: ignore[no-untyped-def]
    """Add the power of all transmissions of a slot at all receivers; list for each transmission who may detect it."""
    entry, station_key = schedule.entry, schedule.station_key
    present_mw, sending, near, near_mw = air.present_mw, air.sending, air.near, air.near_mw
    column, rssi_mw, other, link_mw, link_m = (
        senses.column,
        senses.rssi_mw,
        links.other,
        links.power_mw,
        links.nakagami_m,
    )
    sensitivity_mw, fades, repeats, memory_row = (
        thresholds.sensitivity_mw,
        len(link_m) > 0,
        rules.repetitions > 0,
        slot % MEMORY,
    )
    count = 0
    for k in range(senders):
        s, row = air.sender[k], air.entry[k]
        first, width, target = entry[row, SUBCHANNEL], entry[row, WIDTH], entry[row, TARGET]
        end = first + width
        # Each repetition has its own draw of the fading.
        packet_key = schedule.entry_key[row] ^ np.uint64(entry[row, LEFT])
        air.first_near[k] = count
        for link in range(links.offset[s], links.offset[s + 1]):
            r, p = np.uint64(other[link]), link_mw[link]
            if fades:
                p *= faded(link_m[link], packet_key, station_key[r])
            for c in range(first, end):
                present_mw[r, c] += p / width
            if p >= sensitivity_mw or sending[r] or other[link] == target or repeats:
                near[count], near_mw[count] = other[link], p
                count += 1
                # A signal below the sensitivity cannot be distinguished from noise, so it does not count in the
                # ranking.
                if p >= sensitivity_mw:
                    for c in range(first, end):
                        rssi_mw[memory_row, column[r], c] += p / width
        for c in range(first, end):
            # A sender's own subchannels count as busy for it: 1 mW is above every threshold.
            present_mw[s, c] += 1.0
    air.first_near[senders] = count


@njit(**PHASE)
def receive(slot, senders, air, schedule, senses, agenda, rules, thresholds, curve, outcome):  # type: ignore[no-untyped-def]
    """Report the receptions of all transmissions of a slot, and store the reservations that receivers decoded."""
    entry, near, near_mw, station_key = schedule.entry, air.near, air.near_mw, schedule.station_key
    present_mw, sending, column, leak = air.present_mw, air.sending, senses.column, thresholds.leak
    for k in range(senders):
        s, row = air.sender[k], air.entry[k]
        sent = entry[row]
        target, width, period = sent[TARGET], sent[WIDTH], sent[PERIOD]
        noise_mw = thresholds.noise_mw * width / rules.subchannels
        packet_key = schedule.entry_key[row] ^ np.uint64(sent[LEFT])
        is_last = sent[LEFT] == 0
        awaits, target_cause = is_last and rules.feedback_period > 0 and sent[RETRIES] > 0, SENSING
        if is_last:
            # A packet that may be sent again stays scheduled until its feedback.
            schedule.station[s, PENDING] -= 0 if awaits else 1
            began_us = slot * rules.slot_us
            noise_dbm = 10.0 * math.log10(noise_mw)
            report_packet(outcome, sent[NUMBER], s, began_us, began_us + rules.slot_us, noise_dbm)
        senses.longest_period[0] = max(senses.longest_period[0], period)
        for n in range(air.first_near[k], air.first_near[k + 1]):
            r, p = np.uint64(near[n]), near_mw[n]
            disturbance_mw = disturbance(present_mw, r, p, sent[SUBCHANNEL], width, noise_mw, thresholds.overlap, leak)
            if sending[r]:
                # Half duplex: a station that sends in this slot receives nothing in it.
                cause = HALF_DUPLEX
            elif p < thresholds.sensitivity_mw:
                cause = SENSING
            else:
                uniform = hashed(packet_key, station_key[r], 0)
                cause = decoded(uniform, p, noise_mw, disturbance_mw, curve)
                if period > 0 and p >= thresholds.control_ratio * (noise_mw + disturbance_mw):
                    remember(senses, slot, column[r], sent, p / (thresholds.resource_elements * width))
            if rules.repetitions > 0:
                cause = combine(cause, senses.decoded_number, column[s], column[r], sent[NUMBER], is_last)
                if not is_last:
                    continue
            if near[n] == target:
                target_cause = cause
            if cause != SENSING or near[n] == target:
                report_reception(outcome, near[n], cause, p, disturbance_mw / noise_mw)
        if awaits:
            plan_feedback(slot, row, target_cause, schedule, agenda, rules)
        else:
            entry[row, USED] = 0
    for k in range(senders):
        air.sending[air.sender[k]] = False


@njit(**INLINED_PHASE)
def disturbance(present_mw, r, own_mw, first, width, noise_mw, overlap, leak):  # type: ignore[no-untyped-def]
    """Return the power in mW of other packets that falls on a packet's resource blocks at receiver `r`."""
    inside_mw, outside_mw = 0.0, 0.0
    for c in range(present_mw.shape[1]):
        if first <= c < first + width:
            inside_mw += present_mw[r, c]
        elif leak[1] > 0.0:
            # In-band emission: power that leaks from other subchannels of the slot.
            gap = first - c if c < first else c - first - width + 1
            outside_mw += leak[gap] * present_mw[r, c] * width
    others_mw = max(0.0, inside_mw - own_mw) * overlap + outside_mw
    return others_mw if others_mw >= ROUNDING_SHARE * noise_mw else 0.0


@njit(**PHASE)
def remember(senses, slot, column, sent, element_mw):  # type: ignore[no-untyped-def]
    """Store a decoded reservation, unless a stronger one was decoded in the same slot and subchannel."""
    row = slot % MEMORY
    for c in range(sent[SUBCHANNEL], sent[SUBCHANNEL] + sent[WIDTH]):
        if element_mw > senses.rsrp_mw[row, column, c] or senses.reserved[row, column, c] == 0:
            senses.rsrp_mw[row, column, c], senses.reserved[row, column, c] = element_mw, sent[PERIOD]


@njit(**PHASE)
def combine(cause, decoded_number, sender_column, receiver_column, number, is_last):  # type: ignore[no-untyped-def]
    """Return the outcome of a packet with repetitions so far.

    The packet is delivered if any of its transmissions was; otherwise the outcome is that of the last transmission.
    """
    if cause == DELIVERED:
        decoded_number[sender_column, receiver_column] = number + 1
    elif is_last and decoded_number[sender_column, receiver_column] == number + 1:
        cause = DELIVERED
    return cause


@njit(**PHASE)
def count_down(senders, air, schedule, agenda, rules):  # type: ignore[no-untyped-def]
    """Reduce by one the number of remaining transmissions of each packet just sent.

    A packet's transmissions are numbered in the order in which they are sent, not in the order in which their resources
    were chosen.
    """
    if rules.repetitions == 0:
        return
    entry, events = schedule.entry, agenda.rows
    for k in range(senders):
        number = entry[air.entry[k], NUMBER]
        for n in range(agenda.size[0]):
            row = events[n, DETAIL]
            if events[n, KIND] == SEND and events[n, STATION] == air.sender[k] and entry[row, NUMBER] == number:
                entry[row, LEFT] -= 1


@njit(**PHASE)
def measure_busy(busy_us, air, rules, thresholds):  # type: ignore[no-untyped-def]
    """Add the slot length times the share of busy subchannels to each station's busy time, and clear the received powers.

    References:
        3GPP TS 36.214 V14, 5.1.30 (CBR: share of subchannels whose S-RSSI exceeds a threshold).
    """
    present_mw = air.present_mw
    for station in range(len(busy_us)):
        busy = 0
        for c in range(rules.subchannels):
            busy += present_mw[station, c] > thresholds.busy_mw
            present_mw[station, c] = 0.0
        busy_us[station] += rules.slot_us * busy / rules.subchannels
