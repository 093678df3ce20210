"""Scans of several stations in one call, and on another device."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.small_world import snapshot
from v2xsim.engine.stations.scans import Lidars, Scanner
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.returns import Noise, hits_per_agent, returns, without_lost
from v2xsim.perception.matching.matrix import observed_matrix
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, Boxes, Prisms
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


def lidars(scanner, stations=(0, 1, 2)):
    """A car with two lidars of different types, a car without lidars, and a car with one; in a given order."""
    carried = [[(COARSE, TILTED, 0.0, 3.0, 1), (FINE, UP, 0.0, 3.0, 2)], [], [(FINE, UP, 1.0, 0.0, 3)]]
    every = [(number, *one) for number, station in enumerate(stations) for one in carried[station]]
    station, beams, mounts, x_m, error_m, keys = zip(*every, strict=True)
    mount = np.array(mounts)
    return Lidars(
        np.array([3, 5, 8])[list(stations)],
        scanner.lower(np.array([[3.0, 1.0], [20.0, 0.0], [1.0, 1.0]])[list(stations)]),
        np.array(station), beams, mount,
        np.array([pose_matrix(x, 1.0, 0.0, 0.3) for x in x_m]) @ mount,
        np.array([pose_matrix(x + error, 1.0, 0.0, 0.4) for x, error in zip(x_m, error_m, strict=True)]) @ mount,
        tuple(Noise(0.02, 0.1, key) for key in keys),
    )  # fmt: skip


@pytest.mark.parametrize("on_device", [None, cast], ids=["in one call", "lidar by lidar on another device"])
def test_scans_of_several_stations_are_those_of_each_lidar_alone(on_device):
    scanner = Scanner(HOUSE, 2.0, 30.0, on_device)
    given = lidars(scanner)
    for station, scan in enumerate(scanner.scan(given, WORLD.boxes, WORLD.agent)):
        own = np.flatnonzero(given.station == station).tolist()
        skip = int(given.agent[station])
        casts = [cast(given.beams[n], given.world_from_sensor[n], WORLD.boxes, WORLD.agent, HOUSE, skip) for n in own]
        parts = [
            returns(rays, given.beams[n], given.vehicle_from_sensor[n], given.noise[n])
            for n, rays in zip(own, casts, strict=True)
        ]
        ids = np.concatenate([np.zeros(0, np.int32), *(part[1] for part in parts)])
        points_m = np.concatenate([np.zeros((0, 3)), *(part[0].points_m() for part in parts)])
        np.testing.assert_array_equal(scan.returns.points_m, points_m)
        np.testing.assert_array_equal(scan.object_id, ids)
        np.testing.assert_array_equal(scan.hits, hits_per_agent(ids.astype(np.int64), WORLD.agent))
        sensors = [
            (given.beams[n], given.believed[n], without_lost(rays, given.noise[n]))
            for n, rays in zip(own, casts, strict=True)
        ]
        matrix = observed_matrix(2.0, 30.0, (given.lower[station] + 15.5) * 2.0, sensors)
        np.testing.assert_array_equal(scan.matrix.lower, matrix.lower)
        np.testing.assert_array_equal(scan.matrix.code, matrix.code)


@pytest.mark.parametrize("on_device", [None, cast], ids=["in one call", "lidar by lidar on another device"])
def test_a_cell_is_free_if_so_much_of_its_area_was_seen(on_device):
    scanner = Scanner(HOUSE, 2.0, 30.0, on_device, 0.6)
    given = lidars(scanner)
    for station, scan in enumerate(scanner.scan(given, WORLD.boxes, WORLD.agent)):
        own, skip = np.flatnonzero(given.station == station).tolist(), int(given.agent[station])
        casts = [cast(given.beams[n], given.world_from_sensor[n], WORLD.boxes, WORLD.agent, HOUSE, skip) for n in own]
        sensors = [
            (given.beams[n], given.believed[n], without_lost(rays, given.noise[n]))
            for n, rays in zip(own, casts, strict=True)
        ]
        fine = observed_matrix(0.5, 30.0, (given.lower[station] + 15.0) * 2.0 + 0.1, sensors)
        assert fine.lower.tolist() == (4 * given.lower[station]).tolist()
        parts = fine.code.reshape(30, 4, 30, 4).transpose(0, 2, 1, 3).reshape(30, 30, 16)
        occupied, share = (parts == OCCUPIED).any(axis=2), (parts != UNOBSERVED).mean(axis=2)
        expected = np.where(occupied, OCCUPIED, np.where(share >= 0.6, FREE, UNOBSERVED))
        # One of the stations has no lidar.
        assert set(np.unique(expected).tolist()) == ({FREE, OCCUPIED, UNOBSERVED} if own else {UNOBSERVED})
        assert ((share > 0.0) & (expected == UNOBSERVED)).any() == bool(own)
        np.testing.assert_array_equal(scan.matrix.code, expected)
        np.testing.assert_array_equal(scan.matrix.lower, given.lower[station])


@pytest.mark.parametrize("on_device", [None, cast], ids=["in one call", "lidar by lidar on another device"])
@pytest.mark.parametrize("turned", [UP, TILTED], ids=["level", "tilted"])
def test_a_blind_lidar_observes_nothing_and_one_that_loses_half_observes_less(on_device, turned):
    def scan(dropout):
        given = lidars(scanner, stations=(2,))
        blind = tuple(Noise(0.02, dropout, noise.key) for noise in given.noise)
        world = given.world_from_sensor @ np.linalg.inv(given.vehicle_from_sensor) @ turned
        (found,) = scanner.scan(
            replace(given, noise=blind, world_from_sensor=world, believed=world, vehicle_from_sensor=turned[None]),
            WORLD.boxes,
            WORLD.agent,
        )
        return found

    scanner = Scanner(HOUSE, 1.0, 30.0, on_device)
    seen, half, blind = scan(0.0), scan(0.5), scan(1.0)
    assert len(blind.returns) == 0
    assert (blind.matrix.code == UNOBSERVED).all()
    assert 0.4 * len(seen.returns) < len(half.returns) < 0.6 * len(seen.returns)
    assert (seen.matrix.code[half.matrix.code != UNOBSERVED] != UNOBSERVED).all()
    assert half.matrix.observed.sum() < seen.matrix.observed.sum()


def test_a_later_scan_leaves_an_earlier_one_as_it_was():
    scanner = Scanner(HOUSE, 2.0, 30.0)
    first = scanner.scan(lidars(scanner), WORLD.boxes, WORLD.agent)
    before = [(scan.returns.points_m, scan.object_id.copy(), scan.matrix.code.copy()) for scan in first]
    scanner.scan(lidars(scanner, (2, 0)), WORLD.boxes, WORLD.agent)
    for scan, (points_m, object_id, code) in zip(first, before, strict=True):
        np.testing.assert_array_equal(scan.returns.points_m, points_m)
        np.testing.assert_array_equal(scan.object_id, object_id)
        np.testing.assert_array_equal(scan.matrix.code, code)


def test_stations_without_lidars_measure_nothing():
    scanner, no_pose = Scanner(HOUSE, 2.0, 30.0), np.zeros((0, 4, 4))
    none = Lidars(np.array([5]), np.zeros((1, 2), int), np.zeros(0, int), (), no_pose, no_pose, no_pose, ())
    (scan,) = scanner.scan(none, WORLD.boxes, WORLD.agent)
    assert (len(scan.returns), len(scan.object_id), scan.hits.any(), scan.matrix.code.any()) == (0, 0, False, False)


def test_the_rays_of_some_lidars_are_joined_once_in_whatever_order_stations_carry_them():
    scanner = Scanner(HOUSE, 2.0, 30.0)
    orders = [lidars(scanner, (0,)), lidars(scanner, (2, 0))]
    assert [[one is COARSE for one in given.beams] for given in orders] == [[True, False], [False, True, False]]
    for given in orders:
        scanner.scan(given, WORLD.boxes, WORLD.agent)
    assert len(scanner._joined) == 1


@pytest.mark.parametrize("on_device", [None, cast], ids=["in one call", "lidar by lidar on another device"])
def test_hits_on_two_parts_are_those_of_one_road_user_and_the_own_rear_part_hides(on_device):
    # A car with a rear part of its own behind the lidar, and a road user of two parts before it.
    boxes = Boxes(
        np.array([[0.0, 0, 0], [-6.0, 0, 0], [12.0, 0, 0], [18.0, 3, 0], [-20.0, 0, 0]]),
        np.array([[4.0, 2.0, 1.5], [6.0, 2.5, 4.0], [4.0, 2.0, 3.0], [6.0, 2.0, 3.0], [4.0, 2.0, 2.0]]), np.zeros(5),
    )  # fmt: skip
    agent = np.array([3, 3, 5, 5, 8])
    mount, pose = mount_transform(0.0, 0.0, 1.8), pose_matrix(0.0, 0.0, 0.0, 0.0)
    scanner = Scanner(indexed(Prisms.none()), 2.0, 30.0, on_device)
    here = Lidars(
        np.array([3]), scanner.lower(np.zeros((1, 2))), np.array([0]), (FINE,), mount[None], (pose @ mount)[None],
        (pose @ mount)[None], (Noise(0.0, 0.0, 1),),
    )  # fmt: skip
    (scan,) = scanner.scan(here, boxes, agent)
    points_m = scan.returns.points_m
    assert scan.hits.shape == (3,)
    assert scan.hits[0] == 0, "returns on the own rear part are left out"
    assert scan.hits[1] == (scan.object_id == 5).sum()
    x_m = points_m[scan.object_id == 5][:, 0]
    assert x_m.min() == pytest.approx(10.0, abs=0.1), "the front part's back"
    assert x_m.max() > 15.0, "and the rear part"
    # Behind the own rear part is a road user that is hidden, and cells that are not observed.
    assert scan.hits[2] == 0
    cell = np.floor(np.array([-14.0, 0.5]) / 2.0).astype(int) - scan.matrix.lower
    assert scan.matrix.code[tuple(cell)] == 0
    (through,) = scanner.scan(
        here, Boxes(boxes.center_m[[0, 2, 4]], boxes.size_m[[0, 2, 4]], np.zeros(3)), agent[[0, 2, 4]]
    )
    assert through.hits[2] > 0
