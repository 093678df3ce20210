"""What each relay rule scores, term by term, and who takes over from a relay in office."""

from dataclasses import replace

import numpy as np
import pytest

from v2xsim.comms.relay.choice import chosen_relays, usable_stations
from v2xsim.comms.relay.clearance import clearance_margin
from v2xsim.comms.relay.lifetime import link_expiration_s
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.comms.relay.rules.best_snr import BestSnr
from v2xsim.comms.relay.rules.farthest_qualified import FarthestQualified
from v2xsim.comms.relay.rules.height import Height
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.comms.relay.rules.midpoint import Midpoint
from v2xsim.comms.relay.rules.mobility import Mobility
from v2xsim.comms.relay.rules.random_qualified import RandomQualified
from v2xsim.comms.relay.rules.tallest_antenna import TallestAntenna
from v2xsim.parts import parts_of
from v2xsim.records import Boxes, Prisms
from v2xsim.spatial.grid import indexed

OPEN = indexed(Prisms.none())
RANGE_M = 300.0
# Stations 0 and 1 are the pair, 100 m apart; 2 stands half-way, 3 aside, 4 behind.
PLACES = np.array([[0.0, 0.0, 1.5], [100.0, 0.0, 1.5], [50.0, 0.0, 2.0], [50.0, 30.0, 4.0], [130.0, 40.0, 3.0]])


def view_of(antenna_m=PLACES, velocity_mps=None, delivery=None, min_delivery=0.7, boxes=None, draw=None) -> RelayView:
    stations = len(antenna_m)
    delivered = np.full((stations, stations), 0.9) if delivery is None else delivery
    links, pair = LinkDelivery.of(delivered), (np.array([0]), np.array([1]))
    return RelayView(
        *pair, usable_stations(*pair, links, min_delivery), np.arange(stations), antenna_m,
        np.zeros((stations, 2)) if velocity_mps is None else velocity_mps, links, min_delivery,
        np.full(stations, -1), Boxes.none() if boxes is None else boxes, OPEN, 5.9, RANGE_M,
        lambda: np.full((1, stations), 0.5) if draw is None else draw, lambda: delivered,
    )  # fmt: skip


def relays(rule, view, previous=-1):
    return int(chosen_relays(rule, view, np.array([previous])).relay[0])


# The terms that a view offers.


def test_distances_are_horizontal():
    np.testing.assert_allclose(view_of().distance_m[0], [0.0, 100.0, 50.0, np.hypot(50, 30), np.hypot(130, 40)])


def test_a_hop_counts_by_its_weaker_delivery():
    delivery = np.full((5, 5), 0.9)
    delivery[0, 2] = delivery[2, 0] = 0.8
    delivery[1, 3] = delivery[3, 1] = 0.75
    np.testing.assert_array_equal(view_of(delivery=delivery).weaker_delivery[0, 2:], [0.8, 0.75, 0.9])


def test_the_mobility_term_is_the_lifetime_of_the_shorter_hop_over_5_s():
    # Station 2 drives away from both at right angles: 300 m at 100 m/s, less the 50 m along: sqrt(300^2 - 50^2) / 100 = 2.96 s.
    velocity = np.zeros((5, 2))
    velocity[2] = [0.0, 100.0]
    np.testing.assert_allclose(view_of(velocity_mps=velocity).mobility[0, 2], np.sqrt(300**2 - 50**2) / 100 / 5)


def test_of_both_hops_the_one_that_breaks_first_counts():
    # From half-way to station 1 at 100 m/s: 250 m until it is out of station 0's range, 350 m until it is out of station 1's.
    velocity = np.zeros((5, 2))
    velocity[2] = [100.0, 0.0]
    np.testing.assert_allclose(view_of(velocity_mps=velocity).lifetime_s[[0, 1], 2], [2.5, 3.5])
    assert view_of(velocity_mps=velocity).mobility[0, 2] == pytest.approx(0.5)


def test_a_link_that_outlasts_5_s_has_the_full_mobility_term():
    assert view_of().mobility[0].tolist() == [1.0] * 5


