"""The rows that ego frames give: detections, awareness, fusion and episodes."""

import math

import numpy as np
import pytest

from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
    answer,
    answer_message,
    boxes,
    capture,
    contribution,
    detections,
    frame,
    fused_frame,
    request,
    request_message,
    snapshot,
)
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.recording.frame_tables import FrameTables
from v2xsim.perception.tracking.tracker import Tracks, step
from v2xsim.records import FREE, Detections, PerceptionMatrix
from v2xsim.results.columns import COLUMNS
from v2xsim.results.tables import Columns

FRAME_US = 100_000
# A car ahead, one 50 m away on its side, and one out of range.
POSITIONS_M = [(0, 0), (20, 0), (0, 50), (0, 51)]


def world(*, velocity_mps=(0.0, 0.0), time_us=FRAME_US):
    return snapshot([EGO, HELPER, OTHER, RELAY], POSITIONS_M, time_us=time_us, velocity_mps=velocity_mps)


def recorded(*frames):
    """Return the tables after these frames, range 50 m and 20 ms of detection, and what fills them."""
    tables = {name: Columns(name) for name in COLUMNS}
    rows = FrameTables(tables, 50.0, 20_000, 100_000)
    scores = [rows.add([one], {one.ego.time_us: np.array([EGO, HELPER])})[0] for one in frames]
    rows.close()
    return {name: table.finished().to_pylist() for name, table in tables.items()}, rows, scores


def rows_of(table, *frames):
    return recorded(*frames)[0][table]


def only_row(table, *frames):
    (row,) = rows_of(table, *frames)
    return row


def ego_frame(**about):
    return frame(EGO, FRAME_US, **about)


# Detections


def test_a_detection_is_a_row_with_its_box_and_its_score():
    turned = boxes([(20, 1)], yaw_rad=0.5, size_m=(4, 2, 1.5))
    turned.center_m[0, 2] = 0.25
    seen = Detections(turned, np.array([[3.0, -1.0]]), np.array([0.75]), np.array([HELPER]))
    row = only_row("detections", fused_frame(ego_frame(seen=seen), world=world()))
    assert row == {
        "frame_us": FRAME_US, "ego": EGO, "mode": "ego", "x_m": 20, "y_m": 1, "z_m": 0.25, "length_m": 4, "width_m": 2,
        "height_m": 1.5, "yaw_rad": 0.5, "vx_mps": 3, "vy_mps": -1, "score": 0.75, "truth": HELPER,
    }  # fmt: skip


def test_detections_alone_and_after_fusion_are_rows_of_their_own():
    alone, after = detections([(20, 0)], truth=[HELPER]), detections([(20, 0), (0, 50)], truth=[HELPER, OTHER])
    rows = rows_of("detections", fused_frame(ego_frame(seen=alone), world=world(), seen=after))
    assert [(row["mode"], row["truth"]) for row in rows] == [("ego", HELPER), ("fused", HELPER), ("fused", OTHER)]


def test_detections_at_any_distance_are_rows_with_all_their_digits():
    far = detections([(1 / 3, 51)], truth=[RELAY])
    row = only_row("detections", fused_frame(ego_frame(seen=far), world=world()))
    assert (row["x_m"], row["y_m"], row["truth"]) == (1 / 3, 51, RELAY)


def test_a_detection_out_of_range_is_not_scored():
    far = detections([(0, 51)], truth=[RELAY])
    row = only_row("fusion", fused_frame(ego_frame(seen=far), world=world()))
    assert (row["objects"], row["seen_ego"]) == (2, 0)


# What lidars and messages brought


def test_each_road_user_with_a_return_is_a_row_at_any_distance():
    truth = capture(world(), EGO, points=[0, 5, 0, 1])
    rows = rows_of("hits", fused_frame(ego_frame(), world=world(), truth=truth, points=[0, 6, 0, 1]))
    assert rows == [
        {"frame_us": FRAME_US, "ego": EGO, "agent": HELPER, "own_points": 5, "fused_points": 6},
        {"frame_us": FRAME_US, "ego": EGO, "agent": RELAY, "own_points": 1, "fused_points": 1},
    ]


