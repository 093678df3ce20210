"""What the stations around a station see of its objects, by what they announced, and what it therefore reports."""

import math

import numpy as np
import pytest

import v2xsim
from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
    awareness,
    cooperation,
    detections,
    frame,
    knowledge,
    matrix,
)
from v2xsim.engine.cooperation.collective import Reporting
from v2xsim.engine.cooperation.seeking import Seeking
from v2xsim.engine.stations.neighbours import Neighbours
from v2xsim.perception.matching.relevance import relevance
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED
from v2xsim.scenario.schema import Scenario
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.roads import Roads

NOW_US, SPEED_MPS = 1_020_000, 14.0
FRAME_US = 1_000_000


def near(seen, *said, agent=HELPER, stamp_us=None, speed_mps=SPEED_MPS):
    """Return what the stations around a station know of its detections, after some announcements that it received."""
    known = Neighbours(10**9)
    known.begin(agent)
    for one in said:
        known.hear(one, one.capture_us, np.array([agent]), NOW_US)
    seeking = Seeking(known, HiddenSpeeds(Roads.none(), 2.0, speed_mps))
    (found,) = seeking.nearby([frame(agent, FRAME_US, stamp_us=stamp_us)], [seen], NOW_US)
    return found


def wants(origin=EGO, capture_us=FRAME_US, **about):
    """Return the announcement of a station that wants data of others."""
    return awareness(origin, capture_us, wants_data=True, **about)


def with_cells(*cells, code=OCCUPIED, lower=(0, 0), size=20):
    """Return a matrix of cells of 2 m in which some cells have a code and the others are unobserved."""
    codes = np.full((size, size), UNOBSERVED, np.uint8)
    for cell in cells:
        codes[cell] = code
    return matrix(codes, lower)


# A car of 4 m by 2 m at (11, 11) that heads east covers the cells from 4 to 6 by 5.
CAR = detections([(11.0, 11.0)])
CELLS = [(4, 5), (5, 5), (6, 5)]


# Who counts


def test_only_stations_that_want_data_are_near():
    found = near(CAR, wants(EGO), awareness(OTHER, FRAME_US), wants(RELAY, grid=with_cells()))
    assert found.agent.tolist() == [EGO, RELAY]
    assert found.has_matrix.tolist() == [False, True]
    assert found.sees.shape == found.relevance.shape == (1, 2)


def test_a_station_without_neighbours_has_no_columns():
    found = near(detections([(1, 1), (5, 5)]), awareness(OTHER, FRAME_US))
    assert found.sees.shape == found.is_itself.shape == found.hears.shape == found.relevance.shape == (2, 0)


def test_several_stations_have_each_their_own_objects_and_neighbours():
    known = Neighbours(10**9)
    for agent in (HELPER, OTHER):
        known.begin(agent)
    known.hear(wants(EGO, grid=with_cells((5, 5))), FRAME_US, np.array([HELPER, OTHER]), NOW_US)
    known.hear(wants(RELAY, grid=with_cells((15, 5))), FRAME_US, np.array([OTHER]), NOW_US)
    seeking = Seeking(known, HiddenSpeeds(Roads.none(), 2.0, SPEED_MPS))
    two = detections([(31.0, 11.0), (11.0, 11.0)])
    first, second = seeking.nearby([frame(HELPER, FRAME_US), frame(OTHER, FRAME_US)], [CAR, two], NOW_US)
    assert (first.agent.tolist(), first.sees.tolist()) == ([EGO], [[True]])
    assert (second.agent.tolist(), second.sees.tolist()) == ([EGO, RELAY], [[False, True], [True, False]])


# What a matrix shows


@pytest.mark.parametrize("cell", CELLS)
def test_a_station_sees_an_object_if_one_cell_that_the_object_touches_is_occupied(cell):
    assert near(CAR, wants(grid=with_cells(cell))).sees.tolist() == [[True]]


