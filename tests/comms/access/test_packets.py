"""What goes into an access layer and what comes out: order, rows, and the decibels of receptions."""

from dataclasses import fields

import numpy as np
import pytest
from groups import keys, packets, repeated, square, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.access.acknowledged import codes_of
from v2xsim.comms.access.outcome import Outcome, receptions_of
from v2xsim.comms.access.packets import DELIVERED, SENSING, Packets, Receptions, field_of
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess

SCHEMES = [Ieee80211p(), LteMode4(packet_subchannels=1), NrMode2(packet_subchannels=1), RandomSlotAccess()]


def receptions(*packets_of):
    """Return receptions of packets given as number, noise in dBm, and powers in mW with interference over noise."""
    number = np.array([row[0] for row in packets_of], np.int64)
    pairs = [pair for row in packets_of for pair in row[2]]
    offset = np.cumsum([0] + [len(row[2]) for row in packets_of]).astype(np.int64)
    size = np.array([len(number), len(pairs), 0])
    return receptions_of(
        Outcome(
            size, codes_of(number), 10 + number, 100 + number, 200 + number, np.array([row[1] for row in packets_of]), offset,
            np.arange(len(pairs), dtype=np.int32), np.zeros(len(pairs), np.int8),
            np.array([p for p, _ in pairs], np.float32), np.array([r for _, r in pairs], np.float32),
            np.zeros(0, np.int64),
        )
    )  # fmt: skip


def test_without_interference_the_sinr_is_power_over_noise():
    found = receptions((0, -95.0, [(1e-8, 0.0)]))
    assert found.sinr_db[0] == pytest.approx(15.0, abs=1e-4)


def test_interference_as_strong_as_the_noise_takes_3_db_off_the_sinr():
    found = receptions((0, -95.0, [(1e-8, 1.0)]))
    assert found.sinr_db[0] == pytest.approx(15.0 - 3.0103, abs=1e-4)


def test_interference_nine_times_as_strong_as_the_noise_takes_10_db_off_the_sinr():
    found = receptions((0, -95.0, [(1e-8, 9.0)]))
    assert found.sinr_db[0] == pytest.approx(5.0, abs=1e-4)


def test_each_packet_is_held_against_its_own_noise():
    found = receptions((0, -95.0, [(1e-8, 0.0), (1e-9, 0.0)]), (1, -101.0, [(1e-8, 0.0)]))
    np.testing.assert_allclose(found.sinr_db, [15.0, 5.0, 21.0], atol=1e-4)
    np.testing.assert_allclose(found.snr_db, [15.0, 5.0, 21.0], atol=1e-4)


def test_a_reception_knows_its_packet_sender_begin_and_end():
    found = receptions((7, -95.0, [(1e-8, 0.0)] * 2), (3, -95.0, []), (5, -95.0, [(1e-8, 0.0)]))
    assert found.packet.tolist() == [7, 7, 5]
    assert found.sender.tolist() == [17, 17, 15]
    assert found.start_us.tolist() == [107, 107, 105]
    assert found.end_us.tolist() == [207, 207, 205]


def test_of_some_packets_all_receptions_are_kept_and_of_the_others_none():
    found = receptions((7, -95.0, [(1e-8, 0.0)] * 2), (3, -90.0, [(1e-7, 0.0)]), (5, -85.0, [(1e-9, 0.0)] * 3))
    part = found.of(np.array([True, False, True]))
    assert part.number.tolist() == [7, 5]
    assert part.packet.tolist() == [7, 7, 5, 5, 5]
    assert part.receiver.tolist() == [0, 1, 3, 4, 5]
    assert part.noise_dbm.tolist() == [-95.0, -85.0]


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(0, 8))
def test_what_was_cut_in_two_is_joined_as_it_was(counts, cut):
    found = receptions(*[(n, -90.0 - n, [(1e-8 * (1 + n), 0.5)] * count) for n, count in enumerate(counts)])
    first = np.arange(len(counts)) < cut
    again = Receptions.joined([found.of(first), found.of(~first)])
    for field in fields(Receptions):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(found, field.name), err_msg=field.name)


def test_no_packet_has_no_reception():
    none = Receptions.none()
    assert len(none) == 0
    assert none.offset.tolist() == [0]
    assert len(none.sinr_db) == len(none.packet) == 0


