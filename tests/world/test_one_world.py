"""Lidar, radio and footprints give one answer to whether a building lies between two points."""

import numpy as np
import pytest

from v2xsim.comms.channel.geometry import link_states
from v2xsim.comms.channel.sight import pair_states
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.torch_cast import cast_torch
from v2xsim.records import LOS, NLOSB, Boxes, Prisms
from v2xsim.spatial.grid import indexed
from v2xsim.world.footprints import FootprintMap

HOUSE = [(10, 10), (30, 10), (30, 22), (10, 22)]
L_SHAPE = [(40, 10), (80, 10), (80, 20), (52, 20), (52, 45), (40, 45)]
# A block round a court; its outline runs along the seam from (0, 60) to (15, 75) and back.
RING = [(0, 60), (60, 60), (60, 100), (0, 100), (0, 60), (15, 75), (15, 85), (45, 85), (45, 75), (15, 75)]
PARTS = ([(70, 60), (80, 60), (80, 90), (70, 90)], [(80, 60), (95, 60), (95, 90), (80, 90)])


def town():
    footprints = [np.array(foot, float) for foot in (HOUSE, L_SHAPE, RING, *PARTS)]
    offset = np.concatenate([[0], np.cumsum([len(foot) for foot in footprints])])
    base_m, top_m = np.array([3.0, 0.0, 0.0, 0.0, 4.0]), np.array([6.0, 9.0, 12.0, 30.0, 9.0])
    return indexed(Prisms(np.concatenate(footprints), offset, base_m, top_m))


def ray_is_blocked(caster, start_m, end_m):
    """Return whether a ray hits a building on its way between two points."""
    ahead = (end_m - start_m) / np.linalg.norm(end_m - start_m)
    left = np.cross([0.0, 0.0, 1.0], ahead)
    left /= np.linalg.norm(left)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.column_stack([ahead, left, np.cross(ahead, left)]), start_m
    reach_m = float(np.linalg.norm(end_m - start_m))
    scan = caster(Beams(np.zeros(1), 4, reach_m), pose, Boxes.none(), np.zeros(0, np.int64), town())
    return bool(np.isfinite(scan.range_m[0, 0]))


@pytest.mark.parametrize("caster", [cast, cast_torch])
@pytest.mark.parametrize("seed", range(5))
def test_a_lidar_ray_and_a_link_between_the_same_points_meet_the_same_buildings(caster, seed):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(0, 100, (60, 2)), rng.choice([0.5, 1.5, 2.5, 5.0, 8.0, 10.0, 14.0], 60)])
    start_m, end_m = points[:30], points[30:]
    none = np.full(30, -1)
    state = link_states(start_m, end_m, none, none, Boxes.none(), town()).state
    blocked = [ray_is_blocked(caster, a, b) for a, b in zip(start_m, end_m, strict=True)]
    assert np.array_equal(state == NLOSB, blocked)
    assert 3 < sum(blocked) < 30


@pytest.mark.parametrize("caster", [cast, cast_torch])
@pytest.mark.parametrize(
    ("start_m", "end_m", "blocked"),
    [
        ((12, 12, 1.5), (28, 20, 1.5), False),  # below the raised house
        ((12, 12, 4.0), (28, 20, 4.0), False),  # inside it
        ((12, 12, 1.5), (28, 20, 4.0), True),  # through its floor
        ((42, 40, 1.5), (78, 15, 1.5), True),  # from one wing of the L to the other, across the open
        ((42, 40, 1.5), (42, 15, 1.5), False),
        ((20, 80, 1.5), (40, 80, 1.5), False),  # in the court
        ((3, 70, 1.5), (12, 64, 1.5), False),  # inside the block, across the seam
        ((30, 65, 1.5), (30, 95, 1.5), True),  # inside the block, across the court
        ((75, 75, 1.5), (90, 75, 1.5), True),  # out of the tower, below the wing
        ((85, 75, 1.5), (90, 65, 1.5), False),
    ],
)
def test_the_inside_of_a_building_is_open_for_lidar_and_radio_alike(caster, start_m, end_m, blocked):
    a, b = np.array(start_m, float), np.array(end_m, float)
    link = link_states(a[None], b[None], np.array([-1]), np.array([-1]), Boxes.none(), town())
    assert (ray_is_blocked(caster, a, b), link.state[0]) == (blocked, NLOSB if blocked else LOS)


def test_the_ground_of_a_court_and_below_a_building_with_headroom_is_open():
    (ground,) = FootprintMap(town(), 1.0).open_ground(np.array([[0, 0]]), (100, 100))
    names = {
        (20, 15): "raised house",
        (45, 15): "L",
        (30, 80): "court",
        (30, 65): "block",
        (75, 75): "tower",
        (90, 75): "wing",
    }
    is_open = {name: bool(ground[cell]) for cell, name in names.items()}
    assert is_open == {"raised house": True, "L": False, "court": True, "block": False, "tower": False, "wing": True}


@pytest.mark.parametrize("seed", range(3))
def test_the_two_programs_for_link_states_agree_inside_and_outside_buildings(seed):
    rng = np.random.default_rng(seed)
    points = np.column_stack([rng.uniform(0, 100, (80, 2)), rng.uniform(0.3, 12, 80)])
    first, second, none = np.arange(40), np.arange(40, 80), np.full(80, -1)
    expected = link_states(points[:40], points[40:], none[:40], none[:40], Boxes.none(), town()).state
    assert np.array_equal(pair_states(points, none, first, second, Boxes.none(), town())[1], expected)


def test_where_two_buildings_overlap_the_insides_of_both_are_open_ground_for_a_station_there():
    squares = [[(0, 0), (20, 0), (20, 20), (0, 20)], [(10, 0), (30, 0), (30, 20), (10, 20)]]
    both = indexed(
        Prisms(np.concatenate([np.array(s, float) for s in squares]), np.array([0, 4, 8]), np.zeros(2), np.full(2, 9.0))
    )
    station_m, windows = np.array([[15.0, 10.0, 0.0], [5.0, 10.0, 0.0], [35.0, 10.0, 0.0]]), np.zeros((3, 2), np.int64)
    ground = FootprintMap(both, 1.0).open_ground(windows, (40, 30), station_m)
    cells = [5, 15, 25, 35], 10
    assert ground[0][cells].tolist() == [True, True, True, True]
    assert ground[1][cells].tolist() == [True, False, False, True]
    assert ground[2][cells].tolist() == [False, False, False, True]
