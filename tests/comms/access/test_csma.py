"""Carrier sensing: what stations that hear each other, and that do not, can and cannot do to each other."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import recorded_layers
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.access.csma import Csma, CsmaParams
from v2xsim.comms.access.packets import (
    COLLISION,
    DELIVERED,
    HALF_DUPLEX,
    PROPAGATION,
    RECEIVER_BUSY,
    SENSING,
    Packets,
    Receptions,
    field_of,
)
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.comms.phy.error_rate import per

KEYS = (np.arange(1, 400, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(77)
PARAMS = CsmaParams()
AIRTIME_US = int(airtime_us(300, 2, 10))


def packets(*rows, size=300, mcs=2):
    """Rows of sender and time."""
    count = len(rows)
    sender, ready = (np.array([r[i] for r in rows], np.int64).reshape(count) for i in (0, 1))
    number = np.arange(count)
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return Packets(number, sender, np.full(count, -1), ready, np.full(count, size), np.full(count, mcs),
                   np.zeros(count, np.int64), key)  # fmt: skip


def powers(count, dbm=-60.0, **links):
    square = np.full((count, count), dbm)
    for name, value in links.items():
        a, b = int(name[1]), int(name[2])
        square[a, b] = square[b, a] = value
    return square


def played(sent, square, until_us=1_000_000, params=PARAMS, cuts=()):
    layer = Csma(len(square), params, 0, KEYS[: len(square)])
    layer.submit(sent)
    parts, busy = [], np.zeros(len(square), np.int64)
    for instant in [*cuts, until_us]:
        found, load = layer.advance(instant, field_of(square, -120.0))
        parts.append(found)
        busy += load
    return Receptions.joined(parts), busy


def outcomes(found, packet, receiver):
    rows = (found.packet == packet) & (found.receiver == receiver)
    if not rows.any():
        # Too weak to be listed.
        assert packet in found.number
        return SENSING
    assert rows.sum() == 1
    return int(found.outcome[rows][0])


def begin(found, packet):
    return int(found.began_us[found.number == packet][0])


def test_a_lone_packet_is_sent_at_once_and_arrives():
    found, _ = played(packets((0, 500)), powers(2))
    assert begin(found, 0) == 500
    assert int(found.end_us[0]) == 500 + AIRTIME_US
    assert outcomes(found, 0, 1) == DELIVERED


def test_who_finds_the_channel_busy_waits_for_its_end_and_aifs_and_whole_slots():
    found, _ = played(packets((0, 0), (1, 100)), powers(3))
    wait = begin(found, 1) - AIRTIME_US - PARAMS.aifs_us
    assert wait >= 0
    assert wait % PARAMS.slot_us == 0
    assert wait // PARAMS.slot_us <= PARAMS.cw
    assert outcomes(found, 1, 2) == DELIVERED


def test_who_cannot_hear_in_time_sends_too_and_the_receiver_keeps_the_stronger():
    found, _ = played(packets((0, 0), (1, 12)), powers(3, p02=-60.0, p12=-80.0))
    assert begin(found, 1) == 12
    assert outcomes(found, 0, 2) == DELIVERED
    assert outcomes(found, 1, 2) == RECEIVER_BUSY
    assert outcomes(found, 0, 1) == HALF_DUPLEX
    late, _ = played(packets((0, 0), (1, 13)), powers(3))
    assert begin(late, 1) > AIRTIME_US


def test_hidden_senders_overlap_and_equal_powers_destroy_the_first():
    square = powers(3, p01=-119.0, p02=-70.0, p12=-70.0)
    found, _ = played(packets((0, 0), (1, 50)), square)
    assert begin(found, 1) == 50
    assert outcomes(found, 0, 2) == COLLISION
    assert outcomes(found, 1, 2) == RECEIVER_BUSY


def test_with_capture_a_later_much_stronger_packet_takes_the_receiver_over():
    square = powers(3, p01=-119.0, p02=-84.0, p12=-50.0)
    sent = packets((0, 0), (1, 50))
    without, _ = played(sent, square)
    taken, _ = played(sent, square, params=CsmaParams(capture_db=10.0))
    assert outcomes(without, 1, 2) == RECEIVER_BUSY
    assert outcomes(taken, 1, 2) == DELIVERED
    assert outcomes(taken, 0, 2) == COLLISION


def test_a_packet_below_the_sensitivity_is_not_noticed():
    found, _ = played(packets((0, 0)), powers(2, -86.0))
    assert outcomes(found, 0, 1) == SENSING


def test_without_interference_losses_follow_the_error_curve():
    count, power = 4000, -88.0
    params = CsmaParams(sensitivity_dbm=-100.0, cca_preamble_dbm=-100.0)
    sent = packets(*[(0, 2000 * n) for n in range(count)])
    found, _ = played(sent, powers(2, power), 2000 * count, params)
    expected = float(per(np.array([power - params.noise_dbm]), 2, 10)[0])
    lost = float((found.outcome == PROPAGATION).mean())
    assert 0.05 < expected < 0.95
    assert abs(lost - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


def test_back_off_is_uniform_over_the_window():
    count = 3000
    sent = packets(*[(k % 2, 10_000 * (k // 2) + 100 * (k % 2)) for k in range(2 * count)])
    found, _ = played(sent, powers(3), 10_000 * count)
    at_third = found.receiver == 2
    start = dict(zip(found.packet[at_third].tolist(), found.start_us[at_third].tolist(), strict=True))
    slots = [(start[2 * n + 1] - start[2 * n] - AIRTIME_US - PARAMS.aifs_us) // PARAMS.slot_us for n in range(count)]
    share = np.bincount(slots, minlength=PARAMS.cw + 1) / count
    assert len(share) == PARAMS.cw + 1
    assert np.abs(share - 1 / 16).max() < 4 * np.sqrt(1 / 16 / count)


def test_stations_that_all_hear_each_other_only_collide_within_a_slot():
    rng = np.random.default_rng(5)
    sent = packets(
        *[(int(s), int(t)) for s, t in zip(rng.integers(0, 20, 600), rng.integers(0, 400_000, 600), strict=True)]
    )
    found, _ = played(sent, powers(20), 2_000_000)
    start, end = {}, {}
    for p, a, b in zip(found.packet.tolist(), found.start_us.tolist(), found.end_us.tolist(), strict=True):
        start[p], end[p] = a, b
    order = sorted(start, key=start.get)
    for first, second in pairwise(order):
        if start[second] < end[first]:
            assert start[second] - start[first] < PARAMS.slot_us
    lost = found.outcome != DELIVERED
    assert 0 < lost.mean() < 0.3


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 99_999), max_size=6))
def test_where_time_is_cut_changes_nothing(seed, cuts):
    rng = np.random.default_rng(seed)
    square = rng.uniform(-110, -50, (6, 6))
    square = np.minimum(square, square.T)
    sent = packets(
        *[(int(s), int(t)) for s, t in zip(rng.integers(0, 6, 40), rng.integers(0, 90_000, 40), strict=True)]
    )
    whole, busy = played(sent, square, 100_000)
    parts, busy_parts = played(sent, square, 100_000, cuts=sorted(set(cuts)))
    for name in type(whole).__dataclass_fields__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name), err_msg=name)
    np.testing.assert_array_equal(busy, busy_parts)


def test_busy_time_of_a_bystander_is_the_airtime():
    _, busy = played(packets((0, 0), (0, 5000)), powers(2))
    assert busy.tolist() == [2 * AIRTIME_US, 2 * AIRTIME_US]


def test_nothing_is_sent_twice_and_nothing_is_forgotten():
    rng = np.random.default_rng(3)
    sent = packets(
        *[(int(s), int(t)) for s, t in zip(rng.integers(0, 8, 300), rng.integers(0, 300_000, 300), strict=True)]
    )
    layer = Csma(8, PARAMS, 0, KEYS[:8])
    layer.submit(sent)
    found, _ = layer.advance(2_000_000, field_of(powers(8), -120.0))
    seen, times = np.unique(found.packet, return_counts=True)
    assert (times == 7).all()
    assert sorted([*seen.tolist(), *layer.dropped]) == list(range(300))


def test_a_station_that_leaves_takes_its_packets_along_and_frees_the_channel():
    layer = Csma(3, PARAMS, 0, KEYS[:3])
    layer.submit(packets((0, 0), (1, 100), (2, 9000)))
    layer.advance(200, field_of(powers(3), -120.0))
    layer.reindexed(np.array([1, 2]), KEYS[1:3])
    found, _ = layer.advance(50_000, field_of(powers(2), -120.0))
    assert set(found.packet.tolist()) == {1, 2}
    assert (found.outcome == DELIVERED).all()


@pytest.mark.parametrize("shape", [0.7, 1.0, 1.5, 3.0])
def test_fading_has_mean_one_and_the_variance_of_nakagami(shape):
    count = 6000
    params = CsmaParams(sensitivity_dbm=-200.0)
    layer = Csma(2, params, 0, KEYS[:2])
    layer.submit(packets(*[(0, 1000 * n) for n in range(count)]))
    found, _ = layer.advance(1000 * count + 1000, field_of(powers(2), -120.0, np.full((2, 2), shape)))
    gain = 10 ** (0.1 * (found.power_dbm + 60.0))
    assert abs(gain.mean() - 1.0) < 4 * np.sqrt(1 / shape / count)
    assert abs(gain.var() - 1 / shape) < 0.15 / shape


@pytest.mark.parametrize("name", recorded_layers.CSMA)
def test_a_recorded_run_of_carrier_sensing_under_load_is_reproduced(name):
    recorded_layers.check(name)


# What a scenario leaves open.


def test_aifs_is_sifs_and_six_slots_of_13_us():
    params = CsmaParams()
    assert (params.slot_us, params.aifs_us, params.cw) == (13, 32 + 6 * 13, 15)


def test_a_channel_of_its_g5_is_busy_from_minus_85_dbm_of_a_packet_and_minus_65_dbm_of_anything():
    params = CsmaParams()
    assert (params.bandwidth_mhz, params.header_bytes, params.queue_packets) == (10, 38, 1000)
    assert (params.sensitivity_dbm, params.busy_threshold_dbm) == (-85.0, -85.0)
    assert (params.cca_preamble_dbm, params.cca_energy_dbm) == (-85.0, -65.0)
    assert params.noise_dbm == pytest.approx(-94.975, abs=1e-3)


def test_a_packet_captures_nobody_and_its_worst_moment_decides_by_energy_per_bit():
    params = CsmaParams()
    assert (params.capture_db, params.worst_interference, params.curve_is_sinr) == (None, True, False)


def test_the_scheme_of_80211p_has_the_same_numbers():
    scheme, params = Ieee80211p(), CsmaParams()
    names = ("aifs_us", "cw", "cca_preamble_dbm", "cca_energy_dbm", "capture_db")
    assert [getattr(scheme, name) for name in names] == [getattr(params, name) for name in names]
    assert scheme.interference == "worst"


# Exactly at a threshold. A power of 0 dBm is 1 mW without rounding.

LEVEL = CsmaParams(
    sensitivity_dbm=30.0, cca_preamble_dbm=30.0, cca_energy_dbm=30.0, busy_threshold_dbm=30.0, noise_dbm=-60.0
)
HIDDEN_DBM = -119.0
SHORT_US = int(airtime_us(10, 2, 10))
MEDIUM_US = int(airtime_us(150, 2, 10))


def with_sizes(sent, *sizes):
    return replace(sent, size_bytes=np.array(sizes))


def test_a_packet_exactly_at_the_sensitivity_is_received():
    found, _ = played(packets((0, 0)), powers(2, 0.0), params=replace(LEVEL, sensitivity_dbm=0.0))
    assert outcomes(found, 0, 1) == DELIVERED


def test_a_packet_exactly_at_the_sensitivity_below_the_preamble_threshold_does_not_occupy_the_channel():
    found, _ = played(packets((0, 0), (1, 100)), powers(2, 0.0), params=replace(LEVEL, sensitivity_dbm=10.0))
    assert begin(found, 1) == 100


def test_a_packet_exactly_at_the_preamble_threshold_occupies_the_channel_until_it_ends():
    found, _ = played(packets((0, 0), (1, 100)), powers(2, 0.0), params=replace(LEVEL, cca_preamble_dbm=0.0, cw=0))
    assert begin(found, 1) == AIRTIME_US + PARAMS.aifs_us


ENERGY = replace(LEVEL, cca_energy_dbm=0.0, cw=0)


def test_a_power_exactly_at_the_energy_threshold_occupies_the_channel_until_it_ends():
    found, _ = played(packets((0, 0), (1, 100)), powers(2, 0.0), params=ENERGY)
    assert begin(found, 1) == AIRTIME_US + PARAMS.aifs_us


def test_a_power_exactly_at_the_energy_threshold_holds_a_planned_start_back():
    # Station 1 waits for AIFS after its first packet; station 0 did not hear that packet and begins meanwhile.
    square = powers(2, 0.0)
    square[1, 0] = HIDDEN_DBM
    found, _ = played(packets((1, 0), (1, 10), (0, AIRTIME_US + 50)), square, params=ENERGY)
    assert begin(found, 2) == AIRTIME_US + 50
    assert begin(found, 1) == 2 * AIRTIME_US + 50 + PARAMS.aifs_us


def test_a_channel_stays_occupied_while_the_remaining_power_is_exactly_at_the_energy_threshold():
    square = powers(3, 0.0, p01=HIDDEN_DBM)
    found, _ = played(packets((0, 0), (1, 300), (2, 100)), square, params=ENERGY)
    assert begin(found, 1) == 300
    assert begin(found, 2) == 300 + AIRTIME_US + PARAMS.aifs_us


def test_after_its_own_packet_a_station_still_waits_for_a_power_exactly_at_the_energy_threshold():
    sent = with_sizes(packets((0, 0), (1, 12), (1, 13)), 300, 10, 10)
    found, _ = played(sent, powers(2, 0.0), params=ENERGY)
    assert begin(found, 1) == 12
    assert begin(found, 2) == AIRTIME_US + PARAMS.aifs_us


BUSY = replace(LEVEL, busy_threshold_dbm=0.0)


def test_a_power_exactly_at_the_busy_threshold_is_not_busy():
    _, busy = played(packets((0, 0)), powers(2, 0.0), params=BUSY)
    assert busy.tolist() == [AIRTIME_US, 0]


def test_the_busy_time_ends_when_the_remaining_power_is_exactly_at_the_threshold():
    _, busy = played(packets((0, 0), (1, 100)), powers(3, 0.0, p01=HIDDEN_DBM), params=BUSY)
    assert busy[2] == AIRTIME_US - 100


def test_the_busy_time_of_an_own_packet_ends_while_a_power_exactly_at_the_threshold_remains():
    sent = with_sizes(packets((0, 0), (1, 12)), 300, 10)
    _, busy = played(sent, powers(2, 0.0), params=BUSY)
    # Station 0 also receives station 1, exactly at the threshold.
    assert busy.tolist() == [AIRTIME_US, SHORT_US]


def test_with_an_infinite_busy_threshold_a_packet_exactly_at_the_preamble_threshold_is_busy():
    params = replace(LEVEL, busy_threshold_dbm=np.inf, cca_preamble_dbm=0.0)
    _, busy = played(packets((0, 0)), powers(2, 0.0), params=params)
    assert busy.tolist() == [AIRTIME_US, AIRTIME_US]


# At one instant.


def test_a_packet_that_is_ready_when_the_channel_becomes_idle_waits_for_aifs_without_a_back_off():
    for key in range(20):
        layer = Csma(2, PARAMS, 0, KEYS[key : key + 2])
        layer.submit(packets((0, 0), (1, AIRTIME_US)))
        found, _ = layer.advance(10_000, field_of(powers(2), -120.0))
        assert begin(found, 1) == AIRTIME_US + PARAMS.aifs_us


def test_of_two_equally_strong_packets_within_a_slot_the_receiver_keeps_the_first():
    square = powers(3, p01=HIDDEN_DBM)
    found, _ = played(packets((0, 0), (1, 5)), square)
    assert outcomes(found, 1, 2) == RECEIVER_BUSY


@pytest.mark.parametrize(("ahead_us", "starts"), [(12, True), (13, False)])
def test_a_start_a_slot_ahead_is_cancelled_and_a_nearer_one_is_not(ahead_us, starts):
    # Without back-off, the second packet of station 1 is planned for AIFS after its first.
    planned_us = AIRTIME_US + PARAMS.aifs_us
    square = powers(2)
    square[1, 0] = HIDDEN_DBM
    found, _ = played(packets((1, 0), (1, 10), (0, planned_us - ahead_us)), square, params=CsmaParams(cw=0))
    assert (begin(found, 1) == planned_us) == starts


def test_interference_that_was_there_before_a_packet_counts_though_it_ends_first():
    # Signal 10, interference 1, noise 0.316 in units of 1e-9 mW; the interferer is too weak to be noticed.
    sent = with_sizes(packets((1, 0), (0, 50)), 150, 300)
    square = powers(3, p01=HIDDEN_DBM, p02=-80.0, p12=-90.0)
    found, _ = played(sent, square, params=CsmaParams(noise_dbm=-95.0))
    (row,) = np.flatnonzero((found.packet == 1) & (found.receiver == 2))
    assert MEDIUM_US < 50 + AIRTIME_US
    assert found.sinr_db[row] == pytest.approx(10 * np.log10(10.0 / (1.0 + 10**-0.5)), abs=1e-3)


def test_a_call_reports_packets_that_end_at_its_instant_and_takes_the_powers_of_packets_that_begin_in_it():
    planned_us = AIRTIME_US + PARAMS.aifs_us
    layer = Csma(2, CsmaParams(cw=0), 0, KEYS[:2])
    layer.submit(packets((0, 0), (0, 10), (1, 9000)))
    first, _ = layer.advance(AIRTIME_US, field_of(powers(2, -60.0), -120.0))
    assert first.number.tolist() == [0]
    # The second packet begins exactly at the end of this call, so it belongs to the next one.
    layer.advance(planned_us, field_of(powers(2, -61.0), -120.0))
    second, _ = layer.advance(9000, field_of(powers(2, -62.0), -120.0))
    assert (second.number.tolist(), second.began_us.tolist()) == ([1], [planned_us])
    assert second.power_dbm[0] == pytest.approx(-62.0)
    third, _ = layer.advance(20_000, field_of(powers(2, -63.0), -120.0))
    assert third.power_dbm[0] == pytest.approx(-63.0)


# Stations come and go.


def test_a_newcomer_sends_at_once():
    layer = Csma(1, PARAMS, 0, KEYS[:1])
    layer.advance(5_000, field_of(powers(1), -120.0))
    layer.reindexed(np.array([0, -1]), KEYS[:2])
    layer.submit(packets((1, 5_001)))
    found, _ = layer.advance(50_000, field_of(powers(2), -120.0))
    assert found.began_us.tolist() == [5_001]


def test_stations_that_change_rows_while_a_packet_is_on_the_air_receive_it_all_the_same():
    layer = Csma(3, PARAMS, 0, KEYS[:3])
    layer.submit(packets((0, 0), (1, 100)))
    layer.advance(200, field_of(powers(3), -120.0))
    layer.reindexed(np.array([2, 0, 1]), KEYS[[2, 0, 1]])
    found, busy = layer.advance(50_000, field_of(powers(3), -120.0))
    assert (found.by[found.number == 0].tolist(), set(found.receiver[found.packet == 0].tolist())) == ([1], {0, 2})
    assert (found.outcome == DELIVERED).all()
    assert begin(found, 1) >= AIRTIME_US + PARAMS.aifs_us
    assert (busy == 2 * AIRTIME_US - 200).all()


def test_a_newcomer_receives_nothing_of_a_packet_on_the_air_and_finds_an_idle_channel():
    layer = Csma(2, PARAMS, 0, KEYS[:2])
    layer.submit(packets((0, 0)))
    layer.advance(100, field_of(powers(2), -120.0))
    layer.reindexed(np.array([0, 1, -1]), KEYS[:3])
    layer.submit(replace(packets((2, 200)), number=np.array([1])))
    found, busy = layer.advance(50_000, field_of(powers(3), -120.0))
    assert found.receiver[found.packet == 0].tolist() == [1]
    assert (begin(found, 1), int(busy[2])) == (200, AIRTIME_US)


def test_the_channel_is_idle_and_receivers_are_free_once_a_sending_station_has_left():
    layer = Csma(3, PARAMS, 0, KEYS[:3])
    layer.submit(packets((0, 0)))
    layer.advance(100, field_of(powers(3), -120.0))
    layer.reindexed(np.array([1, 2]), KEYS[1:3])
    layer.submit(packets((0, 300)))
    found, _ = layer.advance(50_000, field_of(powers(2), -120.0))
    assert found.by.tolist() == [0]
    assert found.outcome.tolist() == [DELIVERED]