def of_times(ready_us, number):
    count = len(ready_us)
    same = np.zeros(count, np.int64)
    # The keys fall where the numbers rise, so that the two orders differ.
    key = 100 - np.array(number, np.uint64)
    return Packets(np.array(number), same, same - 1, np.array(ready_us), same + 300, same + 2, same, key)


def test_packets_that_wait_are_ordered_by_time_and_those_of_one_instant_by_number():
    waiting = of_times([5, 5], [3, 9]).with_more(of_times([5, 1], [4, 8]))
    assert waiting.ready_us.tolist() == [1, 5, 5, 5]
    assert waiting.number.tolist() == [8, 3, 4, 9]


def test_a_link_at_the_limit_is_listed_and_a_weaker_one_is_not():
    power_dbm = np.array([[0.0, -100.0, -100.1], [-99.0, 0.0, -120.0], [-100.2, -98.0, 0.0]])
    field = field_of(power_dbm, -100.0)
    assert field.offset.tolist() == [0, 1, 2, 3]
    assert field.other.tolist() == [1, 0, 1]
    np.testing.assert_allclose(field.power_mw, [1e-10, 10**-9.9, 10**-9.8])
    assert field.stations == 3
    assert len(field.nakagami_m) == 0


def test_each_link_has_the_fading_of_its_direction():
    power_dbm, shape = np.full((2, 2), -60.0), np.array([[9.0, 1.0], [2.0, 9.0]])
    assert field_of(power_dbm, -100.0, shape).nakagami_m.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_the_order_in_which_packets_are_handed_over_changes_nothing(scheme, seed):
    rng = np.random.default_rng(seed)
    stations, field = 6, repeated(1, square(6, p01=-200.0, p34=-89.5))
    rows = [row for s in range(stations) for row in stream(s, 1_000 * int(rng.integers(0, 3)), 100_000, 4)]
    sent = packets(rows, stations=stations)
    whole = layer_of(scheme, RadioSettings(), 0, keys(stations))
    whole.submit(sent)
    parts = layer_of(scheme, RadioSettings(), 0, keys(stations))
    shuffled = sent[rng.permutation(len(sent))]
    # Nobody hands over what is ready later before what the same station has ready first.
    shuffled = shuffled[np.argsort(shuffled.ready_us, kind="stable")]
    parts.submit(shuffled[:7])
    parts.submit(shuffled[7:])
    one, other = whole.advance(500_000, field)[0], parts.advance(500_000, field)[0]
    for column in fields(Receptions):
        np.testing.assert_array_equal(getattr(one, column.name), getattr(other, column.name), err_msg=column.name)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_packets_are_listed_by_their_end_and_then_by_their_begin(scheme):
    stations = 12
    rows = [row for s in range(stations) for row in stream(s, 0, 20_000, 10)]
    layer = layer_of(scheme, RadioSettings(), 0, keys(stations))
    layer.submit(packets(rows, stations=stations))
    found, _ = layer.advance(400_000, repeated(1, np.full((stations, stations), -60.0)))
    assert (np.lexsort((found.began_us, found.ended_us)) == np.arange(len(found.number))).all()
    # The receivers of a packet rise.
    assert all((np.diff(found.receiver[found.packet_row == n]) > 0).all() for n in range(len(found.number)))


def test_random_slots_list_packets_of_one_instant_by_key():
    stations = 30
    sent = packets([(s, 0, 0) for s in range(stations)], stations=stations)
    sent.key[:] = np.random.default_rng(0).permutation(sent.key)
    layer = layer_of(RandomSlotAccess(), RadioSettings(slot_us=500, window_us=1_000), 0, keys(stations))
    layer.submit(sent)
    found, _ = layer.advance(100_000, repeated(1, np.full((stations, stations), -200.0)))
    assert set(found.began_us.tolist()) == {0, 500}
    order = np.lexsort((sent.key[found.number], found.ended_us))
    assert (order == np.arange(stations)).all()


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_who_is_not_linked_with_a_sender_hears_nothing(scheme):
    layer = layer_of(scheme, RadioSettings(), 0, keys(3))
    layer.submit(packets(stream(0, 0, 100_000, 5)))
    found, busy_us = layer.advance(1_000_000, repeated(1, square(3, p02=-200.0)))
    rows = found.outcome != SENSING
    assert set(found.receiver[rows].tolist()) == {1}
    assert set(found.outcome[rows].tolist()) == {DELIVERED}
    assert busy_us[2] == 0
