"""Lidars whose returns have a power, in clear air, fog, rain and snow."""

import numpy as np
import pytest

import v2xsim
from v2xsim.engine.stations.air import Air
from v2xsim.engine.stations.rigs import beams_of
from v2xsim.engine.stations.scans import Lidars, Scanner
from v2xsim.errors import UserError
from v2xsim.gpu.lidar.bodies import MATERIALS, Material
from v2xsim.gpu.lidar.effects.extinction import fog_extinction_per_m
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.returns import Noise
from v2xsim.gpu.lidar.tables import TABLES
from v2xsim.records import BUILDING, CLUTTER, FREE, GROUND, LOST, OCCUPIED, UNOBSERVED, Boxes, Prisms
from v2xsim.scenario.schema_stations import Air as AirSettings
from v2xsim.scenario.schema_stations import Lidars as Settings
from v2xsim.spatial.grid import indexed

RANGE_M = 120.0
FLAT = Beams(np.zeros(1), 720, RANGE_M)
NOBODY = Boxes.none(), np.zeros(0, np.int64)


def wall_at(distance_m):
    foot = np.array([[distance_m, -30.0], [distance_m + 5.0, -30.0], [distance_m + 5.0, 30.0], [distance_m, 30.0]])
    return indexed(Prisms(foot, np.array([0, 4]), np.zeros(1), np.full(1, 30.0)))


def scanned(obstacles, beams=FLAT, key=5, **settings):
    """Return what a station at the origin measures, and the air."""
    air = Air(Settings(**settings), None)
    scanner = Scanner(obstacles, 2.0, 60.0, air=air)
    pose = mount_transform(0.0, 0.0, 1.9)[None]
    lidars = Lidars(
        np.array([9]), scanner.lower(np.zeros((1, 2))), np.zeros(1, np.int64), (beams,), pose, pose, pose, (Noise(0.0, 0.0, 1),), (key,)
    )  # fmt: skip
    (scan,) = scanner.scan(lidars, *NOBODY)
    return scan, air


def wall_returns(distance_m, **settings):
    """Return how many of the columns within 2 degrees ahead return from a wall met squarely."""
    scan, _ = scanned(wall_at(distance_m), **settings)
    column = scan.returns.lidars[0].column[scan.object_id == BUILDING]
    return int(((column < 5) | (column > 715)).sum())


@pytest.mark.parametrize("reflectivity", [0.3, 0.6, 0.9])
def test_a_wall_is_seen_up_to_the_range_that_the_lidar_equation_gives(reflectivity):
    # Range goes with the root of the reflectivity.
    reach_m = RANGE_M * np.sqrt(MATERIALS[Material.WALL].reflectivity / reflectivity)
    assert wall_returns(0.995 * reach_m, range_reflectivity=reflectivity) >= 7
    assert wall_returns(1.002 * reach_m, range_reflectivity=reflectivity) == 0


@pytest.mark.parametrize("visibility_m", [100.0, 200.0, 400.0])
def test_fog_shortens_the_range_by_its_extinction(visibility_m):
    least = 0.1 / RANGE_M**2
    wall = MATERIALS[Material.WALL].reflectivity
    far_m = np.arange(1.0, 200.0, 0.1)
    power = wall * np.exp(-2.0 * fog_extinction_per_m(visibility_m) * far_m) / far_m**2
    reach_m = min(far_m[power >= least].max(), RANGE_M - 1.0)
    fog = AirSettings(fog_visibility_m=visibility_m)
    seen = wall_returns(0.97 * reach_m, air=fog)
    assert seen >= 1
    if reach_m < RANGE_M - 1.0:
        assert wall_returns(1.03 * reach_m, air=fog) == 0


def test_in_dense_fog_a_lidar_gets_echoes_of_the_air_and_sees_neither_wall_nor_ground_far_away():
    scan, air = scanned(
        wall_at(50.0), evenly_spaced(16, 360, -15.0, 5.0, RANGE_M), air=AirSettings(fog_visibility_m=20.0)
    )
    assert (scan.object_id == CLUTTER).sum() > 100
    assert (scan.object_id == BUILDING).sum() == 0
    assert LOST not in scan.object_id
    # No cell farther than 30 m, in cells of 2 m, was seen to be free.
    place = np.abs(np.argwhere(scan.matrix.code == FREE) - 30).max(axis=1, initial=0)
    assert (place * 2.0 < 30.0).all()
    (notice,) = air.notices()
    assert "echoes of the air" in str(notice)


