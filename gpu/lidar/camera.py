"""A pinhole camera whose pixels are rays of the lidar kernel: depth, instances and classes. It shows geometry; it is no photograph.

The ray of a pixel is not normalised: its component along the optical axis is 1, so the ray parameter that the kernel finds is the depth, and the
range is the depth times the length of the ray's direction. Light, shadows, textures, exposure and lens distortion are not simulated.

The camera's own frame is that of every sensor here: x forward, y left, z up. The frame of computer vision (OpenCV, nuScenes, KITTI) has z forward,
x right, y down; `OPTICAL_FROM_SENSOR` turns one into the other.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from numba import njit

from v2xsim.gpu.lidar.cast import NO_FACES, cast_rays, plain
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.gpu.lidar.rays import Rays, View
from v2xsim.records import GROUND, NOTHING, Boxes, Obstacles

OPTICAL_FROM_SENSOR = np.array(
    [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""Transform from the sensor's frame (x forward, y left, z up) to the optical frame (x right, y down, z forward)."""


@dataclass(frozen=True)
class Camera:
    """The intrinsics of a pinhole camera without lens distortion, as OpenCV counts them: the centre of pixel (column u, row v) lies at (u, v).

    Attributes:
        width: Number of columns.
        height: Number of rows; row 0 is the uppermost.
        fx: Focal length in widths of a pixel.
        fy: Focal length in heights of a pixel.
        cx: Column of the optical axis.
        cy: Row of the optical axis.
        far_m: Largest depth that is seen; what is farther counts as sky.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    far_m: float = 250.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a camera needs at least one pixel, and has {self.width} x {self.height}")
        if not (0.0 < self.fx < math.inf and 0.0 < self.fy < math.inf and 0.0 < self.far_m < math.inf):
            raise ValueError("fx, fy and far_m must be positive and finite")
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise ValueError("cx and cy must be finite")

    @staticmethod
    def with_view(width: int, height: int, view_rad: float, far_m: float = 250.0) -> "Camera":
        """Return a camera with square pixels that looks along its centre.

        Args:
            width: Number of columns.
            height: Number of rows.
            view_rad: Angle between the left edge of the first and the right edge of the last column, above 0 and below pi.
            far_m: Largest depth that is seen.
        """
        if not 0.0 < view_rad < math.pi:
            raise ValueError(f"view_rad must lie between 0 and pi, and is {view_rad}")
        focal = 0.5 * width / math.tan(0.5 * view_rad)
        return Camera(width, height, focal, focal, 0.5 * (width - 1), 0.5 * (height - 1), far_m)

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """The matrix K: pixels (u, v, 1) are K times positions in the optical frame, divided by the depth."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @cached_property
    def rays(self) -> Rays:
        """The rays as `cast_rays` reads them: columns from right to left, rows from the bottom to the top."""
        aside = (self.cx - np.arange(self.width)[::-1]) / self.fx
        above = (self.cy - np.arange(self.height)[::-1]) / self.fy
        return Rays(above, np.ones(self.height), above.copy(), np.ones(self.width), aside, float(self.far_m))

    @cached_property
    def view(self) -> View:
        """How its rays lie, and the distance of the farthest point that it sees."""
        aside, above = np.abs(self.rays.sin_az).max(), np.abs(self.rays.elevation).max()
        return View(True, self.far_m * math.sqrt(1.0 + aside * aside + above * above), self.width, 0)

    @cached_property
    def directions(self) -> Float[np.ndarray, "rows columns 3"]:
        """Direction of the ray of each pixel in the sensor's frame; the component along the optical axis (x) is 1."""
        aside, above = np.meshgrid(self.rays.sin_az[::-1], self.rays.elevation[::-1])
        return np.stack([np.ones_like(aside), aside, above], axis=-1)


@dataclass(frozen=True)
class Image:
    """What the pixels of a camera show.

    Attributes:
        depth_m: Distance along the optical axis; infinite for sky.
        range_m: Distance along the ray of the pixel; infinite for sky.
        instance: Row of the body in `boxes`, GROUND, BUILDING, or NOTHING for sky.
        triangle: Triangle of its shape that each pixel shows, where it shows a mesh; no item without meshes.
    """

    depth_m: Float32[np.ndarray, "rows columns"]
    range_m: Float32[np.ndarray, "rows columns"]
    instance: Int32[np.ndarray, "rows columns"]
    triangle: Int32[np.ndarray, "rows_or_none columns_or_none"]

    def classes(self, box_class: UInt8[np.ndarray, " boxes"]) -> UInt8[np.ndarray, "rows columns"]:
        """Return the class of each pixel: 0 sky, 1 ground, 2 building, and 3 + `box_class` for a body."""
        found: np.ndarray = _classes(self.instance, np.ascontiguousarray(box_class, np.uint8))
        return found


def see(
    camera: Camera,
    world_from_camera: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    obstacles: Obstacles,
    skip: int = -1,
    meshes: Meshes = NO_MESHES,
) -> Image:
    """Return what a camera sees.

    Args:
        camera: Intrinsics.
        world_from_camera: Pose of the camera in the world: x forward, y left, z up.
        boxes: Bounding boxes of the road users.
        obstacles: Buildings.
        skip: Row of the body that carries the camera and that it does not see; -1 for none.
        meshes: Shapes of the bodies.
    """
    faces = np.empty((camera.height, camera.width), np.int32) if len(meshes.shape) else NO_FACES
    depth, row = cast_rays(
        *camera.rays, camera.view, meshes, faces, np.ascontiguousarray(world_from_camera, np.float64), boxes.center_m, boxes.size_m,
        boxes.yaw_rad, np.arange(len(boxes)), skip, *plain(obstacles),
    )  # fmt: skip
    depth_m, range_m, instance = _pixels(depth, row, camera.rays.sin_az, camera.rays.elevation)
    return Image(depth_m, range_m, instance, faces[::-1, ::-1])


@njit(cache=True, nogil=True, error_model="numpy")
def _pixels(depth, row, aside, above):  # type: ignore[no-untyped-def]
    """Return depth, range and instance of each pixel from what `cast_rays` wrote, whose rows and columns run the other way."""
    height, width = depth.shape
    depth_m, range_m = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    instance = np.empty((height, width), np.int32)
    for v in range(height):
        b = height - 1 - v
        square = 1.0 + above[b] * above[b]
        for u in range(width):
            i = width - 1 - u
            met = row[b, i]
            far = depth[b, i] if met != NOTHING else np.inf
            depth_m[v, u] = far
            range_m[v, u] = far * math.sqrt(square + aside[i] * aside[i])
            instance[v, u] = met
    return depth_m, range_m, instance


@njit(cache=True, nogil=True)
def _classes(instance, box_class):  # type: ignore[no-untyped-def]
    found = np.empty(instance.shape, np.uint8)
    for v in range(instance.shape[0]):
        for u in range(instance.shape[1]):
            met = instance[v, u]
            found[v, u] = 3 + box_class[met] if met >= 0 else 0 if met == NOTHING else 1 if met == GROUND else 2
    return found
