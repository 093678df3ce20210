"""The compiled event loop of IEEE 802.11p broadcast: carrier sensing, back-off, transmissions, all stations at once.

Events are a packet that becomes ready, a transmission that begins, one that ends. Each touches its station and the
stations linked with it, so a transmission costs what its neighbours cost.
"""

import numpy as np
from numba import njit

from v2xsim.comms.access.csma_air import arrive, count_busy_time, drawn_backoff, leave
from v2xsim.comms.access.csma_tables import (
    BACKOFF,
    BACKOFF_AFTER,
    BACKOFF_BEFORE,
    BUSY_SINCE_US,
    CBR_BUSY_SINCE_US,
    EBN0_DB,
    END,
    ENERGY,
    FIRST,
    HOLDS,
    IDLE_SINCE_US,
    ITSELF,
    LOCKED_LINK,
    LOCKED_MW,
    LOCKED_ON,
    NONE,
    NOTHING,
    NUMBER,
    QUEUED,
    SENT_AT_US,
    START,
    START_US,
    TARGET,
    VERSION,
)
from v2xsim.comms.access.events import DETAIL, KIND, STATION, TIME, add_event, agenda_with_room, pop
from v2xsim.comms.access.outcome import close_outcome, has_room, longer_outcome, no_outcome, report_drop, report_packet
from v2xsim.comms.access.packets import HALF_DUPLEX
from v2xsim.comms.phases import PHASE


@njit(cache=True, nogil=True)
def run_events(stations, queues, on_air, agenda, arrivals, links, rules, thresholds, curve, until_us):  # type: ignore[no-untyped-def]
    """Run all events before an instant, and the ends exactly at it.

    Args:
        stations: Every station; changed.
        queues: Packets that wait; changed.
        on_air: What stations send; changed.
        agenda: Events ahead; the detail of a start is its version; changed.
        arrivals: Packets that become ready before the instant.
        links: Who receives whom, and how strongly.
        rules: How stations access the channel.
        thresholds: What receivers notice.
        curve: Error rate over the ratio of signal to noise.
        until_us: The instant.

    Returns:
        The agenda, which may have grown, packets and receptions, and the busy time of each station in us.
    """
    count = len(stations.state)
    busy_us, idle = np.zeros(count, np.int64), np.empty(count + 1, np.int64)
    outcome = no_outcome(256, links_at_most(on_air) + 4096, len(arrivals.number))
    while not _run_while_room(
        stations, queues, on_air, agenda, arrivals, links, rules, thresholds, curve, until_us, outcome, busy_us, idle
    ):
        agenda = agenda_with_room(agenda, count + 2)
        outcome = longer_outcome(outcome, 1, links_at_most(on_air))
    close_busy_time(stations.level, busy_us, until_us)
    close_outcome(outcome)
    return agenda, outcome, busy_us


@njit(**PHASE)
def links_at_most(on_air):  # type: ignore[no-untyped-def]
    """Return how many links a station has at most."""
    return on_air.receiver.shape[1]


@njit(**PHASE)
def _run_while_room(  # type: ignore[no-untyped-def]
    stations, queues, on_air, agenda, arrivals, links, rules, thresholds, curve, until_us, outcome, busy_us, idle
):
    """Run events as long as there is room for what another may bring; return whether all have been run."""
    while True:
        arrival, events = arrivals.admitted[0], agenda.rows
        ready_us = arrivals.ready_us[arrival] if arrival < len(arrivals.ready_us) else until_us
        event_us = events[0, TIME] if agenda.size[0] > 0 else until_us + 1
        # Ends at the instant itself belong to this call: their receptions are what happened up to it.
        ends_now = event_us == until_us and events[0, KIND] == END
        if ready_us >= until_us and event_us >= until_us and not ends_now:
            return True
        # An end may let every station that waits plan its start.
        if agenda.size[0] + len(idle) + 1 > len(events) or not has_room(outcome, 1, links_at_most(on_air)):
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
            resume(event_us, s, waiting, stations, agenda, rules, thresholds, idle)
        elif is_due(event_us, s, version, stations.state):
            start(event_us, s, stations, queues, on_air, agenda, rules, thresholds, busy_us)
            arrive(event_us, s, stations, queues, on_air, links, rules, thresholds)


