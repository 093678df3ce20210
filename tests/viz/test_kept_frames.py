import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from crossing_run import CELLS, CROSSING, EGO, FRAMES, HELPER, TRUCK, add

from v2xsim.results.tables import Columns
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, ViewError, open_run
from v2xsim.viz.run.kept_frame import FrameLinks, KeptFrame, chosen_frame, load_frame, shortened


@pytest.fixture(scope="session")
def frame(folder: RunFolder) -> KeptFrame:
    return load_frame(folder, 2)


def gains(folder: RunFolder) -> list[int]:
    return [int(load_frame(folder, number).only_fused.sum()) for number in range(FRAMES)]


def run_of(tmp_path: Path, seen_fused: list[bool], linked: int | None, role: str = "relay_hop") -> RunFolder:
    """A run of three frames with one road user each; one frame may have a link."""
    boxes, frames, links = Columns("frame_boxes"), Columns("frames"), Columns("frame_links")
    for number, seen in enumerate(seen_fused):
        add(frames, frame=number, before=[b""], after=[b""])
        add(boxes, frame=number, agent=1, length_m=4.0, width_m=2.0, height_m=1.5, in_range=True, seen_fused=seen)
    if linked is not None:
        add(links, frame=linked, a=0, b=1, state=["LOS"], role=[role])
    for columns in (boxes, frames, links):
        pq.write_table(columns.finished(), tmp_path / f"{columns.table}.parquet")
    (tmp_path / "manifest.json").write_text(json.dumps({"scenario": {}}))
    return open_run(tmp_path)


def test_the_frame_with_most_gained_by_fusion_is_drawn(folder: RunFolder) -> None:
    found = gains(folder)
    assert found[chosen_frame(folder, None)] == max(found) > min(found)


def test_among_equal_frames_one_with_a_relay_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(run_of(tmp_path, [True, True, True], linked=1), None) == 1


def test_among_frames_equal_in_all_the_earliest_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(run_of(tmp_path, [False, True, True], linked=None), None) == 1


def test_among_frames_without_a_relay_one_with_a_link_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(run_of(tmp_path, [True, True, True], linked=2, role="direct"), None) == 2


def test_a_gain_outweighs_a_relay(tmp_path: Path) -> None:
    assert chosen_frame(run_of(tmp_path, [False, False, True], linked=0), None) == 2


def test_the_frame_asked_for_is_drawn(folder: RunFolder) -> None:
    assert chosen_frame(folder, 3) == 3


def test_a_frame_that_was_not_kept_is_refused_with_those_that_were(folder: RunFolder) -> None:
    with pytest.raises(ViewError, match=r"got 99; .* kept frames 0 to 4"):
        chosen_frame(folder, 99)


def test_asking_a_run_without_kept_frames_for_one_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"record\.clouds_every_s"):
        chosen_frame(run_of(tmp_path, [], linked=None), 0)


def test_a_frame_without_its_ego_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match="no row for the ego"):
        load_frame(run_of(tmp_path, [True], linked=None), 0)


def test_the_crossing_car_is_seen_only_after_fusion(frame: KeptFrame) -> None:
    assert frame.only_fused[frame.agent == CROSSING].all()


def test_the_counts_agree_with_the_table(folder: RunFolder, frame: KeptFrame) -> None:
    rows = folder.table("frame_boxes", ["in_range", "seen_ego", "seen_fused"], [("frame", "==", 2)])
    expected = tuple(pc.sum(rows.column(name)).as_py() for name in ("seen_ego", "seen_fused", "in_range"))
    assert frame.counts() == expected


def test_points_are_counted_by_station_with_the_ego_first(folder: RunFolder, frame: KeptFrame) -> None:
    source = folder.arrays("clouds", ["source"], [("frame", "==", 2)])["source"]
    counted = {station: int((source == station).sum()) for station in (EGO, TRUCK, HELPER)}
    assert frame.stations[0][0] == EGO
    assert dict(frame.stations) == counted


def test_a_matrix_is_read_row_by_row_over_x(folder: RunFolder, frame: KeptFrame) -> None:
    code = folder.table("frames", ["before"], [("frame", "==", 2)]).column("before")[0].as_py()
    rows = [bytes(row) for row in frame.before.code]
    assert rows == [code[start : start + CELLS] for start in range(0, CELLS**2, CELLS)]


def test_a_matrix_whose_size_is_not_its_cells_is_left_out(crossing: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(crossing, tmp_path / "run", ignore=shutil.ignore_patterns("pictures"))
    table = pq.read_table(copy / "frames.parquet")
    place = table.schema.get_field_index("before")
    pq.write_table(table.set_column(place, "before", pa.array([b"\1"] * FRAMES, pa.binary())), copy / "frames.parquet")
    assert load_frame(open_run(copy), 2).before.code.size == 0


def test_every_building_keeps_its_own_corners(frame: KeptFrame) -> None:
    assert np.diff(frame.buildings.offset).tolist() == [4, 4, 4, 4]
    assert frame.buildings.top_m.tolist() == [12.0, 15.0, 9.0, 18.0]


def test_the_truck_that_gives_data_and_passes_data_on_is_relay_and_helper(frame: KeptFrame) -> None:
    assert frame.roles == {EGO: "ego", TRUCK: "relay, helper", HELPER: "helper"}


def test_a_relay_that_gives_no_data_of_its_own_is_no_helper(frame: KeptFrame) -> None:
    links = FrameLinks(
        np.array([EGO, TRUCK, EGO]), np.array([TRUCK, HELPER, HELPER]), np.array(["LOS"] * 3, object),
        np.array(["relay_hop", "relay_hop", "replaced"], object), np.ones(3, bool),
    )  # fmt: skip
    moved = KeptFrame(**{**{name: getattr(frame, name) for name in frame.__dataclass_fields__}, "links": links})
    assert moved.roles == {EGO: "ego", TRUCK: "relay", HELPER: "helper"}


def test_the_view_holds_every_scored_road_user_and_linked_station(frame: KeptFrame) -> None:
    lower_m, upper_m = frame.view_m
    places_m = frame.boxes.center_m[frame.in_range | np.isin(frame.agent, [EGO, TRUCK, HELPER]), :2]
    assert ((places_m > lower_m) & (places_m < upper_m)).all()


def test_a_label_says_name_and_role_once(frame: KeptFrame) -> None:
    assert [frame.label(agent) for agent in (EGO, TRUCK, HELPER, CROSSING)] == [
        "ego",
        "truck (relay, helper)",
        "helper",
        "crossing",
    ]


def test_a_long_name_keeps_both_its_ends() -> None:
    assert shortened("carflow_residential.227") == "carflow…al.227"


def test_a_short_name_is_left_alone() -> None:
    assert shortened("vehicle_number") == "vehicle_number"
