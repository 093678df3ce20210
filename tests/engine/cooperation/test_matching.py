"""Whom an ego may ask, whom it asks, and how many bytes it grants each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
    Candidate,
    candidates_from,
    cooperation,
    each_candidate,
    frame,
    matrix,
)
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast, Predicted
from v2xsim.engine.cooperation.matching import asks, candidates
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.perception.matching.rule import MatchingRule
from v2xsim.records import FREE, OCCUPIED
from v2xsim.streams import Streams

# Whom it may ask


def paths_of(*pairs, there=1.0, back=1.0, relay=NOBODY):
    """Return paths that are all alike, of pairs of an ego and a helper."""
    ego, helper = np.array(pairs, np.int64).reshape(-1, 2).T
    count = len(ego)
    snr_db, rivals = np.full(count, 20.0), np.zeros(count)
    return Paths(
        ego,
        helper,
        np.full(count, relay, np.int64),
        np.zeros((count, 0), np.int64),
        np.full(count, there),
        np.full(count, back),
        snr_db,
        rivals,
        rivals,
        np.ones(count, np.int64),
    )


def reachable(*helpers, **path):
    """Return whom an ego may ask that knows the matrices of helpers, and paths to all stations but 99."""
    paths = paths_of((EGO, HELPER), (EGO, OTHER), (EGO, RELAY), **path)
    return each_candidate(candidates([EGO], announced_to(helpers), paths, np.arange(3.0)))[0]


GRID = matrix()


def announced_to(*of_egos):
    """Return the matrices that egos know, of which each is that of the station with this agent id at the place (agent, 4)."""
    agent = np.array([agent for of_ego in of_egos for agent in of_ego], np.int64)
    position_m = np.column_stack([agent, np.full(len(agent), 4)]).astype(float)
    return AnnouncedMatrices(
        np.cumsum([0, *map(len, of_egos)]),
        agent,
        position_m,
        np.zeros(len(agent), np.int64),
        np.zeros(len(agent), np.int64),
        [GRID],
    )


def test_an_ego_may_ask_stations_whose_matrix_it_knows():
    assert [known.agent for known in reachable(HELPER, OTHER)] == [HELPER, OTHER]


def test_each_ego_has_the_candidates_that_it_would_have_alone():
    paths = paths_of((EGO, HELPER), (EGO, OTHER), (OTHER, HELPER), (OTHER, RELAY))
    egos, announced = [EGO, HELPER, OTHER], announced_to([HELPER, OTHER], [], [RELAY, 99])
    found = each_candidate(candidates(egos, announced, paths, np.zeros(len(paths.ego))))
    assert [[item.agent for item in known] for known in found] == [[HELPER, OTHER], [], [RELAY]]


def test_a_helper_is_known_by_what_it_announced():
    (known,) = reachable(HELPER)
    assert known.matrix is GRID
    assert known.position_m.tolist() == [HELPER, 4]


def test_a_station_that_cannot_be_reached_is_not_asked_and_the_others_are():
    assert [item.agent for item in reachable(OTHER, 99)] == [OTHER]


def test_a_station_that_is_reached_one_way_only_is_not_asked():
    assert reachable(HELPER, there=0.0) == []
    assert reachable(HELPER, back=0.0) == []


def test_a_helper_has_the_delivery_and_the_relay_of_its_path():
    (known,) = reachable(OTHER, there=0.5, back=0.25, relay=RELAY)
    assert (known.there, known.back, known.evidence, known.relay) == (0.5, 0.25, 1.0, RELAY)


def test_a_station_whose_matrix_is_not_known_has_one_without_an_observed_cell():
    known, unknown = announced_to([HELPER, OTHER]), announced_to([HELPER])
    known.matrix[1] = unknown.matrix[0] = -1
    first, second = each_candidate(candidates([EGO], known, paths_of((EGO, HELPER), (EGO, OTHER)), np.zeros(2)))[0]
    assert first.matrix is GRID
    assert (second.matrix.code.shape, second.matrix.code.any()) == (GRID.code.shape, np.False_)
    alone = AnnouncedMatrices(
        *(getattr(unknown, name) for name in ("offset", "agent", "position_m", "matrix", "stamp_us")), []
    )
    assert not candidates([EGO], alone, paths_of((EGO, HELPER)), np.zeros(1)).matrices[0].code.any()


@pytest.mark.parametrize(
    ("rule", "helpers"), [("blind_cells", [HELPER]), ("hidden_bodies", [HELPER]), ("nearest", [HELPER, OTHER])]
)
def test_only_a_rule_that_compares_no_matrices_asks_a_station_whose_matrix_is_not_known(rule, helpers):
    seen = helper(HELPER, np.full((4, 4), OCCUPIED, np.uint8))
    known = candidates_from([seen, helper(OTHER, np.zeros((4, 4), np.uint8))])
    found = asks([frame(EGO)], ALL_BLIND[None], known, cooperation(matching=rule), Streams(1), AsTold("ideal", 0, 1400))
    assert sorted(one.helper for one in found[0]) == helpers


# Whom it asks


ALL_BLIND = np.ones((4, 4))


def seeing(*cells, code=FREE):
    """Return codes of 4 x 4 cells with these cells observed."""
    codes = np.zeros((4, 4), np.uint8)
    for cell in cells:
        codes[cell] = code
    return codes


def columns(first, last):
    codes = np.zeros((4, 4), np.uint8)
    codes[first:last] = FREE
    return codes


def helper(agent, codes, *, position_m=(0.0, 0.0), delivery=1.0, relay=NOBODY, lower=(0, 0)):
    # The evidence is the predicted success: see `AsTold`.
    return Candidate(agent, matrix(codes, lower), np.array(position_m, float), 1.0, 1.0, delivery, relay)


class AsTold(CycleForecast):
    """A forecast that takes the evidence of each path for its success, whatever the sizes of the messages."""

    def predicted(self, ego, helper, evidence, there, back, request_bytes, answer_bytes):
        """Return the evidence as success."""
        return Predicted(evidence, np.zeros(len(evidence)), np.zeros(len(evidence)))


def asked(*known, weight=ALL_BLIND, ego=None, **keys):
    return asked_under(cooperation(**keys), known, weight, ego)


def asked_under(rule, known, weight, ego):
    egos = [frame(EGO) if ego is None else ego]
    return asks(egos, weight[None], candidates_from(known), rule, Streams(1), AsTold("ideal", 0, 1400))[0]


def agents_of(requests):
    return [one.helper for one in requests]


def test_a_helper_is_asked_for_the_blind_cells_that_it_sees():
    weight = np.zeros((4, 4))
    weight[0] = 1.0
    (only,) = asked(helper(HELPER, columns(0, 2)), weight=weight)
    assert np.argwhere(only.cells).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]


def test_a_helper_that_sees_nothing_of_the_blind_zone_is_not_asked():
    weight = np.zeros((4, 4))
    weight[0] = 1.0
    assert agents_of(asked(helper(HELPER, columns(2, 4)), helper(OTHER, columns(0, 1)), weight=weight)) == [OTHER]


def test_the_matrix_of_a_helper_is_read_on_the_grid_of_the_ego():
    # The helper sees the world's cell (5, 6), which is the ego's (2, 1).
    (only,) = asked(helper(HELPER, seeing((1, 3)), lower=(4, 3)), ego=frame(EGO, lower=(3, 5)))
    assert np.argwhere(only.cells).tolist() == [[2, 1]]


def test_of_two_helpers_that_see_alike_the_one_with_the_better_path_is_asked():
    known = (helper(HELPER, columns(0, 2), delivery=0.6), helper(OTHER, columns(0, 2), delivery=0.8))
    assert agents_of(asked(*known)) == [OTHER]


def test_of_two_helpers_that_see_alike_the_one_with_the_smaller_answer_is_asked():
    # Occupied cells are predicted to hold points, free ones a code alone.
    known = (helper(HELPER, seeing((0, 0), (0, 1), code=OCCUPIED)), helper(OTHER, seeing((0, 0), (0, 1))))
    assert agents_of(asked(*known, max_helpers=1)) == [OTHER]


def test_the_nearest_helpers_are_asked_first_by_where_they_said_they_were():
    known = (helper(HELPER, columns(0, 2), position_m=(4, 8)), helper(OTHER, columns(2, 4), position_m=(9, 8)))
    requests = asked(*known, ego=frame(EGO, pose=(8, 8, 0, 0)), matching="nearest")
    assert agents_of(requests) == [OTHER, HELPER]


def test_the_nearest_helper_is_asked_for_all_blind_cells_even_if_it_saw_none_of_them():
    weight = np.zeros((4, 4))
    weight[0] = 1.0
    known = (helper(HELPER, columns(2, 4), position_m=(4, 0)), helper(OTHER, columns(0, 1), position_m=(9, 0)))
    (only,) = asked(*known, weight=weight, matching="nearest", max_helpers=1, budget_bytes=700)
    assert only.helper == HELPER
    assert (only.cells == (weight > 0.0)).all()
    assert only.allowance_bytes == 700


@given(
    arrays(np.uint8, (3, 4, 4), elements=st.integers(0, 2)), st.sampled_from(["nearest", "random_helpers", "history"])
)
@settings(max_examples=60, deadline=None)
def test_a_request_under_a_rule_that_compares_nothing_does_not_depend_on_what_helpers_announce(codes, name):
    def requests_for(codes):
        places = zip((HELPER, OTHER, RELAY), codes, ((4, 0), (9, 0), (2, 0)), strict=True)
        known = [helper(agent, code, position_m=place_m) for agent, code, place_m in places]
        requests = asks(
            [frame(EGO)], ALL_BLIND[None], candidates_from(known), cooperation(matching=name, max_helpers=2), Streams(1),
            CycleForecast("ieee80211p", 0, 1400),
        )[0]  # fmt: skip
        return [(one.helper, one.cells.tolist(), one.allowance_bytes, one.predicted) for one in requests]

    assert len(requests_for(codes)) == 2
    assert requests_for(codes) == requests_for(np.zeros((3, 4, 4), np.uint8))


def random_choices(time_us):
    """Return whom an ego asks by chance among nine helpers that are all alike, for its frame at a time."""
    known = [helper(HELPER + n, columns(0, 2)) for n in range(9)]
    return agents_of(asked(*known, ego=frame(EGO, time_us), matching="random_helpers", max_helpers=3))


def test_a_random_choice_is_the_same_in_a_second_run_and_another_one_in_another_frame():
    frames = [random_choices(time_us) for time_us in range(0, 500_000, 100_000)]
    assert frames == [random_choices(time_us) for time_us in range(0, 500_000, 100_000)]
    assert len({tuple(choice) for choice in frames}) == 5


def after_answers(shares):
    """Return whom an ego asks by its history, after answers of helpers that each filled a share of its blind zone."""
    forecast = AsTold("ideal", 0, 1400)
    forecast.of(EGO).gained.learn(0, shares, shares)
    known = [helper(agent, columns(0, 2)) for agent in (HELPER, OTHER, RELAY)]
    requests = asks(
        [frame(EGO, 100_000)],
        ALL_BLIND[None],
        candidates_from(known),
        cooperation(matching="history"),
        Streams(1),
        forecast,
    )
    return agents_of(requests[0])


def test_by_history_an_ego_asks_those_first_who_filled_most_of_its_own_blind_zone():
    assert after_answers({HELPER: 0.1, OTHER: 0.4, RELAY: 0.2}) == [OTHER, RELAY, HELPER]


def test_by_history_an_ego_asks_those_first_whom_it_never_tried():
    assert after_answers({HELPER: 0.9, RELAY: 0.2}) == [OTHER, HELPER, RELAY]


@pytest.mark.parametrize("keys", [{"max_helpers": 0}, {"budget_bytes": 0}, {"matching": "none"}])
def test_nobody_is_asked_where_the_scenario_forbids_it(keys):
    assert asked(helper(HELPER, columns(0, 2)), **keys) == []


def test_an_ego_that_knows_nobody_asks_nobody():
    assert asked() == []


def test_one_helper_and_one_byte_are_no_prohibition():
    assert len(asked(helper(HELPER, columns(0, 2)), max_helpers=1, budget_bytes=1)) == 1


def test_each_ego_asks_as_it_would_alone():
    blind_left, blind_right = np.zeros((4, 4)), np.zeros((4, 4))
    blind_left[:2], blind_right[2:] = 1.0, 1.0
    weights, lonely = np.stack([blind_left, ALL_BLIND, blind_right]), []
    known = [helper(HELPER, columns(0, 2)), helper(OTHER, columns(1, 4))]
    egos = [frame(EGO), frame(EGO + 50), frame(EGO + 60)]
    together = asks(
        egos, weights, candidates_from(known, lonely, known[::-1]), cooperation(), Streams(1), AsTold("ideal", 0, 1400)
    )
    alone = [asked(*mine, weight=weight) for mine, weight in zip((known, lonely, known[::-1]), weights, strict=True)]
    assert [agents_of(requests) for requests in together] == [[HELPER], [], [OTHER]]
    for requests, expected in zip(together, alone, strict=True):
        assert [(one.helper, one.cells.tolist(), one.allowance_bytes) for one in requests] == [
            (one.helper, one.cells.tolist(), one.allowance_bytes) for one in expected
        ]


def test_a_request_has_the_path_and_the_success_that_were_predicted_for_it():
    (only,) = asked(helper(HELPER, columns(0, 2), delivery=0.5, relay=RELAY), budget_bytes=700)
    assert (only.relay, only.predicted.success, only.allowance_bytes) == (RELAY, 0.5, 700)
    assert only.predicted.helper == HELPER


class Listener(MatchingRule):
    """A matching rule that keeps what it was shown, and asks everybody in order."""

    def __init__(self):
        self.view = None

    def choose(self, view):
        self.view = view
        return np.arange(len(view.agent))


def shown(*known, weight=ALL_BLIND, ego=None, **keys):
    """Return what a matching rule is shown."""
    listener = Listener()
    rule = cooperation(**keys).model_copy(update={"matching": listener})
    asked_under(rule, known, weight, ego)
    return listener.view


def test_a_matching_rule_is_shown_what_each_helper_observed_and_where_it_saw_a_body():
    codes = seeing((0, 0))
    codes[1, 1] = OCCUPIED
    view = shown(helper(HELPER, codes))
    assert np.argwhere(view.observed[0]).tolist() == [[0, 0], [1, 1]]
    assert np.argwhere(view.occupied[0]).tolist() == [[1, 1]]


def test_a_matching_rule_is_shown_who_is_reached_by_a_relay_and_how_well():
    view = shown(helper(HELPER, columns(0, 2), relay=RELAY, delivery=0.3), helper(OTHER, columns(0, 2), delivery=0.9))
    assert view.agent.tolist() == [HELPER, OTHER]
    assert view.relayed.tolist() == [True, False]
    assert view.delivery == pytest.approx([0.3, 0.9])


def test_a_matching_rule_is_shown_distances_from_the_ego():
    view = shown(helper(HELPER, columns(0, 2), position_m=(11, 14)), ego=frame(EGO, pose=(8, 10, 0, 0)))
    assert view.distance_m.tolist() == [5.0]


def test_a_matching_rule_is_shown_the_limits_of_the_scenario():
    view = shown(helper(HELPER, columns(0, 2)), max_helpers=2, budget_bytes=700)
    assert (view.budget_bytes, view.max_helpers) == (700, 2)


def test_a_matching_rule_draws_one_number_for_each_helper_and_others_for_another_frame():
    known = (helper(HELPER, columns(0, 2)), helper(OTHER, columns(0, 2)))
    first, second = shown(*known), shown(*known, ego=frame(EGO, 100_000))
    assert first.uniform.shape == (2,)
    assert len({*first.uniform, *second.uniform}) == 4


def test_the_draw_of_a_helper_does_not_depend_on_the_others():
    both = shown(helper(HELPER, columns(0, 2)), helper(OTHER, columns(0, 2)))
    assert shown(helper(OTHER, columns(0, 2))).uniform[0] == both.uniform[1]


# What it grants


EARLY = {"fusion": {"scheme": "early", "voxel_m": 0.5}}
# 16 free cells: 24 bytes of header and 4 of codes; but no answer counts less than 64 bytes and its codes.
FREE_BYTES, LEAST_BYTES = 28, 68
# An occupied cell of 2 m: 4 x 3 cubes of 0.5 m, of 6 bytes.
OCCUPIED_BYTES = 72


def costs(*codes, weight=ALL_BLIND, **keys):
    """Return the predicted size of each helper's answer."""
    known = [helper(HELPER + n, code) for n, code in enumerate(codes)]
    return shown(*known, weight=weight, **{**EARLY, **keys}).cost_bytes.tolist()


