"""Points to send: one for each voxel, rounded, and placed in the world."""

import numpy as np
import pytest

from v2xsim.gpu.lidar.points import as_sent, thinned, transform
from v2xsim.spatial.poses import pose_matrix


@pytest.mark.parametrize("voxel_m", [0.3, 2.0, 50.0])
def test_of_each_voxel_the_first_point_is_kept_however_many_voxels_there_are(voxel_m):
    # A walk, so that neighbours in the cloud often share a voxel, and the walk comes back to old ones.
    points_m = np.random.default_rng(3).normal(size=(4000, 3)).cumsum(axis=0) * 0.2
    first = {}
    for row, voxel in enumerate(map(tuple, np.floor(points_m / voxel_m).astype(int))):
        first.setdefault(voxel, row)
    assert thinned(points_m, voxel_m).tolist() == sorted(first.values())


def test_of_no_points_none_is_kept():
    assert len(thinned(np.zeros((0, 3)), 0.3)) == 0


def test_points_are_sent_in_whole_centimetres_of_the_sender():
    sent = as_sent(np.array([[1.0049, -2.006, 0.3]]), np.eye(4))
    assert sent[0].tolist() == pytest.approx([1.0, -2.01, 0.3], abs=1e-12)


def test_a_point_beyond_sixteen_bits_is_sent_at_their_end():
    sent = as_sent(np.array([[400.0, -400.0, 0.0]]), np.eye(4))
    assert sent[0].tolist() == pytest.approx([327.67, -327.68, 0.0], abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 500])
def test_points_are_placed_as_a_product_of_matrices_places_them_to_the_last_bit(count):
    whole_m = np.random.default_rng(5).integers(-3000, 3000, (count, 3)) * 0.01
    world_from_sender = pose_matrix(2310.7, -815.2, 0.4, 2.2)
    np.testing.assert_array_equal(as_sent(whole_m, world_from_sender), transform(whole_m, world_from_sender))
