"""Rasters of a scene from above."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.gpu.bev.rasters import Raster, buildings, lines, road_users, seen, strips
from v2xsim.records import Boxes, Prisms

RASTER = Raster(60, 80, 0.5, (12.0, -7.0), 0.6)


def boxes_of(rows):
    row = np.array(rows, float).reshape(-1, 7)
    return Boxes(row[:, :3].copy(), row[:, 3:6].copy(), row[:, 6].copy())


def test_the_first_cell_lies_in_front_on_the_left():
    raster = Raster(4, 6, 1.0, (10.0, 20.0), np.pi / 2)
    # The heading is north, so in front is north and left is west.
    np.testing.assert_allclose(raster.places_m[0, 0], (10.0 - 2.5, 20.0 + 1.5))
    np.testing.assert_allclose(raster.places_m[3, 5], (10.0 + 2.5, 20.0 - 1.5))


@given(yaw=st.floats(-4, 4), x=st.floats(-50, 50), y=st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_places_and_cells_are_inverse_to_each_other(yaw, x, y):
    raster = Raster(7, 9, 0.4, (x, y), yaw)
    cells = raster.in_cells(raster.places_m.reshape(-1, 2))
    expected = np.stack(np.meshgrid(np.arange(7), np.arange(9), indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(cells, expected, atol=1e-6)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_cell_shows_the_body_in_whose_box_its_middle_lies(seed):
    rng = np.random.default_rng(seed)
    count = 12
    boxes = Boxes(
        np.column_stack([12.0 + rng.uniform(-22, 22, count), -7.0 + rng.uniform(-22, 22, count), np.zeros(count)]),
        rng.uniform([0.5, 0.5, 1.0], [12.0, 3.0, 4.0], (count, 3)), rng.uniform(-4, 4, count),
    )  # fmt: skip
    found = road_users(RASTER, boxes)
    place = RASTER.places_m[:, :, None] - boxes.center_m[:, :2]
    cos, sin = np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)
    along, across = place[..., 0] * cos + place[..., 1] * sin, place[..., 1] * cos - place[..., 0] * sin
    slack = 1e-9
    within = (np.abs(along) <= 0.5 * boxes.size_m[:, 0] - slack) & (np.abs(across) <= 0.5 * boxes.size_m[:, 1] - slack)
    tallest = np.where(within, boxes.size_m[:, 2], -1.0).argmax(axis=-1)
    expected = np.where(within.any(axis=-1), tallest, -1)
    # Middles on an edge, to rounding, count either way.
    near = (np.abs(np.abs(along) - 0.5 * boxes.size_m[:, 0]) < 1e-6) | (
        np.abs(np.abs(across) - 0.5 * boxes.size_m[:, 1]) < 1e-6
    )
    sure = ~near.any(axis=-1)
    assert (found[sure] == expected[sure]).all()


def test_a_courtyard_is_no_building_and_a_wing_is():
    court = np.array([(0, 0), (20, 0), (20, 20), (13, 20), (13, 7), (7, 7), (7, 20), (0, 20)], float)
    prisms = Prisms(court, np.array([0, 8]), np.zeros(1), np.full(1, 9.0))
    raster = Raster(60, 60, 0.5, (10.0, 10.0), 0.0)
    found = buildings(raster, prisms)
    x, y = raster.places_m[..., 0], raster.places_m[..., 1]
    expected = (x > 0) & (x < 20) & (y > 0) & (y < 20) & ~((x > 7) & (x < 13) & (y > 7))
    assert (found == expected).all()
    assert found.sum() * 0.25 == pytest.approx(400 - 78, rel=0.02)


def test_a_road_is_as_wide_as_its_strip_and_ends_round():
    raster = Raster(200, 200, 0.1, (0.0, 0.0), 0.3)
    points = np.array([(-6.0, 0.0), (4.0, 0.0), (4.0, 5.0)])
    found = strips(raster, points, np.array([0, 3]), np.array([3.0]))
    place = raster.places_m
    distance = np.full(place.shape[:2], np.inf)
    for a, b in ((points[0], points[1]), (points[1], points[2])):
        part = np.clip(((place - a) @ (b - a)) / ((b - a) @ (b - a)), 0.0, 1.0)
        distance = np.minimum(distance, np.linalg.norm(place - (a + part[..., None] * (b - a)), axis=-1))
    sure = np.abs(distance - 1.5) > 1e-6
    assert (found[sure] == (distance < 1.5)[sure]).all()
    assert found.any()


def test_a_line_leaves_no_gap():
    raster = Raster(50, 50, 0.5, (0.0, 0.0), 0.0)
    found = lines(raster, np.array([(-12.0, -11.0), (12.0, 12.3)]), np.array([0, 2]))
    rows = np.flatnonzero(found.any(axis=1))
    assert (np.diff(rows) == 1).all()
    assert len(rows) > 45
    assert found.sum() < 4 * len(rows)


def test_bodies_without_returns_are_not_seen():
    boxes = boxes_of([(12, -7, 0, 4, 2, 1.5, 0.6), (14, -1, 0, 4, 2, 1.5, 0.6), (6, -9, 0, 4, 2, 1.5, 0.6)])
    users = road_users(RASTER, boxes)
    assert set(np.unique(users)) == {-1, 0, 1, 2}
    assert set(np.unique(seen(users, np.array([3, 0, 1])))) == {-1, 0, 2}
    assert set(np.unique(seen(users, np.array([3, 0, 1]), least=2))) == {-1, 0}
    assert (seen(users, np.array([1, 1, 1])) == users).all()
    with pytest.raises(ValueError, match="a number for each body, got 2"):
        seen(users, np.array([1, 1]))


def test_an_empty_world_has_an_empty_raster():
    none = np.zeros(1, np.int64)
    assert (road_users(RASTER, Boxes.none()) == -1).all()
    assert not buildings(RASTER, Prisms.none()).any()
    assert not strips(RASTER, np.zeros((0, 2)), none, np.zeros(0)).any()
    assert (seen(road_users(RASTER, Boxes.none()), np.zeros(0, np.int64)) == -1).all()


@pytest.mark.parametrize("bad", [{"rows": 0}, {"columns": -1}, {"cell_m": 0.0}, {"cell_m": np.nan}])
def test_a_raster_without_cells_is_refused(bad):
    with pytest.raises(ValueError, match="a raster needs a row, a column and a positive cell_m"):
        Raster(**({"rows": 3, "columns": 3, "cell_m": 1.0, "center_m": (0.0, 0.0), "yaw_rad": 0.0} | bad))
