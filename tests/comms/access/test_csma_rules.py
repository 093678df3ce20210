"""Carrier sensing by the numbers: thresholds, AIFS, contention window, capture, and interference of hidden stations."""

import numpy as np
import pytest
from groups import packets, played, repeated, square

from v2xsim.comms.access.packets import COLLISION, DELIVERED, RECEIVER_BUSY
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES, airtime_us

GROUPS = 300
SIZE_BYTES = 300
AIRTIME_US = int(airtime_us(SIZE_BYTES, 2, 10))
SLOT_US, AIFS_US = 13, 110
SAFE = ((-30.0, 0.0), (40.0, 0.0))
HIDDEN_DBM = -200.0
STANDARD = Ieee80211p()


def sent_at(rows, within_dbm, scheme=STANDARD, groups=1, **settings):
    """Return when each packet began: a row for each group, a column for each packet (sender and time)."""
    found, _ = heard(rows, within_dbm, scheme, groups, **settings)
    begun = np.full(groups * len(rows), -1)
    begun[found.number] = found.began_us
    return begun.reshape(groups, len(rows))


def heard(rows, within_dbm, scheme=STANDARD, groups=1, **settings):
    rows = [(sender, ready_us, 0) for sender, ready_us in rows]
    sent = packets(rows, groups=groups, stations=len(within_dbm), size_bytes=SIZE_BYTES)
    return played(
        scheme, sent, repeated(groups, within_dbm), 100_000, **{"sensitivity_dbm": -85.0, "curve": SAFE, **settings}
    )


def at(found, packet, receiver):
    """Return outcome and SINR of a packet at a receiver."""
    (row,) = np.flatnonzero((found.packet == packet) & (found.receiver == receiver))
    return int(found.outcome[row]), float(found.sinr_db[row])


@pytest.mark.parametrize(("power_dbm", "waits"), [(-84.9, True), (-85.1, False)])
def test_a_packet_above_the_preamble_threshold_makes_the_channel_busy(power_dbm, waits):
    begun = sent_at([(0, 0), (1, 100)], square(2, p01=power_dbm))
    assert (begun[0, 1] > 100) == waits


@pytest.mark.parametrize(("power_dbm", "waits"), [(-64.9, True), (-65.1, False)])
def test_a_power_that_is_no_preamble_makes_the_channel_busy_from_minus_65_dbm(power_dbm, waits):
    begun = sent_at(
        [(0, 0), (1, 100)], square(2, p01=power_dbm), Ieee80211p(cca_preamble_dbm=-30.0), sensitivity_dbm=-30.0
    )
    assert (begun[0, 1] > 100) == waits


@pytest.mark.parametrize(("power_dbm", "waits"), [(-67.9, True), (-68.1, False)])
def test_powers_of_two_stations_add_up_before_they_meet_the_energy_threshold(power_dbm, waits):
    within = square(3, p01=HIDDEN_DBM, p02=power_dbm, p12=power_dbm)
    begun = sent_at([(0, 0), (1, 5), (2, 100)], within, Ieee80211p(cca_preamble_dbm=-30.0), sensitivity_dbm=-30.0)
    assert (begun[0, 2] > 100) == waits


@pytest.mark.parametrize("aifs_us", [58, 110])
def test_a_channel_that_has_just_become_idle_must_stay_so_for_aifs(aifs_us):
    begun = sent_at([(0, 0), (1, AIRTIME_US + 10)], square(2), Ieee80211p(aifs_us=aifs_us))
    assert begun[0, 1] == AIRTIME_US + aifs_us


def test_a_channel_that_has_been_idle_for_aifs_is_used_at_once():
    begun = sent_at([(0, 0), (1, AIRTIME_US + AIFS_US + 3)], square(2))
    assert begun[0, 1] == AIRTIME_US + AIFS_US + 3


@pytest.mark.parametrize("cw", [0, 3, 7])
def test_who_finds_the_channel_busy_backs_off_for_0_to_cw_slots(cw):
    begun = sent_at([(0, 0), (1, 100)], square(2), Ieee80211p(cw=cw), GROUPS)
    slots = (begun[:, 1] - AIRTIME_US - AIFS_US) / SLOT_US
    assert set(slots.tolist()) == set(range(cw + 1))


