"""The compiled slot loop of sensing-based sidelink: packets become ready, choose resources, check them again and are sent.

Slots in which no station transmits, selects or expects feedback are skipped. In the others, the time for reception is proportional to the
number of the senders' neighbours, and the busy share is measured at every station.
"""

import numpy as np
from numba import njit

from v2xsim.comms.access.events import DETAIL, KIND, TIME, Agenda, add_event, agenda_with_room, take_event
from v2xsim.comms.access.outcome import close_outcome, has_room, longer_outcome, no_outcome, report_drop
from v2xsim.comms.access.sidelink_air import count_down, measure_busy, receive, silent_air, transmit
from v2xsim.comms.access.sidelink_feedback import Answers, answer
from v2xsim.comms.access.sidelink_resources import choose
from v2xsim.comms.access.sidelink_selection import resource_request
from v2xsim.comms.access.sidelink_tables import (
    ENTRY_COLUMNS,
    GRANT_LEFT,
    GRANT_PERIOD,
    GRANT_SLOT,
    GRANT_SUBCHANNEL,
    GRANT_WIDTH,
    LAST_SLOT,
    LEFT,
    MEMORY,
    NONE,
    NUMBER,
    PENDING,
    PERIOD,
    REEVALUATE,
    REPLACED,
    RETRIES,
    SEND,
    SENDER,
    SENT_SLOT,
    SETTLED,
    SLOT,
    SUBCHANNEL,
    TARGET,
    USED,
    WIDTH,
    Schedule,
)
from v2xsim.comms.draws import hashed
from v2xsim.comms.phases import PHASE

# Number of the first draw from a packet's key, for each purpose.
_FIRST_USES, _KEEP, _KEPT_USES, _FIRST_CHOICE, _REPETITIONS, _SECOND_CHOICE = 4, 5, 6, 20, 40, 60


def with_room(schedule: Schedule, agenda: Agenda, packets: int, repetitions: int) -> tuple[Schedule, Agenda]:
    """Return the schedule and agenda with room for `packets` more packets, so that they need not grow during a run of slots."""
    # A packet has at most one event per transmission and one for re-evaluation.
    wanted = int(agenda.size[0]) + packets * (repetitions + 2)
    rows = len(schedule.entry)
    if wanted > rows:
        entry, entry_key = np.zeros((2 * wanted, ENTRY_COLUMNS), np.int64), np.zeros(2 * wanted, np.uint64)
        entry[:rows], entry_key[:rows] = schedule.entry, schedule.entry_key
        schedule = schedule._replace(entry=entry, entry_key=entry_key)
    if wanted > len(agenda.rows):
        agenda = agenda_with_room(agenda, packets * (repetitions + 2))
    return schedule, agenda


@njit(cache=True, nogil=True)
def run_slots(schedule, agenda, senses, arrivals, links, rules, thresholds, curve, until):  # type: ignore[no-untyped-def]
    """Run all slots before the slot `until`.

    Args:
        schedule: Scheduled transmissions of all stations; changed in place.
        agenda: Future events: their time is a slot number, their detail a row of the schedule; changed in place. The
            schedule and the agenda must have room for all new packets (`with_room`).
        senses: Memories of all stations; changed in place.
        arrivals: Packets that become ready before the slot `until`.
        links: Which stations receive each sender, and with what mean power.
        rules: Rules for choosing resources.
        thresholds: Power thresholds of receivers.
        curve: Packet error rate over SINR.
        until: Number of the first slot that is not run.

    Returns:
        The packets that ended with their receptions, and the busy time of each station in us.
    """
    # In a slot every station sends at most once, over each of its links.
    most_packets, most_receptions = len(schedule.station), len(links.other)
    air, busy_us = silent_air(most_packets, rules.subchannels, most_receptions), np.zeros(most_packets)
    answers = Answers(np.empty(0, np.int64), np.zeros(most_packets, np.bool_))
    if rules.feedback_period > 0:
        # Feedback on a packet has one reception, and may be the end of the packet.
        answers = Answers(np.empty(len(schedule.entry), np.int64), answers.sends)
        most_packets, most_receptions = most_packets + 2 * len(answers.row), most_receptions + len(answers.row)
    outcome = no_outcome(most_packets + 256, most_receptions + 4096, len(arrivals.number))
    choice = np.empty((rules.repetitions + 1, 2), np.int64)
    while not _run_while_room(
        schedule, agenda, senses, arrivals, links, rules, thresholds, curve, until, choice, air, answers, outcome,
        busy_us, most_packets, most_receptions,
    ):  # fmt: skip
        outcome = longer_outcome(outcome, most_packets, most_receptions)
    close_outcome(outcome)
    return outcome, busy_us


