"""The width of beams and their sub-rays, against integrals of the profile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.gpu.lidar.effects.divergence import footprint_m, share_below, sub_rays
from v2xsim.gpu.lidar.models import Beams, evenly_spaced

MRAD = 1e-3
PROFILES = ["uniform", "gaussian"]


def test_a_beam_of_3_mrad_is_30_cm_wide_at_100_m():
    assert footprint_m(np.array([0.0, 100.0]), 3.0 * MRAD, 0.01) == pytest.approx([0.01, 0.31])


@pytest.mark.parametrize("profile", PROFILES)
def test_an_edge_on_the_axis_halves_a_beam(profile):
    assert share_below(np.array([0.0]), 3.0 * MRAD, profile) == pytest.approx([0.5])


def test_a_quarter_of_the_width_off_the_axis_is_three_quarters_of_an_even_beam_and_84_percent_of_a_gaussian_one():
    offset = np.array([0.75 * MRAD])
    assert share_below(offset, 3.0 * MRAD, "uniform") == pytest.approx([0.75])
    assert share_below(offset, 3.0 * MRAD, "gaussian") == pytest.approx([0.841345], abs=1e-6)


def test_the_stated_width_of_a_gaussian_beam_holds_95_percent_across_an_edge():
    low, high = share_below(np.array([-1.5, 1.5]) * MRAD, 3.0 * MRAD, "gaussian")
    assert high - low == pytest.approx(0.954500, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 5),
    step=st.integers(1, 9),
    elevation=st.floats(0.1, 10.0),
    azimuth=st.floats(0.1, 10.0),
    profile=st.sampled_from(PROFILES),
)
def test_the_sub_rays_of_a_beam_lie_around_its_axis_and_hold_all_of_its_power(rows, step, elevation, azimuth, profile):
    beams = evenly_spaced(16, 360, -15.0, 15.0, 100.0)
    sub = sub_rays(beams, rows, step, elevation * MRAD, azimuth * MRAD, profile)
    mean_rad = sub.beams.elevation_rad[sub.row] @ sub.row_weight
    assert mean_rad == pytest.approx(beams.elevation_rad, abs=1e-12)
    assert sub.column_weight @ sub.column_offset == pytest.approx(0.0, abs=1e-12)
    assert (sub.row_weight.sum(), sub.column_weight.sum()) == pytest.approx((1.0, 1.0))
    assert sorted(sub.row.ravel()) == list(range(16 * rows))
    # The axis of column k is column k * step of the pattern.
    assert sub.beams.azimuth_rad[:: sub.column_step] == pytest.approx(beams.azimuth_rad)


def test_rows_of_beams_that_overlap_interleave_but_stay_with_their_beam():
    beams = Beams(np.array([0.0, 1.0 * MRAD]), 360, 100.0)
    sub = sub_rays(beams, 3, 1, 3.0 * MRAD, 3.0 * MRAD)
    assert sub.beams.elevation_rad[sub.row] == pytest.approx(np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 2.0]]) * MRAD)
    assert np.all(np.diff(sub.beams.elevation_rad) >= 0)


def test_sub_rays_in_azimuth_stay_within_an_even_beam_and_the_outermost_hold_what_is_left():
    # 0.2 degrees, 3.49 mrad, in five steps of 0.698 mrad; the beam of 3 mrad has 0.453 mrad in each of the outermost ones.
    sub = sub_rays(evenly_spaced(1, 1800, 0.0, 0.0, 100.0), 1, 5, 1.5 * MRAD, 3.0 * MRAD)
    assert sub.column_offset.tolist() == [-2, -1, 0, 1, 2]
    assert sub.column_weight == pytest.approx([0.150935, 0.232711, 0.232711, 0.232711, 0.150935], abs=2e-5)


@pytest.mark.parametrize(("rows", "step", "width"), [(0, 1, 1e-3), (1, 0, 1e-3), (1, 1, 0.0), (1, 1, 2.0)])
def test_beams_without_sub_rays_or_width_are_refused(rows, step, width):
    with pytest.raises(ValueError, match=r"sub-rays|divergence"):
        sub_rays(evenly_spaced(1, 360, 0.0, 0.0, 100.0), rows, step, width, 1e-3)
