"""How much a cell matters: worked by hand at single cells."""

import numpy as np
import pytest

from v2xsim.perception.matching.relevance import CellSpeeds, blind_weight, relevance
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED


def weight_at(offset, velocity, **more):
    """Return the weight of a cell whose middle lies so far from a vehicle."""
    # One cell of 2 m whose corner is at (20, 40).
    position = np.array([21.0, 41.0]) - np.array(offset, float)
    lower, counts = np.array([[10, 20]]), np.ones((1, 1, 1), bool)
    return float(relevance(lower, counts, 2.0, position[None], np.array([velocity], float), **more)[0, 0, 0])


@pytest.mark.parametrize(
    ("offset", "velocity", "meeting_s"),
    [
        # At rest a hidden road user comes at 14 m/s.
        ((28.0, 0.0), (0.0, 0.0), 2.0),
        ((0.0, -42.0), (0.0, 0.0), 3.0),
        # Head-on and from behind, along either axis.
        ((48.0, 0.0), (10.0, 0.0), 2.0),
        ((0.0, 48.0), (0.0, 10.0), 2.0),
        ((-8.0, 0.0), (10.0, 0.0), 2.0),
        ((0.0, -8.0), (0.0, 10.0), 2.0),
        # From the side while the vehicle drives 20 m: both meet after (28 / sqrt(14^2 - 10^2)) s.
        ((0.0, 28.0), (10.0, 0.0), 28.0 / np.sqrt(96.0)),
        # As fast as the vehicle: ahead only.
        ((56.0, 0.0), (14.0, 0.0), 2.0),
        # From just beside the vehicle.
        ((0.028, 0.0), (14.0, 0.0), 0.001),
        # Slower than the vehicle and at the edge of its cone (3, 4, 5), or just inside it.
        ((3.0, 4.0), (17.5, 0.0), 25.0 / 52.5),
        (
            (10.0, np.sqrt((40_000.0 - 0.5) / 204.0 - 100.0)),
            (20.0, 0.0),
            (40_000.0 - 0.5) / 204.0 / (200.0 + np.sqrt(0.5)),
        ),
        # Slower than the vehicle: ahead all the same.
        ((68.0, 0.0), (20.0, 0.0), 2.0),
    ],
)
def test_the_weight_falls_by_1_over_e_in_4_s_of_the_earliest_meeting(offset, velocity, meeting_s):
    assert weight_at(offset, velocity) == pytest.approx(np.exp(-meeting_s / 4.0))


@pytest.mark.parametrize(
    ("offset", "velocity"), [((-10.0, 0.0), (14.0, 0.0)), ((-10.0, 0.0), (20.0, 0.0)), ((0.0, 10.0), (20.0, 0.0))]
)
def test_who_can_never_reach_the_vehicle_does_not_matter(offset, velocity):
    assert weight_at(offset, velocity) == 0.0


def test_another_top_speed_and_attention_are_parameters():
    assert weight_at((30.0, 0.0), (0.0, 0.0), other_speed_mps=10.0, attention_s=2.0) == pytest.approx(np.exp(-1.5))


def test_cells_are_weighed_at_their_middle_and_in_their_own_place():
    (weight,) = relevance(np.array([[-1, 2]]), np.ones((1, 3, 2), bool), 4.0, np.zeros((1, 2)), np.zeros((1, 2)))
    x, y = np.meshgrid([-2.0, 2.0, 6.0], [10.0, 14.0], indexing="ij")
    np.testing.assert_allclose(weight, np.exp(-np.hypot(x, y) / 14.0 / 4.0))


def test_each_cell_has_the_top_speed_of_its_own_row():
    lower, every, here = np.array([[10, 20]]), np.ones((1, 2, 2), bool), np.array([[-3.0, 50.0]])
    speeds = CellSpeeds(np.array([2.2, 14.0, 36.0]), np.array([[[0, 2], [1, 0]]], np.int16))
    moving = np.array([[10.0, -4.0]])
    of_each = [relevance(lower, every, 2.0, here, moving, speed) for speed in speeds.speed_mps.tolist()]
    np.testing.assert_array_equal(relevance(lower, every, 2.0, here, moving, speeds), np.choose(speeds.row, of_each))


def test_only_cells_that_are_neither_seen_nor_inside_a_building_are_blind():
    code = np.array([[[UNOBSERVED, FREE], [OCCUPIED, UNOBSERVED]]], np.uint8)
    open_ground = np.array([[[True, True], [True, False]]])
    (weight,) = blind_weight(np.zeros((1, 2), np.int64), 2.0, code, open_ground, np.ones((1, 2)), np.zeros((1, 2)))
    assert weight.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_a_blind_cell_weighs_what_its_relevance_is():
    lower, every = np.array([[10, 20]]), np.ones((1, 3, 4), bool)
    here, driven = np.array([[5.0, 50.0]]), np.array([[3.0, -4.0]])
    np.testing.assert_array_equal(
        blind_weight(lower, 2.0, np.full((1, 3, 4), UNOBSERVED, np.uint8), every, here, driven),
        relevance(lower, every, 2.0, here, driven),
    )


def by_whole_arrays(lower, shape, cell_m, position_m, velocity_mps, other_speed_mps):
    """Return the relevance of all cells to one vehicle, by numpy alone."""
    x = ((lower[0] + np.arange(shape[0]) + 0.5) * cell_m - position_m[0])[:, None]
    y = ((lower[1] + np.arange(shape[1]) + 0.5) * cell_m - position_m[1])[None, :]
    squared, along = x * x + y * y, x * velocity_mps[0] + y * velocity_mps[1]
    discriminant = along * along - (velocity_mps[0] ** 2 + velocity_mps[1] ** 2 - other_speed_mps**2) * squared
    divisor = along + np.sqrt(np.maximum(discriminant, 0.0))
    meets = (discriminant >= 0.0) & (divisor > 0.0)
    meeting_s = np.where(meets, squared, 0.0) / np.where(meets, divisor, 1.0)
    return np.where(meets | (squared == 0.0), np.exp(-meeting_s / 4.0), 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_many_vehicles_have_the_bits_that_whole_arrays_give_each_of_them(seed):
    rng = np.random.default_rng(seed)
    lower, counts, velocity_mps = (
        rng.integers(-99, 99, (20, 2)),
        rng.random((20, 9, 8)) < 0.7,
        rng.normal(0, 12, (20, 2)),
    )
    # Some stand, some are as fast as others can be, and some stand in the middle of a cell.
    velocity_mps[:3], velocity_mps[3:6] = 0.0, (14.0, 0.0)
    position_m = (lower + rng.random((20, 2)) * 9) * 2.0
    position_m[::2] = (lower[::2] + 4.5) * 2.0
    alone = [
        by_whole_arrays(*one, 14.0)
        for one in zip(lower, [(9, 8)] * 20, [2.0] * 20, position_m, velocity_mps, strict=True)
    ]
    np.testing.assert_array_equal(
        relevance(lower, counts, 2.0, position_m, velocity_mps, 14.0), np.where(counts, alone, 0.0)
    )
