"""Triangle meshes of bodies in a unit frame, and several of them joined in one set of arrays.

Unit frame: x from -0.5 (rear) to 0.5 (front) along the heading, y from -0.5 to 0.5 to the left, z from 0 to 1 upwards. The bounding box
of a shape is exactly that box. A road user's body is a shape scaled by its length, width and height, turned by its yaw, and moved
to the centre of its bottom face. So a mesh and the box of the same road user have the same extent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8

# Rounding of the bounding box, and the smallest triangle in the unit frame; 1e-9 is about 10 mm2 on a car.
_ROUNDED, _SMALLEST_AREA = 1e-12, 1e-9
_LOWEST, _HIGHEST = np.array([-0.5, -0.5, 0.0]), np.array([0.5, 0.5, 1.0])


@dataclass(frozen=True)
class Shape:
    """A closed surface of triangles that fills the box of the unit frame, made of one part or of several.

    Parts may touch or overlap. Each part is closed, and its triangles run counter-clockwise seen from outside.

    Attributes:
        vertices: Corners in the unit frame; each belongs to a triangle.
        triangles: Three rows of `vertices` for each triangle.
        material: Material of each triangle, a value of `Material`.
    """

    vertices: Float64[np.ndarray, "vertices 3"]
    triangles: Int32[np.ndarray, "triangles 3"]
    material: UInt8[np.ndarray, " triangles"]

    def __post_init__(self) -> None:
        vertices, triangles = self.vertices, self.triangles
        if not np.isfinite(vertices).all():
            raise ValueError("the vertices of a shape must be finite")
        if len(triangles) == 0 or len(self.material) != len(triangles):
            raise ValueError(
                f"a shape needs triangles and a material for each, got {len(triangles)} and {len(self.material)}"
            )
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise ValueError(
                f"triangles of a shape must name its {len(vertices)} vertices, got {triangles.min()} to {triangles.max()}"
            )
        if len(np.unique(triangles)) < len(vertices):
            raise ValueError("each vertex of a shape must belong to a triangle")
        lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
        if max(np.abs(lowest - _LOWEST).max(), np.abs(highest - _HIGHEST).max()) > _ROUNDED:
            raise ValueError(
                f"a shape must reach all sides of the box from (-0.5, -0.5, 0) to (0.5, 0.5, 1), got {lowest} to {highest}"
            )
        smallest = float(self.areas().min())
        if smallest < _SMALLEST_AREA:
            raise ValueError(
                f"a triangle of a shape must have an area of at least {_SMALLEST_AREA:g} in the unit frame, got {smallest:.3g}"
            )
        if not is_closed(triangles):
            raise ValueError(
                "a shape must be closed: each edge belongs to as many triangles in one direction as in the other"
            )
        volume = part_volumes(vertices, triangles)
        if volume.min() <= 0.0:
            raise ValueError(
                f"triangles must run counter-clockwise seen from outside; part {int(volume.argmin())} of the shape is turned inside out"
            )

    def areas(self) -> Float64[np.ndarray, " triangles"]:
        """Return the area of each triangle in the unit frame."""
        a, b, c = (self.vertices[self.triangles[:, corner]] for corner in range(3))
        area: np.ndarray = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
        return area

    def volume(self) -> float:
        """Return the volume by the divergence theorem, as a share of the box; where parts overlap it counts twice."""
        return float(part_volumes(self.vertices, self.triangles).sum())


@dataclass(frozen=True)
class Shapes:
    """Several shapes in one set of arrays, as the kernels read them.

    Attributes:
        vertices: Corners of all shapes, each in its unit frame.
        triangles: Three vertices for each triangle, numbered within its own shape: vertex v of shape s is row first_vertex[s] + v.
        material: Material of each triangle, a value of `Material`.
        first_vertex: First vertex of each shape, and at the end the number of vertices.
        first_triangle: First triangle of each shape, and at the end the number of triangles.
    """

    vertices: Float64[np.ndarray, "vertices 3"]
    triangles: Int32[np.ndarray, "triangles 3"]
    material: UInt8[np.ndarray, " triangles"]
    first_vertex: Int64[np.ndarray, " shapes_plus_1"]
    first_triangle: Int64[np.ndarray, " shapes_plus_1"]

    def __post_init__(self) -> None:
        for name, first, rows in (
            ("first_vertex", self.first_vertex, self.vertices), ("first_triangle", self.first_triangle, self.triangles),
        ):  # fmt: skip
            if len(first) < 2 or first[0] != 0 or first[-1] != len(rows) or np.any(np.diff(first) < 1):
                raise ValueError(f"{name} must rise from 0 to the number of rows, {len(rows)}, got {first}")
        if len(self.first_vertex) != len(self.first_triangle):
            raise ValueError(
                f"{len(self.first_vertex) - 1} shapes by first_vertex, but {len(self.first_triangle) - 1} by first_triangle"
            )
        for number in range(len(self)):
            self.shape(number)

    def __len__(self) -> int:
        return len(self.first_vertex) - 1

    def shape(self, number: int) -> Shape:
        """Return one of the shapes; its arrays are views.

        Raises:
            IndexError: If there is no shape of that number.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"a shape must be numbered 0 to {len(self) - 1}, got {number}")
        own = slice(self.first_triangle[number], self.first_triangle[number + 1])
        vertices = self.vertices[self.first_vertex[number] : self.first_vertex[number + 1]]
        return Shape(vertices, self.triangles[own], self.material[own])


def joined(shapes: Sequence[Shape]) -> Shapes:
    """Return shapes in one set of arrays, numbered in their order."""
    first_vertex, first_triangle = (
        np.concatenate([[0], np.cumsum([len(rows) for rows in all_rows])]).astype(np.int64)
        for all_rows in ([shape.vertices for shape in shapes], [shape.triangles for shape in shapes])
    )
    return Shapes(
        np.concatenate([shape.vertices for shape in shapes]), np.concatenate([shape.triangles for shape in shapes]),
        np.concatenate([shape.material for shape in shapes]), first_vertex, first_triangle,
    )  # fmt: skip


def is_closed(triangles: Int32[np.ndarray, "triangles 3"]) -> bool:
    """Return whether each edge belongs to as many triangles in one direction as in the other."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(np.int64)
    vertices = int(triangles.max()) + 1
    forward, backward = edges @ [vertices, 1], edges @ [1, vertices]
    return bool(np.array_equal(np.sort(forward), np.sort(backward)))


def part_of_triangle(triangles: Int32[np.ndarray, "triangles 3"]) -> Int64[np.ndarray, " triangles"]:
    """Return which connected part each triangle belongs to; triangles that share a vertex are one part, and parts count from 0."""
    part = np.arange(int(triangles.max()) + 1)
    while True:
        lowest = part[triangles].min(axis=1)
        before = part.copy()
        np.minimum.at(part, triangles, lowest[:, None])
        if np.array_equal(before, part):
            return np.unique(lowest, return_inverse=True)[1].astype(np.int64)


def part_volumes(
    vertices: Float64[np.ndarray, "vertices 3"], triangles: Int32[np.ndarray, "triangles 3"]
) -> Float64[np.ndarray, " parts"]:
    """Return the volume of each connected part by the divergence theorem; negative if it is turned inside out."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.bincount(part_of_triangle(triangles), weights=np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0)