@pytest.mark.parametrize("cell", [(3, 5), (7, 5), (5, 4), (5, 6)])
def test_what_a_station_sees_beside_an_object_is_something_else(cell):
    assert near(CAR, wants(grid=with_cells(cell))).sees.tolist() == [[False]]


def test_ground_that_a_station_sees_in_a_cell_of_the_object_does_not_show_the_object():
    assert near(CAR, wants(grid=with_cells(*CELLS, code=FREE))).sees.tolist() == [[False]]


def test_an_oblique_object_touches_the_cells_along_its_diagonal_alone():
    # 4 m by 2 m at 45 degrees: it reaches 2.1 m to each side, but not into the corners across.
    oblique = detections([(11.0, 11.0)], yaw_rad=math.pi / 4)
    assert near(oblique, wants(grid=with_cells((6, 6)))).sees.tolist() == [[True]]
    assert near(oblique, wants(grid=with_cells((6, 4)))).sees.tolist() == [[False]]


def test_what_lies_outside_of_a_matrix_is_not_seen():
    assert near(CAR, wants(grid=with_cells((0, 5), lower=(7, 0)))).sees.tolist() == [[False]]
    assert near(CAR, wants(grid=with_cells((0, 5), lower=(6, 0)))).sees.tolist() == [[True]]


def test_a_station_without_a_matrix_sees_nothing():
    assert near(CAR, wants()).sees.tolist() == [[False]]


def test_an_object_is_looked_for_where_it_was_when_the_matrix_was_announced():
    # 0.4 s before, a car at 20 m/s was 8 m farther back: in the cells from 0 to 2.
    moving = detections([(11.0, 11.0)], velocity_mps=(20.0, 0.0))
    before = wants(capture_us=FRAME_US - 400_000, grid=with_cells((1, 5)))
    assert near(moving, before).sees.tolist() == [[True]]
    now = wants(capture_us=FRAME_US - 400_000, grid=with_cells((5, 5)))
    assert near(moving, now).sees.tolist() == [[False]]


def test_a_matrix_that_came_with_an_earlier_state_is_as_old_as_that_state():
    # The matrix is 0.4 s old, the state at (50, 0) is not.
    moving = detections([(11.0, 11.0)], velocity_mps=(20.0, 0.0))
    before = wants(capture_us=FRAME_US - 400_000, grid=with_cells((1, 5)))
    found = near(moving, before, wants(pose=(50, 0, 0, 0), withheld=True))
    assert (found.has_matrix.tolist(), found.age_us.tolist(), found.sees.tolist()) == ([True], [400_000], [[True]])
    assert found.place_m.tolist() == [[50, 0]]


def test_a_station_whose_matrix_did_not_arrive_sees_nothing_that_is_known():
    found = near(CAR, wants(capture_us=FRAME_US - 100_000, withheld=True))
    assert (found.has_matrix.tolist(), found.age_us.tolist(), found.sees.tolist()) == ([False], [100_000], [[False]])


def test_the_age_of_a_matrix_is_by_the_clocks_of_both_stations():
    said = wants(capture_us=FRAME_US - 100_000, stamp_us=FRAME_US - 70_000)
    assert near(CAR, said, stamp_us=FRAME_US + 20_000).age_us.tolist() == [90_000]


# What a station knows without its lidar


def test_the_announced_vehicle_at_the_place_of_an_object_is_the_object():
    assert near(CAR, wants(pose=(11, 8.01, 0, 0))).is_itself.tolist() == [[True]]
    assert near(CAR, wants(pose=(11, 8.0, 0, 0))).is_itself.tolist() == [[False]]


def test_only_the_nearest_of_two_vehicles_is_the_object():
    found = near(CAR, wants(EGO, pose=(11, 8.5, 0, 0)), wants(OTHER, pose=(11, 11.5, 0, 0)))
    assert found.is_itself.tolist() == [[False, True]]