@njit(**PHASE)
def enqueue(arrival, now_us, arrivals, stations, queues, agenda, rules, thresholds, outcome):  # type: ignore[no-untyped-def]
    """Put a packet that becomes ready into its station's queue, and plan its start if nothing waits before it."""
    s, state, level, capacity = arrivals.sender[arrival], stations.state, stations.level, rules.capacity
    ring = queues.row[s]
    if state[s, QUEUED] == capacity:
        # The oldest waiting makes room: what it says is out of date.
        first = state[s, FIRST]
        report_drop(outcome, queues.packet[ring, first, 0])
        state[s, FIRST] = (first + 1) % capacity
        state[s, QUEUED] -= 1
    last = (state[s, FIRST] + state[s, QUEUED]) % capacity
    queues.packet[ring, last, 0], queues.packet[ring, last, 1] = arrivals.number[arrival], arrivals.target[arrival]
    queues.packet[ring, last, 2] = arrivals.airtime_us[arrival]
    queues.key[ring, last], queues.ebn0_db[ring, last] = arrivals.key[arrival], arrivals.ebn0_db[arrival]
    state[s, QUEUED] += 1
    if state[s, QUEUED] > 1 and state[s, START_US] != NONE:
        return
    seems_idle = True
    if level[s, HOLDS] > 0.0 or level[s, ENERGY] >= thresholds.energy_mw:
        # What began less than a slot ago is not heard yet by one that would send by then.
        start_us = start_time_us(now_us, s, state, rules)
        seems_idle = level[s, LOCKED_ON] != ITSELF and start_us < state[s, BUSY_SINCE_US] + rules.slot_us
        if not seems_idle and state[s, BACKOFF] <= 0:
            key = queues.key[ring, state[s, FIRST]]
            state[s, BACKOFF] = drawn_backoff(key, stations.key[s], rules.window, BACKOFF_BEFORE)
    if seems_idle:
        # What is left of the back-off after the last packet goes first.
        plan_start(now_us, s, state, agenda, rules)


@njit(**PHASE)
def start_time_us(now_us, s, state, rules):  # type: ignore[no-untyped-def]
    """Return when a station may send whose channel stays idle: after AIFS and its back-off."""
    return max(now_us, state[s, IDLE_SINCE_US] + rules.aifs_us + state[s, BACKOFF] * rules.slot_us)


@njit(**PHASE)
def plan_start(now_us, s, state, agenda, rules):  # type: ignore[no-untyped-def]
    """Plan the start of the packet that an idle station has waiting."""
    state[s, START_US] = start_time_us(now_us, s, state, rules)
    # Starts planned before stay on the agenda; their version tells that they were called off.
    state[s, VERSION] += 1
    add_event(agenda, state[s, START_US], START, s, state[s, VERSION])


@njit(**PHASE)
def is_due(now_us, s, version, state):  # type: ignore[no-untyped-def]
    """Return whether a planned start still holds."""
    return version == state[s, VERSION] and state[s, START_US] == now_us and state[s, QUEUED] > 0


@njit(**PHASE)
def start(now_us, s, stations, queues, on_air, agenda, rules, thresholds, busy_us):  # type: ignore[no-untyped-def]
    """Let a station begin to send the first packet of its queue."""
    state, level, ring = stations.state, stations.level, queues.row[s]
    first = state[s, FIRST]
    state[s, NUMBER], state[s, TARGET] = queues.packet[ring, first, 0], queues.packet[ring, first, 1]
    on_air.key[s], stations.rare[s, EBN0_DB] = queues.key[ring, first], queues.ebn0_db[ring, first]
    state[s, FIRST], state[s, QUEUED] = (first + 1) % rules.capacity, state[s, QUEUED] - 1
    if level[s, LOCKED_ON] != NOTHING:
        # Half duplex: it begins to send before it could notice what it had begun to receive.
        on_air.cause_so_far[np.int64(level[s, LOCKED_ON]), state[s, LOCKED_LINK]] = HALF_DUPLEX
        level[s, HOLDS] -= 1.0
    level[s, LOCKED_ON], level[s, LOCKED_MW] = ITSELF, np.inf
    level[s, HOLDS] += 1.0
    state[s, SENT_AT_US], state[s, START_US] = now_us, NONE
    state[s, BUSY_SINCE_US] = now_us
    count_busy_time(level, busy_us, s, now_us, thresholds.busy_mw)
    # A back-off follows every packet, so that no station sends twice in a row before others may.
    state[s, BACKOFF] = drawn_backoff(on_air.key[s], stations.key[s], rules.window, BACKOFF_AFTER)
    add_event(agenda, now_us + queues.packet[ring, first, 2], END, s, 0)


@njit(**PHASE)
def stop(now_us, s, stations, on_air, thresholds, busy_us, outcome):  # type: ignore[no-untyped-def]
    """Let a station end its transmission, and report the packet."""
    state, level = stations.state, stations.level
    level[s, LOCKED_ON] = NOTHING
    level[s, HOLDS] -= 1.0
    count_busy_time(level, busy_us, s, now_us, thresholds.busy_mw)
    report_packet(outcome, state[s, NUMBER], s, state[s, SENT_AT_US], now_us, thresholds.noise_dbm)


@njit(**PHASE)
def resume(now_us, s, waiting, stations, agenda, rules, thresholds, idle):  # type: ignore[no-untyped-def]
    """Plan the starts of all stations whose channel a transmission's end left idle, the sender's last."""
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
    """Add up the busy time that lasts at the end of the call."""
    for s in range(len(busy_us)):
        if level[s, CBR_BUSY_SINCE_US] >= 0.0:
            busy_us[s] += until_us - np.int64(level[s, CBR_BUSY_SINCE_US])
            level[s, CBR_BUSY_SINCE_US] = until_us
