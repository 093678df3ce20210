"""Which frames are kept for pictures, and what is kept of them."""

import numpy as np
import pytest

from tests.engine.small_world import (
    DETECT_US,
    EGO,
    HELPER,
    OTHER,
    RELAY,
    capture,
    contribution,
    fleet_of,
    frame,
    fused_frame,
    instant,
    links_of,
    request,
    request_message,
    scenario,
    snapshot,
)
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.recording.kept_frames import KeptFrames
from v2xsim.evaluation.frame import FrameScore, ModeScore
from v2xsim.perception.metrics.average_precision import joined
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import BUILDING, GROUND, Detections
from v2xsim.results.columns import COLUMNS
from v2xsim.results.tables import Columns

BEGIN_US = 500_000


def score_of(one, *, near=None, alone=None, fused=None):
    """Return a score with these flags for each road user of the frame."""
    count = len(one.capture.snapshot)

    def flags(values):
        return np.zeros(count, bool) if values is None else np.array(values, bool)

    modes = {
        mode: ModeScore(Detections.none(), np.zeros(0, bool), joined([]), flags(seen), flags(None), Tracks.none())
        for mode, seen in (("ego", alone), ("fused", fused))
    }
    return FrameScore(flags(near), np.zeros(count), flags(None), flags(None), modes)


class Keeper:
    """Frames that are kept every second, one at a time, unless stated."""

    def __init__(self, **record):
        self.tables = {name: Columns(name) for name in COLUMNS}
        record = scenario(record={"clouds_every_s": 1, **record}).record
        self.kept = KeptFrames(self.tables, record, BEGIN_US, DETECT_US, 300_000)

    def tick(self, *frames, fleet=None, links=None, **flags):
        """Keep the best of the frames of a tick; by default their egos alone are stations."""
        if frames:
            egos = [one.ego.agent for one in frames]
            there = fleet_of(sorted(egos), [(0, 0)] * len(egos)) if fleet is None else fleet
            self.kept.tick(instant(frames[0].capture.snapshot, there, links))
        self.kept.offer(frames, [score_of(one, **flags) for one in frames])
        self.kept.keep_best(self.kept.remembered)
        return self

    def rows(self, table):
        return self.tables[table].finished().to_pylist()

    def frames(self):
        return [(row["frame"], row["ego"], row["frame_us"]) for row in self.rows("frames")]


def at(time_us, agent=EGO, **about):
    world = snapshot([agent], [(0, 0)], time_us=time_us)
    return fused_frame(frame(agent, time_us), world=world, **about)


def points(count):
    return {"added_m": [(1, 1, 1)] * count, "added_object": [2] * count, "added_source": [2] * count}


# Which frames


def test_a_frame_is_kept_at_the_begin_of_a_run_and_then_once_a_period():
    keeper = Keeper()
    for time_us in range(BEGIN_US, 3_000_001, 100_000):
        keeper.tick(at(time_us))
    assert keeper.frames() == [(0, EGO, 500_000), (1, EGO, 1_500_000), (2, EGO, 2_500_000)]


def test_no_frame_is_kept_where_none_is_wanted():
    keeper = Keeper(clouds_every_s=0).tick(at(BEGIN_US)).tick(at(BEGIN_US + 100_000))
    assert keeper.frames() == []


def test_a_period_without_frames_is_made_up_for():
    keeper = Keeper().tick(at(BEGIN_US + 1_200_000)).tick(at(BEGIN_US + 1_300_000)).tick(at(BEGIN_US + 1_400_000))
    assert [time_us for _, _, time_us in keeper.frames()] == [BEGIN_US + 1_200_000, BEGIN_US + 1_300_000]


def test_a_tick_without_frames_leaves_the_period_open():
    keeper = Keeper().tick().tick(at(BEGIN_US + 100_000))
    assert len(keeper.frames()) == 1


def test_the_ego_that_fused_most_helpers_is_kept():
    few, many = (
        at(BEGIN_US, 1, contributions=[contribution()], **points(9)),
        at(BEGIN_US, 5, contributions=[contribution()] * 2),
    )
    assert [ego for _, ego, _ in Keeper().tick(few, many).frames()] == [5]


def test_of_egos_with_as_many_helpers_the_one_that_received_most_points_is_kept():
    assert [
        ego for _, ego, _ in Keeper().tick(at(BEGIN_US, 1, **points(2)), at(BEGIN_US, 5, **points(3))).frames()
    ] == [5]


