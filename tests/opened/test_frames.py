"""The ego frames of a finished run."""

import numpy as np
import pytest
from small_runs import finished, scenario

import v2xsim
from v2xsim.opened import NotRecordedError, OpenError
from v2xsim.opened.parts import StreamParts
from v2xsim.opened.truth import Truth


@pytest.fixture(scope="module")
def run():
    return v2xsim.open(finished("cooperation.fusion=early")[1])


def test_frames_are_all_frames_of_all_egos_in_order_of_time(run):
    frames = run.frames()
    assert len(frames) == run.tables["fusion"].num_rows
    assert [frame.time_us for frame in frames] == run.tables["fusion"]["frame_us"].to_pylist()
    assert {frame.ego for frame in frames} == {"ego", "leaver", "pole"}


def test_frames_of_one_ego_are_found_by_its_name_and_by_its_number(run):
    frames = run.frames("leaver")
    assert [round(frame.time_s * 10) for frame in frames] == [5, 6, 7, 8, 11, 12, 13, 14]
    assert len(run.frames(frames[0].agent)) == len(frames)


def test_a_frame_is_found_by_its_time(run):
    (frame,) = run.frames("ego", time_s=1.2)
    assert (frame.ego, frame.time_us) == ("ego", 1_200_000)
    assert [round(one.time_s, 6) for one in run.frames("ego", time_s=(0.6, 0.8))] == [0.6, 0.7, 0.8]


def test_frames_can_be_sliced(run):
    frames = run.frames("ego")
    assert [one.time_us for one in frames[2:4]] == [frames[2].time_us, frames[3].time_us]
    assert frames[-1].time_us == 1_400_000


def test_an_ego_that_is_none_is_refused_with_the_nearest(run):
    with pytest.raises(OpenError, match=r"must have an ego 'leavr'; did you mean 'leaver'\?; egos with frames are"):
        run.frames("leavr")
    with pytest.raises(OpenError, match="must have an ego 'helper'"):
        run.frames("helper")
    with pytest.raises(OpenError, match="must have an ego 99"):
        run.frames(99)


@pytest.mark.parametrize(("time_s", "nearest"), [(0.94, "0.8 s and 1.1 s"), (7, "1.3 s and 1.4 s")])
def test_a_time_without_a_frame_is_refused_with_the_nearest_times(run, time_s, nearest):
    with pytest.raises(OpenError, match=f"must have a frame at {time_s:g} s; the nearest are at {nearest}"):
        run.frames("leaver", time_s=time_s)


def test_a_station_that_one_table_lacks_is_refused_with_folder_and_time(run):
    truth = Truth(lambda name: StreamParts(lambda _: iter(()), run.tables[name].slice(0, 0)), run.folder)
    with pytest.raises(OpenError, match=rf"{run.folder}: must have a station 3 at 0.7 s .*not of one run"):
        truth.pose(700_000, 3)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), "1.2", (0.5, float("nan"))])
def test_a_time_that_is_no_number_is_refused(run, time_s):
    with pytest.raises(OpenError, match="time_s must be seconds"):
        run.frames(time_s=time_s)


