"""Which station relays: our reading of the abstract of arXiv 2307.06615, and the plain rules beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.channel.path_loss.tr37885_highway import Tr37885Highway
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.error_rate import ieee80211p_points
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.choice import chosen_relays, usable_stations
from v2xsim.comms.relay.clearance import clearance_margin
from v2xsim.comms.relay.lifetime import link_expiration_s
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.parts import parts_of
from v2xsim.records import Boxes, Prisms
from v2xsim.spatial.grid import indexed

RANGE_M = 300.0
OPEN = indexed(Prisms.none())
RULES = [name for name, rule in parts_of(RelayRule).items() if rule.relays]


def made(rule, weight, keep):
    """Return a rule by name, with another hysteresis."""
    cls = parts_of(RelayRule)[rule]
    changed = type(cls.__name__, (cls,), {"hysteresis": keep})
    return changed(weight) if issubclass(cls, Hybrid) else changed()


def view_of(requester, helper, antenna_m, velocity_mps, delivery, min_delivery, boxes, path_loss):
    """Return what a rule reads, at 23 dBm on 10 MHz."""
    stations = len(antenna_m)
    weakest_dbm = noise_dbm(10, 9.0) + snr_needed_db(min_delivery, ieee80211p_points(2, 10))
    draw = np.random.default_rng(1).random((len(requester), stations))
    links = LinkDelivery.of(delivery)
    return RelayView(
        requester, helper, usable_stations(requester, helper, links, min_delivery), np.arange(stations), antenna_m, velocity_mps,
        links, min_delivery, np.full(stations, -1), boxes, OPEN, 5.9, path_loss.reach_m(23.0 - weakest_dbm, 5.9), lambda: draw, lambda: delivery,
    )  # fmt: skip


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


# Clearance over trucks.


TRUCK = Boxes(np.array([[50.0, 0, 0]]), np.array([[8.0, 2.5, 3.0]]), np.zeros(1))


def margin(far_antenna_m):
    antenna_m = np.array([[0, 0, 1.5], [100, 0, far_antenna_m]])
    return clearance_margin(antenna_m, np.full(2, -1), TRUCK, OPEN, 5.9)[0, 1]


def test_a_car_behind_a_truck_has_no_clearance():
    assert margin(1.5) == -1.0


def test_a_mast_of_8_m_looks_over_the_truck():
    # Half-way the line is 4.75 m high, 1.75 m above the truck; the first Fresnel zone has a radius of 1.13 m there.
    assert margin(8.0) == 1.0


def test_a_mast_of_5_m_has_a_quarter_metre_over_the_truck():
    # 0.25 m above it, of 1.127 m.
    assert margin(5.0) == pytest.approx(0.25 / 1.127, rel=2e-3)


def test_a_house_closes_a_link():
    house = indexed(
        Prisms(np.array([[40.0, -5], [60, -5], [60, 5], [40, 5]]), np.array([0, 4]), np.zeros(1), np.full(1, 9.0))
    )
    antenna_m = np.array([[0, 0, 1.5], [100, 0, 1.5]])
    assert clearance_margin(antenna_m, np.full(2, -1), Boxes.none(), house, 5.9)[0, 1] == -1.0


# Who is chosen. Stations 0 and 1 are the pair; 2, 3, 4 may relay.


def chosen(rule, weight=0.5, delivery=(), antenna=(), velocity=(), boxes=None, previous=-1, keep=0.0):
    """Return the relay and its scores among stations at 50, 90 and 150 m of the 200 m between the pair."""
    delivered = np.full((5, 5), 0.95)
    for (a, b), value in dict(delivery).items():
        delivered[a, b] = delivered[b, a] = value
    antenna_m = np.array([[0, 0, 1.5], [200, 0, 1.5], [50, 0, 1.5], [90, 0, 1.5], [150, 0, 1.5]])
    velocity_mps = np.zeros((5, 2))
    for row, value in dict(antenna).items():
        antenna_m[row] = value
    for row, value in dict(velocity).items():
        velocity_mps[row] = value
    view = view_of(
        np.array([0]),
        np.array([1]),
        antenna_m,
        velocity_mps,
        delivered,
        0.7,
        Boxes.none() if boxes is None else boxes,
        Tr37885Urban(),
    )
    return chosen_relays(made(rule, weight, keep), view, np.array([previous]))


def relay(*args, **known):
    return int(chosen(*args, **known).relay[0])


def without(*stations):
    """Return deliveries that leave these stations no usable hop to the ego."""
    return {(0, station): 0.1 for station in stations}


def test_no_relay_is_chosen_when_relaying_is_off():
    assert relay("none") == -1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("end", [0, 1])
def test_a_station_with_one_unusable_hop_never_relays(rule, end):
    assert relay(rule, delivery=without(2, 4)) == 3
    assert relay(rule, delivery={**without(2, 4), (end, 3): 0.69}) == -1


@pytest.mark.parametrize("rule", RULES)
def test_without_a_relay_no_term_is_reported(rule):
    scores = chosen(rule, delivery=without(2, 3, 4))
    assert np.isnan([scores.height[0], scores.mobility[0], scores.score[0]]).all()


def test_the_midpoint_rule_takes_the_station_nearest_the_middle():
    assert relay("midpoint") == 3


def test_the_snr_rule_takes_the_best_weaker_hop():
    assert relay("best_snr", delivery={(0, 2): 0.99, (1, 2): 0.75, (0, 4): 0.97, (1, 4): 0.97}) == 4


# Leaves at right angles, out of range well before the 5 s wanted.
FAST = (0, 2000.0)


def test_the_mobility_rule_takes_the_station_that_stays():
    assert relay("mobility", velocity={2: FAST, 3: FAST, 4: (1, 0)}) == 4


# A truck a little beside the line from station 0 to stations 3 and 4, which stand aside; station 2 has a free view.
ASIDE = {3: (90, 30, 1.5), 4: (150, 50, 1.5)}
BESIDE = Boxes(np.array([[30.0, 10, 0]]), np.array([[8.0, 2.5, 3.0]]), np.zeros(1))


def test_the_height_rule_takes_the_station_with_a_free_view():
    assert relay("height", antenna=ASIDE, boxes=BESIDE) == 2


def test_the_height_rule_takes_the_mast_behind_the_truck_when_it_is_high_enough():
    high = {**ASIDE, 2: (50, 16.6, 1.5), 4: (150, 50, 40.0)}
    assert relay("height", antenna=high, boxes=BESIDE) == 4


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 2), (1.0, 4)])
def test_the_weight_moves_the_hybrid_rule_from_height_to_mobility(weight, expected):
    # Station 2 has a free view but drives off; station 4 stays behind the truck; station 3 has neither.
    assert relay("hybrid", weight, antenna=ASIDE, boxes=BESIDE, velocity={2: FAST, 3: FAST}) == expected


@given(st.floats(0, 1))
def test_the_hybrid_score_is_the_weighted_sum_of_its_terms(weight):
    scores = chosen("hybrid", weight, delivery=without(2, 3), antenna=ASIDE, boxes=BESIDE, velocity={4: FAST})
    assert scores.score[0] == pytest.approx(weight * scores.mobility[0] + (1 - weight) * scores.height[0])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(RULES), st.floats(0, 1))
def test_a_relay_is_never_an_end_and_both_its_hops_are_usable(seed, rule, weight):
    rng = np.random.default_rng(seed)
    delivery = rng.random((6, 6))
    delivery = np.maximum(delivery, delivery.T)
    ego, helper, previous = np.array([0, 2, 4]), np.array([1, 3, 5]), rng.integers(-1, 6, 3)
    view = view_of(
        ego, helper, rng.uniform(0, 300, (6, 3)), rng.uniform(-30, 30, (6, 2)), delivery, 0.5, TRUCK, Tr37885Highway()
    )
    scores = chosen_relays(made(rule, weight, 0.1), view, previous)
    found = np.flatnonzero(scores.relay >= 0)
    k, i, j = scores.relay[found], ego[found], helper[found]
    assert np.all((k != i) & (k != j) & (delivery[i, k] >= 0.5) & (delivery[j, k] >= 0.5))


def test_among_equals_the_lower_row_relays():
    assert relay("midpoint", antenna={4: (110, 0, 1.5)}) == 3


def test_a_relay_is_kept_while_it_is_only_a_little_worse():
    better = {(0, 4): 0.98, (1, 4): 0.98}
    assert relay("best_snr", delivery=better, previous=2, keep=0.05) == 2
    assert relay("best_snr", delivery=better, previous=2, keep=0.01) == 4


def test_a_relay_that_has_become_unusable_is_given_up():
    assert relay("midpoint", delivery=without(2), previous=2, keep=100.0) == 3