def test_of_equal_egos_the_one_with_the_lowest_number_is_kept():
    assert [ego for _, ego, _ in Keeper().tick(at(BEGIN_US, 5), at(BEGIN_US, 1)).frames()] == [1]


def test_as_many_egos_are_kept_at_a_time_as_wanted():
    keeper = Keeper(cloud_egos=2).tick(at(BEGIN_US, 5), at(BEGIN_US, 1), at(BEGIN_US, 3))
    assert keeper.frames() == [(0, 1, BEGIN_US), (1, 3, BEGIN_US)]


def test_a_frame_that_was_not_kept_is_not_offered_again():
    keeper = Keeper().tick(
        at(BEGIN_US, 1, contributions=[contribution()]), at(BEGIN_US, 5, contributions=[contribution()] * 2)
    )
    keeper.tick(at(BEGIN_US + 1_000_000, 3))
    assert [ego for _, ego, _ in keeper.frames()] == [5, 3]


# Matrices


def test_the_matrix_is_kept_before_and_after_fusion():
    before, after = np.arange(15).reshape(3, 5) % 3, np.arange(15).reshape(3, 5) % 2
    one = fused_frame(frame(EGO, BEGIN_US, code=before, lower=(7, 9)), code=after)
    (row,) = Keeper().tick(one).rows("frames")
    assert (row["frame"], row["frame_us"], row["ego"]) == (0, BEGIN_US, EGO)
    assert (row["lower_x"], row["lower_y"], row["cells"], row["cell_m"]) == (7, 9, 3, 2.0)
    assert (row["before"], row["after"]) == (bytes(before.ravel().tolist()), bytes(after.ravel().tolist()))


# Bodies


def bodies(fleet=None, **flags):
    """Return the rows of three cars of which the ego would place each 1 m farther north."""
    world = snapshot([EGO, HELPER, OTHER], [(0, 0), (20, 0), (40, 5)], time_us=BEGIN_US)
    world.boxes.center_m[:, 2], world.boxes.yaw_rad[:] = [0, 0.5, 0], [0, 0.25, 0]
    truth = capture(world, EGO, believed=(0, 1, 0, 0))
    fleet = fleet_of([EGO, HELPER], [(0, 0), (20, 0)], lidars=[1, 0]) if fleet is None else fleet
    return (
        Keeper()
        .tick(fused_frame(frame(EGO, BEGIN_US), world=world, truth=truth), fleet=fleet, **flags)
        .rows("frame_boxes")
    )


def test_bodies_are_kept_where_the_ego_would_place_them():
    assert bodies()[1] == {
        "frame": 0, "agent": HELPER, "x_m": 20, "y_m": 1, "z_m": 0.5, "length_m": 4, "width_m": 2, "height_m": 1.5,
        "yaw_rad": 0.25, "station": True, "lidar": False, "in_range": False, "seen_ego": False, "seen_fused": False,
    }  # fmt: skip


def test_the_stations_are_those_of_the_capture_and_not_of_the_fusion():
    keeper, world = Keeper(), snapshot([EGO, HELPER], [(0, 0), (20, 0)], time_us=BEGIN_US)
    keeper.kept.tick(instant(world, fleet_of([EGO, HELPER], [(0, 0), (20, 0)])))
    later = snapshot([EGO], [(0, 0)], time_us=BEGIN_US + 100_000)
    keeper.kept.tick(instant(later, fleet_of([EGO], [(0, 0)])))
    one = fused_frame(frame(EGO, BEGIN_US), world=world)
    keeper.kept.offer([one], [score_of(one)])
    keeper.kept.keep_best(keeper.kept.remembered)
    assert [row["station"] for row in keeper.rows("frame_boxes")] == [True, True]


def test_stations_and_lidars_are_marked():
    assert [(row["station"], row["lidar"]) for row in bodies()] == [(True, True), (True, False), (False, False)]


@pytest.mark.parametrize(("flag", "column"), [("near", "in_range"), ("alone", "seen_ego"), ("fused", "seen_fused")])
def test_the_score_of_each_road_user_is_kept(flag, column):
    assert [row[column] for row in bodies(**{flag: [False, True, False]})] == [False, True, False]


