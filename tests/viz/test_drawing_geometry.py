import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.records import Boxes, Prisms
from v2xsim.viz.drawing.labels import place_rectangles
from v2xsim.viz.drawing.outlines import buildings_within, clipped, corners_m, footprints_m, headings_m, thinned, walls_m
from v2xsim.viz.drawing.perspective import blocked_by, camera_at, painted

TRUCK = Boxes(np.array([(10.0, 5.0, 0.5)]), np.array([(8.0, 2.0, 3.0)]), np.array([np.pi / 2]))
RED, BLUE = (255, 0, 0), (0, 0, 255)
UNIT = st.floats(-1, 1)


def test_a_truck_heading_north_is_long_from_south_to_north() -> None:
    np.testing.assert_allclose(np.ptp(footprints_m(TRUCK)[0], axis=0), (2.0, 8.0), atol=1e-12)


def test_the_first_corner_is_front_left() -> None:
    np.testing.assert_allclose(footprints_m(TRUCK)[0, 0], (9.0, 9.0), atol=1e-12)


def test_corners_span_a_box_from_its_bottom_to_its_top() -> None:
    assert corners_m(TRUCK)[0, :, 2].tolist() == [0.5] * 4 + [3.5] * 4


def test_the_heading_tick_leaves_the_front() -> None:
    np.testing.assert_allclose(headings_m(TRUCK)[0], [(10.0, 9.0), (10.0, 10.5)], atol=1e-12)


def test_only_buildings_that_touch_the_map_are_drawn() -> None:
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    prisms = Prisms(np.concatenate([square, square + 50]), np.array([0, 4, 8]), np.zeros(2), np.array([5.0, 9.0]))
    assert [top for _, _, top in buildings_within(prisms, np.array([0.5, 0.5]), np.array([20.0, 20.0]))] == [5.0]


def area_m2(polygon_m: np.ndarray) -> float:
    x, y = polygon_m.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def test_a_building_across_the_edge_is_cut_at_the_edge() -> None:
    triangle_m = np.array([(0.0, 0.0), (8.0, 0.0), (0.0, 8.0)])
    # The corner beyond x = 4 is a triangle of half the sides, a quarter of the area.
    assert area_m2(clipped(triangle_m, np.zeros(2), np.array([4.0, 20.0]))) == pytest.approx(32.0 * 3 / 4)


def test_a_building_inside_the_map_keeps_its_corners() -> None:
    triangle_m = np.array([(1.0, 1.0), (8.0, 1.0), (1.0, 8.0)])
    assert clipped(triangle_m, np.zeros(2), np.full(2, 9.0)).tolist() == triangle_m.tolist()


def test_nothing_is_left_of_a_building_outside_the_map() -> None:
    triangle_m = np.array([(10.0, 0.0), (18.0, 0.0), (10.0, 8.0)])
    assert len(clipped(triangle_m, np.zeros(2), np.full(2, 9.0))) == 0


@given(arrays(float, (5, 2), elements=st.floats(-20, 20)))
def test_no_corner_of_a_cut_building_lies_off_the_map(footprint_m: np.ndarray) -> None:
    left_m = clipped(footprint_m, np.full(2, -7.0), np.full(2, 9.0))
    assert ((left_m >= -7.0 - 1e-9) & (left_m <= 9.0 + 1e-9)).all()


@given(arrays(float, st.tuples(st.integers(0, 40), st.just(2)), elements=st.floats(-30, 30)))
def test_thinning_leaves_a_point_in_the_square_of_every_point(points_m: np.ndarray) -> None:
    kept = points_m[thinned(points_m, 1.0)]
    away_m = np.abs(points_m[:, None] - kept[None]).max(2) if len(points_m) else np.zeros((0, 1))
    assert (away_m.min(1) <= 1.0).all()


def test_thinning_keeps_one_point_of_a_square() -> None:
    assert len(thinned(np.array([(0.1, 0.1), (0.2, 0.3), (5.0, 5.0)]), 1.0)) == 2


@given(st.floats(0, 6.28), st.floats(0.05, 1.5), st.floats(5, 200), UNIT, UNIT)
def test_the_target_is_in_the_middle_of_the_image_at_its_distance(
    azimuth_rad: float, elevation_rad: float, distance_m: float, x: float, y: float
) -> None:
    target_m = np.array([x * 100, y * 100, 0.0])
    seen, depth_m = camera_at(target_m, distance_m, azimuth_rad, elevation_rad).project(target_m)
    np.testing.assert_allclose([*seen, float(depth_m)], [0, 0, distance_m], atol=1e-6)


@given(st.floats(0, 6.28), st.floats(0.05, 1.5))
def test_the_axes_of_a_camera_are_right_handed_and_of_unit_length(azimuth_rad: float, elevation_rad: float) -> None:
    right, up, forward = camera_at(np.zeros(3), 10.0, azimuth_rad, elevation_rad).axes
    np.testing.assert_allclose(np.cross(right, forward), up, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm([right, up, forward], axis=1), 1.0)


