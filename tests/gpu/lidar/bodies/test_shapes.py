"""Meshes in the unit frame: what a shape must be, and shapes joined."""

import dataclasses

import numpy as np
import pytest

from v2xsim.gpu.lidar.bodies import SHAPE_NAMES, Shape, joined, mesh_of_shape, shape, shapes

BOX = shape("box")


def changed(**arrays):
    """Return the box with some arrays exchanged."""
    return Shape(**{**{field.name: getattr(BOX, field.name) for field in dataclasses.fields(Shape)}, **arrays})


def moved(vertex, to):
    vertices = BOX.vertices.copy()
    vertices[vertex] = to
    return vertices


def test_a_box_fills_its_box():
    assert BOX.volume() == pytest.approx(1.0)
    assert len(BOX.triangles) == 12
    assert BOX.areas().sum() == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"vertices": moved(0, np.nan)}, "finite"),
        ({"triangles": BOX.triangles + np.int32(1)}, "must name its 8 vertices, got 1 to 8"),
        ({"triangles": BOX.triangles[:0], "material": BOX.material[:0]}, "needs triangles"),
        ({"material": BOX.material[:1]}, "needs triangles and a material for each, got 12 and 1"),
        ({"vertices": np.vstack([BOX.vertices, [[0.0, 0.0, 0.5]]])}, "must belong to a triangle"),
        ({"vertices": BOX.vertices * 0.9}, "must reach all sides"),
        ({"vertices": BOX.vertices + np.array([0.0, 0.0, 1e-9])}, "must reach all sides"),
        ({"triangles": BOX.triangles[1:], "material": BOX.material[1:]}, "must be closed"),
        ({"triangles": np.ascontiguousarray(BOX.triangles[:, ::-1])}, "part 0 of the shape is turned inside out"),
        (
            {"triangles": np.vstack([BOX.triangles, [[0, 1, 1]]]).astype(np.int32), "material": np.zeros(13, np.uint8)},
            "area",
        ),
    ],
)
@pytest.mark.passes_wrong_types
def test_what_is_no_closed_surface_in_the_unit_frame_is_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        changed(**arrays)


def test_one_part_turned_inside_out_is_refused_even_if_the_whole_has_a_volume():
    small = 0.5 * BOX.vertices + np.array([0.0, 0.0, 0.25])
    triangles = np.vstack([BOX.triangles, BOX.triangles[:, ::-1] + 8]).astype(np.int32)
    with pytest.raises(ValueError, match="part 1 of the shape is turned inside out"):
        Shape(np.vstack([BOX.vertices, small]), triangles, np.zeros(24, np.uint8))


def test_shapes_that_are_joined_come_apart_again():
    together = shapes()
    assert len(together) == len(SHAPE_NAMES)
    for number, name in enumerate(SHAPE_NAMES):
        for field in dataclasses.fields(Shape):
            np.testing.assert_array_equal(getattr(together.shape(number), field.name), getattr(shape(name), field.name))
    assert together.first_triangle[-1] == len(together.triangles) == len(together.material)
    with pytest.raises(IndexError, match="numbered 0 to"):
        together.shape(len(SHAPE_NAMES))


@pytest.mark.passes_wrong_types
def test_joined_arrays_that_do_not_fit_together_are_refused():
    together = joined([BOX, BOX])
    with pytest.raises(ValueError, match="first_triangle must rise from 0 to the number of rows, 24"):
        dataclasses.replace(together, first_triangle=np.array([0, 12, 23]))
    with pytest.raises(ValueError, match="2 shapes by first_vertex, but 1 by first_triangle"):
        dataclasses.replace(together, first_triangle=np.array([0, 24]))


def test_an_unknown_shape_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"must be one of box, car.* got 'hovercraft'"):
        mesh_of_shape("hovercraft")
