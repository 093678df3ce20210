"""A camera above the scene: perspective projection, test for hidden points, and painting of points from far to near."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

# Points nearer to the camera than this are not drawn, because their projection would grow without limit.
_NEAR_M = 1.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        eye_m: Position of the camera.
        axes: Unit vectors of the camera in the world frame, as rows: right, up and forward.
    """

    eye_m: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]

    def project(self, points_m: Float[np.ndarray, "*points 3"]) -> tuple[np.ndarray, np.ndarray]:
        """Return the image coordinates (right, up) of points in focal lengths, and their depths in metres.

        Points that are not in front of the camera get NaN as coordinates.
        """
        right, up, depth_m = np.moveaxis((points_m - self.eye_m) @ self.axes.T, -1, 0)
        front_m = np.where(depth_m > _NEAR_M, depth_m, np.nan)
        return np.stack([right / front_m, up / front_m], axis=-1), front_m


def camera_at(target_m: Float[np.ndarray, " 3"], distance_m: float, azimuth_rad: float, elevation_rad: float) -> Camera:
    """Return a camera that looks at a target from a given distance, azimuth and elevation.

    Args:
        target_m: Position of the target, which is the centre of the image.
        distance_m: Distance from the camera to the target.
        azimuth_rad: Direction from the target to the camera, counter-clockwise from east.
        elevation_rad: Angle of the camera above the horizon, seen from the target; less than pi / 2.
    """
    away = np.array(
        [
            np.cos(elevation_rad) * np.cos(azimuth_rad),
            np.cos(elevation_rad) * np.sin(azimuth_rad),
            np.sin(elevation_rad),
        ]
    )
    right = np.array([-np.sin(azimuth_rad), np.cos(azimuth_rad), 0.0])
    return Camera(target_m + distance_m * away, np.stack([right, np.cross(away, right), -away]))


def blocked_by(
    eye_m: Float[np.ndarray, " 3"],
    places_m: Float[np.ndarray, "places 3"],
    footprint_m: Float[np.ndarray, "corners 2"],
    top_m: float,
) -> Bool[np.ndarray, " places"]:
    """Return whether a building hides each point: whether the line from eye to point crosses a wall below its top.

    Args:
        eye_m: Position of the eye, above the building's top.
        places_m: Positions of the points, outside the footprint.
        footprint_m: Corners of the building.
        top_m: Height of the building's top.
    """
    start, end = footprint_m, np.roll(footprint_m, -1, axis=0)
    ray = places_m[:, None, :2] - eye_m[:2]
    wall = (end - start)[None]
    gap = (start - eye_m[:2])[None]
    cross = ray[..., 0] * wall[..., 1] - ray[..., 1] * wall[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (gap[..., 0] * wall[..., 1] - gap[..., 1] * wall[..., 0]) / cross
        across = (gap[..., 0] * ray[..., 1] - gap[..., 1] * ray[..., 0]) / cross
    height_m = eye_m[2] + along * (places_m[:, None, 2] - eye_m[2])
    crossed = (along > 0) & (along < 1) & (across >= 0) & (across <= 1) & (height_m < top_m)
    return np.asarray(crossed.any(1))


def painted(
    pixel: Int[np.ndarray, "points 2"],
    depth_m: Float[np.ndarray, " points"],
    rgb: UInt8[np.ndarray, "points 3"],
    radius_px: Int[np.ndarray, " points"],
    shape: tuple[int, int],
) -> UInt8[np.ndarray, "rows columns 4"]:
    """Return an image with a transparent background and one disc per point; nearer discs cover farther ones.

    Args:
        pixel: Column and row of each point in the image; rows count from the top.
        depth_m: Distance of each point from the camera.
        rgb: Colour of each point.
        radius_px: Radius of each point's disc in pixels.
        shape: Number of rows and columns of the image.
    """
    height, width = shape
    far_first = np.argsort(-depth_m, kind="stable")
    largest = int(radius_px.max(initial=0))
    step = np.arange(-largest, largest + 1)
    shift = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    # One additional pixel at the end collects everything outside the discs or the image.
    image = np.zeros((height * width + 1, 4), np.uint8)
    colour = np.concatenate([rgb, np.full((len(rgb), 1), 255, np.uint8)], axis=1)
    # The points are painted in blocks to limit memory, since each point becomes all pixels of its disc. Later blocks paint
    # over earlier ones.
    for block in np.array_split(far_first, max(1, len(far_first) // 50_000)):
        at = pixel[block, None] + shift
        within = (shift**2).sum(1) <= (radius_px[block, None] + 0.5) ** 2
        within &= (at >= 0).all(2) & (at[..., 0] < width) & (at[..., 1] < height)
        flat = np.where(within, at[..., 1] * width + at[..., 0], height * width)
        # Where an index repeats, numpy keeps the last value assigned: the nearest point.
        image[flat.ravel()] = np.repeat(colour[block], len(shift), axis=0)
    return image[:-1].reshape(height, width, 4)