def occupied_of_16(count):
    codes = np.full((4, 4), FREE, np.uint8)
    codes.flat[:count] = OCCUPIED
    return codes


def test_an_answer_costs_its_predicted_bytes():
    assert costs(occupied_of_16(2), max_helpers=1) == [FREE_BYTES + 2 * OCCUPIED_BYTES]


def test_a_small_answer_costs_64_bytes_more_than_its_codes():
    assert costs(occupied_of_16(0)) == [LEAST_BYTES]


def test_only_cells_that_the_ego_is_blind_to_cost_anything():
    weight = ALL_BLIND.copy()
    weight.flat[1:13] = 0.0
    # One occupied cell of four.
    assert costs(occupied_of_16(3), weight=weight) == [24 + 1 + OCCUPIED_BYTES]


def test_a_cell_that_matters_a_little_costs_as_much_as_one_that_matters_much():
    assert costs(occupied_of_16(2), weight=ALL_BLIND * 0.001, max_helpers=1) == [FREE_BYTES + 2 * OCCUPIED_BYTES]


def test_no_single_helper_costs_more_than_its_share_of_the_budget():
    assert (
        costs(occupied_of_16(9), occupied_of_16(9), occupied_of_16(9), max_helpers=3, budget_bytes=600) == [200.0] * 3
    )


