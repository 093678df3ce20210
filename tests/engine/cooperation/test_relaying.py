"""Which relay an ego chooses for its requests, and which stations pass on what a helper broadcasts."""

import numpy as np
import pytest

from tests.engine.cooperation.four_stations import THERE, links, vicinities
from tests.engine.cooperation.relay_scene import FRAME_US, paths_of, relay_of, relaying
from tests.engine.small_world import (
    CAR_M,
    EGO,
    HELPER,
    OTHER,
    RELAY,
    boxes,
    detections,
    own_states,
    scenario,
)
from v2xsim.comms.phy.error_rate import per
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.engine.cooperation.paths import BestWays
from v2xsim.engine.cooperation.relaying import RelaysBefore
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.records import Boxes, Detections

# Requests


def test_an_ego_chooses_a_relay_to_a_helper_that_it_hardly_reaches():
    assert relay_of(links(ego_other=0.8)) == RELAY


@pytest.mark.parametrize("way", ["ego_to_helper", "helper_to_ego"])
def test_a_direct_link_must_be_good_enough_both_ways(way):
    good = {"ego_to_helper": 0.9, "helper_to_ego": 0.9}
    assert relay_of(links(**good)) == NOBODY
    assert relay_of(links(**{**good, way: 0.7}), keys={"min_delivery": 0.7}) == NOBODY
    assert relay_of(links(**{**good, way: 0.69}), keys={"min_delivery": 0.7}) in (OTHER, RELAY)


# The helper drives north behind a house; its line to the ego meets the south-east corner of the house at y = 40 / 35 * 5 = 5.7 m.
HOUSE, NORTH_MPS = (25.0, 5.0, 35.0, 8.0), ((0, 0), (0, 10), (0, 0), (0, 0))
FAINT = {"tx_power_dbm": 5.0, "shadowing": False}


def relays_on_the_way(*, foresight, tall=HOUSE):
    """Return the relay that the ego uses at each of five ticks, the last one 0.1 s before the helper drives behind the house."""
    state, relays = relaying(tall, radio=FAINT, foresight=foresight)[0], []
    for tick in range(5):
        places_m = np.array(((0, 0), (40, 0.7 + tick), (20, 10), (20, -10)), float)
        own = own_states(THERE, places_m, time_us=100_000 * tick, velocity_mps=np.array(NORTH_MPS, float))
        found = vicinities(links(ego_helper=0.9), own=own, velocity_mps=NORTH_MPS)
        relays.append(paths_of(state, found)[EGO, HELPER][0])
    return relays


@pytest.mark.parametrize("foresight", ["tracks", "sampled"])
def test_an_ego_uses_a_relay_before_its_good_link_dies_as_foretold(foresight):
    relays = relays_on_the_way(foresight=foresight)
    assert relays[0] == relays[1] == NOBODY
    assert NOBODY not in relays[3:]


def test_without_foresight_a_good_link_is_used_up_to_its_end():
    assert relays_on_the_way(foresight="none") == [NOBODY] * 5


@pytest.mark.parametrize("foresight", ["tracks", "sampled"])
def test_a_house_beside_the_way_makes_nobody_look_for_a_relay(foresight):
    assert relays_on_the_way(foresight=foresight, tall=(25.0, 30.0, 35.0, 40.0)) == [NOBODY] * 5


@pytest.mark.parametrize(("access", "counts"), [("random_slot", False), ("ieee80211p", True)])
def test_what_an_ego_learns_of_a_link_counts_fading_only_if_packets_have_it(access, counts):
    learned = []
    for fading in ("none", "rician"):
        wave = {"access": access, "propagation": {"fading": fading}}
        state = relaying(foresight="sampled", radio=wave)[0]
        paths_of(state, vicinities(links(ego_helper=0.9)))
        learned.append(state._foresight._history.margin)
    assert np.isfinite(learned).all()
    assert np.array_equal(*learned) == (not counts)


def test_a_relayed_path_that_is_no_better_than_the_weak_direct_one_is_not_used():
    # Four hops of 0.75 carry a cycle with 0.32; the direct link with 0.6 * 0.6 = 0.36.
    weak = links(ego_helper=0.6, ego_other=0.75, other_helper=0.75, ego_relay=0.1)
    assert relay_of(weak) == NOBODY
    assert relay_of({**weak, (EGO, HELPER): 0.5}) == OTHER


