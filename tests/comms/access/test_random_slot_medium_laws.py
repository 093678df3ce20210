"""Laws of the medium over random traffic, and a medium that counts every microsecond beside it."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.access.transmissions import EAR, KEYS, advance, no_transmissions, outcomes, packets, resolved
from v2xsim.comms.access.packets import (
    COLLISION,
    DELIVERED,
    HALF_DUPLEX,
    OUTCOME_NAMES,
    PROPAGATION,
    RECEIVER_BUSY,
    SENSING,
    Receptions,
)
from v2xsim.comms.access.random_slot_medium import silent
from v2xsim.comms.phy.error_rate import per


# Laws over random traffic.
@st.composite
def traffic(draw, stations=4, horizon_us=60):
    """Return transmissions of which no station has two at once, and received powers around every threshold."""
    rows = []
    for sender in range(stations):
        at = 0
        for _ in range(draw(st.integers(0, 4))):
            start = at + draw(st.integers(0, 12))
            at = start + draw(st.integers(1, 12))
            rows.append((sender, start, at))
    rows = draw(st.permutations(rows))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    power_dbm = rng.uniform(-98, -75, (stations, stations))
    np.fill_diagonal(power_dbm, -np.inf)
    mcs = draw(st.integers(0, 7))
    sent = packets(*rows, mcs=mcs) if rows else no_transmissions()
    return sent, power_dbm


def luck(packet_key, station_key):
    """Return the uniform number of a packet and a receiver, by splitmix64 in whole numbers."""
    full, bits = 2**64 - 1, int(packet_key)
    for key in (int(station_key), 0):
        bits = (bits + 0x9E3779B97F4A7C15) & full
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & full
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & full
        bits = (bits ^ (bits >> 31)) ^ key
    return ((bits >> 11) + 0.5) * 2.0**-53


def counted(sent, power_dbm, ear):
    """Return outcomes by packet and receiver, and busy times, by stepping through every microsecond."""
    stations, count = len(power_dbm), len(sent)
    power_mw = 10 ** (power_dbm / 10)
    locked, caught, deaf = [-1] * stations, set(), set()
    energy, busy_us = np.zeros((count, stations)), np.zeros(stations, int)
    for t in range(int(sent.end_us.max(initial=0))):
        on_air = [i for i in range(count) if sent.start_us[i] <= t < sent.end_us[i]]
        sending = {sent.sender[i] for i in on_air}
        begin = [i for i in on_air if sent.start_us[i] == t]
        for r in range(stations):
            if locked[r] not in on_air or r in sending:
                locked[r] = -1
            best = max(begin, key=lambda i: power_mw[sent.sender[i], r], default=-1)
            if (
                best >= 0
                and r not in sending
                and locked[r] < 0
                and power_mw[sent.sender[best], r] >= ear.sensitivity_mw
            ):
                locked[r] = best
                caught.add((best, r))
            heard = sum(power_mw[sent.sender[i], r] for i in on_air)
            busy_us[r] += r in sending or heard > ear.busy_mw
            for i in on_air:
                energy[i, r] += heard - power_mw[sent.sender[i], r]
                if r in sending:
                    deaf.add((i, r))
    result = {}
    for i in range(count):
        for r in range(stations):
            signal_mw = power_mw[sent.sender[i], r]
            if r == sent.sender[i]:
                continue
            interference_mw = energy[i, r] / (sent.end_us[i] - sent.start_us[i])
            snr_db = 10 * np.log10(signal_mw / ear.noise_mw)
            sinr_db = 10 * np.log10(signal_mw / (ear.noise_mw + interference_mw))
            u = luck(sent.key[i], KEYS[r])
            if (i, r) in deaf:
                cause = HALF_DUPLEX
            elif signal_mw < ear.sensitivity_mw:
                cause = SENSING
            elif (i, r) not in caught:
                cause = RECEIVER_BUSY
            elif u < per(snr_db, int(sent.mcs[i]), 10):
                cause = PROPAGATION
            elif u < per(sinr_db, int(sent.mcs[i]), 10):
                cause = COLLISION
            else:
                cause = DELIVERED
            result[int(sent.packet[i]), r] = OUTCOME_NAMES[cause]
    return result, busy_us


@settings(max_examples=300, deadline=None)
@given(traffic())
def test_the_medium_agrees_with_one_that_counts_every_microsecond(case):
    sent, power_dbm = case
    _, receptions, busy_us = resolved(sent, power_dbm, until_us=1000)
    expected, expected_busy_us = counted(sent, power_dbm, EAR)
    assert outcomes(receptions) == expected
    assert busy_us.tolist() == expected_busy_us.tolist()


@settings(max_examples=300, deadline=None)
@given(traffic(), st.sets(st.integers(1, 70), max_size=12))
def test_where_time_is_cut_into_calls_changes_nothing(case, cuts):
    sent, power_dbm = case
    _, whole, whole_busy_us = resolved(sent, power_dbm, until_us=100)
    state, parts, busy_us = silent(4), [], np.zeros(4, np.int64)
    for until_us in [*sorted(cuts), 100]:
        # Each packet is handed over as late as possible: in the call during which it begins.
        new = sent[np.flatnonzero((sent.start_us >= state.time_us) & (sent.start_us < until_us))]
        state, receptions, part_busy_us = advance(state, new, until_us, power_dbm, KEYS[:4], EAR, 10)
        parts.append(receptions)
        busy_us += part_busy_us
    for field in fields(Receptions):
        joined = getattr(Receptions.joined(parts), field.name)
        assert np.array_equal(joined, getattr(whole, field.name)), field.name
    assert np.array_equal(busy_us, whole_busy_us)


@settings(max_examples=100, deadline=None)
@given(traffic())
def test_handing_packets_over_early_or_late_changes_nothing(case):
    sent, power_dbm = case
    _, at_once, _ = resolved(sent, power_dbm, until_us=100)
    half = sent.start_us < 20
    state, first, _ = resolved(sent[half], power_dbm, until_us=20)
    _, second, _ = advance(state, sent[~half], 100, power_dbm, KEYS[:4], EAR, 10)
    assert outcomes(at_once) == {**outcomes(first), **outcomes(second)}


@settings(max_examples=100, deadline=None)
@given(traffic())
def test_every_packet_has_one_outcome_at_every_other_station(case):
    sent, power_dbm = case
    _, receptions, _ = resolved(sent, power_dbm, until_us=100)
    pairs = sorted(zip(receptions.packet.tolist(), receptions.receiver.tolist(), strict=True))
    assert pairs == sorted(
        (int(p), r) for p, s in zip(sent.packet, sent.sender, strict=True) for r in range(4) if r != s
    )


@settings(max_examples=100, deadline=None)
@given(traffic())
def test_one_more_listener_shifts_nobodys_luck(case):
    sent, power_dbm = case
    more_dbm = np.full((5, 5), -70.0)
    more_dbm[:4, :4] = power_dbm
    _, few, _ = resolved(sent, power_dbm, until_us=100)
    _, many, _ = resolved(sent, more_dbm, until_us=100)
    assert outcomes(few) == {pair: name for pair, name in outcomes(many).items() if pair[1] < 4}


@settings(max_examples=100, deadline=None)
@given(traffic(), st.floats(0.1, 20))
def test_without_interference_more_power_never_loses_a_packet(case, more_db):
    sent, power_dbm = case
    if len(sent) == 0:
        return
    lone = sent[:1]
    _, weak, _ = resolved(lone, power_dbm, until_us=100)
    _, strong, _ = resolved(lone, power_dbm + more_db, until_us=100)
    assert np.all((strong.outcome == DELIVERED) | (weak.outcome != DELIVERED))
