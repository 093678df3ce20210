"""What stations measure of each other's packets."""

import numpy as np
import pytest

from tests.engine.stations.dense_hearing import DenseHearing
from v2xsim.comms.phy.error_rate import per
from v2xsim.engine.stations.hearing import SILENT_PERIODS, Hearing
from v2xsim.scenario.schema_radio import Radio

RADIO = Radio()
FORGET_US = 500_000
STATIONS = (2, 4, 7)


def hearing(*notes, agents=STATIONS):
    """Return what stations heard after packets, each with receivers, sender, SNR at each receiver, and time."""
    state = Hearing(FORGET_US)
    state.enter(np.array(agents))
    for receivers, sender, snr_db, time_us in notes:
        state.note(np.array(receivers), sender, np.array(snr_db, float), time_us)
    return state


def heard(state, now_us, agents=STATIONS):
    """Return the mean SNR of each pair of receiver and sender that was heard lately."""
    found = {}
    for agent in agents:
        senders, snr_db = state.heard_lately(agent, now_us)
        found |= {(agent, sender): level for sender, level in zip(senders.tolist(), snr_db.tolist(), strict=True)}
    return found


def delivery_of(state, now_us, radio=RADIO, agents=STATIONS):
    return state.delivery(now_us, radio, np.ones(len(agents), bool)).square()


def test_who_receives_a_packet_has_heard_its_sender():
    assert heard(hearing(([2, 7], 4, [10, 20], 1000)), 1000) == {(2, 4): 10.0, (7, 4): 20.0}


def test_senders_are_listed_in_rising_order():
    state = hearing(([7], 4, [1], 0), ([7], 2, [2], 0))
    assert state.heard_lately(7, 0)[0].tolist() == [2, 4]


@pytest.mark.parametrize(("later_us", "known"), [(FORGET_US, [4]), (FORGET_US + 1, [])])
def test_a_sender_is_forgotten_after_the_time_given(later_us, known):
    state = hearing(([2], 4, [10], 1000))
    assert state.heard_lately(2, 1000 + later_us)[0].tolist() == known
    assert [ids.tolist() for ids in state.heard_by_each(np.array([2, 4]), 1000 + later_us)] == [known, []]


def test_five_silent_periods_mean_that_a_station_is_gone():
    assert SILENT_PERIODS == 5


def test_the_newest_packet_counts_four_tenths_of_the_mean():
    state = hearing(([2], 4, [10], 0), ([2], 4, [20], 1000))
    assert heard(state, 1000)[2, 4] == pytest.approx(0.6 * 10 + 0.4 * 20)


def test_after_silence_the_mean_begins_again():
    state = hearing(([2], 4, [10], 0), ([2], 4, [20], FORGET_US + 1))
    assert heard(state, FORGET_US + 1)[2, 4] == 20.0


def test_at_the_end_of_the_time_given_the_mean_still_goes_on():
    state = hearing(([2], 4, [10], 0), ([2], 4, [20], FORGET_US))
    assert heard(state, FORGET_US)[2, 4] == pytest.approx(14.0)


def test_a_sender_that_has_left_is_not_noted():
    assert heard(hearing(([2, 4], 99, [10, 10], 1000)), 1000) == {}


def test_a_receiver_that_has_left_is_passed_over():
    assert heard(hearing(([2, 5, 7], 4, [10, 15, 20], 1000)), 1000) == {(2, 4): 10.0, (7, 4): 20.0}


def test_newcomers_have_heard_nobody_and_others_keep_what_they_heard():
    state = hearing(([2], 4, [12], 1000))
    state.enter(np.array([1, 2, 4]))
    assert heard(state, 1000, (1, 2, 4)) == {(2, 4): 12.0}


def test_a_station_that_left_and_came_back_was_heard_by_nobody():
    state = hearing(([2], 4, [12], 1000), ([4], 2, [12], 1000))
    state.enter(np.array([2, 7]))
    state.enter(np.array(STATIONS))
    assert heard(state, 1000) == {}


def test_nobody_else_hears_what_a_newcomer_in_the_place_of_another_station_hears():
    state = hearing(([2], 4, [12], 1000))
    state.enter(np.array([3, 4, 7]))
    assert heard(state, 1000, (3, 4, 7)) == {}