@pytest.mark.parametrize("cw", [0, 3])
def test_a_station_backs_off_after_each_of_its_own_packets_too(cw):
    begun = sent_at([(0, 0), (0, 10)], square(2), Ieee80211p(cw=cw), GROUPS)
    slots = (begun[:, 1] - AIRTIME_US - AIFS_US) / SLOT_US
    assert set(slots.tolist()) == set(range(cw + 1))


def test_a_back_off_stands_still_while_the_channel_is_busy_and_goes_on_where_it_was():
    # Station 1 backs off from the end of the first packet; station 2 sends three slots into that.
    middle = AIRTIME_US + AIFS_US + 3 * SLOT_US
    alone = sent_at([(0, 0), (1, 100), (2, 50_000)], square(3), groups=GROUPS)[:, 1]
    held = sent_at([(0, 0), (1, 100), (2, middle)], square(3), groups=GROUPS)[:, 1]
    later = alone > middle
    assert 0.5 < later.mean() < 0.9
    assert (held == np.where(later, alone + AIRTIME_US + AIFS_US, alone)).all()


def test_a_back_off_stands_still_until_the_last_of_two_overlapping_packets_has_ended():
    # Stations 2 and 3 do not hear each other; station 3 begins 200 us into the packet of station 2.
    within, middle = square(4, p23=HIDDEN_DBM), AIRTIME_US + AIFS_US + 3 * SLOT_US
    alone = sent_at([(0, 0), (1, 100), (2, 50_000), (3, 60_000)], within, groups=GROUPS)[:, 1]
    held = sent_at([(0, 0), (1, 100), (2, middle), (3, middle + 200)], within, groups=GROUPS)[:, 1]
    later = alone > middle
    assert (held[later] == alone[later] + 200 + AIRTIME_US + AIFS_US).all()


@pytest.mark.parametrize(
    ("stronger_db", "outcomes"), [(9.9, (DELIVERED, RECEIVER_BUSY)), (10.1, (COLLISION, DELIVERED))]
)
def test_a_later_packet_captures_the_receiver_from_the_capture_ratio_on(stronger_db, outcomes):
    within = square(3, p01=HIDDEN_DBM, p02=-80.0, p12=-80.0 + stronger_db)
    found, _ = heard([(0, 0), (1, 50)], within, Ieee80211p(capture_db=10.0))
    assert (at(found, 0, 2)[0], at(found, 1, 2)[0]) == outcomes


@pytest.mark.parametrize(("later_us", "outcomes"), [(12, (RECEIVER_BUSY, DELIVERED)), (13, (DELIVERED, RECEIVER_BUSY))])
def test_without_capture_a_receiver_turns_to_a_stronger_packet_within_a_slot_only(later_us, outcomes):
    within = square(3, p01=HIDDEN_DBM, p02=-80.0, p12=-70.0)
    found, _ = heard([(0, 0), (1, later_us)], within)
    assert (at(found, 0, 2)[0], at(found, 1, 2)[0]) == outcomes


def test_the_worst_moment_of_interference_counts_in_full_however_short_it_is():
    within = square(3, p01=HIDDEN_DBM, p02=-80.0, p12=-90.0)
    found, _ = heard([(0, 0), (1, AIRTIME_US - 20)], within)
    assert at(found, 0, 2)[1] == pytest.approx(10 * np.log10(10.0 / (1.0 + 10**-0.5)), abs=1e-3)


