"""How a station of IEEE 802.11p plans its next transmission and begins to send."""

import numpy as np
from numba import njit

from v2xsim.comms.access.csma_air import count_busy_time
from v2xsim.comms.access.csma_tables import (
    BACKOFF,
    BUSY_SINCE_US,
    FIRST,
    HAS_BEGUN,
    HOLDS,
    IDLE_SINCE_US,
    ITSELF,
    LOCKED_LINK,
    LOCKED_MW,
    LOCKED_ON,
    NOTHING,
    QUEUED,
    SENT_AT_US,
    START,
    START_US,
    VERSION,
)
from v2xsim.comms.access.events import add_event
from v2xsim.comms.access.outcome import report_drop
from v2xsim.comms.access.packets import HALF_DUPLEX
from v2xsim.comms.phases import PHASE


@njit(**PHASE)
def start_time_us(now_us, s, state, rules):  # type: ignore[no-untyped-def]
    """Return when a station may send if its channel stays idle: after AIFS and its back-off."""
    return max(now_us, state[s, IDLE_SINCE_US] + rules.aifs_us + state[s, BACKOFF] * rules.slot_us)


@njit(**PHASE)
def plan_start(now_us, s, state, agenda, rules):  # type: ignore[no-untyped-def]
    """Plan the start of the first packet in the queue of a station whose channel is idle."""
    state[s, START_US] = start_time_us(now_us, s, state, rules)
    # Starts planned earlier stay on the agenda; their older version shows that they were cancelled.
    state[s, VERSION] += 1
    add_event(agenda, state[s, START_US], START, s, state[s, VERSION])


@njit(**PHASE)
def transmit(now_us, s, stations, on_air, thresholds, busy_us):  # type: ignore[no-untyped-def]
    """Let a station begin to send: from now on it receives nothing, and its channel is busy."""
    state, level = stations.state, stations.level
    if level[s, LOCKED_ON] != NOTHING:
        # Half duplex: the station begins to send before it could notice the packet that it had begun to receive.
        on_air.cause_so_far[np.int64(level[s, LOCKED_ON]), state[s, LOCKED_LINK]] = HALF_DUPLEX
        level[s, HOLDS] -= 1.0
    level[s, LOCKED_ON], level[s, LOCKED_MW] = ITSELF, np.inf
    level[s, HOLDS] += 1.0
    state[s, SENT_AT_US] = state[s, BUSY_SINCE_US] = now_us
    count_busy_time(level, busy_us, s, now_us, thresholds.busy_mw)


@njit(**PHASE)
def drop_oldest(s, ring, state, queues, rules, outcome):  # type: ignore[no-untyped-def]
    """Drop the oldest packet of a station's full queue that it has not begun to send; return False if there is none.

    The content of the oldest packet is the most outdated.
    """
    first, second = state[s, FIRST], (state[s, FIRST] + 1) % rules.capacity
    dropped = second if state[s, HAS_BEGUN] == 1 else first
    if state[s, HAS_BEGUN] == 1 and state[s, QUEUED] == 1:
        return False
    report_drop(outcome, queues.packet[ring, dropped, 0])
    if dropped == second:
        for column in range(queues.packet.shape[2]):
            queues.packet[ring, second, column] = queues.packet[ring, first, column]
        queues.key[ring, second], queues.ebn0_db[ring, second] = queues.key[ring, first], queues.ebn0_db[ring, first]
    state[s, FIRST] = second
    state[s, QUEUED] -= 1
    return True