def test_a_road_user_that_only_a_helper_hit_is_a_row():
    rows = rows_of("hits", fused_frame(ego_frame(), world=world(), points=[0, 0, 3, 0]))
    assert [(row["agent"], row["own_points"], row["fused_points"]) for row in rows] == [(OTHER, 0, 3)]


def test_a_vehicle_known_from_its_announcements_is_a_row():
    announced = detections([(1 / 3, 70)], truth=[OTHER], score=1.0, velocity_mps=(2, 5), yaw_rad=0.5)
    row = only_row("announced", fused_frame(ego_frame(), world=world(), announced=announced))
    assert row == {
        "frame_us": FRAME_US, "ego": EGO, "agent": OTHER, "x_m": 1 / 3, "y_m": 70, "z_m": 0, "length_m": 4, "width_m": 2,
        "height_m": 1.5, "yaw_rad": 0.5, "vx_mps": 2, "vy_mps": 5,
    }  # fmt: skip


def test_the_data_of_each_helper_is_a_row_with_the_returns_that_arrived():
    helped = contribution(HELPER, relay=RELAY, capture_us=0, received_bytes=700, point_row=[5, 3, 9])
    rows = rows_of(
        "contributions", fused_frame(ego_frame(), world=world(), contributions=[helped, contribution(OTHER)])
    )
    assert rows[0] == {
        "frame_us": FRAME_US, "ego": EGO, "helper": HELPER, "relay": RELAY, "capture_us": 0, "for_this_frame": True,
        "received_bytes": 700, "boxes": 0, "points": [5, 3, 9],
    }  # fmt: skip
    assert (rows[1]["helper"], rows[1]["points"]) == (OTHER, [])


# Awareness


def test_each_road_user_in_range_is_a_row():
    rows = rows_of("awareness", fused_frame(ego_frame(), world=world()))
    assert [(row["agent"], row["distance_m"]) for row in rows] == [(HELPER, 20), (OTHER, 50)]
    assert {(row["frame_us"], row["ego"]) for row in rows} == {(FRAME_US, EGO)}


def test_a_row_has_the_returns_on_its_road_user_alone_and_after_fusion():
    truth = capture(world(), EGO, points=[0, 5, 0, 0])
    first, second = rows_of("awareness", fused_frame(ego_frame(), world=world(), truth=truth, points=[0, 6, 7, 8]))
    assert (first["own_points"], first["fused_points"], first["occluded"]) == (5, 6, False)
    assert (second["own_points"], second["fused_points"], second["occluded"]) == (0, 7, True)


def test_a_row_says_who_is_on_a_collision_course():
    ego = ego_frame(velocity_mps=(10, 0))
    rows = rows_of("awareness", fused_frame(ego, world=world()))
    assert [row["conflict"] for row in rows] == [True, False]


def test_a_row_says_who_has_a_radio_and_who_is_relevant():
    """The ego stands: 50 m are 3.6 s for a car at 14 m/s."""
    rows = rows_of("awareness", fused_frame(ego_frame(), world=world()))
    assert [(row["agent"], row["announces"], row["relevant"]) for row in rows] == [
        (HELPER, True, True), (OTHER, False, True),
    ]  # fmt: skip
    fast = rows_of("awareness", fused_frame(ego_frame(velocity_mps=(30, 0)), world=world()))
    assert [(row["agent"], row["relevant"]) for row in fast] == [(HELPER, True), (OTHER, False)]


def test_a_track_of_nobody_is_counted_in_each_frame_and_as_new_in_the_first():
    rows = rows_of("fusion", *two_frames(own_tracks=tracks_of((30, 30))))
    assert [(row["false_ego"], row["new_false_ego"]) for row in rows] == [(1, 1), (1, 0)]
    assert {(row["false_fused"], row["new_false_fused"]) for row in rows} == {(0, 0)}


def tracks_of(*positions_m):
    seen = detections(positions_m)
    return step(step(Tracks.none(0), seen, 0), seen, FRAME_US)


