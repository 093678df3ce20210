"""Which station relays: our reading of the abstract of arXiv 2307.06615, and the plain rules beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.geometry import links_and_obstruction
from v2xsim.comms.phy import per, receiver
from v2xsim.comms.relay import (
    RULES,
    Hops,
    choose_relays,
    clearance_margin,
    link_expiration_s,
    predicted_delivery,
    predicted_snr_db,
    relay_scores,
)
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes, Links, Prisms
from v2xsim.spatial import indexed

RANGE_M = 300.0


def last_s(position_m, velocity_mps):
    return float(link_expiration_s(np.array(position_m, float), np.array(velocity_mps, float), RANGE_M))


# How long a link lasts.


def test_a_link_between_vehicles_that_part_at_20_mps_lasts_until_the_range_is_reached():
    assert last_s((100, 0), (20, 0)) == pytest.approx(10.0)


def test_a_link_between_vehicles_that_meet_lasts_past_their_meeting():
    assert last_s((100, 0), (-20, 0)) == pytest.approx(20.0)


def test_a_link_in_a_platoon_lasts_for_ever():
    assert last_s((100, 0), (0, 0)) == np.inf


def test_a_link_beyond_the_range_has_expired():
    assert last_s((301, 0), (-20, 0)) == 0.0


COORDINATE = st.floats(-200, 200)
SPEED = st.floats(-50, 50).filter(lambda v: abs(v) > 0.1)


@given(COORDINATE, COORDINATE, SPEED, SPEED)
def test_at_the_end_of_a_link_the_distance_is_the_range(x, y, u, v):
    time_s = last_s((x, y), (u, v))
    assert np.hypot(x + u * time_s, y + v * time_s) == pytest.approx(RANGE_M, rel=1e-6)


# What a link promises.


def link(state=LOS, distance_m=100.0, case=0):
    return Links(np.array([distance_m]), np.array([state], np.int8), np.array([np.nan]), np.array([case], np.int8))


def snr_db(links):
    return float(predicted_snr_db(links, 5.9, "urban", 10, 23.0, 0.0, 9.0)[0])


def test_the_predicted_snr_of_a_clear_street_at_100_m_is_32_db():
    # 23 dBm less 86.2 dB of path loss, against -95 dBm of noise.
    assert snr_db(link()) == pytest.approx(23 - 86.2 + 95, abs=0.1)


def test_a_truck_in_the_way_costs_its_mean_loss():
    assert snr_db(link()) - snr_db(link(NLOSV, case=2)) == pytest.approx(9.0382, abs=1e-3)


def test_a_house_in_the_way_costs_the_difference_of_the_path_losses():
    assert snr_db(link()) - snr_db(link(NLOSB)) == pytest.approx(111.4 - 86.2, abs=0.1)


@given(st.floats(-20, 60), st.integers(0, 7))
def test_a_noticed_packet_is_predicted_to_arrive_at_the_complement_of_its_error_rate(snr, mcs):
    ear = receiver(10, 9.0, -90.0, -94.0)
    expected = 1 - per(snr, mcs, 10) if snr >= 10 * np.log10(ear.sensitivity_mw / ear.noise_mw) else 0.0
    assert predicted_delivery(np.array([snr]), mcs, 10, ear)[0] == expected


def test_a_relay_on_a_tall_mast_has_air_over_the_truck_where_a_car_has_none():
    truck = Boxes(np.array([[50.0, 0, 0]]), np.array([[8.0, 2.5, 3.0]]), np.zeros(1))
    tx_m, rx_m = np.array([[0, 0, 1.5], [0, 0, 1.5]]), np.array([[100.0, 0, 1.5], [100.0, 0, 8.0]])
    none = np.full(2, -1)
    _, obstruction = links_and_obstruction(tx_m, rx_m, none, none, truck, indexed(Prisms.none()), 5.9)
    low, high = clearance_margin(obstruction)
    assert low == -1.0
    assert high > 0.5


def test_an_open_link_is_clear_and_a_house_closes_it():
    assert clearance_margin(np.array([-np.inf, np.inf])).tolist() == [1.0, -1.0]


# Who is chosen. Stations 0 and 1 are the pair; 2, 3, 4 may relay.


def hops(**changes):
    square = {"delivery": 0.95, "margin": 0.0, "snr_db": 20.0}
    values = {name: np.full((5, 5), value) for name, value in square.items()}
    for name in square:
        for (a, b), value in changes.pop(name, {}).items():
            values[name][a, b] = values[name][b, a] = value
    antenna_m = np.array([[0, 0, 1.5], [200, 0, 1.5], [50, 0, 1.5], [90, 0, 1.5], [150, 0, 1.5]])
    velocity_mps = np.zeros((5, 2))
    for name, value in changes.items():
        array, row = (antenna_m, int(name[-1])) if name.startswith("antenna") else (velocity_mps, int(name[-1]))
        array[row] = value
    return Hops(antenna_m, velocity_mps, **values)


ONE, TWO = np.array([0]), np.array([1])


def scored(rule, known, weight=0.5, candidate=None):
    return relay_scores(rule, weight, ONE, TWO, known, 0.7, RANGE_M, 10.0, candidate)


def chosen(rule, known, weight=0.5, previous=None, keep_margin=0.0, candidate=None):
    scores = scored(rule, known, weight, candidate)
    held = None if previous is None else np.array([previous])
    return int(choose_relays(scores, ONE, TWO, known, held, keep_margin)[0])


def test_no_relay_is_chosen_when_relaying_is_off():
    assert chosen("none", hops()) == -1


@pytest.mark.parametrize("rule", RULES[1:])
@pytest.mark.parametrize("hop", [(0, 3), (1, 3)])
def test_a_station_with_one_unusable_hop_is_never_chosen(rule, hop):
    only = np.array([False, False, False, True, False])
    assert chosen(rule, hops(), candidate=only) == 3
    assert chosen(rule, hops(delivery={hop: 0.69}), candidate=only) == -1


@pytest.mark.parametrize("rule", RULES[1:])
def test_neither_end_of_the_pair_relays_for_it(rule):
    ends = np.array([True, True, False, False, False])
    assert chosen(rule, hops(), candidate=ends) == -1


def test_the_midpoint_rule_takes_the_station_nearest_the_middle():
    assert chosen("midpoint", hops()) == 3


def test_the_height_rule_takes_the_tallest_antenna():
    assert chosen("height", hops(antenna4=(150, 0, 3.0))) == 4


def test_the_snr_rule_takes_the_best_worse_hop():
    assert chosen("best_snr", hops(snr_db={(0, 2): 40, (1, 2): 10, (0, 4): 22, (1, 4): 22})) == 4


def test_the_mobility_rule_takes_the_station_that_stays():
    assert chosen("mobility", hops(velocity2=(30, 0), velocity3=(-30, 0), velocity4=(1, 0))) == 4


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 2), (1.0, 4)])
def test_the_weight_moves_the_hybrid_rule_from_height_to_mobility(weight, expected):
    # Station 2 sees over everything but drives off; station 4 stays but is hidden; station 3 is neither.
    known = hops(
        margin={(0, 2): 1, (1, 2): 1, (0, 4): -1, (1, 4): -1}, velocity2=(0, 60), velocity3=(0, 60), velocity4=(0, 0)
    )
    assert chosen("hybrid", known, weight) == expected


def test_the_hybrid_score_is_the_weighted_sum_of_its_terms():
    scores = scored("hybrid", hops(margin={(0, 2): 0.4, (1, 2): 0.8}, velocity2=(0, 60)), weight=0.25)
    # From 150 m away station 2 crosses the range of 300 m after sqrt(300^2 - 150^2) / 60 s, of 10 s wanted.
    assert scores.height[0, 2] == 0.4
    assert scores.mobility[0, 2] == pytest.approx(np.sqrt(300**2 - 150**2) / 60 / 10)
    assert scores.score[0, 2] == pytest.approx(0.25 * scores.mobility[0, 2] + 0.75 * 0.4)


@given(st.integers(0, 10_000), st.sampled_from(RULES), st.floats(0, 1))
def test_the_terms_stay_within_their_limits_and_unusable_stations_score_nothing(seed, rule, weight):
    rng = np.random.default_rng(seed)
    known = Hops(
        rng.uniform(0, 300, (6, 3)), rng.uniform(-30, 30, (6, 2)),
        rng.random((6, 6)), rng.uniform(-1, 1, (6, 6)), rng.uniform(-10, 40, (6, 6)),
    )  # fmt: skip
    first, second = np.array([0, 2, 4]), np.array([1, 3, 5])
    scores = relay_scores(rule, weight, first, second, known, 0.5, RANGE_M, 1.0)
    assert np.all(np.abs(scores.height) <= 1)
    assert np.all((scores.mobility >= 0) & (scores.mobility <= 1))
    assert np.all(scores.usable | (scores.score == -np.inf))
    relay = choose_relays(scores, first, second, known)
    assert np.array_equal(relay >= 0, scores.usable.any(axis=1))


def test_among_equals_the_likelier_delivery_wins_then_the_lower_row():
    tied = {"antenna3": (90, 0, 1.5)}
    assert chosen("height", hops(**tied)) == 2
    assert chosen("height", hops(delivery={(0, 3): 0.99}, **tied)) == 3


def test_a_relay_is_kept_while_it_is_only_a_little_worse():
    known = hops(snr_db={(0, 4): 22, (1, 4): 22})
    assert chosen("best_snr", known, previous=2, keep_margin=3.0) == 2
    assert chosen("best_snr", known, previous=2, keep_margin=1.0) == 4


def test_a_relay_that_has_become_unusable_is_given_up():
    assert chosen("height", hops(delivery={(0, 2): 0.1}), previous=2, keep_margin=100.0) == 3


def test_many_pairs_are_served_as_each_alone():
    known = hops(antenna4=(150, 0, 3.0))
    first, second = np.array([0, 0, 1]), np.array([1, 2, 3])
    together = choose_relays(
        relay_scores("midpoint", 0.5, first, second, known, 0.7, RANGE_M, 1.0), first, second, known
    )
    alone = [
        choose_relays(relay_scores("midpoint", 0.5, a, b, known, 0.7, RANGE_M, 1.0), a, b, known)[0]
        for a, b in zip(first[:, None], second[:, None], strict=True)
    ]
    assert together.tolist() == alone


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(ValueError, match="tallest"):
        scored("tallest", hops())
