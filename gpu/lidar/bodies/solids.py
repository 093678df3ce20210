"""Simple closed solids in metres, of which bodies are put together: lofts through rings, tubes, wheels, boxes.

Frame of all of them: x forward, y to the left, z up from the ground, the origin below the centre of the body.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, UInt8

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.shapes import Shape


@dataclass(frozen=True)
class Mesh:
    """Triangles in metres, counter-clockwise seen from outside.

    Attributes:
        vertices_m: Corners.
        triangles: Three rows of `vertices_m` for each triangle.
        material: Material of each triangle.
    """

    vertices_m: Float64[np.ndarray, "vertices 3"]
    triangles: Int32[np.ndarray, "triangles 3"]
    material: UInt8[np.ndarray, " triangles"]

    def mirrored(self) -> "Mesh":
        """Return the mirror image to the other side of the vehicle, y to -y."""
        return Mesh(self.vertices_m * [1.0, -1.0, 1.0], np.ascontiguousarray(self.triangles[:, ::-1]), self.material)

    def with_mirrored(self) -> "Mesh":
        """Return this mesh and its mirror image as one."""
        return merged([self, self.mirrored()])


def mesh_of(vertices_m: np.ndarray, triangles: Sequence[tuple[int, int, int]], material: Sequence[Material]) -> Mesh:
    """Return a mesh; vertices at the same place become one, and triangles that collapse thereby are left out."""
    # A tenth of a micrometre: closer vertices are one vertex written twice.
    _, first, same = np.unique(np.round(vertices_m, 7), axis=0, return_index=True, return_inverse=True)
    corner = same.ravel()[np.array(triangles, np.int64)]
    flat = (corner[:, 0] == corner[:, 1]) | (corner[:, 1] == corner[:, 2]) | (corner[:, 2] == corner[:, 0])
    used, corner = np.unique(corner[~flat], return_inverse=True)
    return Mesh(
        np.asarray(vertices_m, np.float64)[first][used],
        corner.reshape(-1, 3).astype(np.int32),
        np.array(material, np.uint8)[~flat],
    )


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one; they stay separate parts."""
    offset = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices_m for mesh in meshes]),
        np.concatenate([mesh.triangles + n for mesh, n in zip(meshes, offset, strict=True)]).astype(np.int32),
        np.concatenate([mesh.material for mesh in meshes]),
    )


def normalised(mesh: Mesh) -> Shape:
    """Return a mesh in the unit frame: its bounding box becomes that of a `Shape`."""
    lowest, highest = mesh.vertices_m.min(axis=0), mesh.vertices_m.max(axis=0)
    vertices = (mesh.vertices_m - lowest) / (highest - lowest) - [0.5, 0.5, 0.0]
    return Shape(vertices, mesh.triangles, mesh.material)


def loft(
    rings_m: Float64[np.ndarray, "rings corners 3"],
    material: Material | Sequence[Material],
    caps: tuple[Material, Material] | None = None,
    closed: bool = False,
) -> Mesh:
    """Return the solid through a row of convex rings, closed by a cap at each end.

    Args:
        rings_m: Rings of the same number of corners, counter-clockwise seen from behind the last ring towards the first: for rings that
            rise, seen from above.
        material: Material of the band between two rings, one for all or one for each.
        caps: Materials of the first and the last cap; those of the first and the last band if None.
        closed: Whether the last ring joins the first, as in a tyre, instead of caps.
    """
    rings, corners = rings_m.shape[:2]
    bands = rings if closed else rings - 1
    of_band = [material] * bands if isinstance(material, Material) else list(material)
    triangles: list[tuple[int, int, int]] = []
    materials: list[Material] = []
    for band in range(bands):
        low, high = band * corners, (band + 1) % rings * corners
        for here in range(corners):
            there = (here + 1) % corners
            triangles += [(low + here, low + there, high + there), (low + here, high + there, high + here)]
            materials += [of_band[band]] * 2
    if not closed:
        last = (rings - 1) * corners
        for k in range(1, corners - 1):
            triangles += [(0, k + 1, k), (last, last + k, last + k + 1)]
            materials += [of_band[0], of_band[-1]] if caps is None else list(caps)
    return mesh_of(rings_m.reshape(-1, 3), triangles, materials)


def box(x_m: tuple[float, float], y_m: tuple[float, float], z_m: tuple[float, float], material: Material) -> Mesh:
    """Return a box between two values on each axis."""
    foot = np.array([(x_m[0], y_m[0]), (x_m[1], y_m[0]), (x_m[1], y_m[1]), (x_m[0], y_m[1])])
    return loft(np.stack([np.column_stack([foot, np.full(4, z)]) for z in z_m]), material)


