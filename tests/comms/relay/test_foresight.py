"""Deaths of links that a station foresees from courses, the map and the vehicles that it knows."""

from dataclasses import replace

import numpy as np
import pytest

from tests.comms.relay.relay_views import OPEN, TRUCK_M, walls
from v2xsim.comms.channel.blockage.knife_edges import KnifeEdges
from v2xsim.comms.channel.building_loss.tr37885 import DirectDistance
from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.relay.believed_channel import ChannelModel
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.model import (
    CAUSES,
    FARTHEST_S,
    ForesightView,
    KnownVehicles,
    LinkForecast,
    causes_of,
    deaths_of,
)
from v2xsim.comms.relay.foresight.none import NoForesight
from v2xsim.comms.relay.foresight.tracks import Tracks

# The observer stands at the origin; the car drives along y = 40 behind a house whose corner is at (20, 20). The line from the
# origin through that corner meets y = 40 at x = 40.
HOUSE = walls((20.0, 10.0, 60.0, 20.0))
CORNER_X_M, SPEED_MPS = 40.0, 10.0
# SNR without any loss; a clear link of 40 to 60 m has a loss of about 80 dB, and one behind the house of about 102 dB.
BUDGET_DB = 105.0


def course(x_m, y_m, vx_mps=0.0, vy_mps=0.0, *, change=0.0, turn=0.0):
    return Courses(
        np.array([[x_m, y_m, 1.5]], float), np.array([[vx_mps, vy_mps]], float), np.array([change], float),
        np.array([turn], float),
    )  # fmt: skip


def vehicles(*courses, size_m=TRUCK_M, yaw_rad=0.0):
    """Return the vehicles that the one station knows, on the ground."""
    if not courses:
        return KnownVehicles(course(0, 0)[np.zeros(0, int)], np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64))
    on_ground = [replace(one, position_m=one.position_m * [1.0, 1.0, 0.0]) for one in courses]
    columns = ("position_m", "velocity_mps", "acceleration_mps2", "turn_radps")
    joined = Courses(*(np.concatenate([getattr(one, name) for one in on_ground]) for name in columns))
    count = len(joined)
    return KnownVehicles(
        joined, np.tile(np.array(size_m, float), (count, 1)), np.full(count, yaw_rad), np.zeros(count, np.int64)
    )


def view(first, second, *, obstacles=OPEN, known=None, budget_db=BUDGET_DB, least_db=10.0, more_db=0.0):
    """Return one link whose measured SNR is the expected one, plus `more_db`."""
    none = np.full(1, -1, np.int64)
    channel = ChannelModel(Tr37885Urban(), KnifeEdges(), DirectDistance(), 5.9, obstacles, CornerMap.none())
    made = ForesightView(
        first, second, np.zeros(1, np.int64), none, none, np.zeros(1), known or vehicles(), channel, budget_db, least_db,
        np.array([3.0, 3.0, 4.0]), np.array([10.0, 13.0, 13.0]),
    )  # fmt: skip
    return replace(made, snr_db=made.expected(np.zeros(1, np.int64), 0.0)[0] + more_db)


def death_s(*ends, model=None, **keys):
    return float((model or Tracks()).deaths(view(*ends, **keys))[0])


@pytest.mark.parametrize("early_s", [0.25, 0.5, 0.9])
def test_a_car_that_passes_behind_a_corner_is_foretold_within_a_tenth_of_a_second(early_s):
    car = course(CORNER_X_M - SPEED_MPS * early_s, 40.0, SPEED_MPS)
    assert death_s(course(0, 0), car, obstacles=HOUSE) == pytest.approx(early_s, abs=0.1)


def test_the_cause_is_the_building():
    seen = view(course(0, 0), course(CORNER_X_M - 5.0, 40.0, SPEED_MPS), obstacles=HOUSE)
    assert CAUSES[causes_of(seen, Tracks().deaths(seen))[0]] == "building"


def test_a_car_that_stops_before_the_corner_gives_no_alarm():
    # It brakes from 10 m/s with 5 m/s2 and so stops after 10 m, 2 m before the corner's shadow.
    car = course(CORNER_X_M - 12.0, 40.0, SPEED_MPS, change=-5.0)
    far = Tracks(horizon_s=3.0)
    assert np.isinf(death_s(course(0, 0), car, obstacles=HOUSE, model=far))
    assert death_s(course(0, 0), replace(car, acceleration_mps2=np.zeros(1)), obstacles=HOUSE, model=far) < 3.0