@njit(**PHASE)
def _run_while_room(  # type: ignore[no-untyped-def]
    schedule,
    agenda,
    senses,
    arrivals,
    links,
    rules,
    thresholds,
    curve,
    until,
    choice,
    air,
    answers,
    outcome,
    busy_us,
    most_packets,
    most_receptions,
):
    """Run slots while the outcome has room for one more slot; return whether all slots have been run."""
    while True:
        slot = next_slot(agenda, arrivals, until)
        if slot >= until:
            return True
        if not has_room(outcome, most_packets, most_receptions):
            return False
        forget(senses, slot)
        if rules.feedback_period > 0:
            answer(slot, schedule, agenda, senses, links, rules, thresholds, answers, outcome, choice)
        admit(slot, arrivals, schedule, agenda, senses, rules, outcome, choice)
        reevaluate(slot, schedule, agenda, senses, rules, choice)
        senders = take_turns(slot, schedule, agenda, senses, air)
        if senders > 0:
            transmit(slot, senders, air, schedule, senses, links, rules, thresholds)
            receive(slot, senders, air, schedule, senses, agenda, rules, thresholds, curve, outcome)
            count_down(senders, air, schedule, agenda, rules)
            measure_busy(busy_us, air, rules, thresholds)


@njit(**PHASE)
def next_slot(agenda, arrivals, until):  # type: ignore[no-untyped-def]
    """Return the next slot with an event or a new packet, or `until` if there is none before it."""
    slot, arrival = until, arrivals.admitted[0]
    if arrival < len(arrivals.slot):
        slot = min(slot, arrivals.slot[arrival])
    if agenda.size[0] > 0:
        slot = min(slot, agenda.rows[0, TIME])
    return slot


@njit(**PHASE)
def forget(senses, slot):  # type: ignore[no-untyped-def]
    """Clear the memory rows of the slots up to this one; they still hold data from one round of the ring earlier."""
    while senses.next_row_slot[0] <= slot:
        row = senses.next_row_slot[0] % MEMORY
        senses.rssi_mw[row] = 0.0
        # The power of a reservation is read only where there is a reservation, so it need not be reset.
        senses.reserved[row] = 0
        senses.next_row_slot[0] += 1


@njit(**PHASE)
def admit(slot, arrivals, schedule, agenda, senses, rules, outcome, choice):  # type: ignore[no-untyped-def]
    """Schedule the packets that become ready in a slot; drop those of stations that have too many packets scheduled."""
    arrival = arrivals.admitted[0]
    while arrival < len(arrivals.slot) and arrivals.slot[arrival] == slot:
        station = schedule.station[arrivals.sender[arrival]]
        if station[PENDING] >= rules.capacity:
            report_drop(outcome, arrivals.number[arrival])
        else:
            station[PENDING] += 1
            granted = use_grant(station, arrivals, arrival, schedule.station_key, rules, choice)
            if granted:
                found = 1 + repeat_grant(arrivals, arrival, schedule, agenda, senses, rules, choice)
            else:
                found = take_resource(station, arrivals, arrival, schedule, agenda, senses, rules, choice)
            plan(arrivals, arrival, found, granted, schedule, agenda, rules, choice)
        arrival += 1
    arrivals.admitted[0] = arrival


@njit(**PHASE)
def use_grant(station, arrivals, arrival, station_key, rules, choice):  # type: ignore[no-untyped-def]
    """Write the next use of the stream's reserved resource to `choice`; return False if the stream has none."""
    slot, period, width = arrivals.slot[arrival], arrivals.period[arrival], arrivals.width[arrival]
    if period == 0 or station[GRANT_PERIOD] != period:
        return False
    key, own_key = arrivals.key[arrival], station_key[arrivals.sender[arrival]]
    if station[GRANT_LEFT] == 0 and hashed(key, own_key, _KEEP) < rules.keep_probability:
        station[GRANT_LEFT] = drawn_uses(key, own_key, period, rules, _KEPT_USES)
    if station[GRANT_LEFT] <= 0 or station[GRANT_WIDTH] != width:
        return False
    use_slot = station[GRANT_SLOT] + period
    while use_slot < slot + 1:
        use_slot += period
    choice[0, 0], choice[0, 1] = use_slot, station[GRANT_SUBCHANNEL]
    station[GRANT_SLOT] = use_slot
    station[GRANT_LEFT] -= 1
    return True


