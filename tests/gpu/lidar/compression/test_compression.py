"""Encodings of clouds: what comes back is at most half a step off, whatever went in, and a scan takes few bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from solids import random_scene

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.compression import coordinates, range_image, voxels
from v2xsim.gpu.lidar.compression.entropy import CODERS, from_planes, planes, signed, small, squeezed
from v2xsim.gpu.lidar.models import evenly_spaced
from v2xsim.gpu.lidar.returns import Noise, returns
from v2xsim.spatial.poses import pose_matrix

coders = st.sampled_from(CODERS)
clouds = arrays(np.float64, st.tuples(st.integers(0, 60), st.just(3)), elements=st.floats(-300.0, 300.0))
images = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 40)),
    elements=st.one_of(st.just(np.inf), st.floats(0.0, 250.0, width=32)),
)


def scan_of_a_town(noise_m=0.02):
    """Return ranges with noise and points of a scan of 64 beams among 60 vehicles and 20 buildings."""
    scene = random_scene(np.random.default_rng(8), 60, 20, 80.0)
    beams = evenly_spaced(64, 1800, -25.0, 15.0, 120.0)
    scan = cast(beams, pose_matrix(0.0, 0.0, 14.0, 0.0), scene.boxes, scene.agent, scene.obstacles)
    cloud, _ = returns(scan, beams, np.eye(4), Noise(noise_m, 0.0, 5))
    points = cloud.points_m()
    range_m = np.full(scan.range_m.shape, np.inf, np.float32)
    range_m[np.isfinite(scan.range_m)] = np.linalg.norm(points, axis=1)
    return range_m, points


@settings(deadline=None)
@given(cloud=clouds, voxel_m=st.floats(0.05, 5.0), coder=coders)
def test_each_point_is_within_half_a_voxel_of_a_centre_and_each_voxel_holds_a_point(cloud, voxel_m, coder):
    centres = voxels.decoded(voxels.encoded(cloud, voxel_m, coder))
    assert len(centres) == len(np.unique(np.floor(cloud / float(np.float32(voxel_m))), axis=0))
    apart_m = np.abs(cloud[:, None] - centres[None]).max(axis=2)
    if len(cloud):
        assert apart_m.min(axis=1).max() <= 0.5 * voxel_m * (1.0 + 1e-6)
        assert apart_m.min(axis=0).max() <= 0.5 * voxel_m * (1.0 + 1e-6)


@settings(deadline=None)
@given(range_m=images, step_m=st.floats(0.004, 2.0), coder=coders)
def test_each_range_comes_back_at_most_half_a_step_off_and_empty_rays_stay_empty(range_m, step_m, coder):
    back = range_image.decoded(range_image.encoded(range_m, step_m, coder))
    assert back.shape == range_m.shape
    has = np.isfinite(range_m)
    assert np.array_equal(np.isfinite(back), has)
    assert np.abs(back[has].astype(float) - range_m[has]).max(initial=0.0) <= 0.5 * step_m + 2e-5


@settings(deadline=None)
@given(cloud=clouds, bits=st.integers(1, 16), coder=coders)
def test_each_coordinate_comes_back_in_its_order_at_most_half_a_step_off(cloud, bits, coder):
    lower, upper = np.array([-300.0, -301.5, -310.1]), np.array([300.0, 300.0, 300.3])
    back = coordinates.decoded(coordinates.encoded(cloud, lower, upper, bits, coder))
    assert back.shape == cloud.shape
    step_m = (upper - lower) / (2**bits - 1)
    assert (np.abs(back - cloud) <= 0.5 * step_m * (1.0 + 1e-5)).all()


@pytest.mark.parametrize("coder", CODERS)
def test_a_scan_decodes_to_itself_after_a_second_round(coder):
    range_m, points = scan_of_a_town()
    once = range_image.decoded(range_image.encoded(range_m, 0.01, coder))
    assert np.array_equal(once, range_image.decoded(range_image.encoded(once, 0.01, coder)))
    centres = voxels.decoded(voxels.encoded(points, 0.3, coder))
    np.testing.assert_allclose(centres, voxels.decoded(voxels.encoded(centres, 0.3, coder)), atol=1e-9)


def test_coordinates_take_exactly_their_bits_and_the_head():
    points = np.zeros((1000, 3))
    for bits in (8, 12, 16):
        size = len(coordinates.encoded(points, np.full(3, -1.0), np.full(3, 1.0), bits))
        assert size == 3 * bits * 1000 // 8 + 30


def test_a_scan_as_a_range_image_takes_a_seventh_of_its_coordinates_in_single_precision():
    range_m, points = scan_of_a_town()
    assert len(range_image.encoded(range_m, 0.01, "lzma")) < 12 * len(points) / 7


def test_differences_along_a_beam_take_less_than_half_of_what_the_ranges_themselves_take():
    range_m, _ = scan_of_a_town(0.0)
    steps = np.rint(range_m[np.isfinite(range_m)] / 0.01).astype(np.uint64)
    assert len(range_image.encoded(range_m, 0.01, "lzma")) < 0.5 * len(squeezed(planes(steps), "lzma"))


def test_noise_of_2_cm_costs_a_range_image_of_centimetres_about_its_entropy():
    # The difference of two normal errors of 2 cm, in steps of 1 cm: log2(2 sqrt(2) sqrt(2 pi e)) = 3.5 bits for each return.
    (noisy, points), (exact, _) = scan_of_a_town(), scan_of_a_town(0.0)
    more = len(range_image.encoded(noisy, 0.01, "lzma")) - len(range_image.encoded(exact, 0.01, "lzma"))
    assert 2.0 < 8.0 * more / len(points) < 5.0


def test_voxels_of_30_cm_take_less_than_coordinates_of_their_first_points():
    _, points = scan_of_a_town()
    size = len(voxels.encoded(points, 0.3, "lzma"))
    assert size < 6 * len(voxels.decoded(voxels.encoded(points, 0.3))) / 3


@pytest.mark.parametrize("module", [voxels, range_image, coordinates])
@pytest.mark.parametrize("coder", CODERS)
def test_a_message_that_lost_its_end_or_its_start_is_refused(module, coder):
    range_m, points = scan_of_a_town()
    box = (points.min(axis=0), points.max(axis=0) + 1.0)
    message = {
        voxels: lambda: voxels.encoded(points, 0.5, coder),
        range_image: lambda: range_image.encoded(range_m, 0.01, coder),
        coordinates: lambda: coordinates.encoded(points, *box, 12, coder),
    }[module]()
    for part in (b"", message[:3], message[: len(message) // 2], message[:-1], message[5:], b"\xff" + message[1:]):
        with pytest.raises(ValueError, match=r"damaged|no message"):
            module.decoded(part)


def test_a_cloud_decodes_only_with_the_module_that_encoded_it():
    with pytest.raises(ValueError, match="no message of this encoding"):
        range_image.decoded(voxels.encoded(np.zeros((3, 3)), 1.0))


def test_what_cannot_be_encoded_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="step of at least"):
        range_image.encoded(np.full((1, 1), 100.0), 0.001)
    with pytest.raises(ValueError, match="ranges of at least 0"):
        range_image.encoded(np.full((1, 1), -1.0), 0.01)
    with pytest.raises(ValueError, match="box"):
        coordinates.encoded(np.full((1, 3), 2.0), np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="bits"):
        coordinates.encoded(np.zeros((1, 3)), np.zeros(3), np.ones(3), 17)
    with pytest.raises(ValueError, match="larger voxels"):
        voxels.encoded(np.array([[-1e9, 0.0, 0.0], [1e9, 1e9, 1e9]]), 0.01)
    with pytest.raises(ValueError, match="side above 0"):
        voxels.encoded(np.array([[np.nan, 0.0, 0.0]]), 0.1)


@given(numbers=arrays(np.int64, st.integers(0, 30), elements=st.integers(-(2**62), 2**62)))
def test_whole_numbers_survive_their_byte_planes(numbers):
    assert np.array_equal(signed(from_planes(planes(small(numbers)), len(numbers))), numbers)


def test_numbers_near_zero_become_small_whatever_their_sign():
    assert small(np.array([0, -1, 1, -2, 2])).tolist() == [0, 1, 2, 3, 4]
