"""Beam patterns of rotating lidars, and the pose of a lidar on its vehicle."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Beams:
    """The rays of one revolution of a lidar; all are fired at the same instant.

    Column k points at azimuth 2 pi k / columns, counter-clockwise from the sensor's x axis.

    Attributes:
        elevation_rad: Elevation of each beam above the sensor's x-y plane, in rising order.
        columns: Number of azimuth steps per revolution.
        range_m: Largest distance at which the lidar gets a return.
    """

    elevation_rad: Float[np.ndarray, " beams"]
    columns: int
    range_m: float

    def __post_init__(self) -> None:
        elevation = self.elevation_rad
        if len(elevation) == 0 or self.columns < 1 or not 0 < self.range_m < math.inf:
            raise ValueError("a lidar needs at least one beam, one column and a positive, finite range")
        if np.any(np.diff(elevation) < 0) or not np.abs(elevation).max() <= math.pi / 2:
            raise ValueError("elevation_rad must rise from beam to beam and stay within -pi/2 to pi/2")

    @property
    def azimuth_rad(self) -> Float[np.ndarray, " columns"]:
        """Azimuth of each column, counter-clockwise from the sensor's x axis."""
        return np.arange(self.columns) * (2.0 * math.pi / self.columns)


def evenly_spaced(beams: int, columns: int, lowest_deg: float, highest_deg: float, range_m: float) -> Beams:
    """Return a lidar whose beams are evenly spaced in elevation, from `lowest_deg` to `highest_deg`."""
    return Beams(np.radians(np.linspace(lowest_deg, highest_deg, beams)), columns, range_m)


# Generic sensors: field of view, channels and range are those on the public data sheets of the named class, at 10
# revolutions per second. All have azimuth steps of 0.2 degrees (1800 columns) and evenly spaced beams, even if those of
# the product are not.
CATALOGUE: dict[str, Beams] = {
    # Velodyne VLP-16 (Puck) class: 16 channels, 2 degrees apart, 100 m.
    "beam16": evenly_spaced(16, 1800, -15.0, 15.0, 100.0),
    # Velodyne HDL-32E class: 32 channels, 41.3 degrees field of view, 100 m (user manual, principles of operation).
    "beam32": evenly_spaced(32, 1800, -30.67, 10.67, 100.0),
    # Hesai Pandar64 class by its field of view of 40 degrees; 120 m as the lidars of OPV2V (arXiv 2109.07644).
    "beam64": evenly_spaced(64, 1800, -25.0, 15.0, 120.0),
    # Velodyne VLS-128 (Alpha Prime) class: 128 channels, 40 degrees field of view, 220 m on 10 % reflective targets.
    "beam128": evenly_spaced(128, 1800, -25.0, 15.0, 220.0),
}


def mount_transform(
    x_m: float, y_m: float, z_m: float, yaw_rad: float = 0.0, pitch_rad: float = 0.0, roll_rad: float = 0.0
) -> Float[np.ndarray, "4 4"]:
    """Return vehicle_from_sensor, the transform from the frame of a mounted lidar to that of its vehicle.

    The rotation is Rz(yaw) Ry(pitch) Rx(roll): seen from the vehicle, the sensor is first rolled about its x axis,
    then pitched about y, then turned about z.

    Args:
        x_m: Distance forward of the vehicle's origin, which is the centre of its bottom face.
        y_m: Distance to the left of the vehicle's origin.
        z_m: Height above the vehicle's origin.
        yaw_rad: Yaw angle, counter-clockwise seen from above.
        pitch_rad: Pitch angle; positive if the sensor points down.
        roll_rad: Roll angle; positive if the right side is lower.
    """
    cy, sy = math.cos(yaw_rad), math.sin(yaw_rad)
    cp, sp = math.cos(pitch_rad), math.sin(pitch_rad)
    cr, sr = math.cos(roll_rad), math.sin(roll_rad)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, x_m],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, y_m],
            [-sp, cp * sr, cp * cr, z_m],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
