"""The compiled event loop of IEEE 802.11p: carrier sensing, back-off, transmissions, all stations at once.

There are three kinds of event: a packet becomes ready, a transmission begins, a transmission ends. Two more belong to
acknowledgements (`csma_acks`). An event updates its
station and the stations linked with it, so the time for a transmission is proportional to its number of neighbours.
"""

import numpy as np
from numba import njit

from v2xsim.comms.access.acknowledged import DATA, code_of, key_of
from v2xsim.comms.access.csma_acks import await_reply, end_exchange, start_ack, time_out
from v2xsim.comms.access.csma_air import arrive, count_busy_time, drawn_backoff, leave
from v2xsim.comms.access.csma_starts import drop_oldest, plan_start, start_time_us, transmit
from v2xsim.comms.access.csma_tables import (
    BACKOFF,
    BACKOFF_AFTER,
    BACKOFF_BEFORE,
    BUSY_SINCE_US,
    CBR_BUSY_SINCE_US,
    CODE,
    EBN0_DB,
    END,
    ENERGY,
    FIRST,
    HAS_BEGUN,
    HOLDS,
    IDLE_SINCE_US,
    ITSELF,
    LOCKED_ON,
    NONE,
    NOTHING,
    QUEUED,
    REPEAT,
    REPLY,
    SENT_AT_US,
    START_ACK,
    START_US,
    TARGET,
    TARGET_CAUSE,
    TIMEOUT,
    VERSION,
)
from v2xsim.comms.access.events import DETAIL, KIND, STATION, TIME, add_event, agenda_with_room, pop
from v2xsim.comms.access.outcome import close_outcome, has_room, longer_outcome, no_outcome, report_drop, report_packet
from v2xsim.comms.access.packets import SENSING
from v2xsim.comms.phases import PHASE


@njit(cache=True, nogil=True)
def run_events(stations, queues, on_air, agenda, arrivals, links, rules, replies, thresholds, curve, until_us):  # type: ignore[no-untyped-def]
    """Run all events before an instant, and the ends of transmissions exactly at it.

    Args:
        stations: State of every station; changed in place.
        queues: Packets that wait at each station; changed in place.
        on_air: Transmissions that have begun and not ended; changed in place.
        agenda: Future starts and ends of transmissions; the detail of a start is its version. Changed in place.
        arrivals: Packets that become ready before the instant.
        links: Which stations receive each sender, and with what mean power.
        rules: Rules by which stations access the channel: AIFS, slot length, contention window, queue length, capture
            and acknowledgements.
        replies: Duration and coding of acknowledgements.
        thresholds: Power levels at which receivers sense packets or lock on them.
        curve: Packet error rate over the signal-to-noise ratio.
        until_us: The instant at which the call stops.

    Returns:
        The agenda (a longer array if it ran out of room), the packets that ended with their receptions, and the busy
        time of each station in us.
    """
    count = len(stations.state)
    busy_us, idle = np.zeros(count, np.int64), np.empty(count + 1, np.int64)
    outcome = no_outcome(256, links_at_most(on_air) + 4096, len(arrivals.number))
    while not _run_while_room(
        stations,
        queues,
        on_air,
        agenda,
        arrivals,
        links,
        rules,
        replies,
        thresholds,
        curve,
        until_us,
        outcome,
        busy_us,
        idle,
    ):
        agenda = agenda_with_room(agenda, count + 5)
        outcome = longer_outcome(outcome, 2, links_at_most(on_air))
    close_busy_time(stations.level, busy_us, until_us)
    close_outcome(outcome)
    return agenda, outcome, busy_us


@njit(**PHASE)
def links_at_most(on_air):  # type: ignore[no-untyped-def]
    """Return a number of receptions that no transmission exceeds."""
    return on_air.receiver.shape[1] + 1


