"""What an ego predicts for a cycle of request and answer, and learns from its own cycles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_world import EGO, HELPER, OTHER
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast, Experience
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY


def path(helper=HELPER, ego=EGO, *, there=0.9, back=0.9, snr_db=15.0, relay=NOBODY, rivals=0.0):
    columns = (there, back, snr_db, rivals, rivals)
    return Paths(
        np.array([ego]), np.array([helper]), np.array([relay]), *(np.array([float(value)]) for value in columns)
    )


def success(forecast, one, request_bytes=100, answer_bytes=100.0):
    evidence = forecast.evidence(one)
    return float(forecast.success(evidence, one.there, one.back, request_bytes, np.array([answer_bytes]))[0])


def predicted(**about):
    return success(CycleForecast(0, 1400), path(**about))


def test_more_delivery_more_power_and_fewer_rivals_promise_more():
    assert predicted(there=0.5) < predicted(there=0.9) < predicted(there=0.9, snr_db=25.0)
    assert predicted(back=0.5) < predicted(back=0.9)
    assert predicted(rivals=5.0) < predicted(rivals=1.0) < predicted()


def test_an_answer_in_more_packets_is_less_likely_whole():
    forecast = CycleForecast(0, 1000)
    assert success(forecast, path(), answer_bytes=1001.0) < success(forecast, path(), answer_bytes=1000.0)
    assert success(forecast, path(), request_bytes=1001) < success(forecast, path(), request_bytes=1000)


def test_packets_that_are_sent_again_are_less_likely_lost():
    assert success(CycleForecast(2, 1400), path(there=0.5)) > success(CycleForecast(0, 1400), path(there=0.5))


@pytest.mark.parametrize("dead", [{"there": 0.0}, {"back": 0.0}])
def test_nothing_gets_over_a_dead_path(dead):
    assert predicted(**dead) == 0.0


def test_a_channel_without_losses_is_sure():
    forecast, one = CycleForecast(0, 1400), Paths.perfect(np.array([EGO]), np.array([HELPER]))
    assert forecast.success(np.array([np.inf]), one.there, one.back, 100, np.array([9000.0])).tolist() == [1.0]


def after(outcomes, helper=HELPER):
    """Return a forecast after cycles of an ego with a helper, each a success or not."""
    forecast = CycleForecast(0, 1400)
    for frame, is_whole in enumerate(outcomes):
        forecast.of(EGO).asked[frame] = [(helper, success(forecast, path(helper)))]
        forecast.of(EGO).learn(frame, {helper} if is_whole else set())
    return forecast


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_after_many_cycles_the_prediction_is_the_share_that_succeeded(share):
    outcomes = np.random.default_rng(3).random(600) < share
    # The last 40 or so count: their share differs from the true one by 0.08 (one standard deviation) at most.
    assert success(after(outcomes), path()) == pytest.approx(share, abs=0.2)


def test_an_ego_learns_from_one_helper_for_all_and_more_for_that_one():
    forecast = after([False] * 20)
    assert success(forecast, path(HELPER)) < success(forecast, path(OTHER)) < predicted()


def test_no_ego_learns_from_the_cycles_of_another():
    assert success(after([False] * 20), path(ego=OTHER)) == predicted()


def test_what_was_asked_is_forgotten_at_its_deadline():
    forecast = after([True, False, True])
    assert forecast.of(EGO).asked == {}


def test_egos_that_are_gone_are_forgotten():
    forecast = after([False] * 20)
    forecast.forget({OTHER})
    assert forecast.of(EGO) == Experience()


def test_helpers_of_long_ago_are_forgotten():
    experience = Experience()
    for frame in range(100):
        experience.asked[frame * 1_000_000] = [(frame, 0.5)]
        experience.learn(frame * 1_000_000, set())
    assert len(experience.of_helper) <= 64


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_predictions_are_probabilities(outcomes, there, back):
    assert 0.0 < success(after(outcomes), path(there=there, back=back)) < 1.0
