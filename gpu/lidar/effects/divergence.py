"""Beams that are cones: what share of a beam lies on each surface, and the sub-rays that sample it.

A real beam widens with the distance, so at the edge of an object one part of it meets the object and the rest meets what lies behind. Here
each beam is a bundle of sub-rays. A caller casts the sub-rays as a denser beam pattern, and `echoes` turns their ranges into the returns
that a sensor reports.

References:
    Velodyne VLS-128 User Manual 63-9483 Rev. A, table F-1 (read): 3.0 mrad horizontally, 1.5 mrad vertically.
    A Gaussian beam at an edge: Chaudhry, Salido-Monzu, Wieser, Remote Sensing 13(4), 615, 2021 (abstract read). That the stated width of a
        Gaussian beam is its 1/e^2 diameter, four standard deviations, is recalled from ISO 11146.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.gpu.lidar.models import Beams

Profile = Literal["uniform", "gaussian"]
"""How the power is spread over a beam: evenly up to its stated width, or as a Gaussian whose stated width is four standard deviations."""

# A Gaussian beam is cut off here: 3 standard deviations on each side hold 99.7 % of its power.
_GAUSSIAN_SIGMAS = 3.0


def footprint_m(
    range_m: Float[np.ndarray, "*rays"], divergence_rad: float, aperture_m: float = 0.0
) -> Float[np.ndarray, "*rays"]:
    """Return the width of a beam at a distance: its width at the sensor, plus distance times divergence.

    Args:
        range_m: Distance from the sensor.
        divergence_rad: Full angle of the beam.
        aperture_m: Width of the beam at the sensor.
    """
    return aperture_m + divergence_rad * range_m


def share_below(
    offset_rad: Float[np.ndarray, "*offsets"], divergence_rad: float, profile: Profile
) -> Float[np.ndarray, "*offsets"]:
    """Return the share of a beam's power that lies on one side of an edge: the integral of its profile.

    Args:
        offset_rad: Angle of the edge from the axis of the beam; the share below it is returned. At 0 it is one half.
        divergence_rad: Full angle of the beam in the direction across the edge.
        profile: `uniform`: spread evenly over the full angle. `gaussian`: the full angle is four standard deviations.
    """
    offset = np.asarray(offset_rad, float) / divergence_rad
    if profile == "uniform":
        return np.clip(offset + 0.5, 0.0, 1.0)
    normal = NormalDist(0.0, 0.25)
    return np.array([normal.cdf(x) for x in offset.ravel()]).reshape(offset.shape)


@dataclass(frozen=True)
class SubRays:
    """The sub-rays of each beam of a lidar, as a denser beam pattern, and how they belong together.

    The sub-rays of the ray of beam b and column k are those of the pattern's rows `row[b]` and columns `column_step * k + column_offset`,
    modulo the number of the pattern's columns.

    Attributes:
        beams: Pattern to cast, with `column_step` columns for each column of the lidar and several rows for each of its beams.
        row: Row of the pattern of each sub-ray of each beam. Rows of neighbouring beams interleave if the beams overlap.
        row_weight: Share of the power of a beam in each of its rows; they add up to 1.
        column_step: Number of columns of the pattern for each column of the lidar.
        column_offset: Columns of the pattern of a beam, relative to that of its axis.
        column_weight: Share of the power of a beam in each of these columns; they add up to 1.
    """

    beams: Beams
    row: Int64[np.ndarray, "beams rows"]
    row_weight: Float[np.ndarray, " rows"]
    column_step: int
    column_offset: Int64[np.ndarray, " offsets"]
    column_weight: Float[np.ndarray, " offsets"]


def sub_rays(
    beams: Beams,
    rows: int,
    column_step: int,
    elevation_divergence_rad: float,
    azimuth_divergence_rad: float,
    profile: Profile = "uniform",
) -> SubRays:
    """Return the sub-rays that sample the beams of a lidar; casting them takes `rows` times `column_step` times as long.

    In elevation each sub-ray stands for an equal share of the power. In azimuth, where the columns of a pattern are evenly spaced, each
    stands for the share of the profile within its own step.

    Args:
        beams: Beam pattern of the lidar: the axes of its beams.
        rows: Number of sub-rays of a beam in elevation, at least 1; 1 leaves out the width in elevation.
        column_step: Number of columns of the denser pattern for each column of the lidar, at least 1.
        elevation_divergence_rad: Full angle of a beam in elevation, above 0.
        azimuth_divergence_rad: Full angle of a beam in azimuth, above 0.
        profile: How the power is spread over the full angle.

    Raises:
        ValueError: An argument is outside its range, or a sub-ray points above the zenith or below the nadir.
    """
    if rows < 1 or column_step < 1:
        raise ValueError(
            f"a beam needs at least one row and one column of sub-rays, got rows={rows}, column_step={column_step}"
        )
    if not (0 < elevation_divergence_rad < math.pi / 2 and 0 < azimuth_divergence_rad < math.pi / 2):
        raise ValueError(
            "the divergence of a beam must be above 0 and below 90 degrees, "
            f"got {elevation_divergence_rad} and {azimuth_divergence_rad} rad"
        )
    centre = (np.arange(rows) + 0.5) / rows
    if profile == "uniform":
        offset_rad = (centre - 0.5) * elevation_divergence_rad
    else:
        offset_rad = np.array([NormalDist().inv_cdf(share) for share in centre]) * 0.25 * elevation_divergence_rad
    elevation = beams.elevation_rad[:, None] + offset_rad
    order = np.argsort(elevation, axis=None, kind="stable")
    row = np.empty(order.size, np.int64)
    row[order] = np.arange(order.size)

    step_rad = 2.0 * math.pi / (beams.columns * column_step)
    half_rad = azimuth_divergence_rad * (0.5 if profile == "uniform" else 0.25 * _GAUSSIAN_SIGMAS)
    # The outermost step still holds a part of the beam.
    most = min(math.ceil(half_rad / step_rad - 0.5), (beams.columns * column_step - 1) // 2)
    column_offset = np.arange(-most, most + 1)
    edge = np.arange(-most, most + 2) - 0.5
    weight = np.diff(share_below(edge * step_rad, azimuth_divergence_rad, profile))
    return SubRays(
        Beams(elevation.ravel()[order], beams.columns * column_step, beams.range_m),
        row.reshape(elevation.shape),
        np.full(rows, 1.0 / rows),
        column_step,
        column_offset,
        weight / weight.sum(),
    )