def test_a_common_velocity_lets_no_link_expire():
    assert np.isinf(view_of(velocity_mps=np.full((5, 2), 20.0)).lifetime_s).all()


def test_the_height_term_is_the_clearance_of_the_worse_hop():
    view = view_of(boxes=Boxes(np.array([[25.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.5]]), np.zeros(1)))
    np.testing.assert_array_equal(view.height[0, 2:], np.minimum(view.clearance[0], view.clearance[1])[2:])
    assert view.height[0, 2] < 1.0


def test_stations_that_cannot_relay_have_the_least_height_term():
    assert view_of().height[0].tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]


def test_stations_without_a_body_are_roadside_units():
    assert replace(view_of(), body=np.array([0, -1, 3, -1, 2])).roadside.tolist() == [False, True, False, True, False]


# How long a link lasts.


@pytest.mark.parametrize(
    ("offset", "velocity", "time_s"),
    [
        ((0.0, 100.0), (0.0, 20.0), 10.0),
        ((0.0, 100.0), (0.0, -20.0), 20.0),
        # Passing 180 m aside: 240 m to go on the other side of 100 m.
        ((100.0, 180.0), (-10.0, 0.0), 34.0),
        ((300.0, 0.0), (10.0, 0.0), 0.0),
        ((300.0, 0.0), (-10.0, 0.0), 60.0),
        ((300.1, 0.0), (0.0, 0.0), 0.0),
    ],
)
def test_a_link_lasts_until_the_other_leaves_the_range(offset, velocity, time_s):
    assert float(link_expiration_s(np.array(offset), np.array(velocity), RANGE_M)) == pytest.approx(time_s)


# How clear a link is.


def clearance_over(roof_m, antenna_m=1.5, at_m=50.0):
    antennas = np.array([[0.0, 0.0, antenna_m], [100.0, 0.0, antenna_m]])
    box = Boxes(np.array([[at_m, 0.0, 0.0]]), np.array([[0.1, 4.0, roof_m]]), np.zeros(1))
    return float(clearance_margin(antennas, np.full(2, -1), box, OPEN, 5.9)[0, 1])


def test_clearance_is_measured_in_radii_of_the_first_fresnel_zone():
    # Half-way over 100 m at 5.9 GHz: sqrt(0.0508 * 50 * 50 / 100) = 1.127 m.
    radius_m = np.sqrt(299_792_458.0 / 5.9e9 * 25.0)
    for below_m in (0.1, 0.5, -0.3):
        assert clearance_over(1.5 - below_m) == pytest.approx(below_m / radius_m, rel=1e-2)


def test_clearance_is_held_between_minus_one_and_one():
    assert clearance_over(4.0) == -1.0
    assert clearance_over(0.2) == 1.0


def test_a_stations_own_body_is_not_in_its_way():
    antennas = np.array([[0.0, 0.0, 1.5], [100.0, 0.0, 1.5]])
    box = Boxes(np.array([[0.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 3.0]]), np.zeros(1))
    assert clearance_margin(antennas, np.array([0, -1]), box, OPEN, 5.9)[0, 1] == 1.0


def test_clearance_is_the_same_in_both_directions_and_full_with_oneself():
    antennas = np.array([[0.0, 0.0, 1.5], [100.0, 0.0, 1.5], [50.0, 60.0, 9.0]])
    box = Boxes(np.array([[50.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.4]]), np.zeros(1))
    margin = clearance_margin(antennas, np.full(3, -1), box, OPEN, 5.9)
    np.testing.assert_array_equal(margin, margin.T)
    np.testing.assert_array_equal(np.diag(margin), np.ones(3))


# Scores.


def test_best_snr_scores_the_weaker_delivery():
    delivery = np.linspace(0.7, 0.99, 25).reshape(5, 5)
    view = view_of(delivery=np.maximum(delivery, delivery.T))
    np.testing.assert_array_equal(BestSnr().score(view), view.weaker_delivery)


def test_farthest_scores_the_distance_from_who_asks():
    np.testing.assert_allclose(FarthestQualified().score(view_of())[0], view_of().distance_m[0])


