"""Vehicles of two parts: where their parts are on a straight road, on a circle, in a bend, and after a jump."""

import numpy as np
import pytest

from v2xsim.errors import UserError
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.mobility.trailers import Trailers
from v2xsim.mobility.two_parts import articulated_bus, semi_trailer, usual_parts
from v2xsim.records import Boxes
from v2xsim.scenario.schema_world import Agent
from v2xsim.world.road_users import BUS, PASSENGER, TRUCK

TRUCK_M, BUS_M = 16.5, 18.0


def angle(radians):
    return np.angle(np.exp(1j * radians))


class Drive:
    """A vehicle whose front bumper goes along a path that is given by place and heading."""

    def __init__(self, kind=TRUCK, length_m=TRUCK_M):
        self.trailers, self.kind, self.length_m, self.time_us = Trailers("test", str), kind, length_m, 0

    def to(self, bumper_m, yaw_rad, speed_mps=10.0, dt_us=100_000):
        ahead = np.array([np.cos(yaw_rad), np.sin(yaw_rad)])
        center = np.append(np.asarray(bumper_m) - self.length_m / 2 * ahead, 0.0)
        self.time_us += dt_us
        body = Boxes(center[None], np.array([[self.length_m, 2.55, 4.0]]), np.array([yaw_rad]))
        kind = np.array([self.kind], np.int8)
        return self.trailers.parts(self.time_us, np.array([7]), kind, body, speed_mps * ahead[None])

    def circle(self, radius_m, steps=800, step_m=1.0):
        for step in range(steps):
            turned = step * step_m / radius_m
            place = radius_m * np.array([np.cos(turned), np.sin(turned)])
            parts = self.to(place, turned + np.pi / 2, 10.0 * step_m)
        return parts, turned


@pytest.mark.parametrize(("kind", "length_m"), [(TRUCK, TRUCK_M), (BUS, BUS_M)])
def test_on_a_straight_road_the_parts_stay_in_line_and_fill_the_body(kind, length_m):
    drive, yaw = Drive(kind, length_m), 0.4
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    for step in range(50):
        parts = drive.to(step * ahead, yaw)
    front, rear = parts.boxes.center_m[:, :2] - 49 * ahead
    size = parts.boxes.size_m
    np.testing.assert_allclose(parts.boxes.yaw_rad, yaw, atol=1e-12)
    np.testing.assert_allclose(front + size[0, 0] / 2 * ahead, 0.0, atol=1e-9)
    np.testing.assert_allclose(rear - size[1, 0] / 2 * ahead, -length_m * ahead, atol=1e-9)


@pytest.mark.parametrize(("kind", "length_m", "parts"), [
    (TRUCK, TRUCK_M, semi_trailer(TRUCK_M)), (BUS, BUS_M, articulated_bus(BUS_M)),
])  # fmt: skip
@pytest.mark.parametrize("radius_m", [15.0, 40.0])
def test_on_a_circle_the_joint_has_the_angle_of_the_closed_form(kind, length_m, parts, radius_m):
    # On a steady circle each axle runs on a circle of its own, at a right angle to its radius: sin(angle at the joint) = L / r of the
    # joint, that is tan = L / r of the rear axle; a joint behind the front part's axle adds its own angle.
    found, turned = Drive(kind, length_m).circle(radius_m, step_m=0.25)
    axle_m = np.sqrt(radius_m**2 - parts.front_axle_m**2)
    behind_m = parts.hitch_m - parts.front_axle_m
    rear_axle_m = np.sqrt(axle_m**2 + behind_m**2 - parts.rear_axle_m**2)
    expected = np.arctan(parts.rear_axle_m / rear_axle_m) + np.arctan(behind_m / axle_m)
    front, rear = found.boxes.yaw_rad
    assert angle(front - rear) == pytest.approx(expected, abs=2e-3)
    assert angle(turned + np.pi / 2 - front) == pytest.approx(np.arcsin(parts.front_axle_m / radius_m), abs=2e-3)


def test_the_motion_hardly_depends_on_the_length_of_a_tick():
    fine, coarse = (Drive().circle(30.0, int(60 / step), step)[0].boxes for step in (0.1, 1.0))
    # Both have stopped within one coarse step of each other.
    assert angle(fine.yaw_rad[0] - fine.yaw_rad[1]) == pytest.approx(
        angle(coarse.yaw_rad[0] - coarse.yaw_rad[1]), abs=0.005
    )


def test_behind_a_bend_the_trailer_comes_back_into_line_over_its_own_length():
    drive = Drive()
    drive.circle(20.0, 30)
    turned = 29 / 20.0
    ahead, start = np.array([-np.sin(turned), np.cos(turned)]), 20.0 * np.array([np.cos(turned), np.sin(turned)])
    bend = [abs(angle(np.diff(drive.to(start + k * ahead, turned + np.pi / 2).boxes.yaw_rad)[0])) for k in range(1, 61)]
    assert max(np.diff(bend)[10:]) < 0
    assert bend[0] > 0.2 > 20 * bend[-1]


def test_the_parts_never_leave_the_joint():
    drive, parts = Drive(), semi_trailer(TRUCK_M)
    found = drive.circle(18.0, 100)[0].boxes
    ahead = np.stack([np.cos(found.yaw_rad), np.sin(found.yaw_rad)], axis=1)
    bumper = found.center_m[0, :2] + found.size_m[0, 0] / 2 * ahead[0]
    joint = bumper - parts.hitch_m * ahead[0]
    kingpin = found.center_m[1, :2] + (found.size_m[1, 0] / 2 - parts.ahead_m(TRUCK_M)) * ahead[1]
    np.testing.assert_allclose(joint, kingpin, atol=1e-9)