def test_where_returns_have_a_power_the_sky_shows_nothing():
    # Rays that meet nothing show free cells in the simple model, since it knows the range of each surface.
    obstacles = indexed(Prisms.none())
    low = Beams(np.radians([-0.2, -0.1]), 360, RANGE_M)
    scan, _ = scanned(obstacles, low, range_reflectivity=0.1)
    assert (scan.matrix.code == UNOBSERVED).all()


def test_echoes_near_the_sensor_make_cells_occupied():
    scan, _ = scanned(
        indexed(Prisms.none()), evenly_spaced(16, 720, -5.0, 5.0, RANGE_M), air=AirSettings(snow_mm_per_h=3.0)
    )
    assert (scan.matrix.code == OCCUPIED).any()


def test_the_ground_is_seen_less_far_than_a_wall_because_rays_graze_it():
    beams = evenly_spaced(64, 360, -25.0, -1.0, RANGE_M)
    scan, _ = scanned(wall_at(60.0), beams, range_reflectivity=0.1)
    far_m = scan.returns.lidars[0].range_m
    assert far_m[scan.object_id == GROUND].max() < 0.6 * far_m[scan.object_id == BUILDING].max()


def test_another_key_gives_other_echoes_and_the_same_key_the_same():
    arguments = wall_at(40.0), evenly_spaced(16, 360, -10.0, 5.0, RANGE_M)
    one, again, other = (scanned(*arguments, key=key, air=AirSettings(snow_mm_per_h=3.0))[0] for key in (1, 1, 2))
    assert np.array_equal(one.object_id, again.object_id)
    assert not np.array_equal(one.object_id, other.object_id)


def test_haze_returns_nothing_of_its_own():
    scan, _ = scanned(
        wall_at(40.0), evenly_spaced(16, 720, -10.0, 5.0, RANGE_M), air=AirSettings(fog_visibility_m=2000.0)
    )
    assert (scan.object_id == CLUTTER).sum() == 0
    assert (scan.object_id == BUILDING).sum() > 100


def test_two_kinds_of_weather_at_once_are_refused():
    with pytest.raises(UserError, match="takes one of fog_visibility_m, rain_mm_per_h and snow_mm_per_h"):
        v2xsim.load("demo", ["lidars.air.fog_visibility_m=100", "lidars.air.rain_mm_per_h=5"])


def test_fog_tells_in_a_run_and_says_what_was_lost(tmp_path):
    settings = ["run.duration_s=1", "run.begin_s=4", "lidars.model=beam16"]
    clear = v2xsim.run(v2xsim.load("demo", settings), out=tmp_path / "clear")
    foggy = v2xsim.run(v2xsim.load("demo", [*settings, "lidars.air.fog_visibility_m=40"]), out=tmp_path / "fog")
    assert foggy.metrics["object_awareness_ego"].value < clear.metrics["object_awareness_ego"].value
    assert any(notice.subject == "lidars.weak_returns" for notice in foggy.notices)
    assert not any(notice.subject == "lidars.weak_returns" for notice in clear.notices)
    cloud = v2xsim.open(tmp_path / "fog").frames("ego")[0].cloud
    assert "air" in cloud.named_legend("object")


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_scenario_can_name_a_product(name):
    scenario = v2xsim.load("demo", [f"lidars.model={name}"])
    assert beams_of(scenario.lidars.model) is TABLES[name]


def test_a_product_sees_as_far_in_fog_as_its_data_sheet_lets_it():
    # The OS1 states 120 m for 80 %, the generic lidar of the same range 10 %: it is eight times as sensitive.
    product, generic = TABLES["os1_128"], evenly_spaced(128, 2048, -22.5, 22.5, 120.0)
    haze = AirSettings(fog_visibility_m=5000.0)
    seen = [(scanned(wall_at(70.0), beams, air=haze)[0].object_id == BUILDING).sum() for beams in (product, generic)]
    assert seen[0] < 0.2 * seen[1]
