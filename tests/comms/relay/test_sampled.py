"""Deaths of links that are foretold because most of the sampled ways of the shadowing end in one."""

from dataclasses import replace

import numpy as np
import pytest

from tests.comms.relay.test_foresight import BUDGET_DB, CORNER_X_M, HOUSE, SPEED_MPS, course, vehicles, view
from v2xsim.comms.relay.foresight.history import MANY_TICKS, LinkHistories
from v2xsim.comms.relay.foresight.sampled import Sampled
from v2xsim.records import LOS, NLOSB

OBSERVER = course(0, 0)


def learned_view(car, *, mean=0.0, variance=0.1, margin=5.0, state=LOS, same=MANY_TICKS, silent_s=0.0, **keys):
    one = np.ones(1)
    history = LinkHistories(
        np.zeros(1, np.int64), np.zeros(1, np.int64), one, one * mean, one * variance, one * margin,
        np.full(1, state, np.int8), np.full(1, same),
    )  # fmt: skip
    return replace(view(OBSERVER, car, **keys), history=history, silent_s=one * silent_s)


def death_s(car, *, model=None, **keys):
    return float((model or Sampled()).deaths(learned_view(car, **keys))[0])


def passing(early_s):
    """Return a car that passes behind the corner after a time; from there on it loses more than 20 dB."""
    return course(CORNER_X_M - SPEED_MPS * early_s, 40.0, SPEED_MPS)


@pytest.mark.parametrize("early_s", [0.3, 0.6, 0.9])
def test_a_car_that_surely_loses_its_link_behind_a_corner_is_foretold_within_half_a_second(early_s):
    assert death_s(passing(early_s), obstacles=HOUSE) == pytest.approx(early_s, abs=0.5)


def test_a_building_that_costs_less_than_the_margin_kills_no_link():
    assert np.isinf(death_s(passing(0.5), obstacles=HOUSE, budget_db=BUDGET_DB + 30.0))


def test_a_death_as_likely_as_not_is_foretold_only_if_little_certainty_is_asked_for():
    # The expected SNR behind the corner is the least one: half of the ways of the shadowing are too weak.
    behind_db = float(view(OBSERVER, passing(0.0), obstacles=HOUSE).expected(np.zeros(1, np.int64), 0.2)[0][0])
    keys = {"obstacles": HOUSE, "least_db": behind_db, "variance": 1.0}
    assert np.isinf(death_s(passing(0.5), **keys))
    assert death_s(passing(0.5), model=Sampled(certainty=0.2, soon_certainty=0.2), **keys) < 1.0


@pytest.mark.parametrize("keys", [{"margin": 0.9}, {"silent_s": 0.3}])
def test_a_link_that_is_hardly_usable_or_silent_is_not_foretold(keys):
    assert np.isinf(death_s(passing(0.5), obstacles=HOUSE, **keys))


def test_a_link_that_seems_too_weak_is_dead_already():
    assert death_s(passing(0.5), obstacles=HOUSE, margin=-0.1) == 0.0


@pytest.mark.parametrize(("ticks", "is_foretold"), [(3, True), (6, False)])
def test_a_link_that_has_been_behind_a_building_for_long_is_left_to_its_shadowing(ticks, is_foretold):
    # It lies behind the building with shadowing of two standard deviations, which 40 m/s leave behind within 13 m.
    car = course(45.0, 40.0, 40.0)
    behind_db = float(view(OBSERVER, car, obstacles=HOUSE).snr_db[0])
    keys = {"obstacles": HOUSE, "least_db": behind_db + 6.0, "mean": 2.0, "state": NLOSB, "same": ticks}
    assert np.isfinite(death_s(car, **keys)) == is_foretold


def test_deaths_by_vehicles_are_foretold_only_if_asked_for():
    truck = vehicles(course(-8.0, 25.0, SPEED_MPS))
    keys = {"known": truck, "budget_db": 95.0}
    assert np.isinf(death_s(course(0.0, 50.0), **keys))
    assert death_s(course(0.0, 50.0), model=Sampled(body_certainty=0.9), **keys) == pytest.approx(0.4, abs=0.5)


def test_a_station_without_measurements_foretells_nothing():
    assert np.isinf(Sampled().deaths(view(OBSERVER, passing(0.5), obstacles=HOUSE))[0])


def test_the_same_knowledge_gives_the_same_forecast():
    one = learned_view(passing(0.7), obstacles=HOUSE, variance=1.0)
    assert Sampled(0.1, 0.1).deaths(one) == Sampled(0.1, 0.1).deaths(one)


def test_several_times_at_once_give_what_each_gives_alone():
    truck = vehicles(course(-8.0, 25.0, SPEED_MPS), course(12.0, 30.0, -SPEED_MPS))
    one = view(OBSERVER, course(0.0, 50.0), known=truck, obstacles=HOUSE, budget_db=95.0)
    twice = np.zeros(2, int)
    both = replace(
        one, first=one.first[twice], second=one.second[twice], group=np.array([0, 1]), first_body=one.first_body[twice],
        second_body=np.array([-1, -1]), snr_db=one.snr_db[twice],
    )  # fmt: skip
    rows, times_s = np.array([0, 1]), [0.0, 0.3, 0.6, 0.9]
    snr_db, state = both.expected_at(rows, times_s)
    alone = [both.expected(rows, time_s) for time_s in times_s]
    assert snr_db == pytest.approx(np.stack([found for found, _ in alone], axis=1))
    assert state.tolist() == np.stack([found for _, found in alone], axis=1).tolist()
    # Only the first station knows the trucks.
    assert len(set(state[0].tolist())) > 1
    assert len(set(state[1].tolist())) == 1