def test_a_mast_is_no_vehicle():
    assert near(CAR, wants(pose=(11, 11, 0, 0), size_m=(0, 0, 0))).is_itself.tolist() == [[False]]


def test_a_vehicle_inside_a_long_object_is_the_object():
    truck = detections([(11.0, 11.0)])
    truck.boxes.size_m[0] = 16.0, 2.5, 4.0
    assert near(truck, wants(pose=(18, 11, 0, 0))).is_itself.tolist() == [[True]]


def test_a_station_hears_an_object_that_is_in_its_list():
    body = awareness(OTHER, FRAME_US, pose=(11, 11, 0, 0))
    lists = [wants(EGO, heard=[(OTHER, 0.8)]), wants(RELAY, heard=[(OTHER + 40, 0.8)])]
    assert near(CAR, body, *lists).hears.tolist() == [[pytest.approx(0.8, abs=1 / 255), 0.0]]


def test_nobody_hears_an_object_that_announces_nothing():
    far = awareness(OTHER, FRAME_US, pose=(11, 15, 0, 0))
    assert near(CAR, far, wants(heard=[(OTHER, 1.0)])).hears.tolist() == [[0.0]]


def test_a_station_is_where_it_has_driven_since_it_announced_itself():
    said = wants(capture_us=FRAME_US - 500_000, pose=(1, 11, 0, 0), velocity_mps=(20, 0))
    found = near(CAR, said)
    assert found.place_m.tolist() == [[pytest.approx(11.0), 11.0]]
    assert found.is_itself.tolist() == [[True]]


# What matters


@pytest.mark.parametrize("velocity_mps", [(0.0, 0.0), (20.0, 0.0), (-20.0, 0.0), (5.0, 12.0)])
def test_the_relevance_is_that_of_a_blind_cell_there(velocity_mps):
    said = wants(pose=(-70, 3, 0, 0), velocity_mps=velocity_mps)
    cell = relevance(
        np.array([[5, 5]]), np.ones((1, 1, 1), bool), 2.0, np.array([[-70.0, 3.0]]), np.array([velocity_mps]), SPEED_MPS
    )
    assert near(CAR, said).relevance[0, 0] == pytest.approx(cell[0, 0, 0], abs=1e-12)


def test_an_object_that_is_faster_than_its_place_allows_matters_more():
    slow, fast = (detections([(11.0, 11.0)], velocity_mps=(speed, 0.0)) for speed in (10.0, 28.0))
    said = wants(pose=(67, 11, 0, 0))
    # 56 m away: it arrives after 4 s at 14 m/s, and after 2 s at 28 m/s.
    assert near(slow, said).relevance[0, 0] == pytest.approx(math.exp(-1.0))
    assert near(fast, said).relevance[0, 0] == pytest.approx(math.exp(-0.5))


def test_an_object_behind_a_faster_station_does_not_matter():
    assert near(CAR, wants(pose=(40, 11, 0, 0), velocity_mps=(20, 0))).relevance.tolist() == [[0.0]]


# What a station reports


class Reporter:
    """A station with one neighbour that looks every 0.1 s."""

    def __init__(self, **rule):
        self.rules = Reporting(cooperation(redundancy={"rule": "missed", **rule}).redundancy)
        self.known = knowledge(HELPER)

    def reported(self, seen, said, looks=3, first_us=0):
        """Return the truth of the objects of the report of the last of some looks; None without a report."""
        for look in range(looks):
            now_us = first_us + 100_000 * look
            found = near(seen, said)
            sent = self.rules.report(self.known, frame(HELPER, now_us), seen, np.zeros((0, 2)), now_us, 0.0, 1, found)
        return None if sent is None else sent.detections.truth.tolist()


BOTH = detections([(11.0, 11.0), (31.0, 11.0)], truth=[77, 88])


def test_a_station_reports_only_what_its_neighbour_misses():
    said = wants(pose=(-20, 11, 0, 0), grid=with_cells((5, 5)))
    assert Reporter().reported(BOTH, said) == [88]