@njit(**PHASE)
def repeat_grant(arrivals, arrival, schedule, agenda, senses, rules, choice):  # type: ignore[no-untyped-def]
    """Choose resources for the repetitions of a packet whose first transmission has a resource; return their number."""
    if rules.repetitions == 0:
        return 0
    s, slot = arrivals.sender[arrival], arrivals.slot[arrival]
    request = resource_request(
        senses.column[s], slot, arrivals.width[arrival], 0, 1, slot + rules.first_slot, slot + arrivals.last_slot[arrival],
        arrivals.key[arrival] ^ schedule.station_key[s], _REPETITIONS,
    )  # fmt: skip
    others = schedule.station[s, PENDING] - 1
    return choose(request, s, others, choice[0, 0], schedule, agenda, senses, rules, rules.repetitions, choice[1:])


@njit(**PHASE)
def take_resource(station, arrivals, arrival, schedule, agenda, senses, rules, choice):  # type: ignore[no-untyped-def]
    """Choose new resources for a packet, and reserve the first of them for its stream; return their number."""
    s, slot, key = arrivals.sender[arrival], arrivals.slot[arrival], arrivals.key[arrival]
    period, width = arrivals.period[arrival], arrivals.width[arrival]
    uses = drawn_uses(key, schedule.station_key[s], period, rules, _FIRST_USES) if period > 0 else 1
    request = resource_request(
        senses.column[s], slot, width, period, uses, slot + rules.first_slot, slot + arrivals.last_slot[arrival],
        key ^ schedule.station_key[s], _FIRST_CHOICE,
    )  # fmt: skip
    others = station[PENDING] - 1
    found = choose(request, s, others, NONE, schedule, agenda, senses, rules, rules.repetitions + 1, choice)
    if period > 0:
        station[GRANT_SLOT], station[GRANT_SUBCHANNEL] = choice[0, 0], choice[0, 1]
        station[GRANT_WIDTH], station[GRANT_PERIOD], station[GRANT_LEFT] = width, period, uses - 1
    return found


