"""What an ego predicts for a cycle of request and answer, and learns from its own cycles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_world import EGO, HELPER, OTHER
from v2xsim.engine.cooperation.cycle_forecast import Asked, CycleForecast, Experience
from v2xsim.engine.cooperation.cycle_weights import WEIGHTS
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY


def path(helper=HELPER, ego=EGO, *, there=0.9, back=0.9, snr_db=15.0, relay=NOBODY, rivals=0.0):
    columns = (there, back, snr_db, rivals, rivals)
    return Paths(
        np.array([ego]), np.array([helper]), np.array([relay]), np.zeros((1, 0), np.int64), *(np.array([float(value)]) for value in columns), np.array([1])
    )  # fmt: skip


def prediction(forecast, one, request_bytes=100, answer_bytes=100.0, busy_share=0.0):
    """Return what an ego predicts for a cycle over one path."""
    evidence = forecast.evidence(one, np.array([busy_share]))
    found = forecast.predicted(
        one.ego, one.helper, evidence, one.there, one.back, np.array([request_bytes]), np.array([answer_bytes])
    )
    return found.asked([0], one.helper)[0]


def success(forecast, one, *sizes, **about):
    return prediction(forecast, one, *sizes, **about).success


def fresh(retries=0, mtu_bytes=1400, access="ieee80211p"):
    return CycleForecast(access, retries, mtu_bytes)


def predicted(**about):
    return success(fresh(), path(**about))


def test_more_delivery_more_power_and_fewer_rivals_promise_more():
    assert predicted(there=0.5) < predicted(there=0.9) < predicted(there=0.9, snr_db=25.0)
    assert predicted(back=0.5) < predicted(back=0.9)
    assert predicted(rivals=5.0) < predicted(rivals=1.0) < predicted()


def test_an_answer_in_more_packets_is_less_likely_whole():
    forecast = fresh(0, 1000)
    assert success(forecast, path(), answer_bytes=1001.0) < success(forecast, path(), answer_bytes=1000.0)
    assert success(forecast, path(), request_bytes=1001) < success(forecast, path(), request_bytes=1000)


def test_packets_that_are_sent_again_are_less_likely_lost():
    assert success(fresh(2), path(there=0.5)) > success(fresh(), path(there=0.5))


@pytest.mark.parametrize("dead", [{"there": 0.0}, {"back": 0.0}])
def test_nothing_gets_over_a_dead_path(dead):
    assert predicted(**dead) == 0.0


def test_a_channel_without_losses_is_sure():
    one = Paths.perfect(np.array([EGO]), np.array([HELPER]))
    found = after([False] * 20).predicted(
        one.ego, one.helper, np.array([np.inf]), one.there, one.back, np.array([100]), np.array([9000.0])
    )
    assert found.success.tolist() == [1.0]


def after(outcomes, helper=HELPER):
    """Return a forecast after cycles of an ego with a helper, each a success or not."""
    forecast = fresh()
    for frame, is_whole in enumerate(outcomes):
        forecast.of(EGO).asked[frame] = [prediction(forecast, path(helper))]
        forecast.of(EGO).learn(frame, {helper} if is_whole else set())
    return forecast


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_after_many_cycles_the_prediction_is_the_share_that_succeeded(share):
    outcomes = np.random.default_rng(3).random(600) < share
    # Mostly the last 60 or so count: their share differs from the true one by 0.07 (one standard deviation) at most.
    assert success(after(outcomes), path()) == pytest.approx(share, abs=0.15)


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
    assert forecast.of(EGO).of_helper == {}
    assert success(forecast, path()) == predicted()


def test_helpers_of_long_ago_are_forgotten():
    experience = Experience()
    for frame in range(100):
        experience.asked[frame * 1_000_000] = [Asked(frame, 0.5, 0.0, 0.0)]
        experience.learn(frame * 1_000_000, set())
    assert len(experience.of_helper) <= 64


@given(st.lists(st.booleans(), max_size=60), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_predictions_are_probabilities(outcomes, there, back):
    assert 0.0 < success(after(outcomes), path(there=there, back=back)) < 1.0


def test_a_busy_channel_promises_less():
    assert success(fresh(), path(), busy_share=0.4) < success(fresh(), path(), busy_share=0.1)


@pytest.mark.parametrize("access", [*WEIGHTS, "somebody's own"])
@pytest.mark.parametrize("retries", [0, 3])
def test_every_scheme_has_weights_for_all_features(access, retries):
    assert 0.0 < success(fresh(retries, access=access), path()) < 1.0


def test_an_ego_learns_that_a_promise_is_worth_nothing():
    """Outcomes that do not depend on the first stage flatten its slope."""
    forecast, draws = fresh(), np.random.default_rng(5)
    strong, weak = {"snr_db": 30.0}, {"snr_db": 2.0, "there": 0.7}
    spread = success(forecast, path(OTHER, **strong)) - success(forecast, path(OTHER, **weak))
    for frame in range(300):
        forecast.of(EGO).asked[frame] = [
            prediction(forecast, path(HELPER + frame % 40, **(strong if frame % 2 else weak)))
        ]
        forecast.of(EGO).learn(frame, {HELPER + frame % 40} if draws.random() < 0.5 else set())
    after_all = success(forecast, path(OTHER, **strong)) - success(forecast, path(OTHER, **weak))
    assert spread > 0.0
    assert abs(after_all) < 0.6 * spread


def test_an_untried_helper_is_nearer_to_one_half_than_its_odds():
    one = prediction(fresh(), path(snr_db=30.0))
    by_odds = 1.0 / (1.0 + np.exp(-one.odds))
    assert abs(one.success - 0.5) < abs(by_odds - 0.5)
    assert (one.success > 0.5) == (by_odds > 0.5)


def test_of_two_helpers_with_the_same_odds_the_one_that_answered_is_promised_more():
    forecast = fresh()
    for frame in range(60):
        forecast.of(EGO).asked[frame] = [prediction(forecast, path(helper)) for helper in (HELPER, OTHER)]
        forecast.of(EGO).learn(frame, {OTHER})
    assert success(forecast, path(OTHER)) > success(forecast, path(HELPER)) + 0.4
