"""The medium of random slots: what must happen to one packet, two and three, at thresholds, and when stations come and go."""

from dataclasses import replace

import numpy as np
import pytest
import recorded_layers

from tests.comms.access.transmissions import EAR, KEYS, advance, no_transmissions, outcomes, packets, powers, resolved
from v2xsim.comms.access.packets import PROPAGATION
from v2xsim.comms.access.random_slot_air import PACKET
from v2xsim.comms.access.random_slot_medium import reindexed, silent
from v2xsim.comms.phy.error_rate import per
from v2xsim.comms.phy.noise import receiver, receiver_of


# One packet, two, three: what must happen to each.
def test_a_lone_strong_packet_is_delivered_to_everybody_but_its_sender():
    _, receptions, _ = resolved(packets((0, 0, 400)), powers(3))
    assert outcomes(receptions) == {(0, 1): "delivered", (0, 2): "delivered"}


def test_a_packet_is_resolved_when_it_ends_and_not_before():
    state, early, _ = resolved(packets((0, 0, 400)), powers(2), until_us=399)
    _, late, _ = advance(state, no_transmissions(), 400, powers(2), KEYS[:2], EAR, 10)
    assert (len(early), len(late)) == (0, 1)


def test_two_stations_that_speak_at_once_do_not_hear_each_other():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 399, 700)), powers(2))
    assert outcomes(receptions) == {(0, 1): "half_duplex", (1, 0): "half_duplex"}


def test_a_station_hears_a_packet_that_begins_as_its_own_ends():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 400, 700)), powers(2))
    assert outcomes(receptions)[1, 0] == "delivered"


def test_a_packet_below_the_sensitivity_is_not_noticed():
    _, receptions, _ = resolved(packets((0, 0, 400)), powers(2, p01=-90.1))
    assert outcomes(receptions) == {(0, 1): "sensing"}


def test_a_receiver_locked_on_a_weak_packet_misses_the_strong_one_that_follows():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 1, 400)), powers(3, p02=-80, p12=-40))
    assert outcomes(receptions)[1, 2] == "receiver_busy"


def test_of_two_packets_that_begin_together_the_receiver_locks_on_the_stronger():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 0, 400)), powers(3, p02=-80, p12=-40))
    assert (outcomes(receptions)[0, 2], outcomes(receptions)[1, 2]) == ("receiver_busy", "delivered")


def test_two_equally_strong_packets_spoil_each_other():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 0, 400)), powers(3))
    assert sorted([outcomes(receptions)[0, 2], outcomes(receptions)[1, 2]]) == ["collision", "receiver_busy"]


def test_a_hidden_station_that_the_receiver_cannot_notice_still_interferes():
    weak = powers(3, p02=-88, p12=-91)
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 100, 500)), weak)
    place = (receptions.packet == 0) & (receptions.receiver == 2)
    # Three quarters of -91 dBm on top of noise of -95 dBm raise it by 4.7 dB.
    assert receptions.snr_db[place][0] - receptions.sinr_db[place][0] == pytest.approx(4.6, abs=0.1)


def test_an_unnoticed_packet_does_not_occupy_the_receiver():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 100, 500)), powers(3, p02=-91, p12=-50))
    assert outcomes(receptions)[1, 2] == "delivered"


def test_a_receiver_that_begins_to_send_gives_up_its_packet_and_is_free_again_afterwards():
    # Station 2 is locked on packet 0, sends packet 1 meanwhile, and can then lock on packet 2.
    _, receptions, _ = resolved(packets((0, 0, 1000), (2, 100, 200), (1, 300, 900)), powers(3, p02=-88, p12=-40))
    assert (outcomes(receptions)[0, 2], outcomes(receptions)[2, 2]) == ("half_duplex", "delivered")


def test_a_packet_begins_to_be_heard_again_when_the_receiver_is_free():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 400, 800)), powers(3))
    assert outcomes(receptions)[1, 2] == "delivered"


def test_interference_over_a_quarter_of_a_packet_counts_a_quarter():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 300, 700)), powers(3, p02=-50, p12=-50))
    place = (receptions.packet == 0) & (receptions.receiver == 2)
    assert receptions.sinr_db[place][0] == pytest.approx(10 * np.log10(4), abs=0.01)


def test_snr_is_power_over_noise():
    _, receptions, _ = resolved(packets((0, 0, 400)), powers(2, p01=-80.0))
    assert receptions.snr_db[0] == pytest.approx(-80.0 - 10 * np.log10(EAR.noise_mw))


def test_packets_far_below_the_noise_are_reported_only_to_whom_they_are_addressed():
    ear = receiver(10, 9.0, -90.0, -94.0)
    _, receptions, _ = resolved(packets((0, 0, 400), target=2), powers(3, p01=-150, p02=-150), ear=ear)
    assert outcomes(receptions) == {(0, 2): "sensing"}