@njit(**PHASE)
def drawn_uses(packet_key, station_key, period, rules, turn):  # type: ignore[no-untyped-def]
    """Return for how many packets a resource is kept, drawn at random.

    References:
        3GPP TS 36.321 V14, 5.14.1.1: 5 to 15 packets for periods from 100 ms, 10 to 30 for 50 ms, 25 to 75 for 20 ms.
    """
    factor = max(1, -(-100 // max(20, period)))
    least, most = rules.least_uses, rules.most_uses
    drawn = least + int(hashed(packet_key, station_key, turn) * (most - least + 1))
    return factor * min(most, drawn)


@njit(**PHASE)
def free_row(schedule):  # type: ignore[no-untyped-def]
    """Return an unused row of the schedule, of which `with_room` ensures that there is one."""
    entry, row = schedule.entry, schedule.free_row[0]
    while entry[row, USED] == 1:
        row = row + 1 if row + 1 < len(entry) else 0
    schedule.free_row[0] = row
    return row


@njit(**PHASE)
def plan(arrivals, arrival, found, granted, schedule, agenda, rules, choice):  # type: ignore[no-untyped-def]
    """Schedule the transmissions of a packet on the resources chosen for it."""
    s, entry = arrivals.sender[arrival], schedule.entry
    for k in range(found):
        row = free_row(schedule)
        entry[row, NUMBER], entry[row, TARGET] = arrivals.number[arrival], arrivals.target[arrival]
        entry[row, SLOT], entry[row, SUBCHANNEL] = choice[k, 0], choice[k, 1]
        entry[row, WIDTH] = arrivals.width[arrival]
        # The last use of a resource announces no further use, and repetitions never announce one.
        announces = k == 0 and schedule.station[s, GRANT_LEFT] > 0
        entry[row, PERIOD] = arrivals.period[arrival] if announces else 0
        entry[row, LEFT], entry[row, SETTLED], entry[row, USED] = found - 1, int(granted), 1
        entry[row, SENDER], entry[row, RETRIES] = s, arrivals.retries[arrival]
        entry[row, LAST_SLOT] = arrivals.last_slot[arrival]
        schedule.entry_key[row] = arrivals.key[arrival]
        add_event(agenda, choice[k, 0], SEND, s, row)
        look_again = choice[k, 0] - rules.recheck_slots
        if rules.recheck_slots > 0 and k == 0 and not granted and look_again > arrivals.slot[arrival]:
            add_event(agenda, look_again, REEVALUATE, s, row)


@njit(**PHASE)
def reevaluate(slot, schedule, agenda, senses, rules, choice):  # type: ignore[no-untyped-def]
    """Replace resources that were chosen but not yet announced, if another station has announced them meanwhile.

    References:
        3GPP TS 38.214 V16, 8.1.4 and TS 38.321, 5.22.1.1: re-evaluation before the first use.
    """
    entry = schedule.entry
    while agenda.size[0] > 0 and agenda.rows[0, TIME] == slot and agenda.rows[0, KIND] == REEVALUATE:
        _, s, row = take_event(agenda)
        if (
            entry[row, USED] == 1
            and entry[row, SETTLED] == 0
            and is_claimed(slot, entry[row], senses.column[s], senses, rules)
        ):
            move(slot, s, row, schedule, agenda, senses, rules, choice)


@njit(**PHASE)
def is_claimed(slot, entry, column, senses, rules):  # type: ignore[no-untyped-def]
    """Return whether a station has decoded a reservation above the threshold that overlaps a scheduled transmission."""
    first, end = entry[SUBCHANNEL], entry[SUBCHANNEL] + entry[WIDTH]
    for before in range(max(0, slot - min(rules.window_slots, senses.longest_period[0])), slot):
        row = before % MEMORY
        for c in range(rules.subchannels):
            period = np.int64(senses.reserved[row, column, c])
            if (
                period > 0
                and before + period == entry[SLOT]
                and senses.rsrp_mw[row, column, c] > rules.threshold_mw
                and first <= c < end
            ):
                return True
    return False


@njit(**PHASE)
def move(slot, s, row, schedule, agenda, senses, rules, choice):  # type: ignore[no-untyped-def]
    """Choose another resource for a scheduled transmission, if possible no later than the planned one."""
    entry, station = schedule.entry[row], schedule.station[s]
    planned = entry[SLOT]
    first = slot + rules.first_slot
    request = resource_request(
        senses.column[s], slot, entry[WIDTH], entry[PERIOD], 1, first, max(first + 1, planned),
        schedule.entry_key[row] ^ schedule.station_key[s], _SECOND_CHOICE,
    )  # fmt: skip
    found = choose(request, s, station[PENDING], NONE, schedule, agenda, senses, rules, 1, choice)
    # Removing the event from the middle of the heap would take longer than marking it as replaced.
    for n in range(agenda.size[0]):
        if agenda.rows[n, KIND] == SEND and agenda.rows[n, DETAIL] == row:
            agenda.rows[n, KIND] = REPLACED
    if found > 0:
        if station[GRANT_SLOT] == planned:
            station[GRANT_SLOT], station[GRANT_SUBCHANNEL] = choice[0, 0], choice[0, 1]
        entry[SLOT], entry[SUBCHANNEL], entry[SETTLED] = choice[0, 0], choice[0, 1], 1
        add_event(agenda, choice[0, 0], SEND, s, row)


@njit(**PHASE)
def take_turns(slot, schedule, agenda, senses, air):  # type: ignore[no-untyped-def]
    """List the stations that transmit in a slot; return their number.

    A station sends at most one packet per slot; a second one moves to the next slot.
    """
    entry, station = schedule.entry, schedule.station
    senders = 0
    while agenda.size[0] > 0 and agenda.rows[0, TIME] == slot:
        kind, s, row = take_event(agenda)
        # After a second choice of resource, the event of the first choice is still in the heap.
        if kind == REPLACED or entry[row, USED] == 0 or entry[row, SLOT] != slot:
            continue
        if station[s, SENT_SLOT] == slot:
            # The station has two transmissions in this slot: the second moves to the next slot.
            entry[row, SLOT] = slot + 1
            add_event(agenda, slot + 1, SEND, s, row)
            continue
        station[s, SENT_SLOT] = slot
        senses.sent_slot[senses.column[s], slot % MEMORY] = slot
        air.sender[senders], air.entry[senders], air.sending[s] = s, row, True
        senders += 1
    return senders
