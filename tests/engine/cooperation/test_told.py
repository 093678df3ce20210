"""What the announced matrices that an ego holds tell it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_world import EGO, capture, frame, obstacles, snapshot
from v2xsim.engine.cooperation.fusing import Detecting, Due, fused_each
from v2xsim.engine.cooperation.told import TellingMatrices, nothing_told, told_codes
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.gpu.bev.fusion.matrices import AnnouncedMatricesAlone
from v2xsim.gpu.bev.fusion.none import NoFusion
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, Detections, PerceptionMatrix
from v2xsim.world.roads import Roads

NOW_US = 1_000_000


def held(*matrices):
    """Return what one ego holds: corner, codes and time of the announced state of each matrix."""
    count = len(matrices)
    return AnnouncedMatrices(
        np.array([0, count]), np.arange(count), np.zeros((count, 2)), np.arange(count),
        np.array([stamp_us for _, _, stamp_us in matrices], np.int64),
        [PerceptionMatrix(np.array(corner), 2.0, np.array(code, np.uint8)) for corner, code, _ in matrices],
    )  # fmt: skip


def told(own, *matrices):
    own = np.array([own], np.uint8)
    return told_codes(own, np.zeros((1, 2), np.int64), np.array([NOW_US]), held(*matrices))[0].tolist()


def test_a_cell_that_the_ego_observed_is_not_told():
    assert told([[FREE, UNOBSERVED]], ((0, 0), [[OCCUPIED, OCCUPIED]], NOW_US)) == [[UNOBSERVED, OCCUPIED]]


def test_a_matrix_lies_where_its_corner_in_the_world_says():
    assert told([[0, 0, 0]], ((0, 1), [[OCCUPIED, FREE, FREE]], NOW_US)) == [[UNOBSERVED, OCCUPIED, FREE]]


def test_of_two_matrices_the_newer_one_counts():
    older, newer = ((0, 0), [[OCCUPIED]], NOW_US - 300_000), ((0, 0), [[FREE]], NOW_US - 100_000)
    assert told([[0]], older, newer) == told([[0]], newer, older) == [[FREE]]


def test_a_cell_that_only_an_old_matrix_has_is_told_by_it():
    assert told([[0, 0]], ((0, 0), [[OCCUPIED, 0]], 0), ((0, 0), [[0, FREE]], NOW_US)) == [[OCCUPIED, FREE]]


def test_of_equally_old_matrices_occupied_counts_more_than_free_whatever_their_clocks():
    """The clock of one of them is 30 ms fast, so that it seems to be the newer one."""
    one, other = ((0, 0), [[OCCUPIED]], NOW_US - 100_000), ((0, 0), [[FREE]], NOW_US - 70_000)
    assert told([[0]], one, other) == told([[0]], other, one) == [[OCCUPIED]]


def test_a_station_whose_matrix_is_not_held_tells_nothing():
    known = held(((0, 0), [[OCCUPIED]], NOW_US))
    unheld = AnnouncedMatrices(
        known.offset, known.agent, known.position_m, np.array([-1]), known.stamp_us, known.matrices
    )
    assert not told_codes(np.zeros((1, 1, 1), np.uint8), np.zeros((1, 2), np.int64), np.array([NOW_US]), unheld).any()


@given(st.integers(1, 8), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_a_cell_is_told_exactly_if_a_matrix_has_it_and_the_ego_does_not_whatever_the_order(side, count, seed):
    rng = np.random.default_rng(seed)
    own = (rng.integers(0, 3, (side, side)) * (rng.random((side, side)) < 0.5)).astype(np.uint8)
    matrices = [
        (rng.integers(-4, 4, 2), rng.integers(0, 3, (side, side)), int(rng.integers(0, 10)) * 100_000)
        for _ in range(count)
    ]
    codes = np.array(told(own, *matrices))
    assert codes.tolist() == told(own, *[matrices[n] for n in rng.permutation(count)])
    for i, j in np.ndindex(side, side):
        seen = [
            code[i - x, j - y] for (x, y), code, _ in matrices
            if 0 <= i - x < side and 0 <= j - y < side and code[i - x, j - y] != UNOBSERVED
        ]  # fmt: skip
        assert (codes[i, j] != UNOBSERVED) == (bool(seen) and own[i, j] == UNOBSERVED)
        assert codes[i, j] in (UNOBSERVED, *seen)


# Fusion


def fused(*matrices, places_m=((0, 0), (5, 3)), walls=()):
    """Return an ego's frame of 4 x 4 cells of 2 m after fusion of announced matrices, and the agent ids of its world."""
    world = snapshot([EGO, 2], list(places_m))
    telling = TellingMatrices(obstacles(*walls), Roads.none(), 2.0)
    ego = frame(EGO)
    truth = capture(world)
    one = telling.told([ego], [Detections.none()], held(*matrices))
    (result,) = fused_each([Due(ego, truth, [], [])], AnnouncedMatricesAlone(explained_m=0.5), NoDetector(), one)
    return result


class NoDetector(Detecting):
    detects_many = False

    def detector_of(self, ego, truth, code, received):
        return lambda objects, points, added_m=None: Detections.none()


def alone(i, j, code=OCCUPIED):
    codes = np.zeros((4, 4), np.uint8)
    codes[i, j] = code
    return ((0, 0), codes, 0)


def test_what_is_told_fills_the_matrix_of_the_ego():
    assert np.argwhere(fused(alone(3, 1)).code == OCCUPIED).tolist() == [[3, 1]]


def test_a_box_of_cells_has_the_road_user_within_two_metres_as_truth_and_is_else_a_false_positive():
    # The middle of cell (2, 1) is (5, 3) m, that of cell (3, 3) is (7, 7) m.
    assert fused(alone(2, 1)).detections.truth.tolist() == [2]
    assert fused(alone(2, 1), places_m=((0, 0), (5, 4.99))).detections.truth.tolist() == [2]
    assert fused(alone(3, 3)).detections.truth.tolist() == [-1]


def test_an_occupied_cell_at_a_wall_makes_no_box():
    wall = (6.2, 0.0, 9.0, 9.0)
    # The third column is nearer to the wall than a quarter of a cell, the second one is not.
    assert len(fused(alone(2, 1), walls=[wall]).detections) == 0
    assert len(fused(alone(1, 1), walls=[wall]).detections) == 1


def test_other_schemes_are_told_nothing():
    (one,) = nothing_told([frame(EGO)], [Detections.none()], held(alone(2, 1)))
    (result,) = fused_each(
        [Due(frame(EGO), capture(snapshot([EGO], [(0, 0)])), [], [])], NoFusion(), NoDetector(), [one]
    )
    assert not result.code.any()
