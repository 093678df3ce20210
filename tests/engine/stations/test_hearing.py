"""What stations measure of each other's packets."""

import numpy as np
import pytest

from tests.engine.stations.dense_hearing import DenseHearing
from v2xsim.engine.stations.contents import SEQUENCE_NUMBERS
from v2xsim.engine.stations.hearing import SILENT_PERIODS, Hearing

PERIOD_US = 100_000
FORGET_US = SILENT_PERIODS * PERIOD_US
STATIONS = (2, 4, 7)


def hearing(*notes, agents=STATIONS):
    """Return what stations heard after packets, each with receivers, sender, SNR at each receiver, and time."""
    state = Hearing(FORGET_US, PERIOD_US)
    state.enter(np.array(agents))
    for receivers, sender, snr_db, time_us, *sequence in notes:
        state.note(np.array(receivers), sender, np.array(snr_db, float), time_us, *sequence)
    return state


def heard(state, now_us, agents=STATIONS):
    """Return the mean SNR of each pair of receiver and sender that was heard lately."""
    found = {}
    for agent in agents:
        senders, snr_db = state.heard_lately(agent, now_us)
        found |= {(agent, sender): level for sender, level in zip(senders.tolist(), snr_db.tolist(), strict=True)}
    return found


def test_who_receives_a_packet_has_heard_its_sender():
    assert heard(hearing(([2, 7], 4, [10, 20], 1000)), 1000) == {(2, 4): 10.0, (7, 4): 20.0}


def test_senders_are_listed_in_rising_order():
    state = hearing(([7], 4, [1], 0), ([7], 2, [2], 0))
    assert state.heard_lately(7, 0)[0].tolist() == [2, 4]


@pytest.mark.parametrize(("later_us", "known"), [(FORGET_US, [4]), (FORGET_US + 1, [])])
def test_a_sender_is_forgotten_after_the_time_given(later_us, known):
    state = hearing(([2], 4, [10], 1000))
    assert state.heard_lately(2, 1000 + later_us)[0].tolist() == known
    assert [each.agent.tolist() for each in state.heard_by_each(np.array([2, 4]), 1000 + later_us)] == [known, []]


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


# Who comes and goes


def test_a_sender_that_left_is_listed_until_it_has_been_silent_for_long():
    state = hearing(([2, 7], 4, [12, 12], 1000))
    state.enter(np.array([2, 7]))
    assert heard(state, 1000 + FORGET_US, (2, 7)) == {(2, 4): 12.0, (7, 4): 12.0}
    assert heard(state, 1001 + FORGET_US, (2, 7)) == {}


def test_a_packet_of_a_sender_that_left_while_it_was_on_the_air_counts():
    state = hearing()
    state.enter(np.array([2, 7]))
    state.note(np.array([2]), 4, np.array([10.0]), 1000)
    assert heard(state, 1000, (2, 7)) == {(2, 4): 10.0}


def test_a_receiver_that_has_left_is_passed_over():
    assert heard(hearing(([2, 5, 7], 4, [10, 15, 20], 1000)), 1000) == {(2, 4): 10.0, (7, 4): 20.0}


def test_newcomers_have_heard_nobody_and_others_keep_what_they_heard():
    state = hearing(([2], 4, [12], 1000))
    state.enter(np.array([1, 2, 4]))
    assert heard(state, 1000, (1, 2, 4)) == {(2, 4): 12.0}


def test_a_station_that_left_and_came_back_has_heard_nobody_but_is_still_known_to_others():
    state = hearing(([2], 4, [12], 1000), ([4], 2, [12], 1000))
    state.enter(np.array([2, 7]))
    state.enter(np.array(STATIONS))
    assert heard(state, 1000) == {(2, 4): 12.0}


def test_nobody_else_hears_what_a_newcomer_in_the_place_of_another_station_hears():
    state = hearing(([2], 4, [12], 1000))
    state.enter(np.array([3, 4, 7]))
    assert heard(state, 1000, (3, 4, 7)) == {}


def test_an_agent_that_is_no_station_has_heard_nobody():
    state = hearing(([2], 4, [12], 0))
    assert state.heard_lately(99, 0)[0].tolist() == []
    assert [len(each) for each in state.heard_by_each(np.array([2, 99]), 0)] == [1, 0]


def test_nobody_was_ever_heard_however_long_the_memory():
    state = Hearing(2**62 - 1, PERIOD_US)
    state.enter(np.array(STATIONS))
    assert heard(state, 0) == {}


# The share of announcements that arrive


def share_after(*numbers, silent_us=0, first=None):
    """Return the share of station 4's announcements that arrive at station 2, after those with these numbers, one a period."""
    state = hearing()
    for period, number in enumerate(numbers):
        state.note(np.array([2]), 4, np.array([20.0]), period * PERIOD_US, number)
    found = state.measured(np.array([2]), (len(numbers) - 1) * PERIOD_US + silent_us)
    return pytest.approx(float(found.share[0]), abs=1e-6)


@pytest.mark.parametrize("arrived", range(1, 8))
def test_the_first_announcements_count_by_the_rule_of_succession(arrived):
    assert share_after(*range(arrived)) == (arrived + 1) / (arrived + 2)


