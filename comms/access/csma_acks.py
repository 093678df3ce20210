"""Acknowledgements of IEEE 802.11p: a packet to one station is sent again until its target's acknowledgement arrives.

The target sends the acknowledgement SIFS after the packet's end, without carrier sensing. The sender waits for it: if no
transmission has begun to arrive at the timeout, or if the one that did is not the acknowledgement, the sender doubles its
contention window, backs off and sends the packet again. After the last repetition it gives the packet up. Either way the
next packet begins with the smallest window.

References:
    IEEE 802.11-2016, 10.3.2.9 (acknowledgement procedure), 10.22.2.2 (back-off), 10.3.3 (contention window).
"""

import numpy as np
from numba import njit

from v2xsim.comms.access.acknowledged import ACK, DATA, FINISHED, code_of, key_of, kind_in, number_in
from v2xsim.comms.access.csma_air import drawn_backoff, hold_back
from v2xsim.comms.access.csma_starts import plan_start, transmit
from v2xsim.comms.access.csma_tables import (
    ACKS_TO,
    BACKOFF,
    BACKOFF_BEFORE,
    BUSY_SINCE_US,
    CODE,
    EBN0_DB,
    END,
    ENERGY,
    EXCHANGE,
    FIRST,
    HAS_BEGUN,
    HOLDS,
    IDLE_SINCE_US,
    ITSELF,
    LOCKED_ON,
    NONE,
    QUEUED,
    RATES,
    REPEAT,
    REPLY,
    START_ACK,
    START_US,
    TARGET,
    TARGET_CAUSE,
    TIMEOUT,
    VERSION,
    WAIT_END_US,
)
from v2xsim.comms.access.events import add_event
from v2xsim.comms.access.outcome import report_packet, report_reception
from v2xsim.comms.access.packets import DELIVERED, NOT_SENT, SENSING
from v2xsim.comms.phases import PHASE


@njit(**PHASE)
def await_reply(now_us, s, stations, agenda, rules, replies):  # type: ignore[no-untyped-def]
    """Let a station that has sent a packet wait for its acknowledgement, and plan this if the target received the packet."""
    state = stations.state
    reply = state[s, REPLY]
    if kind_in(state[s, CODE]) != DATA or reply == 0:
        return
    # While it waits, the station sends nothing: that counts as a busy channel.
    stations.level[s, HOLDS] += 1.0
    state[s, EXCHANGE] += 1
    state[s, WAIT_END_US] = now_us + rules.sifs_us + replies.airtime_us[reply % RATES]
    add_event(agenda, now_us + rules.timeout_us, TIMEOUT, s, state[s, EXCHANGE])
    target = state[s, TARGET]
    if state[s, TARGET_CAUSE] == DELIVERED and target >= 0:
        state[target, ACKS_TO] = s
        add_event(agenda, now_us + rules.sifs_us, START_ACK, target, 0)


@njit(**PHASE)
def start_ack(now_us, r, stations, queues, on_air, agenda, rules, replies, thresholds, busy_us, outcome):  # type: ignore[no-untyped-def]
    """Let a station begin to send an acknowledgement; return False if it does not, because it is sending a packet."""
    state, s = stations.state, stations.state[r, ACKS_TO]
    if s < 0:
        # The sender of the packet has left.
        return False
    code = code_of(number_in(state[s, CODE]), state[s, REPEAT], ACK)
    if stations.level[r, LOCKED_ON] == ITSELF:
        report_packet(outcome, code, r, now_us, now_us, thresholds.noise_dbm)
        report_reception(outcome, s, NOT_SENT, np.nan, 0.0)
        return False
    hold_back(now_us, r, state, queues, stations.key, rules)
    if state[r, START_US] != NONE:
        # Its own packet would begin during the acknowledgement.
        state[r, START_US] = NONE
        state[r, VERSION] += 1
        if state[r, BACKOFF] == 0:
            key = queues.key[queues.row[r], state[r, FIRST]]
            state[r, BACKOFF] = drawn_backoff(key, stations.key[r], rules.window, BACKOFF_BEFORE)
    rate = state[s, REPLY] % RATES
    state[r, CODE], state[r, TARGET], state[r, REPLY], state[r, TARGET_CAUSE] = code, s, 0, SENSING
    on_air.key[r], stations.rare[r, EBN0_DB] = key_of(on_air.key[s], 0, ACK), replies.ebn0_db[rate]
    transmit(now_us, r, stations, on_air, thresholds, busy_us)
    add_event(agenda, now_us + replies.airtime_us[rate], END, r, 0)
    return True


@njit(**PHASE)
def end_exchange(now_us, r, stations, queues, agenda, rules, thresholds, outcome):  # type: ignore[no-untyped-def]
    """If a station has just sent an acknowledgement that arrived, end the exchange at the station that waits for it."""
    state = stations.state
    s = state[r, TARGET]
    if kind_in(state[r, CODE]) != ACK or s < 0 or state[r, TARGET_CAUSE] != DELIVERED or state[s, EXCHANGE] % 2 == 0:
        return
    finish(now_us, s, state, queues, rules, thresholds, outcome)
    release(now_us, s, stations, agenda, rules, thresholds)


@njit(**PHASE)
def time_out(now_us, s, exchange, stations, queues, agenda, rules, thresholds, outcome):  # type: ignore[no-untyped-def]
    """Let a station that waits in vain for an acknowledgement send its packet again, or give it up."""
    state = stations.state
    if exchange != state[s, EXCHANGE]:
        return
    if now_us < state[s, WAIT_END_US] and stations.level[s, LOCKED_ON] >= 0.0:
        # Something arrives, and may be the acknowledgement.
        add_event(agenda, state[s, WAIT_END_US], TIMEOUT, s, exchange)
        return
    ring, first = queues.row[s], state[s, FIRST]
    if state[s, REPEAT] < queues.packet[ring, first, 3] // RATES:
        state[s, REPEAT] += 1
        window = min(((rules.window + 1) << state[s, REPEAT]) - 1, rules.most_window)
        key = key_of(queues.key[ring, first], state[s, REPEAT], DATA)
        state[s, BACKOFF] = drawn_backoff(key, stations.key[s], window, BACKOFF_BEFORE)
    else:
        finish(now_us, s, state, queues, rules, thresholds, outcome)
    release(now_us, s, stations, agenda, rules, thresholds)


@njit(**PHASE)
def finish(now_us, s, state, queues, rules, thresholds, outcome):  # type: ignore[no-untyped-def]
    """Remove the first packet from a station's queue and report that it is not sent again."""
    number = queues.packet[queues.row[s], state[s, FIRST], 0]
    report_packet(outcome, code_of(number, state[s, REPEAT], FINISHED), s, now_us, now_us, thresholds.noise_dbm)
    state[s, FIRST], state[s, QUEUED] = (state[s, FIRST] + 1) % rules.capacity, state[s, QUEUED] - 1
    state[s, REPEAT], state[s, HAS_BEGUN] = 0, 0


@njit(**PHASE)
def release(now_us, s, stations, agenda, rules, thresholds):  # type: ignore[no-untyped-def]
    """Let a station that no longer waits for an acknowledgement contend for the channel again."""
    state, level = stations.state, stations.level
    state[s, EXCHANGE] += 1
    level[s, HOLDS] -= 1.0
    if level[s, HOLDS] <= 0.0 and level[s, ENERGY] < thresholds.energy_mw:
        state[s, IDLE_SINCE_US], state[s, BUSY_SINCE_US] = now_us, NONE
        if state[s, QUEUED] > 0:
            plan_start(now_us, s, state, agenda, rules)
