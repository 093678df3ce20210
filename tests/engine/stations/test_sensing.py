"""What a station's lidars make of the world around it."""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.engine.small_world import fleet_in, snapshot
from v2xsim.engine.stations import sensing as sensing_module
from v2xsim.engine.stations.rigs import beams_of
from v2xsim.engine.stations.scans import Scanner, Scans
from v2xsim.engine.stations.sensing import Sensing, observed_centers_m
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.workers import Workers
from v2xsim.errors import UserError
from v2xsim.gpu.lidar import torch_cast
from v2xsim.gpu.lidar.cast import Scan
from v2xsim.perception.detection.visibility_model import Visibility
from v2xsim.records import BUILDING, FREE, OCCUPIED, Detections, PerceptionMatrix, Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import LidarModel
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

# A car 20 m ahead of the ego, one behind a house.
HOUSE = Prisms(
    np.array([[-5.0, 8.0], [5.0, 8.0], [5.0, 12.0], [-5.0, 12.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 6.0)
)
ERROR_M = np.array([3.0, 2.0, 0.0])
WORLD = snapshot([3, 5, 8], [(0, 0), (20, 0), (0, 30)], time_us=100_000, velocity_mps=[(7, 0), (0, 0), (0, 0)])


def scenario_with(device="cpu", **settings):
    return Scenario.model_validate({
        "run": {"device": device}, "traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]},
        "lidars": {"model": "beam32", "range_noise_m": 0.0, "dropout": 0.0, **settings},
    })  # fmt: skip


def sensed(error=(0.0, 0.0, 0.0), clock_offset_us=0, threads=1, lidars=1, device="cpu", **settings):
    """The frame of the first car and the truth behind it."""
    scenario = scenario_with(device, **settings)
    stations = fleet_in(WORLD, [0, 1], lidars=[lidars, 0])
    errors = StationErrors(stations.agent, 100_000, np.array([error, (9.0, 9.0, 9.0)]), np.array([clock_offset_us, 0]))
    workers = Workers(threads)
    sensing = Sensing(scenario, indexed(HOUSE), Streams(1), workers)
    try:
        ((frame, capture),) = sensing.begin(WORLD, stations, errors).result()
        return frame, capture, sensing
    finally:
        workers.close()


def test_only_stations_with_a_lidar_have_a_frame():
    frame, _, _ = sensed()
    assert frame.agent == 3
    assert frame.time_us == 100_000


def test_returns_on_a_body_lie_on_its_near_side():
    frame, capture, _ = sensed()
    on_car = frame.points_m[capture.object_id == 5]
    # The rear of a car of 4 m at 20 m.
    assert len(on_car) > 20
    assert on_car[:, 0].min() == pytest.approx(18.0, abs=0.01)


def test_returns_are_counted_by_road_user():
    _, capture, _ = sensed()
    assert capture.points[1] == (capture.object_id == 5).sum() > 0
    # Its own body and the car behind the house.
    assert capture.points[0] == capture.points[2] == 0


def test_returns_on_the_house_lie_on_it():
    frame, capture, _ = sensed()
    on_house = frame.points_m[capture.object_id == BUILDING]
    assert len(on_house) > 20
    assert (on_house[:, 1] > 7.9).all()


def test_the_matrix_lies_where_the_station_believes_to_be():
    right, wrong = sensed()[0], sensed(error=(100.0, 50.0, 0.0))[0]
    shift_cells = np.array([100.0, 50.0]) / right.matrix.cell_m
    np.testing.assert_array_equal(wrong.matrix.lower - right.matrix.lower, shift_cells)
    np.testing.assert_array_equal(wrong.matrix.code, right.matrix.code)


def test_the_cell_of_a_body_is_occupied_and_the_road_before_it_free():
    matrix = sensed()[0].matrix

    def code(x, y):
        i, j = (np.floor(np.array([x, y]) / matrix.cell_m) - matrix.lower).astype(int)
        return matrix.code[i, j]

    assert code(18.2, 0.1) == OCCUPIED
    assert code(10.0, 0.1) == FREE


def test_a_frame_carries_the_stations_own_clock_and_velocity():
    frame, _, _ = sensed(clock_offset_us=1234)
    assert frame.stamp_us == 101_234
    assert frame.velocity_mps.tolist() == [7.0, 0.0]


def test_detections_lie_where_the_station_places_them():
    right, wrong = sensed()[0], sensed(error=(3.0, 0.0, 0.0))[0]
    here, there = (frame.detections.boxes.center_m[frame.detections.truth == 5][0] for frame in (right, wrong))
    np.testing.assert_allclose(there - here, [3.0, 0.0, 0.0], atol=1e-9)


def test_threads_change_nothing():
    one, four = sensed(threads=1)[0], sensed(threads=4)[0]
    np.testing.assert_array_equal(one.points_m, four.points_m)
    np.testing.assert_array_equal(one.detections.score, four.detections.score)


def test_a_second_lidar_adds_its_returns():
    mounts = [{"x_m": 1.0, "z_m": 0.2}, {"x_m": -1.0, "z_m": 0.2}]
    one, two = (sensed(lidars=n, mounts=mounts)[0] for n in (1, 2))
    assert len(two.points_m) > 1.8 * len(one.points_m)


def test_the_detector_meets_the_same_chance_after_fusion():
    frame, capture, sensing = sensed()
    detect = sensing.detector_of(frame, capture, frame.matrix.code, lambda: np.zeros((0, 3)))
    again = detect(capture.apparent, capture.points)
    np.testing.assert_array_equal(again.truth, frame.detections.truth)
    np.testing.assert_array_equal(again.boxes.center_m, frame.detections.boxes.center_m)


@pytest.mark.parametrize(("added", "count"), [(None, 5), (np.zeros((2, 3)), 2)])
def test_the_detector_after_fusion_reads_all_received_points_or_those_that_count(monkeypatch, added, count):
    frame, capture, sensing = sensed()
    clouds = []

    def detections_of(detector, view):
        clouds.append(view.cloud_m)
        return Detections.none()

    monkeypatch.setattr(sensing_module, "detections_of", detections_of)
    detect = sensing.detector_of(frame, capture, frame.matrix.code, lambda: np.zeros((5, 3)))
    detect(capture.apparent, capture.points, added)
    assert len(clouds[0]) == len(frame.points_m) + count


def test_the_detector_after_fusion_reads_own_points_as_the_ego_places_them_and_then_the_received_ones(monkeypatch):
    own, capture, sensing = sensed(error=ERROR_M)
    views = []

    def detections_of(detector, view):
        views.append((detector, view))
        return Detections.none()

    monkeypatch.setattr(sensing_module, "detections_of", detections_of)
    code = np.zeros_like(own.matrix.code)
    code[5, 7] = FREE
    objects = snapshot([3, 5, 8], [(1, 1), (2, 2), (3, 3)]).boxes
    sensing.detector_of(own, capture, code, lambda: np.array([[7.0, 8.0, 9.0]]))(objects, np.array([4, 5, 6]))
    ((detector, view),) = views
    assert detector is sensing._scenario.detector
    np.testing.assert_allclose(view.cloud_m[:-1], own.points_m + ERROR_M, atol=1e-9)
    assert view.cloud_m[-1].tolist() == [7.0, 8.0, 9.0]
    # Cells of the matrix after fusion, not of the ego's own.
    np.testing.assert_allclose(view.observed_m, [(own.matrix.lower + np.array([5.5, 7.5])) * own.matrix.cell_m])
    assert view.objects is objects
    assert (view.agent.tolist(), view.points.tolist()) == ([3, 5, 8], [4, 5, 6])
    assert view.object_draws(2) is capture.draws.of_objects(2)
    assert view.frame_draws(4, 2) is capture.draws.of_frame(4, 2)


@dataclass(frozen=True)
class Noting(Visibility):
    """A detector that notes what it is called with, and detects nothing."""

    views: list = field(default_factory=list, compare=False)

    def detect(self, view):
        self.views.append(view)
        return Detections.none()


def noted(rows, **settings):
    """Frames of some cars, the truth behind them, and what another detector than the built-in one gets of each."""
    detector = Noting()
    scenario = scenario_with(**settings).model_copy(update={"detector": detector})
    stations = fleet_in(WORLD, rows, lidars=[1] * len(rows))
    errors = StationErrors(
        stations.agent, 100_000, np.tile([*ERROR_M[:2], 0.0], (len(rows), 1)), np.zeros(len(rows), int)
    )
    return Sensing(scenario, indexed(HOUSE), Streams(1), Workers(1)).begin(
        WORLD, stations, errors
    ).result(), detector.views


def test_the_detector_reads_the_cloud_the_cells_and_the_bodies_as_the_station_places_them():
    ((own, capture),), (view,) = noted([0])
    np.testing.assert_allclose(view.cloud_m, own.points_m + ERROR_M, atol=1e-9)
    np.testing.assert_array_equal(view.observed_m, observed_centers_m(own.matrix))
    np.testing.assert_allclose(view.objects.center_m, WORLD.boxes.center_m + ERROR_M)
    np.testing.assert_array_equal(view.points, capture.points)
    assert view.agent.tolist() == [3, 5, 8]
    assert view.object_draws(2) is capture.draws.of_objects(2)
    assert view.frame_draws(4, 2) is capture.draws.of_frame(4, 2)
    np.testing.assert_array_equal(view.row_draws(np.array([1]), 2), capture.draws.of_objects(2)[[1]])


@pytest.mark.parametrize("false_per_frame", [0.0, 0.5, 6.0])
def test_the_built_in_detector_detects_for_several_stations_what_it_detects_for_each_alone(false_per_frame):
    pairs, views = noted([0, 1, 2])
    model = Visibility(half_points=100.0, false_per_frame=false_per_frame)
    seen = sensing_module._all_seen([capture for _, capture in pairs], [frame.matrix for frame, _ in pairs])
    together = model.detect_each(seen)
    alone = [model.detect(view) for view in views]
    assert sum(len(one) for one in alone) > 0
    for one, other in zip(together, alone, strict=True):
        for a, b in zip(
            (one.boxes.center_m, one.boxes.size_m, one.boxes.yaw_rad, one.velocity_mps, one.score, one.truth),
            (
                other.boxes.center_m,
                other.boxes.size_m,
                other.boxes.yaw_rad,
                other.velocity_mps,
                other.score,
                other.truth,
            ),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


def test_a_capture_holds_the_true_pose_and_the_believed_one():
    own, capture, _ = sensed(error=(3.0, 2.0, 0.5))
    np.testing.assert_allclose(capture.pose, [0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(capture.believed, [3.0, 2.0, 0.0, 0.5])
    np.testing.assert_array_equal(own.pose, capture.believed)
    assert capture.snapshot is WORLD
    assert len(capture.object_id) == len(own.points_m)


def scanned(monkeypatch, **settings):
    """The lidars of the first car as they are scanned, and the bodies."""
    calls, begin = [], Scanner.begin

    def noted(self, lidars, boxes, box_id, shape):
        calls.append((lidars, boxes, box_id))
        return begin(self, lidars, boxes, box_id, shape)

    monkeypatch.setattr(Scanner, "begin", noted)
    sensed(**settings)
    (call,) = calls
    return call


def test_a_lidar_is_cast_from_its_mount_on_the_roof(monkeypatch):
    mounts = [
        {"x_m": 1.0, "y_m": 0.4, "z_m": 0.3, "yaw_deg": 90.0},
        {"x_m": -1.0, "z_m": 0.2, "pitch_deg": 10.0, "roll_deg": 5.0},
    ]
    lidars, boxes, agent = scanned(monkeypatch, error=(3.0, 2.0, 0.5), lidars=2, mounts=mounts)
    assert (lidars.agent.tolist(), lidars.station.tolist(), boxes, agent.tolist()) == (
        [3],
        [0, 0],
        WORLD.boxes,
        [3, 5, 8],
    )
    assert lidars.beams == (beams_of("beam32"),) * 2
    left, pose = lidars.world_from_sensor
    # On a roof of 1.5 m at the origin, as the car truly stands; its x axis points to the car's left.
    np.testing.assert_allclose(left, [[0, -1, 0, 1.0], [1, 0, 0, 0.4], [0, 0, 1, 1.8], [0, 0, 0, 1]], atol=1e-12)
    pitch, roll = np.radians(10.0), np.radians(5.0)
    np.testing.assert_allclose(pose[:3, 3], [-1.0, 0.0, 1.7])
    np.testing.assert_allclose(pose[:3, 0], [np.cos(pitch), 0.0, -np.sin(pitch)], atol=1e-12)
    np.testing.assert_allclose(pose[2, 1:3], [np.cos(pitch) * np.sin(roll), np.cos(pitch) * np.cos(roll)])


def test_a_turned_lidar_sees_the_car_where_it_is():
    own, capture, _ = sensed(mounts=[{"x_m": 0.0, "z_m": 0.3, "yaw_deg": 90.0}])
    on_car = own.points_m[capture.object_id == 5]
    assert on_car[:, 0].min() == pytest.approx(18.0, abs=0.01)
    assert np.abs(on_car[:, 1]).max() < 1.01


def test_lidars_lose_returns_and_range_noise_moves_them_along_their_rays():
    plain, noisy = sensed()[0], sensed(range_noise_m=0.5)[0]
    assert len(sensed(dropout=1.0)[0].points_m) == 0
    # 0.5 of many thousand returns: four deviations are below 0.02.
    assert len(sensed(dropout=0.5)[0].points_m) / len(plain.points_m) == pytest.approx(0.5, abs=0.02)
    mount_m = np.array([0.0, 0.0, 1.8])
    shift_m = np.linalg.norm(noisy.points_m - mount_m, axis=1) - np.linalg.norm(plain.points_m - mount_m, axis=1)
    assert shift_m.std() == pytest.approx(0.5, rel=0.02)


def test_each_lidar_and_each_instant_has_noise_of_its_own(monkeypatch):
    lidars, _, _ = scanned(monkeypatch, lidars=2, mounts=[{"x_m": 1.0, "z_m": 0.2}, {"x_m": -1.0, "z_m": 0.2}])
    assert [noise.key for noise in lidars.noise] == [Streams(1).key("lidar", 3, 100_000, number) for number in (0, 1)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_gpu_has_one_caller_at_a_time(monkeypatch, device):
    monkeypatch.setattr(sensing_module, "_caster", lambda _: None)
    at_work, most, original = [], [], Scans.measured

    def measured(self, first, last):
        at_work.append(first)
        most.append(len(at_work))
        time.sleep(0.02)
        at_work.pop()
        return original(self, first, last)

    monkeypatch.setattr(Scans, "measured", measured)
    workers = Workers(4)
    sensing = Sensing(scenario_with(device), indexed(HOUSE), Streams(1), workers)
    errors = StationErrors(WORLD.agent, 100_000, np.zeros((3, 3)), np.zeros(3, int))
    for one in [sensing.begin(WORLD, fleet_in(WORLD, [0, 1, 2], lidars=1), errors) for _ in range(4)]:
        one.result()
    workers.close()
    assert (max(most) == 1) == (device == "cuda")


def test_stations_are_captured_in_their_order():
    sensing = Sensing(scenario_with(), indexed(HOUSE), Streams(1), Workers(1))
    begun = sensing.begin(WORLD, fleet_in(WORLD, [0, 1, 2], lidars=[1, 0, 1]), StationErrors(
        WORLD.agent, 100_000, np.array([[0.0] * 3, [9.0] * 3, [1.0, 2.0, 0.0]]), np.array([10, 20, 30]),
    ))  # fmt: skip
    frames = [frame for frame, _ in begun.result()]
    assert [(one.agent, one.stamp_us) for one in frames] == [(3, 100_010), (8, 100_030)]
    np.testing.assert_allclose(frames[1].pose, [1.0, 32.0, 0.0, 0.0])


def test_false_positives_stand_in_observed_cells():
    matrix = PerceptionMatrix(np.array([10, 20]), 2.0, np.array([[0, 1], [2, 0]], np.uint8))
    np.testing.assert_allclose(observed_centers_m(matrix), [[21.0, 43.0], [23.0, 41.0]])


def test_a_gpu_that_is_not_there_is_refused_with_the_key_to_change():
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match="must be cpu here"):
        sensed(device="cuda")


def test_a_lidar_is_known_by_name():
    assert len(beams_of("beam16").elevation_rad) == 16


def test_a_lidar_can_be_described_by_its_beams():
    beams = beams_of(LidarModel(beams=3, columns=360, lowest_deg=-10.0, highest_deg=20.0, range_m=80.0))
    np.testing.assert_allclose(beams.elevation_rad, np.radians([-10.0, 5.0, 20.0]))
    assert (beams.columns, beams.range_m) == (360, 80.0)


def test_rays_are_cast_on_the_device_of_the_scenario(monkeypatch):
    import torch

    calls, nothing = [], Scan(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int64))

    def noted(*arguments, device):
        calls.append((arguments, device))
        return nothing

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch_cast, "cast_torch", noted)
    assert sensing_module._caster("cuda")("rays", "bodies") is nothing
    assert calls == [(("rays", "bodies"), "cuda")]


@pytest.mark.parametrize(("count", "callers", "sizes"), [
    (0, 1, []), (3, 1, [3]), (25, 1, [25]), (1, 2, [1]), (10, 2, [2, 3, 2, 3]), (50, 2, [12, 13, 12, 13]),
])  # fmt: skip
def test_stations_are_shared_out_evenly_and_in_their_order(count, callers, sizes):
    parts = sensing_module._parts(count, callers)
    assert [len(part) for part in parts] == sizes
    assert [row for part in parts for row in part] == list(range(count))


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_every_station_is_captured_once_whichever_thread_scans_it(threads):
    workers = Workers(threads)
    sensing = Sensing(scenario_with(), indexed(HOUSE), Streams(1), workers)
    errors = StationErrors(WORLD.agent, 100_000, np.zeros((3, 3)), np.zeros(3, int))
    begun = [sensing.begin(WORLD, fleet_in(WORLD, [0, 1, 2], lidars=1), errors) for _ in range(8)]
    try:
        assert [[frame.agent for frame, _ in one.result()] for one in begun] == [[3, 5, 8]] * 8
    finally:
        workers.close()


def test_an_error_of_a_detector_on_any_thread_is_raised_where_the_frames_are_taken():
    @dataclass(frozen=True)
    class Failing(Visibility):
        def detect(self, view):
            raise RuntimeError("no power")

    scenario = scenario_with().model_copy(update={"detector": Failing()})
    workers = Workers(3)
    sensing = Sensing(scenario, indexed(HOUSE), Streams(1), workers)
    errors = StationErrors(WORLD.agent, 100_000, np.zeros((3, 3)), np.zeros(3, int))
    try:
        with pytest.raises(RuntimeError, match="no power"):
            sensing.begin(WORLD, fleet_in(WORLD, [0, 1, 2], lidars=1), errors).result()
    finally:
        workers.close()
