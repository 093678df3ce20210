"""Rays against bodies that are triangle meshes, for `cast_rays`: nearest bodies first, triangle by triangle.

A mesh is given in a unit frame (`v2xsim.gpu.lidar.bodies`) and is stretched to the size of its road user. Its vertices are moved to the
sensor's frame once. A triangle with the vertices a, b, c is hit by the rays d for which d (b x c), d (c x a) and d (a x b) have the sign of a (b x c);
two triangles that share an edge use the same cross product, so no ray passes between them.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32, Int64
from numba import njit

from v2xsim.gpu.lidar.bodies.shapes import Shapes
from v2xsim.gpu.lidar.window import rays_at

# Up to this many rays in the window of a whole body, each triangle is compared with all of them: to find its own window takes as long.
_FEW_RAYS = 200


class Meshes(NamedTuple):
    """The shapes of bodies as compiled code reads them.

    Attributes:
        shape: Shape of each box; -1 for a box that is no mesh. Without meshes, it is empty.
        vertex: Vertices of all shapes, in their unit frames.
        triangle: Vertices of each triangle, counted within its shape, counter-clockwise seen from outside.
        first_vertex: First vertex of each shape, and the number of vertices.
        first_triangle: First triangle of each shape, and the number of triangles.
    """

    shape: Int32[np.ndarray, " boxes"]
    vertex: Float[np.ndarray, "vertices 3"]
    triangle: Int32[np.ndarray, "triangles 3"]
    first_vertex: Int64[np.ndarray, " shapes_plus_1"]
    first_triangle: Int64[np.ndarray, " shapes_plus_1"]


NO_MESHES = Meshes(
    np.zeros(0, np.int32), np.zeros((0, 3)), np.zeros((0, 3), np.int32), np.zeros(1, np.int64), np.zeros(1, np.int64)
)
"""For a world in which all bodies are boxes."""


def meshes_of(shapes: Shapes, shape: Int32[np.ndarray, " boxes"]) -> Meshes:
    """Return shapes as compiled code reads them.

    Args:
        shapes: The shapes.
        shape: Number of the shape of each box, -1 for a box that is no mesh.

    Raises:
        ValueError: If a number is not one of a shape.
    """
    if len(shape) and not (shape.min() >= -1 and shape.max() < len(shapes)):
        raise ValueError(f"shape numbers must be -1 to {len(shapes) - 1}, and go from {shape.min()} to {shape.max()}")
    return Meshes(
        np.ascontiguousarray(shape, np.int32),
        shapes.vertices,
        shapes.triangles,
        shapes.first_vertex,
        shapes.first_triangle,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _triangle_rays(depth, row, faces, cos_el, sin_el, cos_az, sin_az, plane, top, name, face):  # type: ignore[no-untyped-def]
    """Intersect the rays of a window with a triangle.

    `plane` has the three cross products of its vertices and their sum, as rows, all with the sign that is positive for rays that hit; `top` is the
    triple product of the vertices with the same sign.
    """
    ax, ay, az = plane[0, 0], plane[0, 1], plane[0, 2]
    bx, by, bz = plane[1, 0], plane[1, 1], plane[1, 2]
    cx, cy, cz = plane[2, 0], plane[2, 1], plane[2, 2]
    for b in range(len(cos_el)):
        ce, se = cos_el[b], sin_el[b]
        depth_row, id_row = depth[b], row[b]
        face_row = faces[b]
        a0, b0, c0 = se * az, se * bz, se * cz
        for i in range(len(cos_az)):
            x, y = ce * cos_az[i], ce * sin_az[i]
            u = x * ax + y * ay + a0
            v = x * bx + y * by + b0
            w = x * cx + y * cy + c0
            t = top / (u + v + w)
            old = depth_row[i]
            hit = (u >= 0.0) & (v >= 0.0) & (w >= 0.0) & (t < old)
            depth_row[i] = t if hit else old
            id_row[i] = name if hit else id_row[i]
            face_row[i] = face if hit else face_row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _is_hidden(depth, low, end, first, width, columns, near):  # type: ignore[no-untyped-def]
    """Return whether all rays of a window end before a distance."""
    for b in range(low, end):
        for n in range(width):
            i = first + n
            if depth[b, i - columns if i >= columns else i] > near:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def mesh_rays(  # type: ignore[no-untyped-def]
    depth, row, faces, elevation, cos_el, sin_el, cos_az, sin_az, view, turn, ox, oy, oz, center, size, yaw, box_id, skip, meshes,
):  # fmt: skip
    """Intersect all rays with the bodies that are meshes; arguments as in `cast_rays`, and `faces` takes the triangle of each hit.

    A sensor within the bounding box of a body sees its triangles from both sides, any other one only from outside.
    """
    columns, far_m = len(cos_az), view.far_m
    count = 0
    order = np.empty(len(yaw), np.int64)
    apart = np.empty(len(yaw))
    for n in range(len(yaw)):
        if meshes.shape[n] < 0 or box_id[n] == skip:
            continue
        dx, dy = ox - center[n, 0], oy - center[n, 1]
        radius = 0.5 * math.hypot(size[n, 0], size[n, 1])
        gap = math.hypot(dx, dy) - radius
        if gap > far_m:
            continue
        order[count], apart[count] = n, gap
        count += 1
    nearest = order[:count][np.argsort(apart[:count])]
    most = np.diff(meshes.first_vertex).max()
    place = np.empty((most, 3))
    corner = np.empty((8, 3))
    three = np.empty((3, 3))
    plane = np.empty((3, 3))
    axes = np.empty((3, 3))
    for n in nearest:
        half_l, half_w, high = 0.5 * size[n, 0], 0.5 * size[n, 1], size[n, 2]
        dx, dy, dz = ox - center[n, 0], oy - center[n, 1], oz - center[n, 2]
        c, s = math.cos(yaw[n]), math.sin(yaw[n])
        for j in range(3):
            axes[0, j] = c * turn[0, j] + s * turn[1, j]
            axes[1, j] = c * turn[1, j] - s * turn[0, j]
            axes[2, j] = turn[2, j]
        bx, by = c * dx + s * dy, c * dy - s * dx
        for i in range(8):
            x = (half_l if i & 1 else -half_l) - bx
            y = (half_w if i & 2 else -half_w) - by
            z = (high if i & 4 else 0.0) - dz
            for j in range(3):
                corner[i, j] = axes[0, j] * x + axes[1, j] * y + axes[2, j] * z
        side = 0 if abs(bx) - half_l > abs(by) - half_w else 1
        scale = 1.0 / max(1e-12, math.hypot(axes[side, 0], axes[side, 1]))
        first, width, low, end = rays_at(
            view, corner, 8, axes[side, 0] * scale, axes[side, 1] * scale, elevation, sin_az
        )
        first %= columns
        if width <= 0 or end <= low:
            continue
        # No point of the body is nearer than this: by the distance of its box, or by its depth in front of a camera.
        outside_x, outside_y = max(0.0, abs(bx) - half_l), max(0.0, abs(by) - half_w)
        near = math.hypot(outside_x, outside_y)
        if view.is_flat:
            near = corner[0, 0]
            for i in range(1, 8):
                near = min(near, corner[i, 0])
        if _is_hidden(depth, low, end, first, width, columns, near):
            continue
        both_sides = outside_x <= 0.0 and outside_y <= 0.0 and -high <= -dz <= 0.0
        v0, v1 = meshes.first_vertex[meshes.shape[n]], meshes.first_vertex[meshes.shape[n] + 1]
        for v in range(v1 - v0):
            x = 2.0 * half_l * meshes.vertex[v0 + v, 0] - bx
            y = 2.0 * half_w * meshes.vertex[v0 + v, 1] - by
            z = high * meshes.vertex[v0 + v, 2] - dz
            for j in range(3):
                place[v, j] = axes[0, j] * x + axes[1, j] * y + axes[2, j] * z
        few = width * (end - low) <= _FEW_RAYS
        f0, f1 = meshes.first_triangle[meshes.shape[n]], meshes.first_triangle[meshes.shape[n] + 1]
        for f in range(f0, f1):
            p, q, r = place[meshes.triangle[f, 0]], place[meshes.triangle[f, 1]], place[meshes.triangle[f, 2]]
            plane[0, 0], plane[0, 1], plane[0, 2] = (
                q[1] * r[2] - q[2] * r[1],
                q[2] * r[0] - q[0] * r[2],
                q[0] * r[1] - q[1] * r[0],
            )
            top = p[0] * plane[0, 0] + p[1] * plane[0, 1] + p[2] * plane[0, 2]
            # Seen from outside, the vertices run counter-clockwise, and the product is negative.
            if top == 0.0 or (top > 0.0 and not both_sides):
                continue
            plane[1, 0], plane[1, 1], plane[1, 2] = (
                r[1] * p[2] - r[2] * p[1],
                r[2] * p[0] - r[0] * p[2],
                r[0] * p[1] - r[1] * p[0],
            )
            plane[2, 0], plane[2, 1], plane[2, 2] = (
                p[1] * q[2] - p[2] * q[1],
                p[2] * q[0] - p[0] * q[2],
                p[0] * q[1] - p[1] * q[0],
            )
            if top < 0.0:
                top = -top
                for i in range(3):
                    for j in range(3):
                        plane[i, j] = -plane[i, j]
            at, wide, bottom, above = first, width, low, end
            if not few:
                for j in range(3):
                    three[0, j], three[1, j], three[2, j] = p[j], q[j], r[j]
                at, wide, bottom, above = rays_at(view, three, 3, 1.0, 0.0, elevation, sin_az)
                at %= columns
            while wide > 0 and above > bottom:
                part = min(wide, columns - at)
                _triangle_rays(
                    depth[bottom:above, at : at + part], row[bottom:above, at : at + part], faces[bottom:above, at : at + part],
                    cos_el[bottom:above], sin_el[bottom:above], cos_az[at : at + part], sin_az[at : at + part],
                    plane, top, n, f - f0,
                )  # fmt: skip
                wide -= part
                at = 0