def test_mean_interference_counts_for_the_share_of_the_packet_that_it_overlaps():
    within = square(3, p01=HIDDEN_DBM, p02=-80.0, p12=-90.0)
    found, _ = heard([(0, 0), (1, AIRTIME_US // 4)], within, Ieee80211p(interference="mean"))
    assert at(found, 0, 2)[1] == pytest.approx(10 * np.log10(10.0 / (0.75 + 10**-0.5)), abs=1e-2)


def test_of_two_interferers_one_after_the_other_the_worst_moment_holds_one():
    within = square(4, p01=HIDDEN_DBM, p02=HIDDEN_DBM, p12=HIDDEN_DBM, p03=-80.0, p13=-90.0, p23=-90.0)
    short = packets([(0, 0, 0), (1, 0, 0), (2, 300, 0)], stations=4, size_bytes=10)
    short.size_bytes[0] = SIZE_BYTES
    found, _ = played(Ieee80211p(), short, repeated(1, within), 10_000, sensitivity_dbm=-85.0, curve=SAFE)
    assert at(found, 0, 3)[1] == pytest.approx(10 * np.log10(10.0 / (1.0 + 10**-0.5)), abs=1e-3)


def test_of_two_interferers_at_once_both_count():
    within = square(4, p01=HIDDEN_DBM, p02=HIDDEN_DBM, p12=HIDDEN_DBM, p03=-80.0, p13=-90.0, p23=-90.0)
    found, _ = heard([(0, 0), (1, 20), (2, 40)], within)
    assert at(found, 0, 3)[1] == pytest.approx(10 * np.log10(10.0 / (2.0 + 10**-0.5)), abs=1e-3)


@pytest.mark.parametrize(("falls_at_db", "outcome"), [(8.9, COLLISION), (8.7, DELIVERED)])
def test_a_hidden_station_destroys_a_packet_whose_sinr_falls_below_the_curve(falls_at_db, outcome):
    # An SNR of 15 dB, an SINR of 8.81 dB.
    within = square(3, p01=HIDDEN_DBM, p02=-80.0, p12=-90.0)
    found, _ = heard([(0, 0), (1, 50)], within, curve=((falls_at_db, 1.0), (falls_at_db + 0.001, 0.0)))
    assert at(found, 0, 2)[0] == outcome


def test_a_full_queue_gives_up_its_oldest_packet():
    sent = packets([(0, 0, 0), (1, 50, 0), (1, 60, 0), (1, 70, 0)], stations=2, size_bytes=SIZE_BYTES)
    found, _ = played(Ieee80211p(), sent, repeated(1, square(2)), 100_000, queue_packets=2)
    assert sorted(found.number.tolist()) == [0, 2, 3]


def test_a_longer_mac_header_takes_more_time_on_the_air():
    sent = packets([(0, 0, 0)], size_bytes=SIZE_BYTES)
    found, _ = played(Ieee80211p(), sent, repeated(1, square(2)), 10_000, header_bytes=MAC_HEADER_BYTES + 60)
    # 60 bytes at 48 bits a symbol are ten symbols of 8 us.
    assert (found.ended_us - found.began_us).tolist() == [AIRTIME_US + 80]


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 0.0), (20, 3.0103), (40, 6.0206)])
def test_thresholds_rise_with_the_noise_of_a_wider_channel(bandwidth_mhz, wider_db):
    for offset_db, waits in ((0.1, True), (-0.1, False)):
        within = square(2, p01=-85.0 + wider_db + offset_db)
        begun = sent_at([(0, 0), (1, 20)], within, bandwidth_mhz=bandwidth_mhz)
        assert (begun[0, 1] > 20) == waits


@pytest.mark.parametrize(("power_dbm", "busy"), [(-93.9, True), (-94.1, False)])
def test_the_channel_counts_as_busy_above_the_threshold(power_dbm, busy):
    _, busy_us = heard([(0, 0)], square(2, p01=power_dbm))
    assert busy_us.tolist() == [AIRTIME_US, AIRTIME_US * busy]


def test_two_weak_packets_at_once_are_busy_by_their_sum_and_not_by_themselves():
    # 1 dB below the threshold each.
    within = square(3, p01=HIDDEN_DBM, p02=-95.0, p12=-95.0)
    _, busy_us = heard([(0, 0), (1, 100)], within)
    assert busy_us[2] == AIRTIME_US - 100


@pytest.mark.parametrize(("power_dbm", "busy"), [(-84.9, True), (-85.1, False)])
def test_with_an_infinite_threshold_the_time_counts_in_which_a_single_packet_is_sensed(power_dbm, busy):
    within = square(3, p01=HIDDEN_DBM, p02=power_dbm, p12=power_dbm)
    _, busy_us = heard([(0, 0), (1, 100)], within, busy_threshold_dbm=np.inf)
    assert busy_us[2] == (AIRTIME_US + 100) * busy