def test_what_was_left_out_is_reported_after_the_repetition_time_and_then_left_out_again():
    rules, known, sent = (
        Reporting(cooperation(redundancy={"rule": "missed", "repeat_ms": 500}).redundancy),
        knowledge(HELPER),
        [],
    )
    for look in range(20):
        # At 20 m/s it is due at every third look.
        car, now_us = detections([(2.0 * look, 0.0)], velocity_mps=(20.0, 0.0)), 100_000 * look
        if rules.report(known, frame(HELPER, now_us), car, np.zeros((0, 2)), now_us, 0.0, 0, near(car)) is not None:
            sent.append(look)
    # The first look describes the sensors; the object is sent 0.5 s after its first look.
    assert [look for look in sent if look % 10] == [5, 15]
    assert 10 in sent


def test_a_run_reports_how_many_objects_were_left_out():
    said = wants(pose=(-20, 11, 0, 0), grid=with_cells((5, 5)))
    reporter = Reporter()
    assert reporter.rules.notices() == ()
    reporter.reported(BOTH, said)
    (notice,) = reporter.rules.notices()
    assert (notice.subject, notice.count, notice.is_warning) == ("cooperation.left_out", 1, False)
    assert "missed left out 1 of 2 objects" in notice.text


def test_without_what_is_near_a_rule_that_reads_it_knows_nobody():
    rules = Reporting(cooperation(redundancy="missed").redundancy)
    for now_us in (0, 100_000, 200_000):
        sent = rules.report(knowledge(HELPER), frame(HELPER, now_us), CAR, np.zeros((0, 2)), now_us, 0.0, 1)
    assert sent is None


def test_a_station_that_is_no_ego_knows_who_is_near_it_too(monkeypatch):
    known, nearby = {}, Seeking.nearby

    def watched(self, frames, seen, now_us):
        found = nearby(self, frames, seen, now_us)
        known.update({frame.agent: one.agent.tolist() for frame, one in zip(frames, found, strict=True)})
        return found

    monkeypatch.setattr(Seeking, "nearby", watched)
    script = [{"id": name, "waypoints": [[0, x, 0]]} for name, x in (("one", 0), ("two", 30), ("three", 60))]
    settings = {"fusion": "cpm", "redundancy": "missed", "egos": ["two"], "relay": "none"}
    v2xsim.run(
        Scenario.model_validate({"traffic": {"script": script}, "run": {"duration_s": 0.5}, "cooperation": settings})
    )
    assert sorted(map(len, known.values())) == [0, 1, 1]


@pytest.fixture(scope="module")
def runs():
    """Return runs on a short rural road with few lidars, without a rule and with the rule."""
    settings = [
        "run.duration_s=1.5",
        "lidars.count=10",
        "lidars.model=beam16",
        "cooperation.fusion=cpm",
        "cooperation.min_delivery=0.5",
    ]
    return {
        rule: v2xsim.run(v2xsim.load("rural_trucks", [*settings, f"cooperation.redundancy={rule}"]))
        for rule in ("none", "missed")
    }


def reports_bytes(run):
    """Return the bytes of all collective perception messages on the air, each transmission counted once."""
    columns = (run.tables["packets"].column(name).to_pylist() for name in ("kind", "tx", "start_us", "size_bytes"))
    return sum({row[1:3]: row[3] for row in zip(*columns, strict=True) if row[0] == "cpm"}.values())


def test_a_run_with_the_rule_sends_fewer_bytes_of_reports(runs):
    assert 0 < reports_bytes(runs["missed"]) < 0.9 * reports_bytes(runs["none"])


def test_a_run_with_the_rule_counts_what_it_left_out(runs):
    subjects = {rule: [notice.subject for notice in run.notices] for rule, run in runs.items()}
    assert "cooperation.left_out" in subjects["missed"]
    assert "cooperation.left_out" not in subjects["none"]