def test_an_agent_that_is_no_station_has_heard_nobody():
    assert hearing(([2], 4, [12], 0)).heard_lately(99, 0)[0].tolist() == []


def test_the_better_of_both_ends_tells_the_quality_of_a_link():
    both = delivery_of(hearing(([2], 4, [4], 0), ([4], 2, [9], 0)), 0)
    expected = 1.0 - per(9.0, RADIO.mcs, RADIO.bandwidth_mhz)
    assert both[0, 1] == pytest.approx(expected)
    assert both[1, 0] == pytest.approx(expected)


def test_what_one_end_heard_holds_for_the_other():
    one = delivery_of(hearing(([2], 4, [6], 0)), 0)
    assert one[0, 1] == one[1, 0] == pytest.approx(1.0 - per(6.0, RADIO.mcs, RADIO.bandwidth_mhz))


def test_a_sidelink_is_predicted_from_its_own_coding_whatever_the_mcs_of_80211p():
    # QPSK at code rate 0.7 needs more than 6 dB, 64-QAM at the same rate about 10 dB more.
    robust, fast = ({"scheme": "nr_mode2", "bits_per_symbol": bits} for bits in (2, 6))
    state = hearing(([2], 4, [11], 0))

    def delivery(access, mcs):
        return float(delivery_of(state, 0, Radio(access=access, mcs=mcs))[0, 1])

    assert delivery(robust, 0) == delivery(robust, 7) > 0.95
    assert delivery(fast, 0) == delivery(fast, 7) < 0.01


def test_a_link_on_which_nobody_was_heard_lately_delivers_nothing():
    assert not delivery_of(hearing(([2], 4, [30], 0)), FORGET_US + 1).any()


def test_a_newer_bad_measurement_of_one_end_does_not_hide_an_old_one_that_is_forgotten():
    state = hearing(([2], 4, [30], 0), ([4], 2, [2], FORGET_US))
    assert delivery_of(state, FORGET_US + 1)[0, 1] == pytest.approx(1.0 - per(2.0, RADIO.mcs, RADIO.bandwidth_mhz))


def test_nobody_was_ever_heard_however_long_the_memory():
    state = Hearing(2**62 - 1)
    state.enter(np.array(STATIONS))
    assert heard(state, 0) == {}


def test_only_the_links_of_the_stations_asked_for_are_listed():
    state = hearing(([2], 4, [20], 0), ([4], 7, [20], 0))
    delivery = state.delivery(0, RADIO, np.array([True, False, False]))
    assert (delivery.offset.tolist(), delivery.other.tolist()) == ([0, 1, 1, 1], [1])


@pytest.mark.parametrize("seed", range(3))
def test_the_table_of_pairs_has_the_numbers_of_a_square_one_while_stations_come_and_go(seed):
    rng = np.random.default_rng(seed)
    table, square = Hearing(FORGET_US), DenseHearing(FORGET_US)
    for now_us in range(0, 3_000_000, 100_000):
        # Up to 60 of 80 stations, so that rows of senders grow and their places are used again.
        agents = np.sort(rng.choice(80, rng.integers(20, 60), replace=False))
        if now_us % 400_000 == 0:
            table.enter(agents)
            square.enter(agents)
        for time_us in np.sort(rng.integers(now_us, now_us + 100_000, 40)).tolist():
            receivers = np.sort(rng.choice(85, 20, replace=False))
            sender, snr_db = int(rng.integers(0, 85)), rng.uniform(-5.0, 30.0, 20)
            receivers, snr_db = receivers[receivers != sender], snr_db[receivers != sender]
            table.note(receivers, sender, snr_db, time_us)
            square.note(receivers, sender, snr_db, time_us)
        later_us = now_us + 100_000
        each = table.heard_by_each(np.arange(85), later_us)
        for agent in range(85):
            ids, levels = table.heard_lately(agent, later_us)
            assert each[agent].tolist() == ids.tolist()
            expected_ids, expected_levels = square.heard_lately(agent, later_us)
            assert (ids.tolist(), levels.tolist()) == (expected_ids.tolist(), expected_levels.tolist())
        found = delivery_of(table, later_us, agents=square.agent)
        assert found.tolist() == square.delivery(later_us, RADIO).tolist()
