"""The terms that relay rules read, and the score of each rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comms.relay.relay_views import HELPER, REQUESTER, RULES, bodies, kept, view_of, walls
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.rule import NEVER, RelayRule, graded
from v2xsim.comms.relay.rules.best_snr import BestSnr
from v2xsim.comms.relay.rules.farthest_qualified import FarthestQualified
from v2xsim.comms.relay.rules.height import Height
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.comms.relay.rules.longest_lifetime import LongestLifetime
from v2xsim.comms.relay.rules.midpoint import Midpoint
from v2xsim.comms.relay.rules.mobility import Mobility
from v2xsim.comms.relay.rules.random_qualified import RandomQualified
from v2xsim.comms.relay.rules.roadside_unit import RoadsideUnit
from v2xsim.comms.relay.rules.tallest_antenna import TallestAntenna
from v2xsim.parts import parts_of
from v2xsim.records import Boxes

# Candidates half-way between the pair, aside, and behind the helper; the pair is 100 m apart.
PLACES = [(50, 0, 2.0), (50, 30, 4.0), (130, 40, 3.0)]
PAIR = {"pair_m": ((0, 0, 1.5), (100, 0, 1.5))}


def view(**about):
    return view_of(PLACES, **{**PAIR, **about})


# The terms


def test_a_candidate_counts_by_its_weaker_hop():
    found = view(to_requester=[0.8, 0.9, 0.9], to_helper=[0.9, 0.75, 0.9])
    assert found.weaker_delivery.tolist() == [0.8, 0.75, 0.9]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_grade_rises_with_its_value_and_stays_within_one(values):
    value = np.sort(np.array(values))
    grade = graded(value)
    assert ((grade > -1.0) & (grade < 1.0)).all()
    assert (np.diff(grade)[np.diff(value) > 1e-3] > 0.0).all()
    np.testing.assert_array_equal(graded(-value), -grade)


def test_a_grade_is_half_at_one_and_one_at_infinity():
    assert graded(np.array([-np.inf, -1.0, 0.0, 1.0, np.inf])).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]


def test_the_mobility_term_is_the_least_margin_within_a_second_of_the_worse_hop():
    # 14 dB above the least SNR now; at 8 dB less in each second, 6 dB are left.
    found = view(falls_db=[(2, 8), (-9, 14), (-3, 0)])
    np.testing.assert_allclose(found.margin_ahead_db, [[12.0, 6.0], [14.0, 0.0], [14.0, 14.0]])
    np.testing.assert_allclose(found.mobility, graded(np.array([0.6, 0.0, 1.4])))


def test_a_margin_that_is_lost_only_for_a_moment_counts():
    dips = replace(
        view(),
        outlook=lambda times_s, _: np.where(np.array(times_s) == 0.5, -20.0, 0.0)[:, None, None] * np.ones((3, 2)),
    )
    assert dips.margin_ahead_db.tolist() == [[-6.0, -6.0]] * 3


def test_a_hop_whose_snr_is_unknown_has_the_least_mobility_term_and_one_too_weak_a_negative_one():
    found = with_snr(view(falls_db=-10.0), [5, 6, 30], [30, 30, -np.inf])
    np.testing.assert_allclose(found.mobility, graded(np.array([-0.1, 0.0, -np.inf])))
    assert with_snr(view(), [np.nan] * 3, [30] * 3).mobility_now.tolist() == [-1.0] * 3


def test_the_lifetime_of_a_hop_ends_at_the_range():
    # The first candidate leaves both at right angles: 300 m at 100 m/s, less the 50 m along: sqrt(300^2 - 50^2) / 100 = 2.96 s.
    found = view(velocity_mps=[(0, 100), (0, 0), (0, 0)])
    np.testing.assert_allclose(found.lifetime_s[0], [np.sqrt(300**2 - 50**2) / 100] * 2)


def test_of_both_hops_the_one_that_breaks_first_counts():
    # From half-way to the helper at 100 m/s: 250 m to the end of the requester's range, 350 m to the end of the helper's.
    found = view(velocity_mps=[(100, 0), (0, 0), (0, 0)])
    np.testing.assert_allclose(found.lifetime_s[0], [2.5, 3.5])
    assert LongestLifetime().score(found)[0] == pytest.approx(2.5)


def test_a_common_velocity_ends_no_hop():
    assert np.isinf(view(velocity_mps=[(20, 20)] * 3, pair_mps=((20, 20), (20, 20))).lifetime_s).all()


def test_the_lifetime_of_a_hop_ends_at_a_corner_and_at_a_known_truck():
    # At 10 m/s north: the house is reached after 4 s; the truck crosses the hop to the requester after (10 - 4) / 10 s.
    north = {"velocity_mps": [(0, 10)] * 3, "pair_mps": ((0, 10), (0, 10))}
    house = walls((20, 40, 30, 60))
    assert view(**north, obstacles=house).lifetime_s[0].min() == pytest.approx(4.0)
    truck = bodies((25, 10), yaw_rad=np.pi / 2, velocity_mps=(0, 0))
    assert view(**north, obstacles=house, known=truck).lifetime_s[0].min() == pytest.approx(0.6)


def test_the_height_term_is_the_clearance_of_the_worse_hop():
    found = view(known=bodies((25, 0), size_m=(4.0, 2.0, 1.5)))
    np.testing.assert_array_equal(found.height, graded(found.clearance.min(axis=1)))
    assert found.clearance[0, 0] < 1.0 < found.clearance[0, 1]


def test_a_candidate_behind_a_building_has_a_lower_height_term_than_one_behind_a_truck():
    behind_house = view(obstacles=walls((20, -5, 30, 5))).height
    assert behind_house[0] < view(known=bodies((25, 0))).height[0] < 0.0 < behind_house[1:].min()


def test_no_candidate_has_no_term():
    none = view_of([], velocity_mps=np.zeros((0, 2)))
    assert [len(term) for term in (none.height, none.mobility, none.weaker_delivery)] == [0, 0, 0]


# The scores


def with_snr(found, to_requester_db, to_helper_db):
    """Return a view with other measured SNRs of the two hops of each candidate."""
    return replace(
        found,
        to_requester=replace(found.to_requester, snr_db=np.array(to_requester_db, float)),
        to_helper=replace(found.to_helper, snr_db=np.array(to_helper_db, float)),
    )


def test_best_snr_scores_the_snr_of_the_weaker_hop_and_refuses_an_unknown_one():
    found = with_snr(view(), [20, 31.5, -np.inf], [35, 12, 40])
    assert BestSnr().score(found).tolist() == [20.0, 12.0, NEVER]


def test_best_snr_tells_links_apart_on_which_nothing_is_lost():
    # Deliveries are alike from 16 dB on; the rule still prefers the station with more margin.
    found = with_snr(view(to_requester=1.0, to_helper=1.0), [20, 30, 25], [40, 28, 25])
    assert chosen_relays(BestSnr(), found, np.array([-1])).relay.tolist() == [21]


def test_the_longest_lifetime_counts_courses_alone():
    # 250 m to the end of the range of the requester at 25 and at 50 m/s; the third stays.
    found = view_of([(50, 0, 1.5)] * 3, velocity_mps=[(25, 0), (50, 0), (0, 0)], **PAIR)
    assert LongestLifetime().score(found).tolist() == [10.0, 5.0, 3600.0]
    assert len(set(found.mobility.tolist())) == 1


def test_only_a_roadside_unit_relays_under_its_rule():
    found = with_snr(view(), [20, 15, 30], [20, 25, 30])
    units = replace(found, candidate=replace(found.candidate, is_roadside=np.array([True, True, False])))
    assert RoadsideUnit().score(units).tolist() == [20.0, 15.0, NEVER]
    assert chosen_relays(RoadsideUnit(), found, np.array([-1])).relay.tolist() == [-1]


def test_farthest_scores_the_horizontal_distance_from_the_requester():
    np.testing.assert_allclose(FarthestQualified().score(view()), [50.0, np.hypot(50, 30), np.hypot(130, 40)])


def test_midpoint_scores_minus_the_distance_from_the_middle_in_lengths_of_the_pair():
    np.testing.assert_allclose(Midpoint().score(view()), [0.0, -0.3, -np.hypot(80, 40) / 100])


def test_midpoint_of_a_pair_at_one_place_is_that_place():
    score = Midpoint().score(view(pair_m=((50, 0, 1.5), (50, 0, 1.5))))
    assert score[0] == 0.0 > score[1] > score[2]


def test_tallest_scores_the_height_of_the_antenna():
    assert TallestAntenna().score(view()).tolist() == [2.0, 4.0, 3.0]


def test_height_and_mobility_score_their_terms():
    found = view(known=bodies((25, 0)), falls_db=[(7, 0), (0, 0), (0, 0)])
    np.testing.assert_array_equal(Height().score(found), found.height)
    np.testing.assert_array_equal(Mobility().score(found), found.mobility)


@given(st.floats(0, 1))
def test_hybrid_scores_the_weighted_sum(weight):
    found = view(known=bodies((25, 0), size_m=(4.0, 2.0, 1.5)), falls_db=[(7, 0), (0, 3), (0, 0)])
    np.testing.assert_allclose(Hybrid(weight).score(found), weight * found.mobility + (1 - weight) * found.height)


def test_the_hybrid_weighs_both_terms_alike_by_default():
    assert Hybrid().weight == 0.5


def test_a_busy_channel_counts_against_a_relay_of_the_hybrid_rule_alone():
    found = view()
    busy = replace(found, candidate=replace(found.candidate, busy_share=np.array([0.6, 0.2, 0.4])))
    np.testing.assert_allclose(Hybrid().score(busy), Hybrid().score(found) - 0.5 * np.array([0.6, 0.2, 0.4]))
    assert chosen_relays(Hybrid(), busy, np.array([-1])).relay.tolist() == [21]
    for rule in (Hybrid(load_weight=0.0), Height(), Mobility()):
        assert rule.score(busy).tolist() == rule.score(found).tolist()


def test_without_prediction_the_present_margin_counts():
    found = with_snr(view(falls_db=[(14, 0), (0, 0), (0, 0)]), [20, 20, 5], [20, 20, 20])
    np.testing.assert_allclose(found.mobility, graded(np.array([0.0, 1.4, -0.1])))
    np.testing.assert_allclose(Hybrid(1.0, prediction=False).score(found), graded(np.array([1.4, 1.4, -0.1])))


def test_without_unconnected_vehicles_only_those_that_announce_themselves_are_in_the_way():
    # The truck is in the way of the second candidate alone.
    car, truck = bodies((25, 0)), bodies((25, 15))
    both = KnownBodies(
        np.array([0, 2]),
        Boxes(*(np.concatenate([getattr(one.boxes, name) for one in (car, truck)]) for name in ("center_m", "size_m", "yaw_rad"))),
        np.zeros((2, 2)), np.array([True, False]),
    )  # fmt: skip
    found, announced = view(known=both), view(known=car)
    np.testing.assert_array_equal(Hybrid(unconnected=False).score(found), Hybrid().score(announced))
    assert Hybrid().score(found)[1] < Hybrid(unconnected=False).score(found)[1]


def test_random_scores_the_draws():
    assert RandomQualified().score(view(draw=[0.3, 0.9, 0.4])).tolist() == [0.3, 0.9, 0.4]


# Which candidate each rule takes

# A truck a little beside the line from the requester to the second and the third candidate; the first has a free view.
BESIDE = bodies((30, 10))
ASIDE = [(50, 0, 1.5), (90, 30, 1.5), (150, 50, 1.5)]
# Its hop to the requester is too weak after 0.1 s.
LEAVES = (140.0, 0.0)
STAYS = (0.0, 0.0)


def relay_of(rule, weight=0.5, known=BESIDE, **about):
    made = Hybrid(weight) if rule == "hybrid" else parts_of(RelayRule)[rule]()
    return int(chosen_relays(made, view_of(ASIDE, known=known, **about), np.array([-1])).relay[0])


def test_the_mobility_rule_takes_the_station_that_stays():
    assert relay_of("mobility", known=None, falls_db=[LEAVES, LEAVES, STAYS]) == 22


def test_the_height_rule_takes_the_station_with_a_free_view():
    assert relay_of("height") == 20


def test_the_height_rule_takes_a_mast_behind_the_truck_if_it_is_high_enough():
    high = [(50, 16.6, 1.5), (90, 30, 1.5), (150, 50, 40.0)]
    assert chosen_relays(Height(), view_of(high, known=BESIDE), np.array([-1])).relay.tolist() == [22]


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 20), (1.0, 22)])
def test_the_weight_moves_the_hybrid_rule_from_height_to_mobility(weight, expected):
    # The first has a free view but drives off; the third stays, but sees just over the car that stands where the truck was.
    car = bodies((30, 10), size_m=(8.0, 2.5, 1.4))
    assert relay_of("hybrid", weight, car, falls_db=[LEAVES, LEAVES, STAYS]) == expected


@pytest.mark.parametrize("rule", RULES)
def test_a_candidate_scores_the_same_whatever_other_candidates_there_are(rule):
    made, found = parts_of(RelayRule)[rule](), view(known=bodies((25, 5)), velocity_mps=[(3, 1), (0, 0), (0, 20)])
    whole = made.score(found)
    for row in range(3):
        only = np.arange(3) == row
        np.testing.assert_array_equal(made.score(kept(found, only)), whole[only])


def test_views_name_stations_by_their_agent_ids():
    found = view()
    assert (found.requester.agent.tolist(), found.helper.agent.tolist()) == ([REQUESTER], [HELPER])