def test_midpoint_scores_minus_the_distance_from_the_middle_in_lengths_of_the_pair():
    found = Midpoint().score(view_of())[0]
    np.testing.assert_allclose(found, [-0.5, -0.5, 0.0, -0.3, -np.hypot(80, 40) / 100])


def test_midpoint_of_a_pair_at_one_place_is_that_place():
    places = PLACES.copy()
    places[1] = places[0]
    assert relays(Midpoint(), view_of(places)) == 2


def test_tallest_scores_the_height_of_the_antenna():
    assert TallestAntenna().score(view_of())[0].tolist() == [1.5, 1.5, 2.0, 4.0, 3.0]


def test_height_and_mobility_score_their_terms():
    view = view_of(boxes=Boxes(np.array([[25.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.5]]), np.zeros(1)))
    np.testing.assert_array_equal(Height().score(view), view.height)
    np.testing.assert_array_equal(Mobility().score(view), view.mobility)


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_hybrid_scores_the_weighted_sum(weight):
    velocity = np.zeros((5, 2))
    velocity[2] = [0.0, 100.0]
    box = Boxes(np.array([[25.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.5]]), np.zeros(1))
    view = view_of(velocity_mps=velocity, boxes=box)
    expected = weight * view.mobility + (1 - weight) * view.height
    np.testing.assert_allclose(Hybrid(weight).score(view), expected)


def test_the_hybrid_weighs_both_terms_alike_unless_told_otherwise():
    assert Hybrid().weight == 0.5


def test_random_scores_the_draws():
    draw = np.array([[0.1, 0.2, 0.3, 0.9, 0.4]])
    assert RandomQualified().score(view_of(draw=draw)).tolist() == draw.tolist()


# Who qualifies, and who stays in office.


@pytest.mark.parametrize(("value", "usable"), [(0.7, True), (0.6999, False)])
def test_a_station_qualifies_where_both_hops_reach_the_least_delivery(value, usable):
    for end in (0, 1):
        delivery = np.full((3, 3), 0.9)
        delivery[end, 2] = delivery[2, end] = value
        assert usable_stations(np.array([0]), np.array([1]), LinkDelivery.of(delivery), 0.7).tolist() == [
            [False, False, usable]
        ]


HYSTERESIS = {rule.name: 0.0 if rule.name == "random_qualified" else 0.1 for rule in parts_of(RelayRule).values()}


def test_every_rule_but_the_random_one_has_a_hysteresis_of_a_tenth():
    assert {name: rule.hysteresis for name, rule in parts_of(RelayRule).items()} == HYSTERESIS


class Given(RelayRule):
    """Scores as given."""

    def __init__(self, *scores):
        self.scores = scores

    def score(self, view):
        """Return the scores."""
        return np.array([[0.0, 0.0, *self.scores]])


@pytest.mark.parametrize(("others", "relay"), [(0.6, 2), (0.599, 2), (0.4, 2), (0.601, 3)])
def test_another_takes_over_only_if_it_scores_better_by_more_than_the_hysteresis(others, relay):
    # Half and a tenth are exact enough: 0.6 - 0.1 rounds to 0.5.
    assert relays(Given(0.5, others, 0.0), view_of(), previous=2) == relay


def test_without_a_relay_in_office_the_best_takes_it():
    assert relays(Given(0.5, 0.55, 0.0), view_of()) == 3


def test_of_equal_scores_the_lower_row_counts():
    assert relays(Given(0.1, 0.5, 0.5), view_of()) == 3


def test_a_relay_that_no_longer_qualifies_is_replaced_however_well_it_scores():
    delivery = np.full((5, 5), 0.9)
    delivery[0, 2] = 0.1
    assert relays(Given(9.0, 0.5, 0.2), view_of(delivery=delivery), previous=2) == 3


def test_the_terms_of_the_choice_are_those_of_its_relay():
    velocity = np.zeros((5, 2))
    velocity[3] = [0.0, 100.0]
    view = view_of(velocity_mps=velocity)
    found = chosen_relays(Given(0.1, 0.5, 0.2), view, np.array([-1]))
    assert (found.relay[0], found.score[0]) == (3, 0.5)
    assert (found.mobility[0], found.height[0]) == (view.mobility[0, 3], view.height[0, 3])