@pytest.mark.parametrize("sinr_db", [5.0, 8.0, 11.0])
def test_the_share_of_lost_packets_is_the_error_rate_of_their_snr(sinr_db):
    count = 20_000
    numbers = np.arange(count)
    spaced = packets(*((0, 10 * n, 10 * n + 5) for n in numbers))
    power_dbm = powers(2, p01=10 * np.log10(EAR.noise_mw) + sinr_db)
    _, receptions, _ = resolved(spaced, power_dbm, until_us=10 * count, ear=receiver(10, 9.0, -120.0, -94.0))
    lost, expected = np.mean(receptions.outcome == PROPAGATION), per(sinr_db, 2, 10)
    # Five standard deviations: one seed in two million strays that far.
    assert lost == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / count))


def test_the_channel_is_busy_while_the_sum_of_weak_packets_exceeds_the_threshold():
    # Each is 2 dB below -94 dBm, both together 1 dB above; they overlap for 100 us.
    _, _, busy_us = resolved(packets((0, 0, 400), (1, 300, 700)), powers(3, p02=-96, p12=-96))
    assert busy_us[2] == 100


def test_a_station_is_busy_while_it_sends():
    _, _, busy_us = resolved(packets((0, 0, 400)), powers(2, p01=-120))
    assert busy_us.tolist() == [400, 0]


def test_overlapping_packets_keep_the_channel_busy_once():
    _, _, busy_us = resolved(packets((0, 0, 400), (1, 300, 700)), powers(3))
    assert busy_us.tolist() == [700, 700, 700]


def test_a_packet_that_should_have_begun_already_is_refused():
    with pytest.raises(ValueError, match="500"):
        advance(silent(2, time_us=500), packets((0, 499, 600)), 1000, powers(2), KEYS[:2], EAR, 10)


def test_a_packet_that_takes_no_time_is_refused():
    with pytest.raises(ValueError, match="1 us"):
        resolved(packets((0, 10, 10)), powers(2))


# Stations come and go.
def test_a_packet_of_a_station_that_left_still_interferes_and_arrives():
    power_dbm = powers(3, p02=-50, p12=-50)
    state, _, _ = resolved(packets((0, 0, 400), (1, 300, 700)), power_dbm, until_us=350)
    fewer = reindexed(state, np.array([0, 2]))
    _, receptions, _ = advance(
        fewer, no_transmissions(), 1000, power_dbm[np.ix_([0, 2], [0, 2])], KEYS[[0, 2]], EAR, 10
    )
    place = (receptions.packet == 0) & (receptions.receiver == 1)
    assert receptions.sinr_db[place][0] == pytest.approx(10 * np.log10(4), abs=0.01)
    assert receptions.sender[receptions.packet == 1].tolist() == [-1, -1]


def test_a_station_that_left_does_not_send_what_it_had_waiting():
    state, _, _ = resolved(packets((0, 500, 900), (1, 500, 900)), powers(3), until_us=100)
    assert reindexed(state, np.array([0, 2])).waiting[PACKET].tolist() == [0]


def test_a_newcomer_gets_nothing_of_a_packet_already_on_the_air():
    state, _, _ = resolved(packets((0, 0, 400)), powers(2), until_us=100)
    _, receptions, _ = advance(
        reindexed(state, np.array([0, -1, 1])), no_transmissions(), 1000, powers(3), KEYS[:3], EAR, 10
    )
    assert outcomes(receptions) == {(0, 2): "delivered"}


def test_a_packet_finds_its_target_after_the_stations_were_reordered():
    ear = receiver(10, 9.0, -90.0, -94.0)
    silence = np.full((3, 3), -150.0)
    state, _, _ = resolved(packets((0, 0, 400), (0, 600, 900), target=2), silence, until_us=100, ear=ear)
    turned = np.array([1, 2, 0])
    _, receptions, _ = advance(reindexed(state, turned), no_transmissions(), 1000, silence, KEYS[:3], ear, 10)
    assert outcomes(receptions) == {(0, 1): "sensing", (1, 1): "sensing"}


def test_a_packet_competes_with_one_handed_over_later_that_begins_at_the_same_instant():
    power_dbm = powers(3, p02=-80, p12=-40)
    both = packets((0, 100, 400), (1, 100, 400))
    state, _, _ = resolved(both[:1], power_dbm, until_us=100)
    _, receptions, _ = advance(state, both[1:], 1000, power_dbm, KEYS[:3], EAR, 10)
    assert (outcomes(receptions)[0, 2], outcomes(receptions)[1, 2]) == ("receiver_busy", "delivered")