def wheel(x_m: float, y_m: tuple[float, float], radius_m: float, rim: float = 0.62, corners: int = 8) -> Mesh:
    """Return a wheel on the left side of a vehicle: a tyre that stands on the ground, and its metal rim.

    Args:
        x_m: Where its axle is.
        y_m: Its inner and its outer side; the rim is seen on the outer one.
        radius_m: Radius of the tyre, and the height of its axle.
        rim: Radius of the rim as a share of that of the tyre.
        corners: Corners of the polygon around the tyre; it lies on one of its sides.
    """
    angle = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners
    # Counter-clockwise about the y axis, from z towards x; the flat side is below, at radius_m from the axle.
    circle = np.column_stack([np.sin(angle), np.zeros(corners), np.cos(angle)]) / math.cos(math.pi / corners)
    center = np.array([x_m, 0.0, radius_m])
    rings = [
        center + radius * circle + [0.0, y, 0.0]
        for radius, y in ((radius_m, y_m[0]), (radius_m, y_m[1]), (rim * radius_m, y_m[1]))
    ]
    return loft(np.array(rings), Material.RUBBER, (Material.RUBBER, Material.METAL))


def axle(x_m: float, half_m: float, width_m: float, radius_m: float, rim: float = 0.62) -> Mesh:
    """Return the two wheels of an axle; `half_m` is where their outer sides are, and `width_m` the width of a tyre."""
    return wheel(x_m, (half_m - width_m, half_m), radius_m, rim).with_mirrored()


def tube(
    points_m: Sequence[tuple[float, float, float]], radii_m: Sequence[float], material: Material, corners: int = 6
) -> Mesh:
    """Return a bent tube through points, such as a limb or a pipe; its ends are flat.

    Args:
        points_m: Middle of the tube at its start, its bends and its end.
        radii_m: Radius at each point.
        material: Its material.
        corners: Corners of its cross-section.
    """
    middle = np.array(points_m, np.float64)
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Across the tube, as level as can be; for a tube that stands upright, across the heading.
    aside = np.cross(along.mean(axis=0), [0.0, 0.0, 1.0])
    aside = aside / np.linalg.norm(aside) if np.linalg.norm(aside) > 0.05 else np.array([0.0, 1.0, 0.0])
    angle = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners
    rings = []
    for center, direction, radius in zip(middle, along, radii_m, strict=True):
        first = aside - (aside @ direction) * direction
        first /= np.linalg.norm(first)
        second = np.cross(direction, first)
        rings.append(center + radius * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second))
    return loft(np.array(rings), material)


def stacked(
    center_m: tuple[float, float],
    levels: Sequence[tuple[float, float, float, float]],
    material: Material | Sequence[Material],
    corners: int = 8,
) -> Mesh:
    """Return a solid of elliptical levels one above the other, such as a torso or a head.

    Args:
        center_m: Position x and y of its axis.
        levels: Height of each level, shift of its centre forward, and half its length (x) and width (y).
        material: Material of all, or of each band between two levels.
        corners: Corners of a level.
    """
    angle = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners
    rings = [
        np.column_stack(
            [center_m[0] + shift + half_x * np.cos(angle), center_m[1] + half_y * np.sin(angle), np.full(corners, z)]
        )
        for z, shift, half_x, half_y in levels
    ]
    return loft(np.array(rings), material)


def bicycle_tyre(x_m: float, radius_m: float, depth_m: float, half_m: float, corners: int = 10) -> Mesh:
    """Return the tyre and rim of a wheel in the middle plane that rays pass through between them and the hub: a ring.

    Args:
        x_m: Where its axle is.
        radius_m: Radius of the tyre, and the height of its axle.
        depth_m: How far the ring reaches inwards.
        half_m: Half its width.
        corners: Corners of the polygon.
    """
    angle = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners
    out = np.column_stack([np.sin(angle), np.zeros(corners), np.cos(angle)]) / math.cos(math.pi / corners)
    center = np.array([x_m, 0.0, radius_m])
    tread, inner, aside = center + radius_m * out, center + (radius_m - depth_m) * out, np.array([0.0, half_m, 0.0])
    return loft(
        np.array([inner - aside, tread, inner + aside]),
        [Material.RUBBER, Material.RUBBER, Material.METAL],
        closed=True,
    )