@pytest.mark.parametrize("lidars", [0, 1])
def test_a_roadside_unit_is_kept_as_a_pole(lidars):
    fleet = fleet_of([EGO, HELPER, 9], [(0, 0), (20, 0), (7, 8)], rows=[0, 1, -1], lidars=[1, 1, lidars], antenna_m=6.0)
    fleet.pose[2, 3] = 0.5
    assert bodies(fleet)[3:] == [{
        "frame": 0, "agent": 9, "x_m": 7, "y_m": 8, "z_m": 0, "length_m": 0, "width_m": 0, "height_m": 6, "yaw_rad": 0.5,
        "station": True, "lidar": bool(lidars), "in_range": False, "seen_ego": False, "seen_fused": False,
    }]  # fmt: skip


# Clouds


def test_own_and_received_points_are_kept_with_who_saw_them_and_what_they_hit():
    world = snapshot([EGO, OTHER], [(5, 1), (9, 9)], time_us=BEGIN_US)
    # The ego stands at (5, 1) and looks north.
    ego = frame(EGO, BEGIN_US, points_m=[(2, 0, 1), (1, 0, 0)], pose=(5, 1, 0, np.pi / 2))
    truth = capture(world, EGO, object_id=[OTHER, GROUND])
    one = fused_frame(
        ego, world=world, truth=truth, added_m=[(7, 8, 9)], added_object=[BUILDING], added_source=[HELPER]
    )
    rows = Keeper().tick(one).rows("clouds")
    places = [[row["x_m"], row["y_m"], row["z_m"]] for row in rows]
    np.testing.assert_allclose(places, [[5, 3, 1], [5, 2, 0], [7, 8, 9]], atol=1e-6)
    assert [(row["frame"], row["source"], row["object"]) for row in rows] == [
        (0, EGO, OTHER), (0, EGO, GROUND), (0, HELPER, BUILDING),
    ]  # fmt: skip


def test_each_point_is_kept_with_the_time_of_its_own_capture():
    ego = frame(EGO, BEGIN_US, points_m=[(2, 0, 1)])
    older = contribution(HELPER, capture_us=BEGIN_US - 70_000)
    one = fused_frame(
        ego, truth=capture(snapshot([EGO], [(0, 0)], time_us=BEGIN_US), EGO, object_id=[GROUND]), contributions=[older],
        added_m=[(7, 8, 9)] * 2, added_object=[GROUND] * 2, added_source=[HELPER, OTHER],
    )  # fmt: skip
    rows = Keeper().tick(one).rows("clouds")
    # Nobody sent points of the last source; a user's fusion scheme may name any.
    assert [row["time_us"] for row in rows] == [BEGIN_US, BEGIN_US - 70_000, -1]


# Links


def asking(helper, relay=-1):
    return Transfer.of(request_message(request(helper=helper), relay=relay), BEGIN_US, -1, -1, 1)


def links(transfers=(), contributions=(), *, agents=(EGO, HELPER, OTHER, RELAY), range_m=1500.0, ego=EGO):
    """Return the links kept of a frame, as (a, b, role, used); stations stand 100 m apart in a row."""
    fleet = fleet_of(agents, [(100 * n, 0) for n in range(len(agents))])
    world = snapshot(agents, fleet.pose[:, :2], time_us=BEGIN_US)
    one = fused_frame(
        frame(ego, BEGIN_US), world=world, transfers=transfers,
        contributions=contributions,
    )  # fmt: skip
    rows = Keeper().tick(one, fleet=fleet, links=links_of(fleet, range_m)).rows("frame_links")
    assert {row["frame"] for row in rows} <= {0}
    return [(row["a"], row["b"], row["role"], row["used"]) for row in rows]


def test_the_link_of_a_direct_request_is_kept():
    assert links([asking(HELPER)]) == [(EGO, HELPER, "direct", False)]


def test_a_link_over_which_fused_data_came_is_used():
    assert links([asking(HELPER), asking(OTHER)], [contribution(HELPER)]) == [
        (EGO, HELPER, "direct", True), (EGO, OTHER, "direct", False),
    ]  # fmt: skip


def test_both_hops_of_a_relay_are_kept_and_the_link_that_they_replace():
    assert links([asking(HELPER, RELAY)], [contribution(HELPER, relay=RELAY)]) == [
        (EGO, RELAY, "relay_hop", True), (RELAY, HELPER, "relay_hop", True), (EGO, HELPER, "replaced", False),
    ]  # fmt: skip