def test_a_vehicle_that_jumps_or_comes_back_has_its_parts_in_line_and_is_counted():
    drive = Drive()
    drive.circle(15.0, 40)
    parts = drive.to((500.0, 0.0), 0.3)
    np.testing.assert_allclose(parts.boxes.yaw_rad, 0.3, atol=1e-12)
    (notice,) = drive.trailers.notices()
    assert (notice.subject, notice.count) == ("traffic.straightened", 1)


def test_a_vehicle_that_reverses_turns_as_one_piece():
    drive = Drive()
    drive.to((0.0, 0.0), 0.0)
    parts = drive.to((-1.0, 0.0), 0.05)
    np.testing.assert_allclose(parts.boxes.yaw_rad, 0.05, atol=1e-12)


def test_a_joint_turns_no_farther_than_its_limit_and_is_reported():
    drive = Drive(BUS, BUS_M)
    found = drive.circle(9.0, 200, step_m=0.2)[0].boxes.yaw_rad
    assert abs(angle(found[0] - found[1])) == pytest.approx(np.radians(54.0))
    assert drive.trailers.notices()[0].subject == "traffic.hitch_limit"


def test_long_trucks_and_buses_have_two_parts_and_others_one():
    assert usual_parts(TRUCK, 16.5, 2.55) == semi_trailer(16.5)
    assert usual_parts(BUS, 18.0, 2.5) == articulated_bus(18.0)
    # The truck of TR 37.885, a coach, a tram, a ship and a long car.
    for kind, length_m, width_m in (
        (TRUCK, 13.0, 2.6), (BUS, 15.0, 2.55), (BUS, 22.0, 2.4), (TRUCK, 17.0, 4.0), (PASSENGER, 16.5, 2.0),
    ):  # fmt: skip
        assert usual_parts(kind, length_m, width_m) is None


def test_cab_and_trailer_do_not_touch_at_any_angle():
    parts = semi_trailer(TRUCK_M)
    corner_m = np.hypot(parts.ahead_m(TRUCK_M), 2.55 / 2)
    # Directive 96/53/EC, annex I: at most 2.04 m from the kingpin to any point of the front of a semi-trailer.
    assert corner_m == pytest.approx(2.04, abs=0.01)
    assert parts.front_m(TRUCK_M, 2.55) == pytest.approx(parts.hitch_m - corner_m)


def scripted(**agent):
    waypoints = [(0.0, 0.0, 0.0), (10.0, 100.0, 0.0)]
    return ScriptMobility(
        [Agent.model_validate({"id": "a", "kind": "truck", "waypoints": waypoints, **agent})], Names()
    )


def test_a_scripted_truck_may_have_a_trailer_of_its_own():
    trailer = {"length_m": 8.0, "hitch_m": 5.0, "front_height_m": 3.2}
    parts = scripted(size_m=(12.0, 2.5, 4.0), trailer=trailer).snapshot(1_000_000).parts
    assert parts.owner.tolist() == [0, 0]
    np.testing.assert_allclose(parts.boxes.size_m, [[5.0 - np.hypot(1.0, 1.25), 2.5, 3.2], [8.0, 2.5, 4.0]])
    np.testing.assert_allclose(parts.boxes.center_m[1], [10.0 - 2.0, 0.0, 0.0])


def test_a_scripted_truck_may_be_one_body_although_it_is_long():
    assert len(scripted(size_m=(16.5, 2.5, 4.0)).snapshot(0).parts) == 2
    assert len(scripted(size_m=(16.5, 2.5, 4.0), trailer="none").snapshot(0).parts) == 0


@pytest.mark.parametrize(("trailer", "message"), [
    ({"length_m": 13.0, "hitch_m": 4.0}, "leaves 0 m; the size of the road user is that of both parts in line"),
    ({"length_m": 6.0, "hitch_m": 5.0, "front_height_m": 4.5}, "must not be above the height of the whole"),
    ({"length_m": 8.0, "hitch_m": 5.0, "axle_m": 7.5}, "axle_m must not be behind the tail, which is 7 m behind the joint, got 7.5 m"),
    ({"length_m": 8.0, "hitch_m": 5.0, "axle_m": 6.0, "front_axle_m": 11.5}, "front_axle_m must not be behind the axle of the rear part, which is 11 m"),
    ({"length_m": 8.0, "hitch_m": 5.0, "front_axle_m": 10.0}, "front_axle_m must not be behind the axle of the rear part, which is 9.48 m"),
])  # fmt: skip
def test_parts_that_do_not_fit_the_whole_are_refused(trailer, message):
    with pytest.raises(UserError, match=message):
        scripted(size_m=(12.0, 2.5, 4.0), trailer=trailer)


def test_long_vehicles_that_no_rule_gives_a_joint_are_reported():
    size_m = {
        "long": (26.0, 2.5, 4.0),
        "wide": (18.0, 2.7, 4.0),
        "usual": (16.5, 2.55, 4.0),
        "meant": (26.0, 2.5, 4.0),
        "short": (15.0, 2.7, 4.0),
    }
    agents = [
        Agent(id=name, kind="truck", waypoints=[(0.0, 0.0, 40.0 * n)], size_m=size, trailer="none" if name == "meant" else None)
        for n, (name, size) in enumerate(size_m.items())
    ]  # fmt: skip
    mobility = ScriptMobility(agents, Names(), (0, 100_000_000))
    mobility.snapshot(0)
    mobility.snapshot(100_000)
    (notice,) = [notice for notice in mobility.notices() if notice.subject.startswith("traffic.")]
    assert (notice.subject, notice.count, notice.is_warning) == ("traffic.one_body", 2, False)
    assert "'long' (26 m) and 1 more trucks and buses longer than 15 m move as one rigid body" in notice.text
