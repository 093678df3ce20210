"""Which stations pass on what a helper broadcasts, and rules with several forwarders or none."""

import pytest

from tests.engine.cooperation.four_stations import APART_M, links, nothing_seen, vicinities
from tests.engine.cooperation.relay_scene import FRAME_US, passing_of, relaying
from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
)
from v2xsim.engine.stations.contents import NOBODY

# Passing on


def test_nobody_passes_anything_on_at_first():
    assert relaying()[0].passing == {}


def test_the_best_of_all_candidates_nominates_itself_if_all_know_the_same():
    assert passing_of(links(helper_to_relay=0.75)) == {HELPER: {OTHER}}
    assert passing_of(links(helper_to_other=0.75)) == {HELPER: {RELAY}}
    # All draw the same number for the same candidate, so one of two equal ones nominates itself.
    assert passing_of() == {HELPER: {RELAY}}


def test_two_stations_nominate_themselves_if_neither_knows_of_the_other():
    assert passing_of(unknown=[(OTHER, RELAY), (RELAY, OTHER)]) == {HELPER: {OTHER, RELAY}}


def test_no_station_nominates_itself_if_each_believes_that_the_other_one_is_better():
    # The ego told each of them something else: that it hears the other one better.
    told = {
        (OTHER, EGO): {HELPER: 0.1, OTHER: 0.75, RELAY: 0.99},
        (RELAY, EGO): {HELPER: 0.1, OTHER: 0.99, RELAY: 0.75},
    }
    first_hop = links(helper_to_other=0.99, helper_to_relay=0.99)
    assert passing_of(first_hop, told=told) == {}


def test_a_station_in_charge_stays_while_another_is_only_a_little_better():
    state, *_ = relaying()
    assert passing_of(links(helper_to_relay=0.75), state=state) == {HELPER: {OTHER}}
    # With equal scores, chance would choose RELAY. Both remember what they chose.
    assert passing_of(state=state) == {HELPER: {OTHER}}
    assert passing_of(links(helper_to_other=0.75, helper_to_relay=0.99, relay_to_ego=0.99), state=state) == {
        HELPER: {RELAY}
    }


def test_a_newcomer_that_remembers_nothing_may_decide_otherwise_than_a_station_in_charge():
    state, *_ = relaying()
    assert passing_of(state=state, unknown=[(RELAY, HELPER)], owners=(OTHER,)) == {}
    assert passing_of(links(helper_to_relay=0.1), state=state, owners=(OTHER,)) == {HELPER: {OTHER}}
    # This one keeps itself, the newcomer thinks itself best.
    assert passing_of(state=state) == {HELPER: {OTHER, RELAY}}


def test_stations_stop_passing_on_when_the_need_is_over():
    state, *_ = relaying()
    passing_of(state=state)
    assert passing_of(links(ego_helper=0.9), state=state) == {}


def test_stations_pass_on_different_helpers_independently():
    shares = links(helper_to_other=0.1, ego_to_relay=0.1)
    about = {"egos": (EGO, HELPER), "with_matrix": (EGO, HELPER)}
    assert passing_of(shares, **about) == {HELPER: {RELAY}, EGO: {OTHER}}


def test_a_rule_without_relays_is_never_asked_to_pass_on():
    assert relaying(relay="none")[0].relays is False
    assert passing_of(keys={"relay": "none"}) == {}


def test_each_nomination_is_recorded():
    state, _, table = relaying()
    passing_of(links(helper_to_ego=0.25, helper_to_relay=0.8, helper_to_other=0.6), state=state)
    (row,) = table.finished().to_pylist()
    assert (row["time_us"], row["station"], row["requester"], row["helper"]) == (FRAME_US, RELAY, EGO, HELPER)
    assert row["score"] == pytest.approx(0.8)
    assert row["delivery"] == 0.25
    # Standing stations that nothing parts: both terms are above 0.
    assert 0.0 < row["mobility"] < 1.0
    assert 0.5 < row["height"] < 1.0


def test_without_a_nomination_nothing_is_recorded():
    state, _, table = relaying()
    passing_of(links(ego_helper=0.9), state=state)
    assert table.finished().num_rows == 0


def test_stations_stand_where_described():
    assert APART_M[1] == (40, 0)


# Several forwarders, and none


def test_limited_flooding_names_further_forwarders_and_passes_on_with_several():
    state, *_ = relaying(relay={"rule": "limited_flooding", "forwarders": 2})
    found = vicinities()
    paths = state.paths(found, nothing_seen(found), FRAME_US)
    row = paths.helper.tolist().index(HELPER)
    assert {int(paths.relay[row]), *paths.more_relays[row].tolist()} == {OTHER, RELAY}
    # A packet gets there if one of two does: 1 - (1 - 0.9^2)^2.
    assert (paths.there[row], paths.back[row]) == pytest.approx((1 - 0.19**2, 1 - 0.19**2))
    assert passing_of(state=state) == {HELPER: {OTHER, RELAY}}


def test_a_single_candidate_floods_alone():
    state, *_ = relaying(relay={"rule": "limited_flooding", "forwarders": 3})
    found = vicinities(links(ego_other=0.1))
    paths = state.paths(found, nothing_seen(found), FRAME_US)
    row = paths.helper.tolist().index(HELPER)
    assert (int(paths.relay[row]), paths.more_relays[row].tolist()) == (RELAY, [NOBODY, NOBODY])
    assert paths.there[row] == pytest.approx(0.81)


def test_a_weak_direct_link_may_be_tried_twice_as_often_instead_of_over_a_relay():
    state, table, _ = relaying(relay="direct_with_retries")
    found = vicinities(links(ego_to_helper=0.5, helper_to_ego=0.6), with_matrix=(HELPER, OTHER))
    paths = state.paths(found, nothing_seen(found), FRAME_US)
    rows = {agent: row for row, agent in enumerate(paths.helper.tolist())}
    weak, good = rows[HELPER], rows[OTHER]
    assert (paths.rounds[weak], paths.rounds[good]) == (2, 1)
    assert (paths.there[weak], paths.back[weak]) == pytest.approx((0.75, 0.84))
    assert (paths.there[good], paths.relay.tolist()) == (0.9, [NOBODY] * len(rows))
    assert table.finished().num_rows == 0


@pytest.mark.parametrize(
    ("shares", "about", "repeating"),
    [
        ({"helper_to_ego": 0.6}, {}, {HELPER}),
        ({"helper_to_ego": 0.75}, {}, set()),
        ({"helper_to_ego": 0.6}, {"egos": ()}, set()),
        ({"helper_to_ego": 0.6}, {"unknown": [(HELPER, EGO)]}, set()),
        ({"helper_to_ego": 0.6, "relay_to_ego": 0.0}, {}, {HELPER, RELAY}),
    ],
)
def test_a_station_sends_its_broadcasts_twice_while_they_hardly_arrive_where_they_are_wanted(shares, about, repeating):
    state, *_ = relaying(relay="direct_with_retries")
    assert passing_of(links(ego_helper=0.9, **shares), state=state, **about) == {}
    assert state.repeating == repeating


def test_a_rule_with_relays_repeats_nothing():
    state, *_ = relaying()
    passing_of(links(helper_to_ego=0.6), state=state)
    assert state.repeating == set()