def test_two_helpers_behind_one_relay_share_its_first_hop():
    kept = links([asking(HELPER, RELAY), asking(OTHER, RELAY)])
    assert [(a, b) for a, b, _, _ in kept] == [
        (EGO, RELAY), (RELAY, HELPER), (EGO, HELPER), (RELAY, OTHER), (EGO, OTHER),
    ]  # fmt: skip


def test_links_of_data_fused_late_are_kept_too():
    assert links((), [contribution(OTHER)]) == [(EGO, OTHER, "direct", True)]


def test_a_link_is_kept_once():
    assert links([asking(HELPER), asking(HELPER)], [contribution(HELPER)]) == [(EGO, HELPER, "direct", True)]


def test_the_link_to_a_station_that_has_left_is_left_out_and_the_others_are_not():
    assert links([asking(99), asking(HELPER)]) == [(EGO, HELPER, "direct", False)]


def test_nothing_is_kept_of_an_ego_that_has_left():
    assert links([asking(HELPER)], agents=(HELPER, OTHER)) == []


def test_a_link_out_of_range_is_left_out_and_the_others_are_not():
    assert links([asking(OTHER), asking(HELPER)], range_m=150.0) == [(EGO, HELPER, "direct", False)]


def test_links_of_the_station_with_the_lowest_number_are_kept():
    assert links([asking(0)], agents=(0, EGO)) == [(EGO, 0, "direct", False)]


def test_a_link_is_kept_with_its_state():
    fleet = fleet_of([EGO, HELPER, OTHER], [(0, 0), (100, 0), (200, 0)])
    budget = links_of(fleet)
    # Pairs in rising order: 1-2, 1-3, 2-3.
    budget.state[:] = [0, 1, 2]
    world = snapshot(fleet.agent, fleet.pose[:, :2], time_us=BEGIN_US)
    one = fused_frame(frame(EGO, BEGIN_US), world=world, transfers=[asking(OTHER, HELPER)])
    assert [row["state"] for row in Keeper().tick(one, fleet=fleet, links=budget).rows("frame_links")] == [
        "LOS",
        "NLOSb",
        "NLOSv",
    ]


def history(*states):
    """Return a keeper that saw the link of ego and helper in these states, at ticks of 100 ms from the begin on."""
    keeper, fleet = Keeper(), fleet_of([EGO, HELPER, RELAY], [(0, 0), (100, 0), (50, 0)])
    for number, state in enumerate(states):
        budget = links_of(fleet)
        budget.state[0] = state
        world = snapshot(fleet.agent, fleet.pose[:, :2], time_us=BEGIN_US + 100_000 * number)
        keeper.kept.tick(instant(world, fleet, budget))
    return keeper


def kept_link(keeper, role, **about):
    """Return the link with a role of a frame that was captured at the second tick."""
    world = snapshot([EGO], [(0, 0)], time_us=BEGIN_US + 100_000)
    one = fused_frame(frame(EGO, BEGIN_US + 100_000), world=world, **about)
    keeper.kept.offer([one], [score_of(one)])
    keeper.kept.keep_best(keeper.kept.remembered)
    (row,) = [row for row in keeper.rows("frame_links") if row["role"] == role]
    return row


def test_a_replaced_link_has_the_state_in_which_the_ego_chose_the_relay_and_not_that_at_the_fusion():
    asked = Transfer.of(request_message(request(helper=HELPER), relay=RELAY), BEGIN_US + 100_000, -1, -1, 1)
    row = kept_link(history(0, 2, 0), "replaced", transfers=[asked])
    assert (row["state"], row["time_us"]) == ("NLOSb", BEGIN_US + 100_000 + DETECT_US)
    assert (row["distance_m"], row["power_dbm"]) == (100.0, 23.0 - 60.0)


def test_the_link_of_late_data_has_the_state_at_the_earlier_request():
    late = contribution(HELPER, capture_us=BEGIN_US, path_us=BEGIN_US + DETECT_US)
    row = kept_link(history(1, 0, 0), "direct", contributions=[late])
    assert (row["state"], row["time_us"]) == ("NLOSv", BEGIN_US + DETECT_US)