@njit(**PHASE)
def _run_while_room(  # type: ignore[no-untyped-def]
    stations,
    queues,
    on_air,
    agenda,
    arrivals,
    links,
    rules,
    replies,
    thresholds,
    curve,
    until_us,
    outcome,
    busy_us,
    idle,
):
    """Run events while the outcome and the agenda have room for one more; return whether all events have been run."""
    while True:
        arrival, events = arrivals.admitted[0], agenda.rows
        ready_us = arrivals.ready_us[arrival] if arrival < len(arrivals.ready_us) else until_us
        event_us = events[0, TIME] if agenda.size[0] > 0 else until_us + 1
        # Transmissions that end exactly at the instant belong to this call, because all of their time lies before it.
        ends_now = event_us == until_us and events[0, KIND] == END
        if ready_us >= until_us and event_us >= until_us and not ends_now:
            return True
        # After one end, every waiting station may plan a start, and an acknowledgement begin. The end of an acknowledgement
        # is also that of its packet.
        if agenda.size[0] + len(idle) + 4 > len(events) or not has_room(outcome, 2, links_at_most(on_air)):
            return False
        if ready_us < until_us and ready_us < event_us:
            enqueue(arrival, ready_us, arrivals, stations, queues, agenda, rules, thresholds, outcome)
            arrivals.admitted[0] += 1
            continue
        kind, s, version = events[0, KIND], events[0, STATION], events[0, DETAIL]
        agenda.size[0] = pop(events, agenda.size[0])
        if kind == END:
            stop(event_us, s, stations, on_air, thresholds, busy_us, outcome)
            waiting = leave(event_us, s, stations, on_air, rules, thresholds, curve, outcome, busy_us, idle)
            await_reply(event_us, s, stations, agenda, rules, replies)
            resume(event_us, s, waiting, stations, agenda, rules, thresholds, idle)
            end_exchange(event_us, s, stations, queues, agenda, rules, thresholds, outcome)
        elif kind == START_ACK:
            if start_ack(event_us, s, stations, queues, on_air, agenda, rules, replies, thresholds, busy_us, outcome):
                arrive(event_us, s, stations, queues, on_air, links, rules, thresholds)
        elif kind == TIMEOUT:
            time_out(event_us, s, version, stations, queues, agenda, rules, thresholds, outcome)
        elif is_due(event_us, s, version, stations.state):
            start(event_us, s, stations, queues, on_air, agenda, rules, thresholds, busy_us)
            arrive(event_us, s, stations, queues, on_air, links, rules, thresholds)


@njit(**PHASE)
def enqueue(arrival, now_us, arrivals, stations, queues, agenda, rules, thresholds, outcome):  # type: ignore[no-untyped-def]
    """Put a packet that becomes ready into its station's queue, and plan its start if the station has none planned."""
    s, state, level, capacity = arrivals.sender[arrival], stations.state, stations.level, rules.capacity
    ring = queues.row[s]
    if state[s, QUEUED] == capacity and not drop_oldest(s, ring, state, queues, rules, outcome):
        report_drop(outcome, arrivals.number[arrival])
        return
    last = (state[s, FIRST] + state[s, QUEUED]) % capacity
    queues.packet[ring, last, 0], queues.packet[ring, last, 1] = arrivals.number[arrival], arrivals.target[arrival]
    queues.packet[ring, last, 2], queues.packet[ring, last, 3] = arrivals.airtime_us[arrival], arrivals.reply[arrival]
    queues.key[ring, last], queues.ebn0_db[ring, last] = arrivals.key[arrival], arrivals.ebn0_db[arrival]
    state[s, QUEUED] += 1
    if state[s, QUEUED] > 1 and state[s, START_US] != NONE:
        return
    seems_idle = True
    if level[s, HOLDS] > 0.0 or level[s, ENERGY] >= thresholds.energy_mw:
        # A transmission that began less than a slot before the planned start is not noticed in time.
        start_us = start_time_us(now_us, s, state, rules)
        seems_idle = level[s, LOCKED_ON] != ITSELF and start_us < state[s, BUSY_SINCE_US] + rules.slot_us
        if not seems_idle and state[s, BACKOFF] <= 0:
            key = queues.key[ring, state[s, FIRST]]
            state[s, BACKOFF] = drawn_backoff(key, stations.key[s], rules.window, BACKOFF_BEFORE)
    if seems_idle:
        # The station first counts down what remains of the back-off after its last packet.
        plan_start(now_us, s, state, agenda, rules)