def test_a_path_has_the_shares_of_its_hops_multiplied():
    shares = links(ego_to_relay=0.75, relay_to_helper=0.8, helper_to_relay=0.85, relay_to_ego=0.95, ego_other=0.0)
    (relay, there, back) = paths_of(relaying()[0], vicinities(shares))[EGO, HELPER]
    assert (relay, there, back) == (RELAY, pytest.approx(0.75 * 0.8), pytest.approx(0.85 * 0.95))


def test_a_direct_path_has_the_shares_of_the_link():
    assert paths_of(relaying()[0], vicinities(links(ego_to_helper=0.8, helper_to_ego=0.75)))[EGO, HELPER] == (
        NOBODY,
        0.8,
        0.75,
    )


def test_an_ego_has_a_path_to_each_station_that_announced_a_matrix_to_it():
    found = paths_of(relaying()[0], vicinities(with_matrix=(HELPER, RELAY), unknown=[(EGO, OTHER)]))
    assert list(found) == [(EGO, HELPER), (EGO, RELAY)]


def test_each_ego_chooses_by_what_it_knows_itself():
    # The helper asks too. Each end knows only one of the two candidates.
    both = {"owners": (EGO, HELPER), "egos": (EGO, HELPER), "with_matrix": (EGO, HELPER)}
    found = paths_of(relaying()[0], vicinities(**both, unknown=[(EGO, OTHER), (HELPER, RELAY)]))
    assert {pair: path[0] for pair, path in found.items()} == {(EGO, HELPER): RELAY, (HELPER, EGO): OTHER}


def test_a_helper_whose_matrix_cannot_overlap_gets_no_relay():
    def far(helper_m):
        places = np.array([(0, 0), helper_m, (20, 10), (20, -10)], float) + np.array([1000, 500])
        return relay_of(places_m=places, keys={"matrix": {"extent_m": 30}})

    assert [far(place) for place in ((60.0, 0.0), (37.0, 48.0), (0.0, -60.0))] == [NOBODY] * 3
    assert NOBODY not in [far(place) for place in ((59.0, 0.0), (36.0, 47.0), (0.0, -59.0))]


class TruthOfTheRelay:
    """A bound that sees weak direct links, and RELAY as the best way between any two stations."""

    def between(self, one, other):
        """Return the same way for all pairs."""
        count = len(one)
        return BestWays(
            np.full(count, 0.1), np.full(count, RELAY), np.full(count, 0.9), np.full(count, 5.0), np.full(count, 20.0)
        )


def test_a_bound_relays_as_far_as_rules_do():
    def relay_at(helper_m):
        state, *_ = relaying(bound=TruthOfTheRelay(), relay="none", matrix={"extent_m": 30})
        return paths_of(state, vicinities(places_m=((0, 0), (helper_m, 0), (20, 10), (20, -10))))[EGO, HELPER]

    assert relay_at(59.0) == (RELAY, 0.9, 0.9)
    assert relay_at(60.0) == (NOBODY, 0.1, 0.1)


def test_heights_of_antennas_do_not_keep_matrices_apart():
    assert relay_of(antenna_m=[1, 60, 1, 1], keys={"matrix": {"extent_m": 30}}) != NOBODY


def test_a_scenario_without_relays_has_none_but_has_paths():
    state, table, _ = relaying(relay="none")
    assert paths_of(state, vicinities())[EGO, HELPER] == (NOBODY, 0.1, 0.1)
    assert table.finished().num_rows == 0


def test_an_ego_that_knows_nobody_has_no_path():
    assert paths_of(relaying()[0], vicinities(unknown=[(EGO, agent) for agent in THERE])) == {}


def test_two_stations_have_nobody_to_relay():
    assert relay_of(agents=THERE[:2], shares=links(THERE[:2])) == NOBODY


def test_the_station_with_agent_id_zero_can_relay():
    agents = (0, EGO, HELPER)
    assert relay_of(links(agents), agents=agents, places_m=((20, 0), (0, 0), (40, 0))) == 0


def test_of_equal_candidates_chance_decides_for_the_whole_run():
    first, second = shown().uniform
    assert relay_of() == (OTHER if first > second else RELAY)


# Hysteresis


def test_a_relay_in_use_is_kept_unless_another_is_clearly_better():
    for gap, relay in {0.05: OTHER, 0.15: RELAY}.items():
        state, *_ = relaying()
        assert relay_of(links(ego_relay=0.1), state=state) == OTHER
        better = links(ego_other=0.95 - gap, other_helper=0.95 - gap, ego_relay=0.95, relay_helper=0.95)
        assert relay_of(better, state=state) == relay