def test_a_road_user_with_a_confirmed_track_of_the_ego_alone_is_tracked_alone():
    rows = rows_of("awareness", fused_frame(ego_frame(), world=world(), own_tracks=tracks_of((0, 50))))
    assert [(row["tracked_ego"], row["tracked_fused"]) for row in rows] == [(False, False), (True, False)]


def two_frames(**about):
    return [fused_frame(frame(EGO, t), world=world(time_us=t), **about) for t in (0, FRAME_US)]


def test_a_road_user_detected_twice_after_fusion_is_tracked_after_fusion():
    rows = rows_of("awareness", *two_frames(seen=detections([(20, 0)], truth=[HELPER])))
    assert [(row["agent"], row["tracked_fused"], row["tracked_ego"]) for row in rows] == [
        (HELPER, False, False), (OTHER, False, False), (HELPER, True, False), (OTHER, False, False),
    ]  # fmt: skip


def test_a_vehicle_that_announced_itself_twice_is_tracked_after_fusion():
    rows = rows_of("awareness", *two_frames(announced=detections([(0, 50)], truth=[OTHER], score=1.0)))
    assert [row["agent"] for row in rows if row["tracked_fused"]] == [OTHER]


# Fusion


def asking(relay=-1, number=1, allowance_bytes=900):
    message = request_message(request(number=number, allowance_bytes=allowance_bytes), relay=relay)
    return Transfer.of(message, FRAME_US, -1, -1, 1)


def answering(number=9):
    return Transfer.of(answer_message(answer(), number=number, relay=RELAY), FRAME_US, 0, 0, 1)


def test_a_fused_frame_is_a_row_with_its_times():
    row = only_row("fusion", fused_frame(ego_frame(), fuse_us=190_000, known=4))
    assert (row["frame_us"], row["ego"], row["detect_us"], row["fuse_us"]) == (FRAME_US, EGO, 120_000, 190_000)
    assert row["known"] == 4


def test_requests_are_counted_and_answers_are_not():
    transfers = [asking(), asking(RELAY, 2, 50), asking(number=3), answering()]
    row = only_row("fusion", fused_frame(ego_frame(), transfers=transfers))
    assert (row["asked"], row["asked_by_relay"], row["requested_bytes"]) == (3, 1, 1850)


def test_fused_helpers_are_counted_and_those_by_relay():
    fused = [contribution(), contribution(OTHER, relay=RELAY), contribution(RELAY)]
    row = only_row("fusion", fused_frame(ego_frame(), contributions=fused))
    assert (row["used"], row["used_by_relay"]) == (3, 1)


def test_data_that_the_ego_overheard_on_its_way_to_the_relay_came_directly():
    heard = fused_frame(ego_frame(), contributions=[contribution(relay=RELAY, overheard=True)])
    assert only_row("fusion", heard)["used_by_relay"] == 0
    assert only_row("contributions", heard)["relay"] == -1


def test_only_bytes_that_were_asked_for_this_frame_count_as_received():
    row = only_row("fusion", fused_frame(ego_frame(), contributions=[
        contribution(received_bytes=70), contribution(received_bytes=500, is_for_this_frame=False),
        contribution(received_bytes=7),
    ]))  # fmt: skip
    assert row["received_bytes"] == 77


def test_the_age_of_fused_data_is_the_mean_over_the_helpers():
    row = only_row("fusion", fused_frame(ego_frame(), contributions=[
        contribution(capture_us=FRAME_US), contribution(capture_us=60_000), contribution(capture_us=79_999),
    ]))  # fmt: skip
    assert row["age_us"] == 20_000


def test_a_frame_without_helpers_has_no_age():
    assert only_row("fusion", fused_frame(ego_frame()))["age_us"] == -1


def test_own_and_received_returns_are_counted():
    ego = ego_frame(points_m=[(1, 1, 1)] * 3)
    one = fused_frame(ego, added_m=[(1, 1, 1)] * 2, added_object=[2, 2], added_source=[2, 2])
    row = only_row("fusion", one)
    assert (row["own_points"], row["added_points"]) == (3, 2)


