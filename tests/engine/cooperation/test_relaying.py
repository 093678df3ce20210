"""Which station relays between an ego and a helper that cannot reach each other."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY, cooperation, obstacles, own_states, scenario
from v2xsim.comms.phy.error_rate import per
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.engine.cooperation.relaying import ChosenRelay, Relaying, RelayPlan, plan_relays
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.results.tables import Columns
from v2xsim.streams import Streams

THERE = [EGO, HELPER, OTHER, RELAY]
APART_M = [(0, 0), (40, 0), (20, 10), (20, -10)]


def links(**delivery):
    """Return the delivery of all links of the four stations: 0.9, but what is stated, such as ego_helper=0.1."""
    row = {"ego": 0, "helper": 1, "other": 2, "relay": 3}
    matrix = np.full((4, 4), 0.9)
    for pair, value in {"ego_helper": 0.1, **delivery}.items():
        one, other = (row[name] for name in pair.split("_"))
        matrix[one, other] = matrix[other, one] = value
    return matrix


def predicted(matrix):
    """Return the delivery of links as a square array gives it, and a function that returns the same."""
    delivery = LinkDelivery.of(matrix)
    return delivery, lambda: delivery


def planned(own=None, delivery=None, *, before=None, walls=(), radio=None, **keys):
    rule = cooperation(**{"relay": "best_snr", **keys})
    return plan_relays(
        RelayPlan.none() if before is None else before, own_states(THERE, APART_M) if own is None else own,
        *predicted(links() if delivery is None else delivery), obstacles(*walls), rule, scenario(radio=radio or {}).radio, Streams(1),
    )  # fmt: skip


def relays_of(plan):
    return {pair: choice.relay for pair, choice in plan.choices.items()}


# Who needs a relay


def test_an_ego_gets_a_relay_to_the_helper_that_it_cannot_reach():
    assert relays_of(planned(delivery=links(ego_other=0.8))) == {(EGO, HELPER): RELAY}


def test_a_link_just_good_enough_needs_no_relay():
    assert relays_of(planned(delivery=links(ego_helper=0.7), min_delivery=0.7)) == {}


def test_only_egos_need_relays():
    own = own_states(THERE, APART_M, egos=[OTHER])
    assert relays_of(planned(own)) == {}


def test_both_egos_of_a_bad_link_need_a_relay():
    own = own_states(THERE, APART_M, egos=[EGO, HELPER])
    assert set(relays_of(planned(own))) == {(EGO, HELPER), (HELPER, EGO)}


def test_a_station_without_a_lidar_has_nothing_to_relay():
    own = own_states(THERE, APART_M, without_lidar=[HELPER])
    assert relays_of(planned(own)) == {}


def at(helper_m):
    """Return stations with the helper at an offset from the ego, which is far from the origin of the map."""
    return own_states(THERE, np.array([(0, 0), helper_m, (20, 10), (20, -10)]) + np.array([1000, 500]))


@pytest.mark.parametrize("helper_m", [(59.0, 0.0), (36.0, 47.0), (0.0, -59.0)])
def test_a_helper_whose_matrix_can_overlap_gets_a_relay(helper_m):
    assert relays_of(planned(at(helper_m), matrix={"extent_m": 30})) != {}


@pytest.mark.parametrize("helper_m", [(60.0, 0.0), (37.0, 48.0), (0.0, -60.0), (61.0, 0.0)])
def test_a_helper_whose_matrix_cannot_overlap_gets_none(helper_m):
    assert relays_of(planned(at(helper_m), matrix={"extent_m": 30})) == {}


def test_heights_of_antennas_do_not_keep_matrices_apart():
    own = own_states(THERE, APART_M, antenna_m=[1, 60, 1, 1])
    assert relays_of(planned(own, matrix={"extent_m": 30})) != {}


def test_nobody_needs_a_relay_to_itself():
    delivery = links(ego_helper=0.9)
    np.fill_diagonal(delivery, 0.0)
    assert relays_of(planned(delivery=delivery)) == {}


def test_a_scenario_without_relays_has_none():
    assert relays_of(planned(relay="none")) == {}


def test_three_stations_are_enough_for_a_relay():
    own, delivery = own_states([EGO, HELPER, OTHER], APART_M[:3]), links()[:3, :3]
    assert relays_of(planned(own, delivery)) == {(EGO, HELPER): OTHER}


def test_two_stations_have_nobody_to_relay():
    own = own_states([EGO, HELPER], APART_M[:2])
    assert relays_of(planned(own, links()[:2, :2])) == {}


# Who relays


def test_a_station_relays_only_if_both_its_hops_are_good_enough():
    assert relays_of(planned(delivery=links(other_helper=0.6, ego_relay=0.6)))[EGO, HELPER] == NOBODY


def test_the_station_in_the_first_row_can_relay():
    own = own_states([0, EGO, HELPER], [(20, 0), (0, 0), (40, 0)])
    delivery = np.array([[0.0, 0.9, 0.9], [0.9, 0.0, 0.1], [0.9, 0.1, 0.0]])
    assert relays_of(planned(own, delivery)) == {(EGO, HELPER): 0}


def test_a_relay_has_the_score_of_its_rule():
    plan = planned(delivery=links(ego_other=0.8, other_helper=0.75, ego_relay=0.85))
    assert plan.choices[EGO, HELPER].score == pytest.approx(0.85)


def test_a_pair_without_a_relay_has_no_score():
    assert np.isnan(planned(delivery=links(other_helper=0.6, ego_relay=0.6)).choices[EGO, HELPER].score)


def with_relay(relay):
    return RelayPlan({(EGO, HELPER): ChosenRelay(relay, 0.0, 0.0, 0.0, 0.0)})


def test_a_relay_in_use_is_kept_unless_another_is_clearly_better():
    better_by = {0.05: OTHER, 0.15: RELAY}
    for gap, relay in better_by.items():
        delivery = links(ego_other=0.95 - gap, other_helper=0.95 - gap, ego_relay=0.95, relay_helper=0.95)
        assert relays_of(planned(delivery=delivery, before=with_relay(OTHER))) == {(EGO, HELPER): relay}


def test_without_a_relay_in_use_the_best_one_is_taken():
    delivery = links(ego_other=0.90, other_helper=0.90, ego_relay=0.95, relay_helper=0.95)
    assert relays_of(planned(delivery=delivery)) == {(EGO, HELPER): RELAY}


@pytest.mark.parametrize("gone", [99, NOBODY])
def test_a_relay_that_has_left_is_replaced_by_the_best_one(gone):
    delivery = links(ego_other=0.90, other_helper=0.90, ego_relay=0.95, relay_helper=0.95)
    assert relays_of(planned(delivery=delivery, before=with_relay(gone))) == {(EGO, HELPER): RELAY}


# What a relay rule reads


class Listener(RelayRule):
    """A relay rule that keeps what it was shown, and prefers nobody."""

    def __init__(self):
        self.view = None

    def score(self, view):
        self.view = view
        return np.zeros(view.shape)


def shown(own=None, *, walls=(), radio=None, **keys):
    listener = Listener()
    rule = cooperation(**keys).model_copy(update={"relay": listener})
    plan_relays(
        RelayPlan.none(), own_states(THERE, APART_M) if own is None else own, *predicted(links()), obstacles(*walls), rule,
        scenario(radio=radio or {}).radio, Streams(1),
    )  # fmt: skip
    return listener.view


def test_a_relay_rule_is_shown_where_antennas_are_as_stations_believe():
    view = shown(own_states(THERE, APART_M, antenna_m=[1, 2, 3, 4], odometry=np.zeros((4, 3))))
    assert view.antenna_m.tolist() == [[0, 0, 1], [40, 0, 2], [20, 10, 3], [20, -10, 4]]


def test_a_relay_rule_is_shown_the_bodies_of_vehicles_and_none_of_roadside_units():
    own = own_states(THERE, APART_M, roadside=[HELPER])
    view = shown(own)
    assert view.body.tolist() == [0, -1, 1, 2]
    assert view.boxes.center_m.tolist() == [[0, 0, 0], [20, 10, 0], [20, -10, 0]]
    assert view.boxes.size_m.tolist() == [[4, 2, 1.5]] * 3


def test_bodies_head_where_their_stations_do():
    own = own_states(THERE, APART_M)
    own.pose[:, 2], own.pose[:, 3] = 5.0, [0.1, 0.2, 0.3, 0.4]
    view = shown(own)
    assert view.boxes.yaw_rad.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert view.boxes.center_m[:, 2].tolist() == [5.0] * 4


def test_a_relay_rule_is_shown_pairs_and_who_qualifies():
    view = shown()
    assert (view.requester.tolist(), view.helper.tolist()) == ([0], [1])
    assert view.usable.tolist() == [[False, False, True, True]]


def test_a_relay_rule_draws_a_number_for_each_pair_and_station_that_holds_for_the_run():
    two = own_states(THERE, APART_M, egos=[EGO, HELPER])
    first, again = shown(two), shown(two)
    assert first.uniform.shape == (2, 4)
    assert len(set(first.uniform.ravel())) == 8
    assert first.uniform.tolist() == again.uniform.tolist()


def test_another_pair_changes_no_draw():
    two = own_states(THERE, APART_M, egos=[EGO, HELPER])
    assert shown().uniform[0].tolist() == shown(two).uniform[0].tolist()


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
    view = shown(radio={"channel": "tr37885_highway"}, min_delivery=0.6)
    loss_db = 32.4 + 20 * np.log10(view.range_m) + 20 * np.log10(settings.carrier_ghz)
    # Thermal noise of -174 dBm/Hz over 10 MHz, and 9 dB of the receiver.
    snr_db = settings.tx_power_dbm - loss_db - (-173.98 + 70 + 9)
    assert 1 - per(snr_db, settings.mcs, 10) == pytest.approx(0.6, abs=0.01)


def test_a_demand_for_certain_delivery_has_the_range_of_one_for_99_percent():
    assert shown(min_delivery=1.0).range_m == shown(min_delivery=0.99).range_m
    assert shown(min_delivery=1.0).range_m < shown(min_delivery=0.9).range_m


# A plan


def test_relays_of_a_helper_pass_its_announcements_on():
    plan = RelayPlan({
        (EGO, HELPER): ChosenRelay(RELAY, 0.0, 0.0, 0.0, 0.0), (OTHER, HELPER): ChosenRelay(9, 0.0, 0.0, 0.0, 0.0),
        (EGO, OTHER): ChosenRelay(NOBODY, 0.0, 0.0, 0.0, 0.0),
    })  # fmt: skip
    assert plan.forwarders == {HELPER: {RELAY, 9}}


def test_a_pair_that_was_not_planned_has_no_relay():
    assert RelayPlan.none().relay_of(EGO, HELPER) == NOBODY


def test_a_pair_has_its_own_relay():
    assert with_relay(RELAY).relay_of(EGO, HELPER) == RELAY
    assert with_relay(RELAY).relay_of(HELPER, EGO) == NOBODY


# From tick to tick


def relaying(table, **keys):
    return Relaying(obstacles(), cooperation(**{"relay": "best_snr", **keys}), scenario().radio, Streams(1), table)


def test_nobody_relays_before_the_first_tick():
    assert relaying(Columns("relays")).plan.choices == {}


def test_the_relay_of_the_tick_before_is_kept_if_it_is_nearly_as_good():
    kept = relaying(Columns("relays"))
    own = own_states(THERE, APART_M)
    kept.replan(own, *predicted(links(ego_other=0.95, other_helper=0.95)), 0)
    kept.replan(own, *predicted(links(ego_relay=0.95, relay_helper=0.95)), 100_000)
    assert relays_of(kept.plan) == {(EGO, HELPER): OTHER}


def test_each_choice_is_recorded_with_the_frame_that_it_holds_for():
    table = Columns("relays")
    relaying(table).replan(own_states(THERE, APART_M), *predicted(links(ego_other=0.8, ego_relay=0.85)), 300_000)
    (row,) = table.finished().to_pylist()
    assert (row["time_us"], row["requester"], row["helper"], row["relay"]) == (300_000, EGO, HELPER, RELAY)
    assert row["score"] == pytest.approx(0.85)
    # Two standing stations never part, and nothing stands between the antennas.
    assert (row["mobility"], row["height"]) == (1.0, 1.0)


def test_a_choice_is_recorded_with_the_delivery_that_the_direct_link_promised():
    table = Columns("relays")
    relaying(table).replan(own_states(THERE, APART_M), *predicted(links(ego_helper=0.25)), 300_000)
    assert table.finished().to_pylist()[0]["delivery"] == 0.25


def test_a_tick_without_bad_links_records_nothing():
    table = Columns("relays")
    relaying(table).replan(own_states(THERE, APART_M), *predicted(links(ego_helper=0.9)), 0)
    assert table.finished().num_rows == 0