def test_a_relay_that_no_longer_qualifies_is_replaced():
    state, *_ = relaying()
    assert relay_of(links(ego_relay=0.75), state=state) == OTHER
    assert relay_of(links(other_to_helper=0.6), state=state) == RELAY
    assert relay_of(unknown=[(EGO, OTHER)], state=state) == RELAY


def test_hysteresis_of_one_ego_does_not_move_another():
    state, *_ = relaying()
    about = {"owners": (EGO, HELPER), "egos": (EGO, HELPER), "with_matrix": (EGO, HELPER)}
    paths_of(state, vicinities(links(ego_relay=0.1, helper_other=0.1), **about))
    first = vicinities(links(ego_relay=0.1), **about, unknown=[(HELPER, OTHER)])
    assert {pair: path[0] for pair, path in paths_of(state, first).items()} == {
        (EGO, HELPER): OTHER,
        (HELPER, EGO): NOBODY,
    }
    second = vicinities(links(relay_helper=0.95, ego_relay=0.95), **about)
    # The ego keeps its relay; the helper had none and takes the best.
    assert {pair: path[0] for pair, path in paths_of(state, second).items()} == {
        (EGO, HELPER): OTHER,
        (HELPER, EGO): RELAY,
    }


@pytest.mark.parametrize("other_needs_a_relay", [False, True])
def test_an_ego_forgets_its_relay_when_it_needs_none_whatever_another_ego_needs(other_needs_a_relay):
    state, *_ = relaying()
    about = {"owners": (EGO, HELPER), "egos": (EGO, HELPER), "with_matrix": (EGO, HELPER, OTHER)}
    paths_of(state, vicinities(links(ego_relay=0.1), **about))
    meanwhile = links(ego_helper=0.9, helper_other=0.1 if other_needs_a_relay else 0.9)
    paths_of(state, vicinities(meanwhile, **about))
    # OTHER was its relay, and would be kept if it were remembered.
    better = vicinities(links(ego_relay=0.95, relay_helper=0.95), **about)
    assert paths_of(state, better)[EGO, HELPER][0] == RELAY


def test_a_choice_is_remembered_by_station_and_pair():
    before = RelaysBefore(np.array([[1, 1, 2], [3, 1, 2], [3, 2, 1]]), np.array([7, 8, 9]))
    wanted = np.array([[3, 2, 1], [1, 1, 2], [2, 1, 2], [3, 1, 2]])
    assert before.of(wanted).tolist() == [9, 7, NOBODY, 8]
    assert RelaysBefore().of(wanted).tolist() == [NOBODY] * 4
    assert before.of(np.zeros((0, 3), np.int64)).tolist() == []


# What a relay rule reads


class Listener(RelayRule):
    """A relay rule that keeps the last view and gives all the same score."""

    def __init__(self):
        self.view = None

    def score(self, view):
        self.view = view
        return np.zeros(view.shape)


def shown(shares=None, *, walls=(), radio=None, seen=None, keys=None, **about):
    listener = Listener()
    state, *_ = relaying(*walls, rule=listener, radio=radio, **(keys or {}))
    paths_of(state, vicinities(shares, **about), seen)
    return listener.view


def test_a_relay_rule_is_shown_the_pair_and_its_candidates_where_they_are_now():
    view = shown(antenna_m=[1, 2, 3, 4], velocity_mps=[(1, 0), (2, 0), (3, 0), (4, 0)])
    assert (view.requester.agent.tolist(), view.helper.agent.tolist()) == ([EGO], [HELPER])
    assert (view.candidate.agent.tolist(), view.pair.tolist()) == ([OTHER, RELAY], [0, 0])
    assert view.requester.antenna_m.tolist() == [[0, 0, 1]]
    assert view.helper.antenna_m.tolist() == [[40, 0, 2]]
    assert view.candidate.antenna_m.tolist() == [[20, 10, 3], [20, -10, 4]]
    speeds = [part.velocity_mps.tolist() for part in (view.requester, view.helper, view.candidate)]
    assert speeds == [[[1, 0]], [[2, 0]], [[3, 0], [4, 0]]]


def test_a_relay_rule_is_shown_which_candidates_are_roadside_units():
    view = shown(roadside=(RELAY,))
    assert (view.requester.is_roadside.tolist(), view.candidate.is_roadside.tolist()) == ([False], [False, True])


