"""The abstract perception matrix against rays walked one by one, and against shadows that geometry gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.gpu.lidar.cast import Scan, cast
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.rays import rays_of
from v2xsim.perception.matching.matrix import LOW_M, _walk, cells_of, mark, observed_matrix, shifted
from v2xsim.records import (
    BUILDING,
    FREE,
    GROUND,
    NOTHING,
    OCCUPIED,
    UNOBSERVED,
    Boxes,
    Obstacles,
    PerceptionMatrix,
    Prisms,
)
from v2xsim.spatial.grid import indexed
from v2xsim.spatial.poses import pose_matrix

BEAMS = evenly_spaced(24, 360, -25.0, 10.0, 80.0)
CELL_M, EXTENT_M = 2.0, 40.0


def nothing_built() -> Obstacles:
    return indexed(Prisms.none())


def wall(x_m, y0_m, y1_m, height_m=8.0):
    corner = np.array([[x_m, y0_m], [x_m + 1.0, y0_m], [x_m + 1.0, y1_m], [x_m, y1_m]])
    return indexed(Prisms(corner, np.array([0, 4]), np.zeros(1), np.full(1, height_m)))


def bodies(*rows):
    center = np.array([[x, y, 0.0] for x, y, *_ in rows]).reshape(-1, 3)
    size = np.array([s for *_, s in rows], float).reshape(-1, 3)
    return Boxes(center, size, np.array([r[2] for r in rows], float))


def seen(boxes, obstacles, height_m=1.9, roll_rad=0.0, yaw_rad=0.0, mounts=1):
    sensors = []
    for number in range(mounts):
        pose = pose_matrix(0.3, -0.2, 0.0, yaw_rad) @ mount_transform(0.5 * number, 0.0, height_m, 0.0, 0.0, roll_rad)
        sensors.append((BEAMS, pose, cast(BEAMS, pose, boxes, np.arange(len(boxes.yaw_rad)), obstacles)))
    return observed_matrix(CELL_M, EXTENT_M, np.array([0.3, -0.2]), sensors), sensors


def walked(matrix, sensors, step_m=0.05):
    """Every low stretch of every ray, sampled densely, by the definition."""
    code = np.full(matrix.code.shape, UNOBSERVED, np.uint8)
    for beams, pose, scan in sensors:
        azimuth = np.arange(beams.columns) * 2.0 * np.pi / beams.columns
        for b, elevation in enumerate(beams.elevation_rad):
            flat = np.cos(elevation)
            local = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.full(len(azimuth), np.sin(elevation))])
            direction = pose[:3, :3] @ local
            end = np.where(scan.object_id[b] == NOTHING, beams.range_m, scan.range_m[b]).astype(float)
            body = (scan.object_id[b] >= 0) | (scan.object_id[b] == BUILDING)
            for r in np.arange(0.0, beams.range_m, step_m):
                place = pose[:3, 3, None] + direction * r
                low = (place[2] <= LOW_M) & (r <= np.where(body, end - 0.02, end))
                cell = np.floor(place[:2, low] / CELL_M).astype(int) - matrix.lower[:, None]
                inside = ((cell >= 0) & (cell < np.array(code.shape)[:, None])).all(axis=0)
                code[cell[0, inside], cell[1, inside]] = FREE
    return code


@pytest.mark.parametrize("roll_rad", [0.0, 0.06], ids=["level", "rolled"])
def test_free_cells_are_those_that_low_rays_cross(roll_rad):
    boxes = bodies((8.0, 5.0, 0.4, (4.5, 1.8, 1.5)), (-12.0, 3.0, 1.2, (10.0, 2.5, 3.5)))
    matrix, sensors = seen(boxes, wall(15.0, -10.0, 20.0), roll_rad=roll_rad)
    free, expected = matrix.code == FREE, walked(matrix, sensors) == FREE
    expected &= matrix.code != OCCUPIED
    assert free.sum() > 200
    # Cells that a ray only clips at a corner may fall between samples; none may be invented.
    assert not (free & ~expected).any()
    assert (expected & ~free).sum() <= 0.02 * expected.sum()


def test_a_wall_is_occupied_and_what_lies_behind_it_unobserved():
    matrix, _ = seen(bodies(), wall(15.0, -40.0, 40.0))
    column = matrix.code[:, 20]
    x = (np.arange(len(column)) + matrix.lower[0]) * CELL_M
    assert (column[(x >= 4.0) & (x + CELL_M <= 14.0)] == FREE).all()
    assert (column[x == 14.0] == OCCUPIED).all()
    assert (column[x >= 16.0] == UNOBSERVED).all()


def test_a_truck_throws_a_longer_shadow_than_a_car():
    def hidden(size):
        matrix, _ = seen(bodies((10.0, 0.0, 0.0, size)), nothing_built(), height_m=2.5)
        row = matrix.code[:, 20]
        x = (np.arange(len(row)) + matrix.lower[0]) * CELL_M
        return int((row[x >= 14.0] == UNOBSERVED).sum())

    assert hidden((4.0, 2.0, 3.5)) > hidden((4.0, 2.0, 1.4))


def test_a_kerb_and_a_bridge_occupy_nothing():
    low = bodies((10.0, 0.0, 0.0, (2.0, 2.0, 0.2)))
    matrix, _ = seen(low, nothing_built())
    assert not (matrix.code == OCCUPIED).any()
    corner = np.array([[8.0, -4.0], [12.0, -4.0], [12.0, 4.0], [8.0, 4.0]])
    bridge = indexed(Prisms(corner, np.array([0, 4]), np.full(1, 4.5), np.full(1, 6.0)))
    matrix, _ = seen(bodies(), bridge)
    assert not (matrix.code == OCCUPIED).any()


def test_a_second_lidar_only_adds():
    boxes = bodies((8.0, 5.0, 0.4, (4.5, 1.8, 1.5)))
    one, _ = seen(boxes, wall(15.0, -10.0, 20.0))
    two, _ = seen(boxes, wall(15.0, -10.0, 20.0), mounts=2)
    assert (two.observed | ~one.observed).all()


@given(st.floats(-np.pi, np.pi), st.floats(-25, 25), st.floats(-25, 25), st.floats(0.5, 3.5))
def test_a_rolled_sensor_at_no_roll_sees_what_a_level_one_does(yaw, x, y, height):
    # The level sensor's lines are walked once for all beams, the rolled one's ray by ray: the same cells.
    boxes = bodies((x, y, yaw, (4.5, 1.8, height)))
    level, _ = seen(boxes, nothing_built(), yaw_rad=yaw)
    rolled, _ = seen(boxes, nothing_built(), yaw_rad=yaw, roll_rad=1e-9)
    assert (level.code != rolled.code).sum() <= 3


def test_points_lie_in_cells_counted_from_the_windows_corner():
    # Cells of 2 m, the window from (-6, 4) to (0, 12) m.
    points = np.array([[-6.0, 4.0], [-0.1, 11.9], [-3.9, 6.0], [0.0, 4.0], [-6.1, 4.0], [-6.0, 12.0]])
    x, y, inside = cells_of(points, np.array([-3, 2]), 2.0, (3, 4))
    assert inside.tolist() == [True, True, True, False, False, False]
    assert list(zip(x.tolist(), y.tolist(), strict=True)) == [(0, 0), (2, 3), (1, 1), (2, 0), (0, 0), (0, 3)]


CODES = PerceptionMatrix(np.array([10, -5]), 2.0, np.arange(1, 13, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    ("lower", "shape", "code"),
    [
        ((10, -5), (3, 4), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]),
        ((11, -4), (2, 2), [[6, 7], [10, 11]]),
        ((9, -6), (2, 3), [[0, 0, 0], [0, 1, 2]]),
        ((12, -2), (2, 2), [[12, 0], [0, 0]]),
        ((13, -5), (2, 2), [[0, 0], [0, 0]]),
        ((8, -5), (2, 2), [[0, 0], [0, 0]]),
        ((16, -5), (2, 2), [[0, 0], [0, 0]]),
        ((5, -5), (2, 2), [[0, 0], [0, 0]]),
        ((10, 2), (2, 2), [[0, 0], [0, 0]]),
    ],
)
def test_on_another_window_each_cell_keeps_its_place_in_the_world(lower, shape, code):
    assert shifted(CODES, np.array(lower), shape).tolist() == code


def test_a_matrix_is_a_square_of_whole_cells_around_the_station():
    # 9 m on cells of 2 m are five cells to each side of the cell of (-0.5, 7.0), which is (-1, 3).
    matrix = observed_matrix(2.0, 9.0, np.array([-0.5, 7.0]), [])
    assert (matrix.lower.tolist(), matrix.code.shape, matrix.code.any()) == ([-6, -2], (10, 10), np.False_)


@pytest.mark.parametrize(("height_m", "occupied"), [(0.29, False), (0.6, True)])
def test_what_is_lower_than_30_cm_is_no_obstacle(height_m, occupied):
    low = bodies((10.0, 0.0, 0.0, (2.0, 2.0, height_m)))
    matrix, _ = seen(low, nothing_built())
    assert (matrix.code == OCCUPIED).any() == occupied


@pytest.mark.parametrize(("base_m", "occupied"), [(4.1, False), (3.0, True)])
def test_what_hangs_higher_than_4_m_is_no_obstacle(base_m, occupied):
    corner = np.array([[8.0, -4.0], [12.0, -4.0], [12.0, 4.0], [8.0, 4.0]])
    bridge = indexed(Prisms(corner, np.array([0, 4]), np.full(1, base_m), np.full(1, 6.0)))
    matrix, _ = seen(bodies(), bridge)
    assert (matrix.code == OCCUPIED).any() == occupied


def test_rays_over_a_low_wall_see_the_ground_behind_it_again():
    # Behind a low wall 6 m away: from 1.9 m, rays over 0.9 m come down again after 11.4 m.
    matrix, _ = seen(bodies(), wall(6.0, -40.0, 40.0, 0.9))
    column = matrix.code[:, 20]
    x = (np.arange(len(column)) + matrix.lower[0]) * CELL_M
    assert (column[(x >= 16.0) & (x < 30.0)] == FREE).any()


@pytest.mark.parametrize(("height_m", "sees"), [(0.8, True), (1.2, False)])
def test_a_level_ray_marks_its_cells_free_where_it_runs_lower_than_a_metre(height_m, sees):
    beams = evenly_spaced(1, 360, 0.0, 0.0, 80.0)
    pose = pose_matrix(0.3, -0.2, 0.0, 0.0) @ mount_transform(0.0, 0.0, height_m)
    sensor = (beams, pose, cast(beams, pose, bodies(), np.zeros(0, np.int64), nothing_built()))
    matrix = observed_matrix(CELL_M, EXTENT_M, np.array([0.3, -0.2]), [sensor])
    # One ray in the column of the station, to the east, all the way to the edge.
    assert (matrix.code[20:, 19] == FREE).all() == sees
    assert (matrix.code == FREE).any() == sees


@pytest.mark.parametrize(("elevation_deg", "pitch_rad"), [(-60.0, 0.0), (-30.0, np.pi / 6)], ids=["level", "pitched"])
def test_a_steep_ray_frees_only_the_cell_above_which_it_is_lower_than_a_metre(elevation_deg, pitch_rad):
    # 60 degrees down from 4 m: lower than 1 m from 3 m / tan 60 = 1.7 m ahead, on the ground at 4 m / tan 60 = 2.3 m.
    beams = evenly_spaced(1, 1, elevation_deg, elevation_deg, 80.0)
    pose = pose_matrix(1.0, 1.0, 4.0, 0.0)
    pose[:3, :3] = [[np.cos(pitch_rad), 0, np.sin(pitch_rad)], [0, 1, 0], [-np.sin(pitch_rad), 0, np.cos(pitch_rad)]]
    scan = cast(beams, pose, bodies(), np.zeros(0, np.int64), nothing_built())
    matrix = observed_matrix(CELL_M, EXTENT_M, np.array([1.0, 1.0]), [(beams, pose, scan)])
    assert (np.argwhere(matrix.code == FREE) + matrix.lower).tolist() == [[1, 0]]


# Single rays over cells of a metre, each with a hit that the test states; the samples are half a metre apart.
EAST, NORTH, WEST, SOUTH = range(4)


def pitched(x_m, y_m, z_m, pitch_rad=0.0):
    """Return the pose of a sensor that looks down by an angle."""
    pose = pose_matrix(x_m, y_m, z_m, 0.0)
    pose[:3, :3] = [[np.cos(pitch_rad), 0, np.sin(pitch_rad)], [0, 1, 0], [-np.sin(pitch_rad), 0, np.cos(pitch_rad)]]
    return pose


def of_rays(pose, *rays, range_m=80.0, columns=1, cell_m=1.0, extent_m=10.0):
    """Return the matrix around the origin of rays given by elevation in degrees, distance of the hit, and what is hit."""
    elevation, hit_m, met = (np.array(column) for column in zip(*rays, strict=True))
    beams = Beams(np.radians(elevation.astype(float)), columns, range_m)
    scan = Scan(np.tile(hit_m.astype(np.float32)[:, None], columns), np.tile(met.astype(np.int64)[:, None], columns))
    return observed_matrix(cell_m, extent_m, np.zeros(2), [(beams, pose, scan)])


def cells(matrix, code):
    """Return the world cells with a code."""
    return [tuple(cell) for cell in (np.argwhere(matrix.code == code) + matrix.lower).tolist()]


def row(first, last):
    """Return the cells along the x axis from one to another."""
    return [(x, 0) for x in range(first, last + 1)]


LEVEL_OR_PITCHED = pytest.mark.parametrize("pitch_rad", [0.0, np.radians(30)], ids=["level", "pitched"])


@LEVEL_OR_PITCHED
@pytest.mark.parametrize("down_deg", [0, 1])
def test_beyond_the_range_of_a_lidar_nothing_is_free(pitch_rad, down_deg):
    # From x = 0.5, samples up to 4 m ahead.
    ray = (np.degrees(pitch_rad) - down_deg, np.inf, NOTHING)
    matrix = of_rays(pitched(0.5, 0.5, 0.8, pitch_rad), ray, range_m=4.3)
    assert cells(matrix, FREE) == row(0, 4)


@LEVEL_OR_PITCHED
@pytest.mark.parametrize(("hit_m", "last"), [(3.515, 3), (3.53, 4)])
@pytest.mark.parametrize("met", [0, 7, BUILDING])
def test_a_ray_is_free_up_to_2_cm_before_a_body(pitch_rad, hit_m, last, met):
    # A body too low to be an obstacle; the sample 3.5 m ahead lies in the cell from x = 4 on.
    matrix = of_rays(pitched(0.5, 0.5, 0.25, pitch_rad), (np.degrees(pitch_rad), hit_m, met))
    assert (cells(matrix, FREE), cells(matrix, OCCUPIED)) == (row(0, last), [])


@LEVEL_OR_PITCHED
@pytest.mark.parametrize(("hit_m", "cell"), [(4.485, (5, 0)), (4.47, (4, 0))])
@pytest.mark.parametrize("met", [0, 7, BUILDING])
def test_a_body_occupies_the_cell_2_cm_behind_its_surface(pitch_rad, hit_m, cell, met):
    matrix = of_rays(pitched(0.5, 0.5, 0.8, pitch_rad), (np.degrees(pitch_rad), hit_m, met))
    assert cells(matrix, OCCUPIED) == [cell]
    assert cells(matrix, FREE) == row(0, 4 if cell[0] == 5 else 3)


@pytest.mark.parametrize(("height_m", "occupied"), [(0.299, []), (0.3, [(4, 0)]), (4.0, [(4, 0)]), (4.001, [])])
def test_returns_from_30_cm_to_4_m_above_the_ground_are_obstacles(height_m, occupied):
    assert cells(of_rays(pitched(0.5, 0.5, height_m), (0, 4.0, 7)), OCCUPIED) == occupied


def test_the_height_of_a_return_is_where_the_ray_ends():
    # 45 degrees up from 2 m: 4.1 m high after 2.1 m, 3.9 m after 1.9 m.
    marked = [cells(of_rays(pitched(0.5, 0.5, 2.0), (45, ahead_m * np.sqrt(2), 7)), OCCUPIED) for ahead_m in (2.1, 1.9)]
    assert marked == [[], [(2, 0)]]


@LEVEL_OR_PITCHED
def test_a_rising_ray_is_low_until_it_is_a_metre_high(pitch_rad):
    # From 0.4 m at 10 degrees: 0.6 m / tan 10 = 3.4 m ahead.
    matrix = of_rays(pitched(0.5, 0.5, 0.4, pitch_rad), (np.degrees(pitch_rad) + 10, np.inf, NOTHING))
    assert cells(matrix, FREE) == row(0, 3)


@LEVEL_OR_PITCHED
def test_a_ray_along_the_height_of_a_metre_frees_nothing(pitch_rad):
    matrix = of_rays(
        pitched(0.5, 0.5, LOW_M, 0.0) if not pitch_rad else pitched(0.5, 0.5, 1.001, pitch_rad),
        (np.degrees(pitch_rad), np.inf, NOTHING),
    )
    assert cells(matrix, FREE) == []


def test_a_ray_straight_down_frees_the_cell_of_its_sensor():
    matrix = of_rays(pitched(0.5, 0.5, 0.8, np.pi / 2), (0, 0.8, GROUND))
    assert cells(matrix, FREE) == row(0, 0)


@LEVEL_OR_PITCHED
def test_between_a_steep_ray_and_a_flat_one_nothing_is_free(pitch_rad):
    # From 2.2 m: 45 degrees down is low from 1.2 to 2.2 m ahead, 15 degrees from 4.48 to 8.21 m.
    down = np.degrees(pitch_rad)
    rays = [(down - below, 2.2 / np.sin(np.radians(below)), GROUND) for below in (45, 15)]
    assert cells(of_rays(pitched(0.6, 0.5, 2.2, pitch_rad), *rays), FREE) == [(2, 0), *row(5, 8)]


def test_the_beams_of_a_sensor_on_its_side_run_in_directions_of_their_own():
    # Level rays 0.8 m above the ground, to the east and to the south-east, both 3.3 m long.
    pose = pitched(0.5, 0.5, 0.8)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    matrix = of_rays(pose, (0, np.inf, NOTHING), (45, np.inf, NOTHING), range_m=3.3)
    assert cells(matrix, FREE) == [(0, 0), (1, -1), (1, 0), (2, -2), (2, 0), (3, 0)]


def test_the_rays_of_each_azimuth_are_followed_alone():
    # Two beams to the four sides: the flat one meets a body at another distance on each side.
    beams = Beams(np.radians([-30.0, 0.0]), 4, 80.0)
    hit_m = np.array([[1.6] * 4, [3.9, 5.9, 7.9, 2.9]], np.float32)
    met = np.array([[GROUND] * 4, [7] * 4])
    matrix = observed_matrix(1.0, 10.0, np.zeros(2), [(beams, pitched(0.5, 0.5, 0.8), Scan(hit_m, met))])
    sides = [(1, 0, 3.9), (0, 1, 5.9), (-1, 0, 7.9), (0, -1, 2.9)]
    free = {(0, 0)} | {(x * n, y * n) for x, y, end_m in sides for n in range(1, int(end_m + 0.5))}
    assert set(cells(matrix, OCCUPIED)) == {(x * int(m + 0.52), y * int(m + 0.52)) for x, y, m in sides}
    assert set(cells(matrix, FREE)) == free - set(cells(matrix, OCCUPIED))


@pytest.mark.parametrize(
    ("place_m", "side"),
    [((-9.5, 0.5), EAST), ((9.5, 0.5), WEST), ((0.5, -9.5), NORTH), ((0.5, 9.5), SOUTH)],
)
def test_a_ray_crosses_the_whole_window(place_m, side):
    matrix = of_rays(pitched(*place_m, 0.8), (0, np.inf, NOTHING), columns=4)
    along = matrix.code[:, 10] if side in (EAST, WEST) else matrix.code[10]
    assert (along == FREE).all()


def test_a_ray_from_corner_to_corner_frees_the_corner():
    pose = pose_matrix(-9.5, -9.5, 0.8, np.pi / 4)
    matrix = of_rays(pose, (0, np.inf, NOTHING))
    assert cells(matrix, FREE) == [(n, n) for n in range(-10, 10)]


def test_a_ray_to_the_edge_of_the_window_frees_no_cell_of_the_opposite_edge():
    # From the origin along the axes, with samples on the edges of cells, the last of them on the edge of the window.
    matrix = of_rays(pitched(0.0, 0.0, 0.8), (0, np.inf, NOTHING), columns=4)
    assert all(y == 0 or x in (-1, 0) for x, y in cells(matrix, FREE))


@pytest.mark.parametrize(("x_m", "free"), [(-14.5, [-10, -9, -8]), (-15.0, [-10, -9, -8]), (-15.5, [])])
def test_a_ray_that_is_low_before_it_comes_into_the_window_is_not_followed(x_m, free):
    # From 3 m, 22.5 degrees down to the east: low from 4.8 to 7.2 m ahead, with samples at 5.0 to 7.0 m. The window begins at -10 m.
    matrix = of_rays(pitched(x_m, 0.5, 3.0), (-22.5, 3.0 / np.sin(np.radians(22.5)), GROUND))
    assert [x for x, _ in cells(matrix, FREE)] == free


@pytest.mark.parametrize(("u", "du", "free"), [(0.5, 0.5, [2, 3, 4, 5]), (2.0, -1.0, [2, 3, 4])])
def test_a_walk_stays_inside_its_window(u, du, free):
    # Rows 2 to 5 of the board are the window.
    board = np.zeros((8, 3), np.uint8)
    _walk(board[2:6], 0, 20, u, 1.5, du, 0.0)
    assert np.argwhere(board).tolist() == [[x, 1] for x in free]


def four_rays(hit_m, column):
    """Four level rays, of which one hits a body."""
    met = np.full((1, 4), NOTHING, np.int32)
    met[0, column] = 7
    return *rays_of(Beams(np.zeros(1), 4, 80.0)), np.full((1, 4), float(hit_m)), met


@pytest.mark.parametrize(("column", "x_m", "y_m"), [(0, 4.0, 1.5), (1, 1.5, 3.0)])
def test_a_return_on_the_far_edge_of_a_window_lies_outside(column, x_m, y_m):
    board, hit_m = np.zeros((8, 3), np.uint8), np.float32(1.25)
    behind_m = float(hit_m) + 0.02
    ox, oy = (x_m - behind_m, y_m) if column == 0 else (x_m, y_m - behind_m)
    assert (ox + behind_m, oy) == (x_m, y_m) or (ox, oy + behind_m) == (x_m, y_m)
    mark(board[2:6], 0.0, 0.0, 1.0, pitched(ox, oy, 3.0), *four_rays(hit_m, column))
    assert not board.any()


@pytest.mark.parametrize(("column", "x_m", "y_m"), [(2, 0.0, 1.5), (3, 1.5, 0.0)])
def test_a_return_on_the_near_edge_of_a_window_lies_inside(column, x_m, y_m):
    board, hit_m = np.zeros((4, 3), np.uint8), np.float32(1.25)
    behind_m = float(hit_m) + 0.02
    pose = pitched(behind_m if column == 2 else x_m, behind_m if column == 3 else y_m, 3.0)
    mark(board, 0.0, 0.0, 1.0, pose, *four_rays(hit_m, column))
    assert np.argwhere(board == OCCUPIED).tolist() == [[int(x_m), int(y_m)]]


@pytest.mark.parametrize("shift", [(-1, -2), (1, -2), (-2, 1), (1, 2), (0, 0), (-5, 0), (0, 6)])
def test_a_shifted_window_holds_each_code_at_its_own_cell_of_the_grid(shift):
    code = (np.arange(12).reshape(3, 4) % 3).astype(np.uint8)
    on_grid = {(10 + x, 20 + y): code[x, y] for x in range(3) for y in range(4)}
    lower = np.array([10, 20]) + shift
    window = shifted(PerceptionMatrix(np.array([10, 20]), 2.0, code), lower, (5, 3))
    expected = [[on_grid.get((lower[0] + x, lower[1] + y), UNOBSERVED) for y in range(3)] for x in range(5)]
    np.testing.assert_array_equal(window, expected)
