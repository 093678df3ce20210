"""How much a cell matters: worked by hand at single cells."""

import numpy as np
import pytest

from v2xsim.perception.matching.relevance import blind_weight, relevance
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, PerceptionMatrix


def weight_at(offset, velocity, **more):
    """Return the weight of a cell whose middle lies so far from a vehicle."""
    # One cell of 2 m whose corner is at (20, 40).
    position = np.array([21.0, 41.0]) - np.array(offset, float)
    return float(relevance(np.array([10, 20]), (1, 1), 2.0, position, np.array(velocity, float), **more)[0, 0])


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
    weight = relevance(np.array([-1, 2]), (3, 2), 4.0, np.zeros(2), np.zeros(2))
    x, y = np.meshgrid([-2.0, 2.0, 6.0], [10.0, 14.0], indexing="ij")
    np.testing.assert_allclose(weight, np.exp(-np.hypot(x, y) / 14.0 / 4.0))


def test_only_cells_that_are_neither_seen_nor_inside_a_building_are_blind():
    code = np.array([[UNOBSERVED, FREE], [OCCUPIED, UNOBSERVED]], np.uint8)
    matrix = PerceptionMatrix(np.array([0, 0]), 2.0, code)
    open_ground = np.array([[True, True], [True, False]])
    weight = blind_weight(matrix, open_ground, np.array([1.0, 1.0]), np.zeros(2))
    assert weight.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_a_blind_cell_weighs_what_its_relevance_is():
    matrix = PerceptionMatrix(np.array([10, 20]), 2.0, np.full((3, 4), UNOBSERVED, np.uint8))
    here, driven = np.array([5.0, 50.0]), np.array([3.0, -4.0])
    np.testing.assert_array_equal(
        blind_weight(matrix, np.ones((3, 4), bool), here, driven), relevance(matrix.lower, (3, 4), 2.0, here, driven)
    )