def test_a_relay_rule_is_shown_how_busy_the_channel_around_each_station_is():
    view = shown(busy_share=(0.1, 0.2, 0.3, 0.4))
    assert (view.requester.busy_share.tolist(), view.helper.busy_share.tolist()) == ([0.1], [0.2])
    assert view.candidate.busy_share.tolist() == view.load.tolist() == [0.3, 0.4]


def test_a_relay_rule_is_shown_which_vehicles_announce_themselves():
    seen = Detections(
        Boxes(np.array([[10.0, 1, 0]]), np.array([[4.0, 2, 1.5]]), np.zeros(1)),
        np.zeros((1, 2)),
        np.ones(1),
        np.full(1, -1),
    )
    view = shown(seen=[(0, seen)])
    assert view.bodies.announced.tolist() == [True, True, True, False]
    assert len(view.with_announced_bodies.bodies.boxes) == 3


def test_a_relay_rule_is_shown_the_snr_ahead_with_the_map_and_the_vehicles_that_its_station_knows():
    # OTHER drives east at 20 m/s, behind the house; RELAY stays. A truck of 4 m that announces nothing stands between ego and RELAY.
    truck = Detections(
        Boxes(np.array([[10.0, -5, 0]]), np.array([[4.0, 3, 4]]), np.zeros(1)),
        np.zeros((1, 2)),
        np.ones(1),
        np.full(1, -1),
    )
    view = shown(walls=((24, 2, 34, 8),), velocity_mps=[(0, 0), (0, 0), (20, 0), (0, 0)], seen=[(0, truck)], radio={"propagation": {"vehicle_blockage": "knife_edges"}})  # fmt: skip
    other, relay = range(2)
    assert (view.candidate.agent.tolist(), view.least_snr_db) == ([OTHER, RELAY], pytest.approx(9.0, abs=9.0))
    now_db, later_db = view.outlook((0.0, 1.0), True)
    assert later_db[other, 0] < now_db[other, 0] - 10.0
    assert later_db[relay].tolist() == pytest.approx(now_db[relay].tolist())
    without_db, _ = view.outlook((0.0, 1.0), False)
    assert without_db[relay, 0] > now_db[relay, 0] + 3.0
    assert without_db[other].tolist() == pytest.approx(now_db[other].tolist())
    assert view.margin_ahead_db[relay].tolist() == pytest.approx(view.margin_db[relay].tolist())
    assert view.margin_ahead_db[other, 0] < view.margin_db[other, 0] - 10.0


def test_a_relay_rule_is_shown_the_worse_direction_of_each_hop():
    shares = links(ego_to_relay=0.75, relay_to_helper=0.8, helper_to_relay=0.85, relay_to_ego=0.95)
    view = shown(shares)
    assert view.to_requester.delivery.tolist() == [0.9, 0.75]
    assert view.to_helper.delivery.tolist() == [0.9, 0.8]
    assert view.to_requester.snr_db.tolist() == [20.0, 20.0]


def test_a_relay_rule_draws_a_number_for_each_pair_and_candidate_that_holds_for_the_run():
    two = {"owners": (EGO, HELPER), "egos": (EGO, HELPER), "with_matrix": (EGO, HELPER)}
    first, again = shown(**two), shown(**two)
    assert len(set(first.uniform.tolist())) == 4
    assert first.uniform.tolist() == again.uniform.tolist()
    # Neither another pair nor another candidate changes a draw.
    assert shown().uniform.tolist() == first.uniform[:2].tolist()
    assert shown(unknown=[(EGO, OTHER)]).uniform.tolist() == first.uniform[1:2].tolist()


def test_an_announced_truck_in_the_way_counts_in_the_height_term():
    # Another station is a truck that stands between the ego and the relay.
    beside = shown(places_m=((0, 0), (40, 0), (10, -5), (20, -10)))
    assert beside.candidate.agent.tolist() == [OTHER, RELAY]
    # Its car of 1.5 m reaches into the Fresnel zone below antennas of 1.6 m.
    assert beside.clearance[1, 0] < 1.0 < shown().clearance[1, 0]


def test_a_blocker_that_is_not_connected_counts_in_the_height_term_if_the_station_detected_it():
    truck = Detections(boxes([(10, -5)], size_m=(4.0, 4.0, 3.5)), np.zeros((1, 2)), np.ones(1), np.zeros(1, np.int64))
    other, relay = shown().height
    with_truck = shown(seen=[(0, truck)]).height
    assert with_truck[0] == other > 0.0
    assert relay > 0.0 > with_truck[1]


