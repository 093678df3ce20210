"""Feedback of NR-V2X mode 2: the target of a packet acknowledges it on a feedback channel (PSFCH) of its own.

The feedback channel takes three symbols at the end of every n-th slot: one for the gain control, one for the feedback, and a
gap. A target that decoded a packet answers in the first such slot that is at least a few slots later, with its whole power in
one resource block. Every packet has its own resource there, so that answers neither disturb nor meet interference. An answer
is lost if it is too weak, or if its receiver itself answers another packet in the same slot. A sender without an answer takes
a new resource and sends the packet again. NACKs are not simulated: a NACK and no answer come to the same.

References:
    3GPP TS 38.213 V16, 16.3 (feedback slots), TS 38.211, 8.3.4 (PSFCH). Written from memory, not checked against the documents.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64
from numba import njit

from v2xsim.comms.access.acknowledged import ACK, DATA, FINISHED, code_of, key_of, number_in, repeat_in
from v2xsim.comms.access.events import KIND, TIME, add_event, take_event
from v2xsim.comms.access.outcome import report_packet, report_reception
from v2xsim.comms.access.packets import DELIVERED, HALF_DUPLEX, PROPAGATION, SENSING
from v2xsim.comms.access.sidelink_resources import choose
from v2xsim.comms.access.sidelink_selection import resource_request
from v2xsim.comms.access.sidelink_tables import (
    ARRIVED,
    FEEDBACK,
    LAST_SLOT,
    LEFT,
    NONE,
    NUMBER,
    PENDING,
    PERIOD,
    RETRIES,
    SEND,
    SENDER,
    SETTLED,
    SLOT,
    SUBCHANNEL,
    TARGET,
    USED,
    WIDTH,
)
from v2xsim.comms.draws import faded
from v2xsim.comms.phases import PHASE

# The feedback is in the symbols 11 and 12 of the 14 of a slot (0 to 13); the symbol before and the last one are gaps.
_FIRST_SYMBOL, _END_SYMBOL, _SYMBOLS = 11, 13, 14
# Number of the first draw from a packet's key.
_AGAIN = 80


class Answers(NamedTuple):
    """Working space for the feedback of one slot.

    Attributes:
        row: Rows in the schedule of the packets whose feedback is due.
        sends: Whether each station sends feedback in the slot.
    """

    row: Int64[np.ndarray, " entries"]
    sends: Bool[np.ndarray, " stations"]


@njit(**PHASE)
def plan_feedback(slot, row, cause, schedule, agenda, rules):  # type: ignore[no-untyped-def]
    """Plan the slot in which the sender of a packet learns whether its target received it."""
    entry = schedule.entry[row]
    entry[ARRIVED] = int(cause == DELIVERED)
    earliest = slot + rules.feedback_gap
    feedback_slot = earliest + (-earliest) % rules.feedback_period
    add_event(agenda, feedback_slot, FEEDBACK, entry[SENDER], row)


@njit(**PHASE)
def answer(slot, schedule, agenda, senses, links, rules, thresholds, answers, outcome, choice):  # type: ignore[no-untyped-def]
    """Send the feedback of a slot; packets without one are sent again, or given up."""
    count = 0
    while agenda.size[0] > 0 and agenda.rows[0, TIME] == slot and agenda.rows[0, KIND] == FEEDBACK:
        _, _, row = take_event(agenda)
        answers.row[count] = row
        count += 1
        if schedule.entry[row, ARRIVED] == 1 and schedule.entry[row, TARGET] >= 0:
            answers.sends[schedule.entry[row, TARGET]] = True
    for k in range(count):
        row = answers.row[k]
        entry = schedule.entry[row]
        arrived = False
        if entry[ARRIVED] == 1 and entry[TARGET] >= 0:
            arrived = feed_back(slot, row, schedule, links, rules, thresholds, answers, outcome)
        if arrived or not send_again(slot, row, schedule, agenda, senses, rules, choice):
            s, code = entry[SENDER], entry[NUMBER]
            end_us = (slot + 1) * rules.slot_us
            over = code_of(number_in(code), repeat_in(code), FINISHED)
            report_packet(outcome, over, s, end_us, end_us, thresholds.feedback_noise_dbm)
            schedule.station[s, PENDING] -= 1
            entry[USED] = 0
    for k in range(count):
        target = schedule.entry[answers.row[k], TARGET]
        if target >= 0:
            answers.sends[target] = False


@njit(**PHASE)
def feed_back(slot, row, schedule, links, rules, thresholds, answers, outcome):  # type: ignore[no-untyped-def]
    """Report the acknowledgement of a packet; return whether the packet's sender received it."""
    entry, s, r = schedule.entry[row], schedule.entry[row, SENDER], schedule.entry[row, TARGET]
    code, key = entry[NUMBER], key_of(schedule.entry_key[row], 0, ACK)
    p = 0.0
    for link in range(links.offset[r], links.offset[r + 1]):
        if links.other[link] == s:
            p = links.power_mw[link]
            if len(links.nakagami_m) > 0:
                p *= faded(links.nakagami_m[link], key, schedule.station_key[s])
    if answers.sends[s]:
        cause = HALF_DUPLEX
    elif p < thresholds.sensitivity_mw:
        cause = SENSING
    elif p < thresholds.feedback_mw:
        cause = PROPAGATION
    else:
        cause = DELIVERED
    began_us = slot * rules.slot_us + _FIRST_SYMBOL * rules.slot_us // _SYMBOLS
    ended_us = slot * rules.slot_us + _END_SYMBOL * rules.slot_us // _SYMBOLS
    reply = code_of(number_in(code), repeat_in(code), ACK)
    report_packet(outcome, reply, r, began_us, ended_us, thresholds.feedback_noise_dbm)
    report_reception(outcome, s, cause, p, 0.0)
    return cause == DELIVERED


@njit(**PHASE)
def send_again(slot, row, schedule, agenda, senses, rules, choice):  # type: ignore[no-untyped-def]
    """Choose a new resource for a packet that was not acknowledged; return False if it may not be sent again."""
    entry = schedule.entry[row]
    s, code = entry[SENDER], entry[NUMBER]
    repeat = repeat_in(code)
    if repeat >= entry[RETRIES]:
        return False
    key = key_of(schedule.entry_key[row], 1, DATA)
    request = resource_request(
        senses.column[s], slot, entry[WIDTH], 0, 1, slot + max(1, rules.first_slot), slot + entry[LAST_SLOT],
        key ^ schedule.station_key[s], _AGAIN,
    )  # fmt: skip
    found = choose(request, s, schedule.station[s, PENDING], NONE, schedule, agenda, senses, rules, 1, choice)
    if found == 0:
        return False
    entry[NUMBER], schedule.entry_key[row] = code_of(number_in(code), repeat + 1, DATA), key
    entry[SLOT], entry[SUBCHANNEL] = choice[0, 0], choice[0, 1]
    entry[PERIOD], entry[LEFT], entry[SETTLED] = 0, 0, 1
    add_event(agenda, choice[0, 0], SEND, s, row)
    return True
