"""What each ego knows of other stations from their announcements."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_world import EGO, HELPER, OTHER, awareness, frame, matrix
from v2xsim.engine.stations.neighbour_table import is_known
from v2xsim.engine.stations.neighbours import Heard, Neighbours
from v2xsim.records import FREE

FORGET_US = 1_000_000


def neighbours(*egos):
    """Return what egos know that have heard nothing."""
    known = Neighbours(FORGET_US)
    for ego in egos or (EGO,):
        known.begin(ego)
    return known


def told(known, said, sent_us=0, arrived_us=0, egos=(EGO,)):
    """Let an announcement arrive at stations."""
    known.hear(said, sent_us, np.array(egos, np.int64), arrived_us)
    return known


def of_helper(known, ego=EGO):
    """Return content and arrival of the announcement that an ego has of its only neighbour."""
    (item,) = known.known_by(ego)
    return item.awareness, item.arrived_us


def test_an_announcement_is_kept_with_its_arrival():
    known, said = neighbours(), awareness(HELPER, 1000)
    assert of_helper(told(known, said, 1000, 1500)) == (said, 1500)


@pytest.mark.parametrize(("second_us", "kept_us"), [(900, 1000), (1000, 1000), (1100, 1100)])
def test_only_a_newer_announcement_replaces_one(second_us, kept_us):
    known = told(neighbours(), awareness(HELPER, 1000), 1000, 1500)
    kept, arrived_us = of_helper(told(known, awareness(HELPER, second_us), second_us, 1600))
    assert (kept.capture_us, arrived_us) == (kept_us, 1600 if kept_us == 1100 else 1500)


def test_a_station_that_announces_the_same_state_again_is_still_there():
    again = awareness(HELPER, 1000)
    known = told(neighbours(), awareness(HELPER, 1000), 1200, 1500)
    assert of_helper(told(known, again, 2200, 2500)) == (again, 2500)


def test_a_relayed_copy_of_an_announcement_changes_nothing():
    said = awareness(HELPER, 1000)
    assert of_helper(told(told(neighbours(), said, 1200, 1500), said, 1200, 1700)) == (said, 1500)


def test_a_copy_of_an_announcement_that_was_forgotten_is_not_learned_again():
    known, said = neighbours(), awareness(HELPER)
    told(known, said, 40, 50).forget(50 + FORGET_US + 1, 40)
    assert known.known_by(EGO) == []
    assert told(known, said, 40, 2_000_000).known_by(EGO) == []
    assert len(told(known, said, 41, 2_000_000).known_by(EGO)) == 1


def test_a_station_learns_nothing_from_its_own_announcement():
    assert told(neighbours(), awareness(EGO)).known_by(EGO) == []


def test_an_announcement_reaches_only_the_egos_that_received_it():
    known = told(neighbours(EGO, OTHER), awareness(HELPER), egos=[OTHER, 77])
    assert (known.known_by(EGO), known.known_by(77)) == ([], [])
    assert [item.awareness.origin for item in known.known_by(OTHER)] == [HELPER]


def test_an_ego_keeps_nothing_from_before_it_was_one_and_from_after_its_end():
    known = told(neighbours(EGO), awareness(HELPER), egos=[OTHER])
    known.begin(OTHER)
    assert known.known_by(OTHER) == []
    told(known, awareness(HELPER), egos=[OTHER]).end(OTHER)
    told(known, awareness(HELPER), 1, 1, egos=[OTHER])
    assert known.known_by(OTHER) == []
    known.begin(OTHER)
    assert known.known_by(OTHER) == []


def test_an_ego_that_comes_back_knows_whom_it_heard_and_what_it_still_knows():
    before = told(neighbours(), awareness(HELPER), 40, 50).known_by(EGO)
    known = Neighbours(FORGET_US)
    known.begin(EGO, Heard(np.array([HELPER, OTHER]), {OTHER: 30, HELPER: 40}), before)
    assert known.known_by(EGO) == before
    assert known.heard_by(EGO).copied_us == {HELPER: 40, OTHER: 30}
    assert told(known, awareness(OTHER), 30, 60).known_by(EGO) == before


def test_stations_that_were_ever_heard_are_counted():
    known = told(told(neighbours(), awareness(HELPER)), awareness(OTHER))
    known.forget(FORGET_US + 1, FORGET_US)
    told(known, awareness(OTHER), FORGET_US + 1, FORGET_US + 1)
    assert (known.heard(EGO), known.heard(99), known.heard_by(EGO).agent.tolist()) == (2, 0, sorted([HELPER, OTHER]))


def test_a_station_that_is_not_heard_any_more_leaves_no_entry_when_no_copy_is_under_way():
    known = told(told(neighbours(), awareness(HELPER), 40, 50), awareness(OTHER), 90, 100)
    known.forget(FORGET_US + 101, 90)
    assert known.heard_by(EGO).copied_us == {OTHER: 90}
    known.forget(FORGET_US + 101, 91)
    assert (known.heard_by(EGO).copied_us, known.heard(EGO)) == ({}, 2)


@pytest.mark.parametrize(("now_us", "is_kept"), [(FORGET_US + 50, True), (FORGET_US + 51, False)])
def test_an_announcement_is_forgotten_in_time(now_us, is_kept):
    known = told(neighbours(), awareness(HELPER), 40, 50)
    known.forget(now_us, 41)
    assert bool(known.known_by(EGO)) == is_kept


# Vehicles


def vehicles_of(known, one=None, now_us=0):
    """Return the vehicles that a station knows at the instant of its frame."""
    return known.vehicles([frame(EGO) if one is None else one], now_us)[0]


def test_an_announced_vehicle_is_moved_on_to_the_frame_by_its_velocity():
    said = awareness(HELPER, 100_000, pose=(10, 20, 0.5, 0.3), velocity_mps=(20, -10))
    vehicles = vehicles_of(told(neighbours(), said, 0, 150_000), frame(EGO, 300_000), 300_000)
    # 0.2 s later: 4 m east, 2 m south.
    np.testing.assert_allclose(vehicles.boxes.center_m, [[14.0, 18.0, 0.5]])
    np.testing.assert_allclose(vehicles.boxes.yaw_rad, [0.3])
    np.testing.assert_allclose(vehicles.boxes.size_m, [[4.0, 2.0, 1.5]])
    np.testing.assert_allclose(vehicles.velocity_mps, [[20.0, -10.0]])
    assert vehicles.truth.tolist() == [HELPER]
    assert vehicles.score.tolist() == [1.0]


def test_ages_are_by_the_stations_own_clocks():
    known = told(neighbours(), awareness(HELPER, 0, stamp_us=50_000, velocity_mps=(10, 0)))
    # 80 ms on one clock less 50 ms on the other.
    x_m = vehicles_of(known, frame(EGO, 100_000, stamp_us=80_000), 100_000).boxes.center_m[0, 0]
    np.testing.assert_allclose(x_m, 0.3)


def test_moving_an_announced_vehicle_on_leaves_the_announcement_as_it_was():
    said = awareness(HELPER, 0, velocity_mps=(10, 0))
    known = told(neighbours(), said)
    first, second = (vehicles_of(known, frame(EGO, 100_000), 100_000).boxes.center_m for _ in range(2))
    assert first.tolist() == second.tolist()
    np.testing.assert_allclose(first, [[1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(said.pose, np.zeros(4))


# A mast may have a width and a height, but no length.
@pytest.mark.parametrize("size_m", [(0, 0, 0), (0, 0.3, 6)])
def test_an_announced_roadside_unit_is_no_vehicle(size_m):
    assert len(vehicles_of(told(neighbours(), awareness(HELPER, size_m=size_m)))) == 0


def test_a_vehicle_may_be_shorter_than_a_metre():
    known = told(neighbours(), awareness(HELPER, size_m=(0.9, 0.5, 1.2)))
    assert vehicles_of(known).truth.tolist() == [HELPER]


@pytest.mark.parametrize(("now_us", "count"), [(1_000_500, 1), (1_000_501, 0)])
def test_an_announced_vehicle_counts_until_it_has_been_silent_for_too_long(now_us, count):
    assert len(vehicles_of(told(neighbours(), awareness(HELPER), 0, 500), now_us=now_us)) == count


def test_announced_vehicles_come_in_the_order_of_their_agents():
    known = neighbours()
    for agent in (9, 4, 6):
        told(known, awareness(agent, pose=(agent, 0, 0, 0)))
    vehicles = vehicles_of(known)
    assert vehicles.truth.tolist() == [4, 6, 9]
    assert vehicles.boxes.center_m[:, 0].tolist() == [4.0, 6.0, 9.0]


def test_a_forgotten_announcement_hides_none_of_the_others():
    known = told(neighbours(), awareness(2), 0, 0)
    told(told(known, awareness(3, size_m=(0, 0, 0)), 0, 900), awareness(4), 0, 900)
    assert vehicles_of(known, now_us=FORGET_US + 1).truth.tolist() == [4]


def test_who_knows_nobody_knows_no_vehicle():
    assert len(vehicles_of(neighbours())) == len(vehicles_of(neighbours(OTHER))) == 0


def test_each_station_knows_the_vehicles_that_it_would_know_alone():
    known = neighbours(EGO, OTHER)
    told(told(known, awareness(5), egos=[OTHER]), awareness(6), egos=[EGO, OTHER])
    found = known.vehicles([frame(OTHER), frame(99), frame(EGO)], 0)
    assert [vehicles.truth.tolist() for vehicles in found] == [[5, 6], [], [6]]


# Perception matrices


def test_each_ego_knows_the_matrices_that_reached_it_and_where_they_were_announced():
    known, grids = neighbours(EGO, OTHER), [matrix(), matrix(np.full((4, 4), FREE, np.uint8))]
    told(known, awareness(5, grid=grids[0], pose=(3, 4, 0, 0)), egos=[EGO, OTHER])
    told(known, awareness(6), egos=[EGO, OTHER])
    told(known, awareness(7, grid=grids[1], pose=(5, 6, 0, 0)), egos=[EGO])
    found = known.matrices([OTHER, EGO], 0)
    assert (found.offset.tolist(), found.agent.tolist()) == ([0, 1, 3], [5, 5, 7])
    assert [found.matrices[row] for row in found.matrix] == [grids[0], *grids]
    assert found.position_m.tolist() == [[3, 4], [3, 4], [5, 6]]


def test_a_matrix_from_too_long_ago_is_not_known():
    known = told(neighbours(), awareness(HELPER, grid=matrix()), 0, 50)
    assert [len(known.matrices([EGO], now_us).agent) for now_us in (50 + FORGET_US, 51 + FORGET_US)] == [1, 0]


def test_a_matrix_is_kept_next_to_a_newer_state_that_does_not_contain_it():
    known, grid = neighbours(), matrix()
    told(known, awareness(HELPER, 900, grid=grid, pose=(1, 1, 0, 0)), 1000, 1000)
    told(known, awareness(HELPER, 1900, pose=(2, 2, 0, 0), withheld=True), 2000, 2000)
    found = known.matrices([EGO], 2000)
    assert (found.matrices, found.matrix.tolist()) == ([grid], [0])
    assert (found.position_m.tolist(), found.stamp_us.tolist()) == ([[2, 2]], [900])
    (item,) = known.known_by(EGO)
    assert (item.awareness.capture_us, item.with_matrix.awareness.matrix) == (1900, grid)


def test_a_station_of_which_no_matrix_arrived_is_known_to_have_one():
    known = told(neighbours(EGO, OTHER), awareness(HELPER, grid=matrix()), 0, 0, egos=[OTHER])
    told(known, awareness(HELPER, 50, withheld=True), 100, 100, egos=[EGO, OTHER])
    found = known.matrices([EGO, OTHER], 100)
    assert (found.agent.tolist(), found.matrix.tolist()) == ([HELPER, HELPER], [-1, 0])
    assert found.stamp_us.tolist() == [50, 0]
    assert known.announced(np.array([EGO]), 100).has_matrix.tolist() == [True]


def test_a_station_that_says_that_it_has_no_matrix_has_none_although_an_old_one_arrived():
    known = told(neighbours(), awareness(HELPER, grid=matrix()), 0, 0)
    assert len(told(known, awareness(HELPER, 50), 100, 100).matrices([EGO], 100).agent) == 0


@pytest.mark.parametrize(("now_us", "is_used"), [(300_000, True), (300_001, False)])
def test_a_matrix_is_used_until_it_is_too_old_although_its_station_is_heard(now_us, is_used):
    known = Neighbours(FORGET_US, 300_000)
    known.begin(EGO)
    told(told(known, awareness(HELPER, grid=matrix()), 0, 0), awareness(HELPER, withheld=True), 100_000, 100_000)
    assert known.matrices([EGO], now_us).matrix.tolist() == [0 if is_used else -1]
    (item,) = known.known_by(EGO)
    assert (known.seen_by(item, now_us) is not None) == is_used


@pytest.mark.parametrize("looks", [False, True])
def test_a_matrix_is_forgotten_with_its_station_whether_or_not_somebody_looks_in_between(looks):
    known = told(neighbours(), awareness(HELPER, grid=matrix()), 0, 0)
    if looks:
        known.forget(FORGET_US + 1, 0)
    told(known, awareness(HELPER, withheld=True), FORGET_US + 1, FORGET_US + 1)
    assert known.matrices([EGO], FORGET_US + 1).matrix.tolist() == [-1]
    late = told(known, awareness(HELPER, 7, grid=matrix()), FORGET_US, FORGET_US + 2)
    assert late.matrices([EGO], FORGET_US + 2).stamp_us.tolist() == [7]


def test_an_ego_that_comes_back_has_the_matrices_that_it_still_knows():
    known = told(neighbours(), awareness(HELPER, grid=matrix()), 0, 0)
    before = told(known, awareness(HELPER, withheld=True), 100, 100).known_by(EGO)
    known = Neighbours(FORGET_US)
    known.begin(EGO, None, before)
    assert known.known_by(EGO) == before
    assert known.matrices([EGO], 200).matrix.tolist() == [0]


KINDS = ("with its matrix", "withheld", "without a matrix")
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from((5, 5, 6)), st.integers(0, 40), st.integers(0, 12), st.sampled_from((*KINDS[:2], *KINDS)),
        st.sampled_from(((EGO, OTHER), (EGO,), (OTHER,))),
    ),
    min_size=3, max_size=20,
)  # fmt: skip


@given(MESSAGES, st.integers(1, 15), st.integers(1, 25), st.sets(st.integers(0, 52)))
def test_what_a_receiver_has_after_any_arrivals_is_the_newest_matrix_that_arrived(sent, forget_us, valid_us, looks_us):
    """Messages are sent at any time, take any time, and are lost at some receivers; the table may be tidied up at any time."""
    known = Neighbours(forget_us, valid_us)
    for ego in (EGO, OTHER):
        known.begin(ego)
    arrivals = sorted(
        ((at_us + later_us, at_us, origin, kind, egos) for origin, at_us, later_us, kind, egos in sent), key=lambda one: one[:3]
    )  # fmt: skip
    said = {}
    for number, (arrived_us, at_us, origin, kind, egos) in enumerate(arrivals):
        for look_us in sorted(looks_us):
            if look_us < arrived_us and (number == 0 or look_us >= arrivals[number - 1][0]):
                # Every copy is at most 12 us under way.
                known.forget(look_us, look_us - 12)
        said[number] = awareness(origin, number, grid=matrix() if kind == KINDS[0] else None, withheld=kind == KINDS[1])
        told(known, said[number], at_us, arrived_us, egos)
        found = known.matrices([EGO, OTHER], arrived_us)
        for row, ego in enumerate((EGO, OTHER)):
            own = slice(found.offset[row], found.offset[row + 1])
            columns = (found.agent[own], found.matrix[own], found.stamp_us[own])
            held = {
                agent: (grid, time_us) for agent, grid, time_us in zip(*map(np.ndarray.tolist, columns), strict=True)
            }
            arrived = arrivals[: number + 1]
            assert held == _held_by(ego, arrived, said, arrived_us, forget_us, valid_us, found.matrices)


def _held_by(ego, arrivals, said, now_us, forget_us, valid_us, matrices):
    """Return row and time of the matrix of each station with one that an ego knows; row -1 for none, with the time of the newest state."""
    held = {}
    for station in (5, 6):
        mine = [(n, one) for n, one in enumerate(arrivals) if one[2] == station and ego in one[4]]
        if not mine:
            continue
        # Each time a newer state arrives after too long a silence, the station had been forgotten.
        newest, since = None, -1
        for n, one in mine:
            if newest is None or one[1] > arrivals[newest][1]:
                if newest is not None and one[0] - arrivals[newest][0] > forget_us:
                    since = n
                newest = n
        if now_us - arrivals[newest][0] > forget_us or not said[newest].senses:
            continue
        shown = [(n, one) for n, one in mine if one[3] == KINDS[0]]
        last = max(shown, key=lambda item: (item[1][1], -item[0]), default=(-1, (-math.inf,)))
        is_held = last[0] >= max(since, 0) and now_us - last[1][0] <= valid_us
        row = next((k for k, grid in enumerate(matrices) if is_held and grid is said[last[0]].matrix), -1)
        held[station] = row, last[0] if is_held else newest
        assert (row >= 0) == is_held
    return held


# Many announcements


@pytest.mark.parametrize("seed", range(4))
def test_every_ego_has_what_it_would_have_in_a_memory_of_its_own(seed):
    rng, known, alone = np.random.default_rng(seed), Neighbours(FORGET_US), {}
    for step in range(120):
        time_us = step * 50_000
        present = rng.integers(0, 12, 2)
        for agent in present.tolist():
            if agent not in alone:
                known.begin(agent)
                alone[agent] = ({}, {})
            elif step % 3 == 0:
                known.end(agent)
                del alone[agent]
        for _ in range(40):
            said = awareness(int(rng.integers(0, 150)), time_us, grid=matrix() if rng.random() < 0.5 else None)
            receivers = np.unique(rng.integers(0, 14, 8))
            sent_us = time_us - int(rng.integers(0, 3)) * 60_000
            known.hear(said, sent_us, receivers, time_us)
            for agent in receivers.tolist():
                if agent not in alone or agent == said.origin:
                    continue
                sent, kept = alone[agent]
                if sent.get(said.origin, sent_us - 1) < sent_us:
                    sent[said.origin], kept[said.origin] = sent_us, (said, time_us)
        if step % 10 == 9:
            known.forget(time_us, time_us - 120_000)
            for _, kept in alone.values():
                for origin in [origin for origin, (_, at_us) in kept.items() if time_us - at_us > FORGET_US]:
                    del kept[origin]
        if step % 4 == 0:
            for agent, (sent, kept) in alone.items():
                found = {item.awareness.origin: (item.awareness, item.arrived_us) for item in known.known_by(agent)}
                assert list(found) == sorted(kept)
                assert all(found[origin] == one for origin, one in kept.items())
                heard = known.heard_by(agent)
                assert (heard.agent.tolist(), known.heard(agent)) == (sorted(sent), len(sent))
                assert kept.keys() <= heard.copied_us.keys()
                assert heard.copied_us.items() <= sent.items()


def test_announcements_that_no_ego_has_any_more_are_given_up():
    known = neighbours()
    for n in range(500):
        told(known, awareness(HELPER), n, n)
        known.known_by(EGO)
    kept = [item for item in known._said.awareness if item is not None]
    assert len(kept) < 100


def test_announcements_that_only_an_ego_has_that_left_are_given_up():
    known = told(told(neighbours(EGO, OTHER), awareness(HELPER), egos=[OTHER]), awareness(9), egos=[EGO, OTHER])
    known.end(OTHER)
    is_kept = is_known(known._table, len(known._said.awareness))
    kept = [item.origin for item, kept in zip(known._said.awareness, is_kept, strict=True) if kept]
    assert kept == [9]


def test_no_more_is_kept_after_twice_the_time_if_one_announcement_in_ten_contains_the_matrix():
    known, rows = neighbours(EGO, OTHER), []
    for n in range(4000):
        grid = matrix() if n % 10 == 0 else None
        told(known, awareness(5 + n % 3, n, grid=grid, withheld=grid is None), 1000 * n, 1000 * n, [EGO, OTHER])
        if n % 2000 == 1999:
            rows.append(len(known._said.awareness))
            assert sum(one is not None for one in known._said.awareness) < 100
    assert rows[0] == rows[1]
