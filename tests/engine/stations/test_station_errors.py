"""Errors of position, heading and clock."""

import numpy as np
import pytest

from v2xsim.engine.stations.station_errors import StationErrors, next_errors
from v2xsim.scenario.schema import Errors
from v2xsim.streams import Streams

ERRORS = Errors(gnss_sigma_m=2.0, heading_sigma_deg=3.0, gnss_correlation_s=10.0, clock_sigma_ms=1.5)
STREAMS = Streams(5)
AGENTS = np.arange(4000)


def belief(time_us, agent=AGENTS, before=None):
    return next_errors(before or StationErrors.none(0), agent, time_us, ERRORS, STREAMS)


def test_newcomers_have_errors_of_the_deviations_given():
    # 4,000 draws: four standard errors of a standard deviation are 4.5 %.
    sigma = belief(0).pose_error.std(axis=0)
    np.testing.assert_allclose(sigma, [2.0, 2.0, np.radians(3.0)], rtol=0.045)


def test_an_error_is_a_first_order_gauss_markov_process():
    first = belief(2_000_000)
    second = belief(7_000_000, before=first)
    # What is new is what a newcomer at the second instant would have.
    fresh, kept = belief(7_000_000).pose_error, np.exp(-0.5)
    np.testing.assert_allclose(second.pose_error, kept * first.pose_error + np.sqrt(1 - kept**2) * fresh, rtol=1e-12)


def test_an_error_keeps_its_deviation_for_ever():
    walked = belief(0)
    for tick in range(1, 60):
        walked = belief(tick * 1_000_000, before=walked)
    np.testing.assert_allclose(walked.pose_error.std(axis=0), [2.0, 2.0, np.radians(3.0)], rtol=0.045)


def test_errors_fade_with_the_correlation_time():
    # exp(-2) = 0.135 after 20 s at 10 s; the sample correlation of 12,000 numbers errs by 0.037 at four deviations.
    first, later = belief(0), belief(20_000_000, before=belief(0))
    found = np.corrcoef(first.pose_error[:, 0], later.pose_error[:, 0])[0, 1]
    assert found == pytest.approx(np.exp(-2.0), abs=0.063)


def test_a_station_that_stays_keeps_its_error_when_another_leaves():
    agents = np.array([3, 5, 9])
    first = belief(0, agents)
    all_stay, one_leaves = belief(100_000, agents, first), belief(100_000, agents[1:], first)
    np.testing.assert_array_equal(one_leaves.pose_error, all_stay.pose_error[1:])


def test_a_station_that_joins_starts_at_a_fresh_error():
    joined = belief(100_000, np.array([3, 5, 7]), belief(0, np.array([3, 7])))
    np.testing.assert_array_equal(joined.pose_error[1], belief(100_000, np.array([5])).pose_error[0])
    assert not np.array_equal(joined.pose_error[2], belief(100_000, np.array([7])).pose_error[0])


def test_a_station_that_joins_behind_all_others_starts_at_a_fresh_error():
    joined = belief(100_000, np.array([3, 7, 9]), belief(0, np.array([3, 7])))
    np.testing.assert_array_equal(joined.pose_error[2], belief(100_000, np.array([9])).pose_error[0])


def test_errors_say_whose_they_are_and_when():
    errors = belief(700, np.array([3, 7]))
    assert (errors.agent.tolist(), errors.time_us) == ([3, 7], 700)


def test_after_an_instant_without_stations_all_errors_are_fresh():
    nobody = belief(0, np.zeros(0, np.int64))
    np.testing.assert_array_equal(belief(100_000, before=nobody).pose_error, belief(100_000).pose_error)


def test_clocks_are_off_by_the_deviation_given_and_stay_so():
    first = belief(0)
    assert first.clock_offset_us.std() == pytest.approx(1500.0, rel=0.045)
    np.testing.assert_array_equal(belief(9_000_000, before=first).clock_offset_us, first.clock_offset_us)
    # 1.5 ms times a normal draw, to the nearest microsecond.
    drawn_us = 1500.0 * STREAMS.normals("clock", AGENTS)[:, 0]
    assert np.abs(first.clock_offset_us - drawn_us).max() <= 0.5


def test_a_believed_pose_is_the_true_one_and_its_error():
    error = np.array([[1.0, -2.0, 0.1]])
    believed = StationErrors(np.array([1]), 0, error, np.zeros(1, np.int64)).applied_to(
        np.array([[10.0, 20.0, 0.5, 3.0]])
    )
    np.testing.assert_allclose(believed, [[11.0, 18.0, 0.5, 3.1]])


@pytest.mark.parametrize("before", [None, AGENTS])
def test_nobody_believes_nothing(before):
    nobody = belief(100, np.zeros(0, np.int64), None if before is None else belief(0, before))
    assert (len(nobody.pose_error), len(nobody.clock_offset_us)) == (0, 0)
    assert StationErrors.none(300).time_us == 300