@njit(**PHASE)
def is_due(now_us, s, version, state):  # type: ignore[no-untyped-def]
    """Return whether a planned start is still valid: not cancelled, planned for now, and with a packet to send."""
    return version == state[s, VERSION] and state[s, START_US] == now_us and state[s, QUEUED] > 0


@njit(**PHASE)
def start(now_us, s, stations, queues, on_air, agenda, rules, thresholds, busy_us):  # type: ignore[no-untyped-def]
    """Let a station begin to send the first packet of its queue."""
    state, ring = stations.state, queues.row[s]
    first = state[s, FIRST]
    repeat, state[s, REPLY] = state[s, REPEAT], queues.packet[ring, first, 3]
    state[s, CODE], state[s, TARGET] = (
        code_of(queues.packet[ring, first, 0], repeat, DATA),
        queues.packet[ring, first, 1],
    )
    on_air.key[s], stations.rare[s, EBN0_DB] = (
        key_of(queues.key[ring, first], repeat, DATA),
        queues.ebn0_db[ring, first],
    )
    state[s, TARGET_CAUSE] = SENSING
    if state[s, REPLY] > 0:
        # The packet stays in the queue until it is acknowledged.
        state[s, HAS_BEGUN] = 1
    else:
        state[s, FIRST], state[s, QUEUED] = (first + 1) % rules.capacity, state[s, QUEUED] - 1
    transmit(now_us, s, stations, on_air, thresholds, busy_us)
    state[s, START_US] = NONE
    # A back-off follows every packet, so that others get a chance before the same station sends again.
    state[s, BACKOFF] = drawn_backoff(on_air.key[s], stations.key[s], rules.window, BACKOFF_AFTER)
    add_event(agenda, now_us + queues.packet[ring, first, 2], END, s, 0)


@njit(**PHASE)
def stop(now_us, s, stations, on_air, thresholds, busy_us, outcome):  # type: ignore[no-untyped-def]
    """Let a station end its transmission, and report the packet."""
    state, level = stations.state, stations.level
    level[s, LOCKED_ON] = NOTHING
    level[s, HOLDS] -= 1.0
    count_busy_time(level, busy_us, s, now_us, thresholds.busy_mw)
    report_packet(outcome, state[s, CODE], s, state[s, SENT_AT_US], now_us, thresholds.noise_dbm)


@njit(**PHASE)
def resume(now_us, s, waiting, stations, agenda, rules, thresholds, idle):  # type: ignore[no-untyped-def]
    """Plan the starts of all stations whose channel became idle when a transmission ended; its sender is the last."""
    state, level = stations.state, stations.level
    if level[s, HOLDS] <= 0.0 and level[s, ENERGY] < thresholds.energy_mw:
        state[s, IDLE_SINCE_US], state[s, BUSY_SINCE_US] = now_us, NONE
        if state[s, QUEUED] > 0:
            idle[waiting] = s
            waiting += 1
    for k in range(waiting):
        plan_start(now_us, idle[k], state, agenda, rules)


@njit(**PHASE)
def close_busy_time(level, busy_us, until_us):  # type: ignore[no-untyped-def]
    """Add the busy times that are still running at `until_us`, the end of the call."""
    for s in range(len(busy_us)):
        if level[s, CBR_BUSY_SINCE_US] >= 0.0:
            busy_us[s] += until_us - np.int64(level[s, CBR_BUSY_SINCE_US])
            level[s, CBR_BUSY_SINCE_US] = until_us