def test_the_first_announcement_of_a_sender_counts_two_thirds_whatever_its_number():
    assert share_after(0) == share_after(12_345) == 2 / 3


def test_announcements_are_lost_whose_numbers_are_missing():
    # Two of five arrived: (2 + 1) / (5 + 2).
    assert share_after(3, 7) == 3 / 7


def test_later_announcements_count_a_tenth():
    # The rule of succession holds for eight.
    assert share_after(*range(8)) == 9 / 10
    assert share_after(*range(9)) == 0.9 * 9 / 10 + 0.1
    assert share_after(*range(8), 9) == 0.9 * (0.9 * 9 / 10) + 0.1


def test_numbers_start_again_after_the_last_one():
    assert SEQUENCE_NUMBERS == 2**15
    assert share_after(SEQUENCE_NUMBERS - 1, 0) == 3 / 4
    assert share_after(SEQUENCE_NUMBERS - 2, 1) == (2 + 1) / (4 + 2)


def test_a_copy_and_an_old_announcement_change_nothing():
    assert share_after(5, 6, 6) == share_after(5, 6, 5) == share_after(5, 6, 2) == 3 / 4
    # And the next number follows on the newest one.
    assert share_after(5, 6, 5, 7) == 4 / 5


def test_a_packet_that_is_no_announcement_changes_no_share():
    assert share_after(5, -1, 6) == 3 / 4
    assert share_after(-1) == 1 / 2


@pytest.mark.parametrize(("periods", "lost"), [(0.0, 0), (1.0, 0), (1.99, 0), (2.0, 1), (2.99, 1), (4.0, 3)])
def test_silence_counts_as_loss_by_whole_periods_after_the_one_that_may_be_under_way(periods, lost):
    assert share_after(0, silent_us=round(periods * PERIOD_US)) == (1 + 1) / (1 + lost + 2)


def test_silence_does_not_count_twice_when_the_next_number_shows_what_was_lost():
    state = hearing(([2], 4, [20], 0, 0))
    for now_us in (2 * PERIOD_US, 3 * PERIOD_US):
        state.measured(np.array([2]), now_us)
    state.note(np.array([2]), 4, np.array([20.0]), 3 * PERIOD_US, 3)
    assert state.measured(np.array([2]), 3 * PERIOD_US).share.tolist() == pytest.approx([3 / 6])


def test_a_share_is_forgotten_after_five_silent_periods():
    state = hearing(*(([2], 4, [20], n * PERIOD_US, n) for n in range(8)))
    last_us = 7 * PERIOD_US
    assert len(state.measured(np.array([2]), last_us + 5 * PERIOD_US).share) == 1
    assert len(state.measured(np.array([2]), last_us + 5 * PERIOD_US + 1).share) == 0
    # Heard again, it starts again, and the numbers in between do not count.
    state.note(np.array([2]), 4, np.array([20.0]), last_us + 6 * PERIOD_US, 14)
    assert state.measured(np.array([2]), last_us + 6 * PERIOD_US).share.tolist() == pytest.approx([2 / 3])


def test_a_station_announces_what_it_measured_as_its_message_can_hold_it():
    (sent, nobody) = hearing(([2], 4, [10.3], 0, 0)).heard_by_each(np.array([2, 4]), 0)
    assert (sent.agent.tolist(), sent.snr_db.tolist(), sent.share.tolist()) == ([4], [10.5], [170 / 255])
    assert len(nobody) == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_table_of_pairs_has_the_numbers_of_each_pair_alone_while_stations_come_and_go(seed):
    rng = np.random.default_rng(seed)
    table, single = Hearing(FORGET_US, PERIOD_US), DenseHearing(FORGET_US, PERIOD_US)
    count = np.full(85, SEQUENCE_NUMBERS - 20)
    for now_us in range(0, 3_000_000, PERIOD_US):
        # Up to 60 of 80 stations, so that rows of senders grow and their places are used again.
        agents = np.sort(rng.choice(80, rng.integers(20, 60), replace=False))
        if now_us % 400_000 == 0:
            table.enter(agents)
            single.enter(agents)
        for time_us in np.sort(rng.integers(now_us, now_us + PERIOD_US, 40)).tolist():
            receivers = np.sort(rng.choice(85, 20, replace=False))
            sender, snr_db = int(rng.integers(0, 85)), rng.uniform(-5.0, 30.0, 20)
            receivers, snr_db = receivers[receivers != sender], snr_db[receivers != sender]
            # One packet in three is no announcement, and some announcements come late.
            number = -1 if rng.random() < 0.3 else int(count[sender] - rng.integers(0, 3)) % SEQUENCE_NUMBERS
            count[sender] += 1
            table.note(receivers, sender, snr_db, time_us, number)
            single.note(receivers, sender, snr_db, time_us, number)
        later_us = now_us + PERIOD_US
        found = table.measured(np.arange(85), later_us)
        for agent in range(85):
            mine = slice(found.offset[agent], found.offset[agent + 1])
            expected = single.heard_lately(agent, later_us)
            assert found.sender[mine].tolist() == [sender for sender, _, _ in expected]
            assert found.snr_db[mine].tolist() == [snr_db for _, snr_db, _ in expected]
            np.testing.assert_allclose(found.share[mine], [share for _, _, share in expected], atol=1e-5)
