"""Awareness and cooperation at every time step that the schema accepts, in one situation: two cars with lidars pass each other."""

import pytest

import v2xsim

TWO_CARS = {
    "run": {"seed": 5, "duration_s": 8.0},
    "traffic": {"script": [
        {"id": "eastbound", "waypoints": [[0, 0, 0], [10, 50, 0]]},
        {"id": "westbound", "waypoints": [[0, 30, 4], [10, -20, 4]]},
    ]},
    "stations": {"penetration": 1.0}, "lidars": {"model": "beam16"},
}  # fmt: skip
STEPS_S = [0.05, 0.1, 0.3, 0.4, 0.5, 0.7, 1.0]


@pytest.fixture(scope="module", params=STEPS_S)
def ran(request):
    return v2xsim.run(v2xsim.load(TWO_CARS).with_({"run.step_s": request.param}))


# Each car misses the other in one or two frames at most: without a track in the first, perhaps without a detection in another.


def test_each_car_knows_of_the_other_at_any_step(ran):
    for mode in ("ego", "fused"):
        known = ran.metrics[f"object_awareness_{mode}"]
        assert known.value * known.count >= known.count - 4


def test_each_car_uses_the_data_of_the_other_at_any_step(ran):
    assert 0.6 <= ran.metrics["helpers_used"].value <= 1.0
    assert ran.metrics["requested_per_frame"].value > 5000.0
    assert ran.metrics["blind_covered"].value > 0.2


@pytest.mark.parametrize("step_s", [0.02, 0.4, 1.0])
def test_collective_perception_reports_objects_at_any_step(step_s):
    changes = {"run.step_s": step_s, "cooperation.fusion": "cpm"}
    assert v2xsim.run(v2xsim.load(TWO_CARS).with_(changes)).metrics["helpers_used"].value > 0.1