def test_the_budget_is_shared_among_those_who_are_there():
    assert costs(occupied_of_16(9), occupied_of_16(9), max_helpers=3, budget_bytes=600) == [300.0] * 2


def test_codes_are_paid_for_even_beyond_a_share():
    assert costs(occupied_of_16(9), occupied_of_16(9), max_helpers=2, budget_bytes=100) == [LEAST_BYTES] * 2


def test_no_answer_costs_more_than_the_budget():
    assert costs(occupied_of_16(9), max_helpers=1, budget_bytes=30) == [30]


def test_whole_frames_cost_alike():
    assert costs(occupied_of_16(9), occupied_of_16(0), fusion="raw", max_helpers=3, budget_bytes=600) == [200.0] * 2


def test_boxes_cost_less_than_points():
    # 37 bytes, 4 of codes and two boxes of 27.9.
    assert costs(occupied_of_16(8), max_helpers=1, fusion="late") == [pytest.approx(37 + 4 + 2 * 27.9)]


def test_the_budget_is_divided_in_proportion_to_what_the_answers_are_predicted_to_take():
    # Four occupied cells of eight cost 24 + 2 + 288 = 314 bytes; eight free ones at least 66: 1,900 bytes in this proportion.
    full, empty = columns(0, 2), columns(2, 4)
    full[0] = OCCUPIED
    requests = asked(helper(HELPER, full), helper(OTHER, empty), budget_bytes=1900, **EARLY)
    allowances = {one.helper: one.allowance_bytes for one in requests}
    assert allowances == {HELPER: int(1900 * 314 / 380), OTHER: int(1900 * 66 / 380)}


def test_a_single_helper_gets_the_whole_budget():
    assert [one.allowance_bytes for one in asked(helper(HELPER, columns(0, 2)), budget_bytes=700)] == [700]


def test_all_helpers_together_get_no_more_than_the_budget():
    known = [helper(HELPER + n, columns(n, n + 1)) for n in range(3)]
    requests = asked(*known, budget_bytes=1000)
    assert len(requests) == 3
    assert 997 <= sum(one.allowance_bytes for one in requests) <= 1000


def test_helpers_that_are_not_chosen_take_nothing_of_the_budget():
    known = (helper(HELPER, columns(0, 3)), helper(OTHER, columns(0, 2)))
    assert [one.allowance_bytes for one in asked(*known, budget_bytes=700)] == [700]