def test_a_frame_has_the_truth_and_the_pose_that_the_ego_believed(run):
    (frame,) = run.frames("ego", time_s=1.2)
    row = frame.scene.agent.tolist().index(frame.agent)
    # 10 m/s from x = -30 m at 0 s.
    np.testing.assert_allclose(frame.pose, [-18, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(frame.boxes.center_m[row], [-18, 0, 0], atol=1e-9)
    error_m = np.hypot(*(frame.believed - frame.pose)[:2])
    assert 0 < error_m < 2
    np.testing.assert_allclose(frame.scene.apparent.center_m[row, :2], frame.believed[:2])


def test_the_detections_of_a_frame_are_those_of_the_run(run):
    results, _ = finished("cooperation.fusion=early")
    table = results.tables["detections"].to_pylist()
    for frame in run.frames():
        for mode in ("ego", "fused"):
            rows = [
                row for row in table
                if (row["frame_us"], row["ego"], row["mode"]) == (frame.time_us, frame.agent, mode)
            ]  # fmt: skip
            assert frame.detections[mode].score.tolist() == [row["score"] for row in rows]
            assert frame.detections[mode].boxes.center_m[:, 0].tolist() == [row["x_m"] for row in rows]


def test_the_score_of_a_frame_is_that_of_the_run(run):
    table = run.tables["fusion"].to_pylist()
    for frame, row in zip(run.frames(), table, strict=True):
        assert (int(frame.score.near.sum()), int(frame.score.modes["fused"].seen.sum())) == (
            row["objects"],
            row["seen_fused"],
        )


def test_the_tracks_of_a_frame_are_those_of_the_run(run):
    aware = {
        (row["frame_us"], row["ego"], row["agent"]): row["tracked_fused"] for row in run.tables["awareness"].to_pylist()
    }
    tracked = 0
    for frame in run.frames():
        known = dict(zip(frame.scene.agent.tolist(), frame.score.modes["fused"].known.tolist(), strict=True))
        here = {agent: flag for (us, ego, agent), flag in aware.items() if (us, ego) == (frame.time_us, frame.agent)}
        assert {agent: known[agent] for agent in here} == here
        tracked += int(frame.tracks["fused"].confirmed.sum())
    assert tracked > 0


def test_the_data_and_the_messages_of_a_frame_are_rows_of_tables(run):
    frame = max(run.frames("ego"), key=lambda one: one.contributions.num_rows)
    assert frame.contributions.num_rows > 0
    assert set(frame.contributions["ego"].to_pylist()) == {frame.agent}
    ends = zip(frame.transfers["origin"].to_pylist(), frame.transfers["destination"].to_pylist(), strict=True)
    assert frame.transfers.num_rows > 0
    assert all(frame.agent in pair for pair in ends)


def test_the_links_of_a_frame_are_those_of_its_ego_at_its_capture(run):
    (frame,) = run.frames("ego", time_s=1.2)
    ends = list(zip(frame.links["a"].to_pylist(), frame.links["b"].to_pylist(), strict=True))
    assert set(frame.links["time_us"].to_pylist()) == {1_200_000}
    assert ends
    assert all(frame.agent in pair for pair in ends)


@pytest.mark.parametrize("every", [0, 3])
def test_links_that_were_not_recorded_are_refused(every):
    run = v2xsim.open(finished("cooperation.fusion=early", f"record.link_ticks={every}")[1])
    (frame,) = run.frames("ego", time_s=1.2)
    with pytest.raises(NotRecordedError, match=r"recorded no links at 1.2 s.*record.link_ticks=1"):
        _ = frame.links


def test_frames_of_a_run_without_states_are_refused():
    run = v2xsim.open(finished("cooperation.fusion=early", "record.states=false")[1])
    with pytest.raises(NotRecordedError, match=r"recorded no states.*for its frames"):
        run.frames()


def test_what_is_printed_of_frames_is_one_line(run):
    (frame,) = run.frames("pole", time_s=0.9)
    for thing in (run.frames(), run.frames("ego"), frame, frame.cloud):
        assert len(repr(thing)) < 200
        assert "\n" not in repr(thing)
    assert repr(run.frames("ego")) == "10 frames of ego"
    assert repr(frame).startswith("frame of pole at 0.9 s: ")


def test_a_frame_has_the_words_of_the_frames_that_a_running_simulation_passes_on(tmp_path):
    live = []
    results = v2xsim.run(scenario("cooperation.fusion=early", "run.duration_s=0.6"), out=tmp_path, on_frame=live.append)
    run = v2xsim.open(tmp_path)
    assert run.names == results.names
    frames = run.frames()
    assert len(frames) == len(live) > 5
    assert sum(len(frame.helpers) for frame in live) > 0
    for frame, before in zip(frames, live, strict=True):
        for word in ("ego", "time_s", "fused_s", "helpers"):
            assert getattr(frame, word) == getattr(before, word), word
        for word in ("pose", "believed"):
            np.testing.assert_array_equal(getattr(frame, word), getattr(before, word), word)
        np.testing.assert_array_equal(frame.boxes.center_m, before.road_users.pose[:, :3])
        np.testing.assert_array_equal(frame.detections["ego"].boxes.center_m, before.own.detections.center_m)
        np.testing.assert_array_equal(frame.detections["fused"].boxes.center_m, before.detections.center_m)
    received = frames[-1].cloud.source != frames[-1].agent
    assert tuple(run.names[agent] for agent in frames[-1].cloud.source[received].tolist()) == live[-1].received_from
    np.testing.assert_array_equal(frames[-1].cloud.points_m[received], live[-1].received_m)


def test_a_frame_is_called_by_its_ego_and_time_and_not_by_a_second_number(run):
    frame = run.frames("leaver", time_s=0.6)[0]
    assert repr(frame).startswith("frame of leaver at 0.6 s: ")
    row = run.tables["fusion"].slice(frame.number, 1).to_pylist()[0]
    assert (row["ego"], row["frame_us"]) == (frame.agent, 600_000)


def too_large(printed):
    """Return whether what an object prints does not fit a screen, or holds the rows of an array."""
    lines = printed.splitlines()
    return len(lines) > 46 or max(map(len, lines)) > 200 or "array(" in printed


def test_all_that_a_frame_holds_fits_a_screen_when_it_is_printed(run):
    frame = run.frames("ego", time_s=0.9)[0]
    modes = list(frame.score.modes.values())
    parts = [
        run, run.frames(), run.evaluate(), frame, frame.cloud, frame.boxes, frame.scene, frame.scene.apparent, frame.score, *modes,
        *(mode.matched for mode in modes), frame.detections, frame.announced, frame.tracks, frame.helpers,
    ]  # fmt: skip
    assert [type(part) for part in parts if too_large(repr(part))] == []


def test_the_score_of_a_frame_tells_what_was_in_range_detected_and_known(run):
    frame = run.frames("ego", time_s=0.9)[0]
    rows = [
        row for row in run.tables["awareness"].to_pylist() if (row["ego"], row["frame_us"]) == (frame.agent, 900_000)
    ]
    (counts,) = (
        row for row in run.tables["fusion"].to_pylist() if (row["ego"], row["frame_us"]) == (frame.agent, 900_000)
    )
    alone, fused = (
        f"{mode}: {counts[f'seen_{mode}']} detected, {sum(row[f'tracked_{mode}'] for row in rows)} known"
        for mode in ("ego", "fused")
    )
    assert repr(frame.score) == f"<score of {counts['objects']} road users in range; {alone}; {fused}>"


@pytest.mark.parametrize(
    ("time_s", "says"),
    [((0.8, 0.6), r"first time before the last, got \(0.8, 0.6\)"), ((100, 200), "frames of this run lie between"), ((-3, -1), "lie between")],
)  # fmt: skip
def test_times_between_which_no_frame_can_be_are_refused(run, time_s, says):
    with pytest.raises(OpenError, match=says):
        run.frames("ego", time_s=time_s)
