"""How fast a road user may come that is hidden at a place."""

from itertools import pairwise

import numpy as np
import pytest

from v2xsim.perception.matching.relevance import OTHER_SPEED_MPS
from v2xsim.world.hidden_speeds import CYCLIST_SPEED_MPS, ROADSIDE_M, RUNNER_SPEED_MPS, HiddenSpeeds
from v2xsim.world.roads import BICYCLE, FOOT, JUNCTION, LANE, MOTOR, NOBODY, RAIL, Road, Roads

CELL_M = 2.0


def lane(line_m, limit_mps=30.0, users=MOTOR, width_m=4.0):
    return Road("a", LANE, users, width_m, np.array(line_m, float), limit_mps)


def speed_at(speeds, x_m, y_m):
    """Return the speed at places."""
    return speeds.at(np.column_stack([x_m, y_m]).astype(float))


def gap_m(x_m, y_m, line_m):
    """Return the distance of points from a line."""
    gaps = []
    for (ax, ay), (bx, by) in pairwise(line_m):
        along = np.clip(((x_m - ax) * (bx - ax) + (y_m - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
        gaps.append(np.hypot(x_m - ax - along * (bx - ax), y_m - ay - along * (by - ay)))
    return np.min(gaps, axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_holds_on_a_crooked_lane_that_of_bicycles_beside_it_and_that_of_runners_elsewhere(seed):
    rng = np.random.default_rng(seed)
    line_m, lower, shape = rng.uniform(-500, 500, (6, 2)), np.array([-260, -255]), (520, 517)
    speeds = HiddenSpeeds(Roads.of([lane(line_m)]), CELL_M)
    x_m, y_m = np.meshgrid(
        *((low + np.arange(n) + 0.5) * CELL_M for low, n in zip(lower, shape, strict=True)), indexing="ij"
    )
    gap = gap_m(x_m, y_m, line_m)
    speed_mps = np.select([gap < 3.0, gap < 3.0 + ROADSIDE_M], [30.0, CYCLIST_SPEED_MPS], RUNNER_SPEED_MPS)
    (rows,) = speeds.rows(lower[None], shape)
    np.testing.assert_array_equal(speeds.speed_mps[rows], speed_mps)


def test_where_roads_overlap_the_highest_limit_counts_whatever_their_order():
    slow, fast = lane([(-50, 1), (50, 1)], 8.0), lane([(1, -50), (1, 50)], 30.0)
    for roads in ([slow, fast], [fast, slow]):
        speeds = HiddenSpeeds(Roads.of(roads), CELL_M)
        assert speed_at(speeds, [1, 21, 1, 21], [1, 1, 21, 21]).tolist() == [30.0, 8.0, 30.0, RUNNER_SPEED_MPS]


def test_a_junction_has_the_limit_of_its_lanes_inside_its_outline_only():
    area = Road("J", JUNCTION, MOTOR, 0.0, np.array([(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)]), 13.9)
    speeds = HiddenSpeeds(Roads.of([area]), CELL_M)
    assert speed_at(speeds, [1, 19, 21, -1], [1, 19, 1, 19]).tolist() == [
        13.9,
        13.9,
        RUNNER_SPEED_MPS,
        RUNNER_SPEED_MPS,
    ]


@pytest.mark.parametrize(
    ("users", "limit_mps", "speed_mps"),
    [
        (MOTOR, 30.0, 30.0),
        (RAIL, 20.0, 20.0),
        (MOTOR, np.nan, OTHER_SPEED_MPS),
        (MOTOR, 0.5, RUNNER_SPEED_MPS),
        # SUMO gives a sidewalk the limit of its street.
        (FOOT, 14.0, RUNNER_SPEED_MPS),
        (BICYCLE, 14.0, CYCLIST_SPEED_MPS),
        (BICYCLE, 5.0, 5.0),
    ],
)
def test_a_road_is_as_fast_as_its_users_may_be(users, limit_mps, speed_mps):
    speeds = HiddenSpeeds(Roads.of([lane([(-50, 1), (50, 1)], limit_mps, users)]), CELL_M)
    assert speed_at(speeds, [1], [1]).tolist() == [speed_mps]


def test_beside_a_street_that_is_slower_than_a_bicycle_nobody_is_faster_than_on_it():
    speeds = HiddenSpeeds(Roads.of([lane([(-50, 1), (50, 1)], 5.0)]), CELL_M)
    assert speed_at(speeds, [1, 1, 1], [1, 5, 21]).tolist() == [5.0, 5.0, RUNNER_SPEED_MPS]


def test_without_a_road_that_anybody_may_use_one_speed_holds_everywhere():
    for roads in (Roads.none(), Roads.of([lane([(0, 0), (9, 0)], 30.0, NOBODY)])):
        speeds = HiddenSpeeds(roads, CELL_M)
        assert speeds.everywhere_mps == OTHER_SPEED_MPS
        assert speed_at(speeds, [1, 99], [1, 99]).tolist() == [OTHER_SPEED_MPS] * 2


def test_a_given_speed_holds_everywhere_whatever_the_roads():
    speeds = HiddenSpeeds(Roads.of([lane([(-50, 1), (50, 1)])]), CELL_M, 36.0)
    assert speed_at(speeds, [1, 99], [1, 99]).tolist() == [36.0] * 2