def test_road_users_in_range_are_counted_and_those_detected_in_each_mode():
    alone, after = detections([(20, 0)], truth=[HELPER]), detections([(20, 0), (0, 50)], truth=[HELPER, OTHER])
    row = only_row("fusion", fused_frame(ego_frame(seen=alone), world=world(), seen=after))
    assert (row["objects"], row["seen_ego"], row["seen_fused"]) == (2, 1, 2)


def test_coverage_is_the_share_of_open_cells_that_are_observed_before_and_after():
    before, after = np.zeros((4, 4)), np.zeros((4, 4))
    before[0, :2], after[0, :4], after[1, 0] = FREE, FREE, FREE
    ground, weight = np.ones((4, 4), bool), np.zeros((4, 4))
    ground[1] = False
    weight[0, 2:], weight[3] = 1.0, 0.5
    row = only_row("fusion", fused_frame(ego_frame(code=before), code=after, zone=BlindZone(ground, weight)))
    assert row["coverage_before"] == pytest.approx(2 / 12)
    assert row["coverage_after"] == pytest.approx(4 / 12)
    # Two cells of weight 1 of a blind zone of 2 + 4 x 0.5.
    assert row["blind_covered"] == pytest.approx(0.5)


def test_what_announced_matrices_show_of_the_blind_zone_is_recorded_apart_from_what_fusion_fills():
    after, weight, shown = np.zeros((4, 4)), np.ones((4, 4)), np.zeros((4, 4), np.uint8)
    after[0], shown[0, 2:], shown[1] = FREE, FREE, FREE
    # The other matrix begins one cell east of the ego's, so it shows half of the second row and all of the third.
    other = PerceptionMatrix(np.array([1, 0]), 2.0, shown)
    told = fused_frame(
        ego_frame(), code=after, zone=BlindZone(np.ones((4, 4), bool), weight), announced_matrices=[other]
    )
    row = only_row("fusion", told)
    assert (row["blind_told"], row["blind_covered"], row["blind_beyond"]) == (6 / 16, 4 / 16, 4 / 16)


def test_an_ego_without_a_blind_zone_covers_nothing_of_it():
    assert math.isnan(only_row("fusion", fused_frame(ego_frame()))["blind_covered"])


# Over the run


def hidden_conflict(*knows):
    """Return frames of an ego that drives towards a car that it does not see, but may know alone and after fusion."""
    return [
        fused_frame(
            frame(EGO, t, velocity_mps=(10, 0)), world=world(time_us=t),
            own_tracks=tracks_of((20, 0)) if alone else None,
            announced=detections([(20, 0)], truth=[HELPER], score=1.0) if fused else None,
        )
        for t, (alone, fused) in zip(range(0, 10**6, FRAME_US), knows, strict=False)
    ]  # fmt: skip


def test_an_episode_begins_when_a_hidden_car_is_ahead_and_has_when_each_mode_knew():
    # A second announcement confirms the fused track.
    row = only_row("episodes", *hidden_conflict((0, 0), (0, 1), (0, 1), (1, 1)))
    assert row == {
        "ego": EGO, "agent": HELPER, "start_us": 0, "aware_ego_us": 300_000, "aware_fused_us": 200_000, "end_us": 300_000,
        "announces": True,
    }  # fmt: skip


def test_average_precision_is_of_all_frames_of_each_mode():
    after = detections([(20, 0), (0, 50)], truth=[HELPER, OTHER])
    _, rows, _ = recorded(fused_frame(ego_frame(), world=world(), seen=after))
    assert {mode: dict(curve)[0.5] for mode, curve in rows.average_precision().items()} == {
        "ego": 0.0, "ego_unannounced": 0.0, "fused": 1.0, "fused_unannounced": 1.0,
    }  # fmt: skip


def test_the_score_of_a_frame_is_returned_for_pictures():
    _, _, (score,) = recorded(fused_frame(ego_frame(), world=world()))
    assert score.near.tolist() == [False, True, True, False]
