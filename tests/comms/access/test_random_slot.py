"""Random slots: in which slots stations send, and what happens to packets that wait when stations come and go."""

from collections import Counter

import numpy as np
import pytest
import recorded_layers
from groups import keys, packets, played, repeated, square, stream

from v2xsim.comms.access.packets import DELIVERED
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.phy.airtime import airtime_us

GROUPS = 400
AIRTIME_US = int(airtime_us(150, 2, 10))


def test_a_recorded_run_under_load_is_reproduced():
    recorded_layers.check("random_slot")


def begun(rows, groups=GROUPS, **settings):
    """Return when packets of one station began: a row for each group."""
    sent = packets(rows, groups=groups)
    found, _ = played(RandomSlotAccess(), sent, repeated(groups, square(1)), 10_000_000, **settings)
    return found.began_us[np.argsort(found.number)].reshape(groups, len(rows))


def test_a_single_packet_takes_each_slot_of_the_window_equally_often():
    count = Counter(begun([(0, 1_000, 0)], slot_us=500, window_us=2_000).ravel().tolist())
    assert set(count) == {1_000, 1_500, 2_000, 2_500}
    # Five standard errors.
    assert max(abs(n / GROUPS - 0.25) for n in count.values()) < 5 * np.sqrt(0.25 * 0.75 / GROUPS)


def test_a_packet_of_a_stream_takes_a_slot_of_its_period():
    times = begun(stream(0, 0, 4_000, 2), slot_us=1_000, window_us=2_000)
    assert set(times[:, 0].tolist()) == {0, 1_000, 2_000, 3_000}
    assert set(times[:, 1].tolist()) == {4_000, 5_000, 6_000, 7_000}


def test_packets_that_a_station_has_ready_together_take_different_slots():
    times = begun([(0, 0, 0)] * 3, slot_us=500, window_us=1_500)
    assert (np.sort(times, axis=1) == [0, 500, 1_000]).all()


def test_a_packet_ends_an_airtime_after_it_began():
    found, busy_us = played(RandomSlotAccess(), packets([(0, 0, 0)]), repeated(1, square(2)), 100_000)
    assert (found.ended_us - found.began_us).tolist() == [AIRTIME_US]
    assert busy_us.tolist() == [AIRTIME_US] * 2


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 0.0), (20, 3.0103), (40, 6.0206)])
def test_thresholds_rise_with_the_noise_of_a_wider_channel(bandwidth_mhz, wider_db):
    for offset_db, noticed in ((0.1, True), (-0.1, False)):
        field = repeated(1, square(2, p01=-90.0 + wider_db + offset_db))
        found, _ = played(
            RandomSlotAccess(), packets([(0, 0, 0)]), field, 100_000, bandwidth_mhz=bandwidth_mhz, noise_dbm=-130.0
        )
        assert (found.outcome == DELIVERED).tolist() == [noticed] * len(found)
        field = repeated(1, square(2, p01=-94.0 + wider_db + offset_db))
        _, busy_us = played(RandomSlotAccess(), packets([(0, 0, 0)]), field, 100_000, bandwidth_mhz=bandwidth_mhz)
        assert (busy_us[1] > 0) == noticed


def waiting_layer():
    """Return a layer of three stations, each with a packet that has just been submitted."""
    layer = layer_of(RandomSlotAccess(), RadioSettings(), 0, keys(3))
    layer.submit(packets([(0, 0, 0), (1, 0, 0)]))
    later = packets([(0, 0, 0), (1, 0, 0), (2, 0, 0)])
    layer.submit(later[np.array([2])])
    return layer


def test_packets_submitted_in_parts_are_all_sent():
    found, _ = waiting_layer().advance(100_000, repeated(1, square(3)))
    assert sorted(found.number.tolist()) == [0, 1, 2]


def test_packets_that_wait_follow_their_stations_to_other_rows_and_those_of_a_station_that_left_are_dropped():
    layer = waiting_layer()
    layer.reindexed(np.array([2, -1, 0]), keys(3))
    found, _ = layer.advance(100_000, repeated(1, square(3)))
    assert dict(zip(found.number.tolist(), found.by.tolist(), strict=True)) == {0: 2, 2: 0}


def test_a_station_in_another_row_still_avoids_the_slots_of_its_own_packets():
    for first in range(20):
        layer = layer_of(RandomSlotAccess(), RadioSettings(slot_us=500, window_us=1_000), 0, keys(2))
        own = packets([(1, 0, 0)] * (first + 2))
        layer.submit(own[np.array([first])])
        layer.reindexed(np.array([1, 0]), keys(2))
        moved = packets([(0, 0, 0)] * (first + 2))
        layer.submit(moved[np.array([first + 1])])
        found, _ = layer.advance(100_000, repeated(1, square(2)))
        assert sorted(found.began_us.tolist()) == [0, 500]


def test_a_newcomer_in_a_row_has_no_slots_of_its_own():
    layer = layer_of(RandomSlotAccess(), RadioSettings(slot_us=500, window_us=500), 0, keys(1))
    layer.submit(packets([(0, 0, 0)]))
    layer.reindexed(np.array([-1]), keys(1))
    again = packets([(0, 0, 0)] * 2)
    layer.submit(again[np.array([1])])
    found, _ = layer.advance(100_000, repeated(1, square(1)))
    assert (found.number.tolist(), found.began_us.tolist()) == ([1], [0])