def test_a_building_that_costs_less_than_the_margin_kills_no_link():
    car = course(CORNER_X_M - 5.0, 40.0, SPEED_MPS)
    assert np.isinf(death_s(course(0, 0), car, obstacles=HOUSE, budget_db=BUDGET_DB + 30.0))


def test_a_truck_that_drives_between_two_stations_is_foretold():
    # Its front is 4 m ahead of its middle, and reaches the line x = 0 after (8 - 4) / 10 = 0.4 s; the edge costs more than 10 dB.
    truck = course(-8.0, 25.0, SPEED_MPS)
    seen = view(course(0, 0), course(0.0, 50.0), known=vehicles(truck), budget_db=95.0)
    found = Tracks().deaths(seen)
    assert found[0] == pytest.approx(0.4, abs=0.1)
    assert CAUSES[causes_of(seen, found)[0]] == "body"


def test_the_truck_that_nobody_told_of_is_not_foretold():
    assert np.isinf(death_s(course(0, 0), course(0.0, 50.0), budget_db=95.0))


def test_a_car_that_turns_towards_the_observer_stays_in_sight():
    # Straight on it would pass behind the corner after 0.5 s; a turn of 2 rad/s to the right brings it back before.
    car = course(CORNER_X_M - 5.0, 40.0, SPEED_MPS)
    assert death_s(course(0, 0), car, obstacles=HOUSE) < 0.6
    away = course(CORNER_X_M - 5.0, 40.0, SPEED_MPS, turn=2.5)
    assert np.isinf(death_s(course(0, 0), away, obstacles=HOUSE))


def test_shadowing_that_lifts_a_link_over_the_limit_fades_as_the_stations_move():
    # Behind the house, 6 dB of shadowing keep the link alive; after 13 m of way it has lost two thirds of them.
    car = course(45.0, 40.0, 40.0)
    near_limit = {"obstacles": HOUSE, "least_db": 0.0}
    expected_db = float(view(course(0, 0), car, **near_limit).snr_db[0])
    keys = near_limit | {"least_db": expected_db + 2.0, "more_db": 6.0}
    assert death_s(course(0, 0), car, model=Tracks(certainty=0.5), **keys) <= 1.0
    assert np.isinf(death_s(course(0, 0), course(45.0, 40.0), model=Tracks(certainty=0.5), **keys))


def test_without_foresight_nothing_is_foretold():
    assert np.isinf(
        death_s(course(0, 0), course(CORNER_X_M - 2.0, 40.0, SPEED_MPS), obstacles=HOUSE, model=NoForesight())
    )


def test_two_stations_with_different_knowledge_foresee_different_things():
    truck = vehicles(course(-8.0, 25.0, SPEED_MPS))
    one = view(course(0, 0), course(0.0, 50.0), known=replace(truck, group=np.ones(1, np.int64)), budget_db=95.0)
    # The same link twice: the first station knows no truck, the second one does.
    twice = np.zeros(2, int)
    both = replace(
        one, first=one.first[twice], second=one.second[twice], group=np.arange(2), first_body=one.first_body[twice],
        second_body=one.second_body[twice], snr_db=one.snr_db[twice],
    )  # fmt: skip
    found = Tracks().deaths(both)
    assert np.isinf(found[0])
    assert found[1] == pytest.approx(0.4, abs=0.1)


def test_a_course_ends_where_the_vehicle_stops():
    assert course(0, 0, 10.0, change=-5.0).after(9.0)[0, 0] == pytest.approx(10.0)


def test_a_quarter_turn_ends_at_its_radius():
    # 10 m/s at 0.5 rad/s is a circle of 20 m; after 1 rad it is at (20 sin 1, 20 (1 - cos 1)).
    place_m = course(0, 0, 10.0, turn=0.5).after(2.0)[0]
    assert place_m[:2] == pytest.approx([20.0 * np.sin(1.0), 20.0 * (1.0 - np.cos(1.0))])


def test_a_death_after_the_longest_run_is_none():
    class Late(LinkForecast):
        def __init__(self, after_s):
            self.after_s = after_s

        def deaths(self, view):
            return np.full(view.shape, self.after_s)

    link = view(course(0, 0), course(0, 50))
    assert deaths_of(Late(FARTHEST_S), link) == [FARTHEST_S]
    # As whole microseconds, later times would not fit into 64 bits.
    assert deaths_of(Late(1e300), link) == [np.inf]
