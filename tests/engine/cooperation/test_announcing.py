"""When a station announces itself, and what it says."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_world import EGO, HELPER, OTHER, awareness, cooperation, frame, heard_list, matrix, own_states
from v2xsim.engine.cooperation.announcing import (
    Announcing,
    announcement_bytes,
    announcements,
    matrix_interval_us,
    matrix_valid_us,
)


def due_after(first, second, wait_us=0.0):
    """Return who announces itself 0.1 s after everybody did, under the rules of EN 302 637-2."""
    announcing = Announcing(cooperation(awareness_rule="cam").awareness_rule)
    wait = np.full(len(first), wait_us)
    announcing.due(first, wait, 0)
    return announcing.due(second, wait, 100_000).tolist()


def test_a_station_announces_itself_when_it_has_moved_by_more_than_four_metres():
    before = own_states([1, 2], [(0, 0), (0, 50)])
    assert due_after(before, own_states([1, 2], [(0, 4.5), (0, 53.5)])) == [True, False]


def test_an_error_of_satellite_navigation_is_no_movement():
    before = own_states([1], [(0, 0)], odometry=[(0, 0, 0)])
    assert due_after(before, own_states([1], [(9, 0)], odometry=[(0, 0, 0)])) == [False]


def test_a_station_announces_itself_when_it_has_turned_by_more_than_four_degrees():
    before = own_states([1, 2], odometry=np.zeros((2, 3)))
    turned = own_states([1, 2], odometry=[(0, 0, np.radians(5)), (0, 0, np.radians(3))])
    assert due_after(before, turned) == [True, False]


def test_another_direction_at_the_same_speed_is_no_change_of_speed():
    before = own_states([1, 2], velocity_mps=[(5, 0), (5, 0)])
    assert due_after(before, own_states([1, 2], velocity_mps=[(3, 4), (3, 5)])) == [False, True]


def test_congestion_control_makes_a_station_wait_that_has_moved():
    assert due_after(own_states([1]), own_states([1], [(0, 9)]), wait_us=150_000.0) == [False]


def announcement(own, row, newest=None, heard=(), sequence=0, busy_share=0.0):
    """Return the announcement of one station."""
    (sent,) = announcements(own, np.array([row]), [newest], [heard_list(heard)], [sequence], np.array([busy_share]))
    return sent


def test_a_station_announces_its_own_row_as_it_believes_it():
    own = own_states(
        [1, 2, 3], [(0, 0), (7, 8), (0, 0)], time_us=500, stamp_us=620, velocity_mps=[(0, 0), (3, 4), (0, 0)],
        odometry=np.zeros((3, 3)), antenna_m=[1, 2.5, 1],
    )  # fmt: skip
    sent = announcement(own, 1)
    assert (sent.origin, sent.capture_us, sent.stamp_us, sent.antenna_height_m) == (2, 500, 620, 2.5)
    assert sent.pose.tolist() == [7, 8, 0, 0]
    assert sent.velocity_mps.tolist() == [3, 4]
    assert sent.size_m.tolist() == [4, 2, 1.5]


def test_a_station_announces_whom_it_has_heard_and_how_well():
    heard = announcement(own_states([1]), 0, heard={5: 0.4, 9: 1.0}).heard
    assert (heard.agent.tolist(), heard.share.tolist(), heard.snr_db.tolist()) == ([5, 9], [0.4, 1.0], [20.0, 20.0])


@pytest.mark.parametrize(("measured", "said"), [(0.0, 0.0), (0.5, 128 / 255), (0.25, 64 / 255), (1.0, 1.0)])
def test_a_station_announces_how_busy_its_channel_is_in_steps_of_a_byte(measured, said):
    assert announcement(own_states([1]), 0, busy_share=measured).busy_share == said


def test_only_egos_announce_that_they_want_data():
    own = own_states([EGO, HELPER], egos=[EGO])
    assert [announcement(own, row).wants_data for row in (0, 1)] == [True, False]


def test_each_station_numbers_its_own_announcements_from_zero():
    announcing = Announcing(cooperation().awareness_rule)
    numbers = [announcing.numbered(np.array(agents)) for agents in ([EGO, HELPER], [EGO], [EGO, HELPER, OTHER])]
    assert numbers == [[0, 0], [1], [2, 1, 0]]


def test_numbers_start_again_after_32768_announcements():
    announcing, agents = Announcing(cooperation().awareness_rule), np.array([EGO])
    numbers = [announcing.numbered(agents)[0] for _ in range(32_770)]
    assert numbers[-3:] == [32_767, 0, 1]
    assert announcement(own_states([EGO]), 0, sequence=32_767).sequence == 32_767


def test_a_station_announces_the_matrix_of_its_newest_frame():
    newest = frame(HELPER)
    assert announcement(own_states([HELPER]), 0, newest).matrix is newest.matrix


def test_each_of_many_stations_announces_what_it_would_announce_alone():
    own = own_states([1, 2, 3], [(0, 0), (7, 8), (5, 5)], antenna_m=[1, 2.5, 4])
    newest, heard = frame(3), [heard_list({2: 1.0}), heard_list({7: 0.5, 9: 0.5})]
    sent = announcements(own, np.array([0, 2]), [None, newest], heard, [4, 11], np.array([0.1, 0.2]))
    assert [(one.origin, one.sequence, one.pose.tolist(), one.antenna_height_m, one.heard.agent.tolist()) for one in sent] == [
        (1, 4, [0, 0, 0, 0], 1, [2]),
        (3, 11, [5, 5, 0, 0], 4, [7, 9]),
    ]  # fmt: skip
    assert [one.matrix for one in sent] == [None, newest.matrix]
    assert [one.busy_share for one in sent] == pytest.approx([0.1, 0.2], abs=0.5 / 255)


def with_matrix(interval_ms, times_us, has_matrix=None, rate_hz=10.0):
    """Return the numbers of those announcements of a station that contain its matrix."""
    settings = cooperation(matrix={"interval_ms": interval_ms}, awareness_rule={"rule": "periodic", "rate_hz": rate_hz})
    announcing, flags = (
        Announcing(settings.awareness_rule, matrix_interval_us(settings)),
        has_matrix or [True] * len(times_us),
    )
    shown = [
        announcing.contains_matrix(np.array([EGO]), np.array([flag]), time_us)
        for flag, time_us in zip(flags, times_us, strict=True)
    ]
    return [number for number, (one,) in enumerate(shown) if one]


TENTHS_US = [100_000 * n for n in range(12)]


@pytest.mark.parametrize(("interval_ms", "numbers"), [
    (0, list(range(12))), (100, list(range(12))), (300, [0, 3, 6, 9]), (500, [0, 5, 10]), (450, [0, 5, 10]), (None, []),
])  # fmt: skip
def test_a_matrix_is_announced_first_and_then_as_often_as_it_may_be(interval_ms, numbers):
    assert with_matrix(interval_ms, TENTHS_US) == numbers


def test_rounded_times_of_announcements_do_not_make_matrices_rarer():
    # Three times a second in whole microseconds: three of them are 1 us less than 1 s.
    assert with_matrix(1000, [333_333 * n for n in range(10)], rate_hz=3.0) == [0, 3, 6, 9]


def test_the_first_announcement_after_a_station_had_no_matrix_contains_it():
    assert with_matrix(1000, TENTHS_US, [False, False, *[True] * 4, False, *[True] * 5]) == [2, 7]


@given(st.lists(st.integers(50_000, 400_000), max_size=30), st.sampled_from([100, 300, 1000]))
def test_matrices_are_never_announced_more_often_than_they_may_be_nor_later_than_the_next_announcement(
    waits_us, interval_ms
):
    times_us = np.cumsum([0, *waits_us]).tolist()
    shown = with_matrix(interval_ms, times_us)
    early_us = 10_000
    assert shown[0] == 0
    for before, number in pairwise([*shown, len(times_us)]):
        waited_us = [times_us[n] - times_us[before] for n in range(before + 1, number)]
        assert all(one < 1e3 * interval_ms - early_us for one in waited_us)
    assert all(times_us[b] - times_us[a] >= 1e3 * interval_ms - early_us for a, b in pairwise(shown))


def test_each_station_has_its_own_times():
    settings = cooperation(matrix={"interval_ms": 500})
    announcing, both = Announcing(settings.awareness_rule, matrix_interval_us(settings)), np.array([EGO, HELPER])
    assert announcing.contains_matrix(both[:1], np.array([True]), 0).tolist() == [True]
    assert announcing.contains_matrix(both, np.array([True, True]), 300_000).tolist() == [False, True]
    assert announcing.contains_matrix(both, np.array([True, True]), 500_000).tolist() == [True, False]


def test_an_announcement_without_its_matrix_says_that_there_is_one_and_is_as_short_as_without():
    own, heard = own_states([1, 2]), [heard_list()] * 2
    shown, hidden = announcements(own, np.arange(2), [frame(1), frame(2)], heard, [0, 0], np.zeros(2), [True, False])
    assert (shown.senses, shown.withheld, hidden.senses, hidden.withheld, hidden.matrix) == (
        True,
        False,
        True,
        True,
        None,
    )
    assert announcement_bytes(hidden) == announcement_bytes(announcement(own, 1)) < announcement_bytes(shown)
    assert not announcement(own, 1).senses


def test_data_that_needs_no_message_needs_no_announcement_to_wait_for():
    assert matrix_interval_us(cooperation(matrix={"interval_ms": 500}, transport="synchronous")) == 0
    assert matrix_valid_us(cooperation(matrix={"interval_ms": 500})) == 1_500_000
    assert matrix_valid_us(cooperation()) is None


def test_a_station_without_a_frame_announces_no_matrix():
    assert announcement(own_states([1]), 0).matrix is None


def test_an_announcement_without_a_matrix_has_63_bytes():
    # 200 B on the network less 140 B of headers, 1 B for the antenna's height, and 2 B for the sequence number.
    assert announcement_bytes(awareness()) == 63


def test_a_matrix_adds_its_header_of_7_bytes_and_one_byte_for_each_run_of_equal_cells():
    assert announcement_bytes(awareness(grid=matrix())) == 63 + 7 + 1


def test_each_neighbour_adds_6_bytes():
    sent = announcement(own_states([1]), 0, heard={5: 1.0, 9: 1.0, 11: 1.0})
    assert announcement_bytes(sent) == 63 + 18
