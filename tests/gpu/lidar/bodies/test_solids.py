"""The solids that bodies are made of: volumes by closed forms, and side views that are refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.gpu.lidar.bodies import Material
from v2xsim.gpu.lidar.bodies.shapes import is_closed, part_of_triangle, part_volumes
from v2xsim.gpu.lidar.bodies.side_view import Point, Strip, polygon_triangles, side_view_mesh
from v2xsim.gpu.lidar.bodies.solids import axle, bicycle_tyre, box, merged, stacked, tube, wheel

SQUARE = {
    "a": Point(0.0, 0.0, 0.5),
    "b": Point(1.0, 0.0, 0.5),
    "c": Point(1.0, 1.0, 0.5, (0.2,)),
    "d": Point(0.0, 1.0, 0.5, (0.2,)),
}
AROUND = [(name, Material.PAINT) for name in "abcd"]


def volume_m3(mesh):
    assert is_closed(mesh.triangles)
    return part_volumes(mesh.vertices_m, mesh.triangles).sum()


def polygon_share(corners):
    """Return the area of a regular polygon over that of the circle inside it."""
    return corners / math.pi * math.tan(math.pi / corners)


def test_a_wheel_has_the_volume_of_its_prism_and_lies_flat_on_the_ground():
    mesh = wheel(1.0, (0.5, 0.7), 0.3, corners=8)
    assert volume_m3(mesh) == pytest.approx(math.pi * 0.3**2 * 0.2 * polygon_share(8))
    assert (np.abs(mesh.vertices_m[:, 2]) < 1e-12).sum() == 4


def test_the_wheels_of_an_axle_are_two_parts_of_the_same_volume():
    mesh = axle(0.0, 0.9, 0.2, 0.3)
    assert np.ptp(mesh.vertices_m[:, 1]) == pytest.approx(1.8)
    assert part_of_triangle(mesh.triangles).max() == 1
    one, other = part_volumes(mesh.vertices_m, mesh.triangles)
    assert one == pytest.approx(other)


@pytest.mark.parametrize("end_m", [(0.0, 0.0, 2.0), (2.0, 0.0, 0.0), (0.0, 2.0, 0.0), (-1.0, -1.0, math.sqrt(2.0))])
def test_a_straight_tube_has_the_same_volume_in_every_direction(end_m):
    # A regular hexagon of circumradius 0.1.
    assert volume_m3(tube([(0.0, 0.0, 0.0), end_m], [0.1, 0.1], Material.METAL, 6)) == pytest.approx(
        2.0 * 1.5 * math.sqrt(3.0) * 0.01
    )


def test_a_stack_of_equal_levels_is_a_cylinder_over_a_polygon():
    mesh = stacked((0.0, 0.0), [(0.0, 0.0, 0.3, 0.2), (1.0, 0.0, 0.3, 0.2)], Material.CLOTH, 8)
    assert volume_m3(mesh) == pytest.approx(0.3 * 0.2 * 4.0 * math.sin(math.pi / 4.0))


def test_one_looks_through_the_tyre_of_a_bicycle():
    mesh = bicycle_tyre(0.0, 0.35, 0.05, 0.02)
    # A triangle of 0.05 m by 0.04 m led around the wheel at the radius of its centre of gravity (Pappus), on a polygon instead of a circle.
    assert volume_m3(mesh) == pytest.approx(0.001 * 2.0 * math.pi * (0.35 - 0.05 * 2 / 3), rel=0.04)


def test_a_square_side_view_becomes_a_box_with_columns_of_its_materials():
    outline = [
        ("a", Material.DARK_PAINT),
        ("b", Material.PAINT),
        ("c", Strip(Material.GLASS, ((0.2, Material.METAL),))),
        ("d", Material.PAINT),
    ]
    mesh = side_view_mesh(SQUARE, outline, [(Material.PAINT, "a b c d")])
    assert volume_m3(mesh) == pytest.approx(1.0)
    a, b, c = (mesh.vertices_m[mesh.triangles[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    # The top is 1 m2: 0.4 m of glass between 0.3 m of metal on each side.
    assert area[mesh.material == Material.GLASS].sum() == pytest.approx(0.4)
    assert area[mesh.material == Material.METAL].sum() == pytest.approx(0.6)


@pytest.mark.parametrize(
    "panels", [[], [(Material.PAINT, "a b c")], [(Material.PAINT, "a b c d"), (Material.GLASS, "a b c")]]
)
def test_panels_that_leave_a_gap_or_overlap_are_refused(panels):
    with pytest.raises(ValueError, match=r"must fill its outline of 1\.000000 m2 once"):
        side_view_mesh(SQUARE, AROUND, panels)


@pytest.mark.parametrize(
    "corners", [[(0, 0), (2, 1), (2, 0), (0, 1)], [(0, 0), (0, 1), (1, 1), (1, 0)], [(0, 0), (1, 0), (2, 0)]]
)
def test_a_panel_that_crosses_itself_runs_clockwise_or_is_flat_is_refused(corners):
    with pytest.raises(ValueError, match="must be a simple counter-clockwise polygon"):
        polygon_triangles(np.array(corners, float))


@given(st.lists(st.floats(0.3, 1.0), min_size=3, max_size=12))
def test_triangles_fill_a_concave_polygon_exactly_once(radii):
    angle = 2.0 * np.pi * np.arange(len(radii)) / len(radii)
    polygon = np.array(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    corners = polygon[np.array(polygon_triangles(polygon))]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])
    x, y = polygon.T
    assert len(areas) == len(radii) - 2
    assert (areas > 0.0).all()
    assert areas.sum() == pytest.approx(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def test_merged_solids_stay_separate_parts():
    two = merged(
        [
            box((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), Material.PAINT),
            box((0.5, 2.5), (0.0, 1.0), (0.0, 1.0), Material.METAL),
        ]
    )
    np.testing.assert_allclose(part_volumes(two.vertices_m, two.triangles), [1.0, 2.0])
