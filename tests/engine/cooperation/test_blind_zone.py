"""What an ego does not see, and how much each cell of it matters."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, frame, obstacles
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.records import FREE
from v2xsim.world.footprints import FootprintMap
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.roads import LANE, MOTOR, Road, Roads


def zone_of(ego, *buildings_m):
    return BlindZones(FootprintMap(obstacles(*buildings_m), 2.0)).of(ego)


def test_cells_that_the_ego_sees_do_not_matter():
    code = np.zeros((4, 4))
    code[1, 2] = FREE
    weight = zone_of(frame(EGO, code=code)).weight
    assert np.argwhere(weight == 0).tolist() == [[1, 2]]


def test_cells_inside_buildings_are_never_blind():
    zone = zone_of(frame(EGO), (4, 0, 6, 2))
    assert np.argwhere(zone.weight == 0).tolist() == [[2, 0]]
    assert np.argwhere(~zone.open_ground).tolist() == [[2, 0]]


def test_the_inside_of_the_building_in_which_the_ego_stands_is_open():
    zone = zone_of(frame(EGO, pose=(5, 1, 0, 0)), (4, 0, 6, 2), (0, 4, 2, 6))
    assert np.argwhere(~zone.open_ground).tolist() == [[0, 2]]


def test_a_blind_cell_matters_less_the_farther_it_is():
    # A hidden road user comes 2 m nearer at 14 m/s, and attention falls by 1/e in 4 s.
    weight = zone_of(frame(EGO, pose=(1, 1, 0, 0))).weight
    assert weight[0, 0] == pytest.approx(1.0)
    assert weight[1, 0] == weight[0, 1] == pytest.approx(np.exp(-2 / 14 / 4))


def test_cells_ahead_of_a_moving_ego_matter_more():
    weight = zone_of(frame(EGO, pose=(3, 3, 0, 0), velocity_mps=(10, 0))).weight
    assert weight[2, 1] > weight[0, 1]


def test_behind_a_fast_ego_a_cell_matters_only_if_hidden_road_users_may_be_as_fast():
    ego = frame(EGO, pose=(3, 3, 0, 0), velocity_mps=(30, 0))
    slow, fast = (
        BlindZones(FootprintMap(obstacles(), 2.0), HiddenSpeeds(Roads.none(), 2.0, speed_mps)).of(ego).weight
        for speed_mps in (14.0, 36.0)
    )
    assert slow[0, 1] == 0.0 < fast[0, 1]


def test_beside_a_car_on_a_motorway_cells_on_the_road_matter_and_those_of_the_meadow_do_not():
    ego = frame(EGO, pose=(5, 1, 0, 0), velocity_mps=(30, 0))
    # The lane covers the cells with y from 0 to 2 m.
    road = Roads.of([Road("a", LANE, MOTOR, 1.9, np.array([(-99.0, 1.0), (99.0, 1.0)]), 36.0)])
    zones = BlindZones(FootprintMap(obstacles(), 2.0), HiddenSpeeds(road, 2.0))
    weight = zones.of(ego).weight
    assert (weight[:2, 0] > 0.0).all()
    assert (weight[:2, 1:] == 0.0).all()


def test_the_zone_lies_where_the_matrix_of_the_ego_lies():
    zone = zone_of(frame(EGO, lower=(10, 20), pose=(21, 41, 0, 0)), (22, 40, 24, 42))
    assert np.argwhere(~zone.open_ground).tolist() == [[1, 0]]
    assert zone.weight[0, 0] == pytest.approx(1.0)


def test_the_zone_of_a_frame_is_computed_once():
    zones, ego = BlindZones(FootprintMap(obstacles(), 2.0)), frame(EGO)
    assert zones.of(ego) is zones.of(ego)


def test_each_frame_has_a_zone_of_its_own():
    zones = BlindZones(FootprintMap(obstacles(), 2.0))
    assert zones.of(frame(EGO)).weight[0, 0] != zones.of(frame(EGO, pose=(5, 5, 0, 0))).weight[0, 0]
