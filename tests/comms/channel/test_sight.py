"""The quick way to link states against the thorough one, and who is near whom against comparing all."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.channel.geometry import link_states
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.received_power import same_pairs
from v2xsim.comms.channel.sight import pair_states
from v2xsim.comms.pairs import kept_rows
from v2xsim.records import NLOSB, NLOSV, Boxes, Prisms
from v2xsim.spatial.grid import indexed


def town(rng, houses):
    corner = rng.uniform(0, 400, (houses, 2))
    side = rng.uniform(5, 30, (houses, 2))
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    vertices = (corner[:, None, :] + side[:, None, :] * square).reshape(-1, 2)
    return indexed(Prisms(vertices, np.arange(houses + 1) * 4, np.zeros(houses), rng.uniform(2, 10, houses)))


def traffic(rng, count):
    center = np.column_stack([rng.uniform(0, 400, (count, 2)), np.zeros(count)])
    size = rng.uniform([3, 1.5, 1.2], [14, 2.6, 4.0], (count, 3))
    return Boxes(center, size, rng.uniform(-np.pi, np.pi, count))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.sampled_from([0, 5, 40]))
def test_states_and_cases_are_those_of_the_thorough_way(seed, count, houses):
    rng = np.random.default_rng(seed)
    boxes, obstacles = traffic(rng, count), town(rng, houses)
    antenna = boxes.center_m + np.stack([np.zeros(count), np.zeros(count), boxes.size_m[:, 2]], axis=1)
    body = np.where(rng.random(count) < 0.9, np.arange(count), -1)
    near = neighbours(antenna[:, :2], 250.0)
    expected = link_states(
        antenna[near.first], antenna[near.second], body[near.first], body[near.second], boxes, obstacles
    )
    # What was suspected to block must not matter, right or wrong.
    for suspect in (None, rng.integers(-1, count, len(near.first))):
        distance_m, state, case, blocker = pair_states(
            antenna, body, near.first, near.second, boxes, obstacles, suspect
        )
        assert np.array_equal(state, expected.state)
        assert np.array_equal(case, expected.case)
        np.testing.assert_allclose(distance_m, expected.distance_m, rtol=1e-12)
        assert ((blocker >= 0) == (state == NLOSV)).all()
        low = np.minimum(antenna[near.first, 2], antenna[near.second, 2])
        blocked = state == NLOSV
        assert (boxes.size_m[blocker[blocked], 2] >= low[blocked]).all()
    if houses == 0:
        assert (expected.state != NLOSB).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.floats(1.0, 400.0))
def test_neighbours_are_all_within_range_in_order(seed, count, range_m):
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 400, (count, 2))
    near = neighbours(place, range_m)
    gap = np.hypot(*(place[:, None, :] - place[None, :, :]).transpose(2, 0, 1))
    first, second = np.nonzero(np.triu(gap <= range_m, 1))
    assert np.array_equal(near.first, first)
    assert np.array_equal(near.second, second)
    for row in range(count):
        other, pair = near.of(row)
        within = np.flatnonzero((gap[row] <= range_m) & (np.arange(count) != row))
        assert np.array_equal(other, within)
        assert np.array_equal(np.minimum(row, other), near.first[pair])
        assert np.array_equal(np.maximum(row, other), near.second[pair])
        wanted = np.arange(count)
        assert np.array_equal(near.pairs(row, wanted) >= 0, np.isin(wanted, within))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pairs_are_found_again_while_stations_come_and_go(seed):
    rng = np.random.default_rng(seed)
    everybody, place = np.arange(40), rng.uniform(0, 400, (40, 2))
    old, new = (np.sort(rng.choice(everybody, 25, replace=False)) for _ in range(2))
    before, now = neighbours(place[old], 150.0), neighbours(place[new] + rng.normal(0, 5, (25, 2)), 150.0)
    known = {(int(old[a]), int(old[b])): n for n, (a, b) in enumerate(zip(before.first, before.second, strict=True))}
    found = same_pairs(before, now, kept_rows(old, new))
    expected = [known.get((int(new[a]), int(new[b])), -1) for a, b in zip(now.first, now.second, strict=True)]
    assert found.tolist() == expected