def test_reordering_the_stations_between_calls_changes_no_outcome():
    power_dbm = powers(3, p02=-80, p12=-40)
    sent = packets((0, 0, 400), (1, 100, 700), (2, 650, 900), (0, 800, 1200))
    _, whole, _ = resolved(sent, power_dbm)
    state, first, _ = resolved(sent, power_dbm, until_us=500)
    turned = np.array([2, 0, 1])
    _, second, _ = advance(
        reindexed(state, turned),
        no_transmissions(),
        100_000,
        power_dbm[np.ix_(turned, turned)],
        KEYS[turned],
        EAR,
        10,
    )
    back = {(packet, int(turned[r])): name for (packet, r), name in outcomes(second).items()}
    assert {**outcomes(first), **back} == outcomes(whole)


def test_a_power_that_changes_while_a_packet_is_on_the_air_is_the_one_it_began_with():
    state, _, _ = resolved(packets((0, 0, 400)), powers(2, p01=-70.0), until_us=100)
    _, receptions, _ = advance(state, no_transmissions(), 500, powers(2, p01=-100.0), KEYS[:2], EAR, 10)
    assert receptions.power_dbm[0] == pytest.approx(-70.0)


def test_after_everything_has_ended_the_medium_remembers_no_packet():
    state, _, _ = resolved(packets((0, 0, 400), (1, 300, 700)), powers(3), until_us=700)
    assert (state.started.shape[1], state.waiting.shape[1], len(state.arrivals.station)) == (0, 0, 0)


def test_a_medium_without_stations_stands_still_in_peace():
    state, receptions, busy_us = advance(
        silent(0), no_transmissions(), 100, np.zeros((0, 0)), np.zeros(0, np.uint64), EAR, 10
    )
    assert (state.time_us, len(receptions), len(busy_us)) == (100, 0, 0)


def test_a_recorded_run_of_random_slots_under_load_is_reproduced():
    recorded_layers.check("random_slot")


# Exactly at a threshold. A power of 0 dBm is 1 mW without rounding.
def test_a_packet_exactly_at_the_sensitivity_is_received():
    _, receptions, _ = resolved(packets((0, 0, 400)), powers(2, 0.0), ear=receiver_of(-60.0, 0.0, 30.0))
    assert outcomes(receptions) == {(0, 1): "delivered"}


def test_a_power_exactly_at_the_busy_threshold_is_not_busy():
    _, _, busy_us = resolved(packets((0, 0, 400)), powers(2, 0.0), ear=receiver_of(-60.0, 0.0, 0.0))
    assert busy_us.tolist() == [400, 0]


def test_a_packet_exactly_at_the_report_limit_is_reported():
    # 20 dB below a noise of 20 dBm.
    _, receptions, _ = resolved(packets((0, 0, 400)), powers(2, 0.0), ear=receiver_of(20.0, 10.0, 30.0))
    assert outcomes(receptions) == {(0, 1): "sensing"}


def test_of_two_equally_strong_packets_that_begin_together_the_receiver_locks_on_the_one_of_the_lower_key():
    _, receptions, _ = resolved(packets((0, 0, 400), (1, 0, 400)), powers(3))
    assert outcomes(receptions)[1, 2] == "receiver_busy"
    swapped = replace(packets((0, 0, 400), (1, 0, 400)), key=np.array([8, 7], np.uint64))
    _, receptions, _ = resolved(swapped, powers(3))
    assert outcomes(receptions)[0, 2] == "receiver_busy"


def test_a_packet_of_one_microsecond_is_busy_for_one_microsecond():
    _, _, busy_us = resolved(packets((0, 5, 6), (0, 9, 10)), powers(2))
    assert busy_us.tolist() == [2, 2]


def test_stations_join_a_medium_that_had_none():
    state = reindexed(silent(0, 50), np.array([-1, -1]))
    _, receptions, busy_us = advance(state, packets((0, 50, 450)), 1000, powers(2), KEYS[:2], EAR, 10)
    assert outcomes(receptions) == {(0, 1): "delivered"}
    assert busy_us.tolist() == [400, 400]


def test_a_newcomer_is_neither_locked_nor_sending_and_others_stay_so():
    # Station 1 is locked on a packet of station 0 when station 2 joins; then station 2 begins to send.
    state, _, _ = resolved(packets((0, 0, 1000)), powers(2), until_us=100)
    joined = reindexed(state, np.array([0, 1, -1, -1]))
    _, receptions, _ = advance(
        joined, replace(packets((2, 200, 900)), packet=np.array([1])), 2000, powers(4), KEYS[:4], EAR, 10
    )
    found = outcomes(receptions)
    assert (found[1, 0], found[1, 1], found[1, 3]) == ("half_duplex", "receiver_busy", "delivered")
