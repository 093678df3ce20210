"""What a station's lidars make of the world around it."""

import numpy as np
import pytest

from tests.engine.small_world import fleet_in, snapshot
from v2xsim.engine.stations import sensing as sensing_module
from v2xsim.engine.stations.sensing import Sensing, beams_of, observed_centers_m
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.errors import UserError
from v2xsim.records import FREE, OCCUPIED, Detections, PerceptionMatrix, Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

# A car 20 m ahead of the ego, one behind a house.
HOUSE = Prisms(
    np.array([[-5.0, 8.0], [5.0, 8.0], [5.0, 12.0], [-5.0, 12.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 6.0)
)
WORLD = snapshot([3, 5, 8], [(0, 0), (20, 0), (0, 30)], time_us=100_000, velocity_mps=[(7, 0), (0, 0), (0, 0)])


def sensed(error=(0.0, 0.0, 0.0), clock_offset_us=0, threads=1, lidars=1, device="cpu", **settings):
    """The frame of the first car and the truth behind it."""
    scenario = Scenario.model_validate({
        "run": {"device": device}, "traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]},
        "lidars": {"model": "beam32", "range_noise_m": 0.0, "dropout": 0.0, **settings},
    })  # fmt: skip
    stations = fleet_in(WORLD, [0, 1], lidars=[lidars, 0])
    errors = StationErrors(stations.agent, 100_000, np.array([error, (9.0, 9.0, 9.0)]), np.array([clock_offset_us, 0]))
    sensing = Sensing(scenario, indexed(HOUSE), Streams(1), threads)
    try:
        (future,) = sensing.begin(WORLD, stations, errors)
        return (*future.result(), sensing)
    finally:
        sensing.close()


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


def test_returns_on_the_house_are_marked():
    frame, _, _ = sensed()
    on_house = frame.points_m[frame.on_building]
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
