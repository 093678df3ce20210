"""Scans of several stations in one call, and on another device."""

import numpy as np
import pytest

from tests.engine.small_world import snapshot
from v2xsim.engine.stations.scans import LidarPose, Scanner, StationLidars
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.returns import Noise, hits_per_agent, returns
from v2xsim.perception.matching.matrix import observed_matrix
from v2xsim.records import BUILDING, Prisms
from v2xsim.spatial.grid import indexed
from v2xsim.spatial.poses import pose_matrix

HOUSE = indexed(
    Prisms(
        np.array([[-5.0, 8.0], [5.0, 8.0], [5.0, 12.0], [-5.0, 12.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 6.0)
    )
)
WORLD = snapshot([3, 5, 8], [(0, 0), (20, 0), (0, 30)])
COARSE, FINE = evenly_spaced(8, 90, -25.0, 5.0, 40.0), evenly_spaced(16, 360, -25.0, 15.0, 80.0)
UP, TILTED = mount_transform(0.0, 0.0, 1.8), mount_transform(0.5, 0.0, 2.0, 0.0, 0.1, 0.2)


def lidar(beams, mount, x_m, error_m, key):
    true, believed = pose_matrix(x_m, 1.0, 0.0, 0.3), pose_matrix(x_m + error_m, 1.0, 0.0, 0.4)
    return LidarPose(beams, mount, true @ mount, believed @ mount, Noise(0.02, 0.1, key))


def stations(scanner):
    """A car with two lidars of different types, a car without lidars, and a car with one."""
    return [
        StationLidars(3, scanner.lower(np.array([3.0, 1.0])), (lidar(COARSE, TILTED, 0.0, 3.0, 1), lidar(FINE, UP, 0.0, 3.0, 2))),
        StationLidars(5, scanner.lower(np.array([20.0, 0.0])), ()),
        StationLidars(8, scanner.lower(np.array([1.0, 1.0])), (lidar(FINE, UP, 1.0, 0.0, 3),)),
    ]  # fmt: skip


@pytest.mark.parametrize("on_device", [None, cast], ids=["in one call", "lidar by lidar on another device"])
def test_scans_of_several_stations_are_those_of_each_lidar_alone(on_device):
    scanner = Scanner(HOUSE, 2.0, 30.0, on_device)
    for station, scan in zip(stations(scanner), scanner.scan(stations(scanner), WORLD.boxes, WORLD.agent), strict=True):
        casts = [
            cast(one.beams, one.world_from_sensor, WORLD.boxes, WORLD.agent, HOUSE, station.agent)
            for one in station.lidars
        ]
        parts = [
            returns(rays, one.beams, one.vehicle_from_sensor, one.noise)
            for rays, one in zip(casts, station.lidars, strict=True)
        ]
        ids = np.concatenate([np.zeros(0, np.int32), *(part[1] for part in parts)])
        np.testing.assert_array_equal(
            scan.returns.points_m, np.concatenate([np.zeros((0, 3)), *(p[0].points_m() for p in parts)])
        )
        np.testing.assert_array_equal(scan.object_id, ids)
        np.testing.assert_array_equal(scan.returns.on_building, ids == BUILDING)
        np.testing.assert_array_equal(scan.hits, hits_per_agent(ids.astype(np.int64), WORLD.agent))
        sensors = [(one.beams, one.believed, rays) for one, rays in zip(station.lidars, casts, strict=True)]
        matrix = observed_matrix(2.0, 30.0, (station.lower + 15.5) * 2.0, sensors)
        np.testing.assert_array_equal(scan.matrix.lower, matrix.lower)
        np.testing.assert_array_equal(scan.matrix.code, matrix.code)


def test_a_later_scan_leaves_an_earlier_one_as_it_was():
    scanner = Scanner(HOUSE, 2.0, 30.0)
    first = scanner.scan(stations(scanner), WORLD.boxes, WORLD.agent)
    before = [(scan.returns.points_m, scan.object_id.copy(), scan.matrix.code.copy()) for scan in first]
    scanner.scan(stations(scanner)[::-1], WORLD.boxes, WORLD.agent)
    for scan, (points_m, object_id, code) in zip(first, before, strict=True):
        np.testing.assert_array_equal(scan.returns.points_m, points_m)
        np.testing.assert_array_equal(scan.object_id, object_id)
        np.testing.assert_array_equal(scan.matrix.code, code)


def test_without_stations_there_is_nothing_to_scan():
    assert Scanner(HOUSE, 2.0, 30.0).scan([], WORLD.boxes, WORLD.agent) == []