def test_a_station_does_not_count_what_only_another_station_detected():
    truck = Detections(boxes([(10, -5)], size_m=(4.0, 4.0, 3.5)), np.zeros((1, 2)), np.ones(1), np.zeros(1, np.int64))
    two = {"owners": (EGO, HELPER), "egos": (EGO, HELPER), "with_matrix": (EGO, HELPER)}
    view = shown(**two, seen=[(0, Detections.none()), (0, truck)])
    assert view.decider.tolist() == [0, 1]
    # Both pairs have the same two candidates; only the helper, the requester of the second pair, saw the truck.
    assert view.height[:2].tolist() == shown().height.tolist()
    assert view.height[2] > 0.0 > view.height[3]


def test_the_bodies_of_the_ends_never_obstruct():
    # The ego detects the helper's and the relay's own bodies, half a metre from where they announced themselves.
    own = detections([(40.5, 0), (20.5, -10)])
    assert CAR_M[2] < 1.6
    assert shown(seen=[(0, own)]).height.tolist() == shown().height.tolist()


def test_a_wall_counts_in_the_height_term():
    behind, free = shown(walls=[(9, -6, 11, -4)]).height, shown().height
    assert behind[0] == free[0]
    assert behind[1] < 0.0 < free[1]


def test_a_usable_link_is_shorter_with_less_power_by_the_path_loss():
    # Twice 10 dB of antenna gain make up for 20 dB of transmit power.
    weak = {"tx_power_dbm": 3.0, "antenna_gain_dbi": 10.0}
    assert shown(radio=weak).range_m == pytest.approx(shown().range_m)


def test_a_decade_of_distance_costs_20_db_on_a_clear_highway():
    # TR 37.885, Table 6.2.1-1: 32.4 + 20 log10 d + 20 log10 f.
    far = shown(radio={"channel": "tr37885_highway", "tx_power_dbm": 23.0}).range_m
    near = shown(radio={"channel": "tr37885_highway", "tx_power_dbm": 3.0}).range_m
    assert far == pytest.approx(10 * near)


def test_the_range_of_a_link_ends_where_its_snr_delivers_just_well_enough():
    settings = scenario(radio={"channel": "tr37885_highway"}).radio
    view = shown(radio={"channel": "tr37885_highway"}, keys={"min_delivery": 0.6})
    loss_db = 32.4 + 20 * np.log10(view.range_m) + 20 * np.log10(settings.carrier_ghz)
    # Thermal noise of -174 dBm/Hz over 10 MHz, and 9 dB of the receiver.
    snr_db = settings.tx_power_dbm - loss_db - (-173.98 + 70 + 9)
    assert 1 - per(snr_db, settings.mcs, 10) == pytest.approx(0.6, abs=0.01)


def test_a_demand_for_certain_delivery_has_the_range_of_one_for_99_percent():
    def range_of(min_delivery):
        return shown(
            {**links(), **dict.fromkeys(links(), 1.0), (EGO, HELPER): 0.1}, keys={"min_delivery": min_delivery}
        ).range_m

    assert range_of(1.0) == range_of(0.99) < range_of(0.9)


# The record of requests


def test_each_choice_is_recorded_with_the_frame_that_it_holds_for():
    state, table, _ = relaying()
    paths_of(state, vicinities(links(ego_other=0.8, ego_relay=0.85, helper_to_ego=0.25)))
    (row,) = table.finished().to_pylist()
    assert (row["time_us"], row["requester"], row["helper"], row["relay"]) == (FRAME_US, EGO, HELPER, RELAY)
    assert row["score"] == pytest.approx(0.85)
    view = shown(links(ego_other=0.8, ego_relay=0.85, helper_to_ego=0.25))
    chosen = view.candidate.agent.tolist().index(RELAY)
    assert (row["mobility"], row["height"]) == pytest.approx((view.mobility[chosen], view.height[chosen]), rel=1e-6)
    # The direct link in its worse direction.
    assert row["delivery"] == pytest.approx(0.1)


def test_a_pair_without_a_relay_is_recorded_without_a_score():
    state, table, _ = relaying()
    paths_of(state, vicinities(links(ego_other=0.1, ego_relay=0.1)))
    (row,) = table.finished().to_pylist()
    assert row["relay"] == NOBODY
    assert np.isnan([row["score"], row["height"], row["mobility"]]).all()


def test_an_ego_without_bad_links_records_nothing():
    state, table, _ = relaying()
    paths_of(state, vicinities(links(ego_helper=0.9)))
    assert table.finished().num_rows == 0