def test_seen_from_the_south_east_is_right_and_height_is_up() -> None:
    camera = camera_at(np.zeros(3), 10.0, -np.pi / 2, 0.5)
    (east, high), _ = camera.project(np.array([(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]))
    assert east[0] > 0
    assert high[1] > 0


def test_what_lies_behind_the_camera_is_not_projected() -> None:
    camera = camera_at(np.zeros(3), 10.0, 0.0, 0.3)
    seen, _ = camera.project(np.array([50.0, 0.0, 0.0]))
    assert np.isnan(seen).all()


@pytest.mark.parametrize(("top_m", "hidden"), [(4.0, True), (2.0, False)])
def test_a_building_hides_what_the_ray_meets_below_its_roof(top_m: float, hidden: bool) -> None:
    # From 10 m up at x = 0 to the ground at x = 20, the ray is 3 m above ground at x = 14 and 2 m at x = 16.
    footprint_m = np.array([(14.0, -5.0), (16.0, -5.0), (16.0, 5.0), (14.0, 5.0)])
    found = blocked_by(np.array([0.0, 0.0, 10.0]), np.array([(20.0, 0.0, 0.0)]), footprint_m, top_m)
    assert found.tolist() == [hidden]


def test_a_building_beside_the_ray_hides_nothing() -> None:
    footprint_m = np.array([(14.0, 1.0), (16.0, 1.0), (16.0, 5.0), (14.0, 5.0)])
    assert not blocked_by(np.array([0.0, 0.0, 10.0]), np.array([(20.0, 0.0, 0.0)]), footprint_m, 99.0).any()


def test_the_nearer_of_two_points_is_on_top() -> None:
    image = painted(
        np.array([(2, 1), (2, 1)]), np.array([5.0, 9.0]), np.array([RED, BLUE], np.uint8), np.array([1, 1]), (4, 6)
    )
    assert tuple(image[1, 2]) == (*RED, 255)


def test_what_no_point_covers_stays_transparent() -> None:
    image = painted(np.array([(2, 1)]), np.array([5.0]), np.array([RED], np.uint8), np.array([1]), (4, 6))
    assert (image[..., 3] > 0).sum() == 9


def test_a_point_at_the_edge_is_cut_off_and_does_not_wrap_around() -> None:
    image = painted(np.array([(0, 2)]), np.array([5.0]), np.array([RED], np.uint8), np.array([1]), (4, 6))
    assert not image[:, 2:].any()


def test_no_points_make_an_empty_image() -> None:
    none = np.zeros((0, 2), np.int64)
    image = painted(none, np.zeros(0), np.zeros((0, 3), np.uint8), np.zeros(0, np.int64), (4, 6))
    assert not image.any()


BOUNDS = np.array([0.0, 0.0, 300.0, 300.0])


@given(arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=st.floats(0, 300)))
def test_placed_labels_never_overlap_and_stay_inside(anchors: np.ndarray) -> None:
    sizes = np.tile([60.0, 12.0], (len(anchors), 1))
    centers = place_rectangles(anchors, sizes, np.zeros((0, 4)), BOUNDS)
    placed = ~np.isnan(centers[:, 0])
    low, high = (centers - sizes / 2)[placed], (centers + sizes / 2)[placed]
    shared = (np.minimum(high[:, None], high) - np.maximum(low[:, None], low)).clip(0).prod(2)
    assert (shared - np.diag(np.diag(shared)) < 1e-9).all()
    assert ((low >= 0) & (high <= 300)).all()


def test_a_label_keeps_off_an_obstacle_where_there_is_room() -> None:
    obstacle = np.array([(140.0, 130.0, 260.0, 170.0)])
    center = place_rectangles(np.array([(150.0, 150.0)]), np.array([(40.0, 12.0)]), obstacle, BOUNDS)[0]
    half = np.array([20.0, 6.0])
    low, high = center - half, center + half
    assert (np.minimum(high, obstacle[0, 2:]) - np.maximum(low, obstacle[0, :2])).min() <= 0


def test_a_label_that_could_only_cover_things_is_left_out_unless_it_is_the_first() -> None:
    everywhere = np.array([(0.0, 0.0, 300.0, 300.0)])
    anchors, sizes = np.array([(150.0, 150.0), (60.0, 60.0)]), np.full((2, 2), 20.0)
    placed = ~np.isnan(place_rectangles(anchors, sizes, everywhere, BOUNDS)[:, 0])
    assert placed.tolist() == [True, False]


def test_the_seam_between_a_court_and_the_outline_is_drawn_as_no_wall():
    ring = [(0, 0), (60, 0), (60, 60), (0, 60), (0, 0), (20, 20), (20, 40), (40, 40), (40, 20), (20, 20)]
    length_m = [np.linalg.norm(end - start) for start, end in walls_m(np.array(ring, float))]
    assert sorted(length_m) == [20.0] * 4 + [60.0] * 4
