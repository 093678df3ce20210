import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from crossing_run import CELLS, CROSSING, EGO, FRAMES, HELPER, TRUCK, add
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from v2xsim.records import Bodies
from v2xsim.results.tables import Columns
from v2xsim.viz.run.bird_view import draw_fused_frame
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, open_run
from v2xsim.viz.run.frame_links import FrameLinks
from v2xsim.viz.run.kept_frame import KeptFrame, load_frame, shortened
from v2xsim.viz.run.legend_keys import OUTLINES
from v2xsim.viz.run.oblique_view import draw_fused_cloud


@pytest.fixture(scope="session")
def frame(folder: RunFolder) -> KeptFrame:
    return load_frame(folder, 2)


def test_a_frame_without_its_ego_has_nothing_to_show(tmp_path: Path) -> None:
    frames = Columns("frames")
    add(frames, frame=0, ego=7, before=[b""], after=[b""])
    pq.write_table(frames.finished(), tmp_path / "frames.parquet")
    (tmp_path / "manifest.json").write_text(json.dumps({"scenario": {}}))
    with pytest.raises(NothingToShowError, match="no row for the ego"):
        load_frame(open_run(tmp_path), 0)


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
    none = np.zeros(3, np.int64)
    links = FrameLinks(
        np.array([EGO, TRUCK, EGO]), np.array([TRUCK, HELPER, HELPER]), np.array(["LOS"] * 3, object),
        np.array(["relay_hop", "relay_hop", "replaced"], object), np.ones(3, bool), none, none, np.full(3, np.nan),
    )  # fmt: skip
    moved = KeptFrame(**{**{name: getattr(frame, name) for name in frame.__dataclass_fields__}, "links": links})
    assert moved.roles == {EGO: "ego", TRUCK: "relay", HELPER: "helper"}


def test_the_view_holds_every_scored_road_user_and_linked_station(frame: KeptFrame) -> None:
    lower_m, upper_m = frame.view_m
    places_m = frame.boxes.center_m[frame.in_range | np.isin(frame.agent, [EGO, TRUCK, HELPER]), :2]
    assert ((places_m > lower_m) & (places_m < upper_m)).all()


def with_trailer(crossing: Path, tmp_path: Path) -> KeptFrame:
    """Return the frame with a truck whose rear part is turned to the north."""
    copy = shutil.copytree(crossing, tmp_path / "run", ignore=shutil.ignore_patterns("pictures"))
    parts = Columns("frame_parts")
    for part, x_m, y_m, yaw_rad, length_m in (("front", -9.5, -1.8, 0.0, 3.0), ("rear", -15.0, 2.0, -0.9, 9.0)):
        add(
            parts, frame=2, agent=TRUCK, part=part, x_m=x_m, y_m=y_m, yaw_rad=yaw_rad, length_m=length_m, width_m=2.5,
            height_m=3.6,
        )  # fmt: skip
    pq.write_table(parts.finished(), copy / "frame_parts.parquet")
    return load_frame(open_run(copy), 2)


def test_a_vehicle_of_two_parts_is_drawn_as_two_boxes(crossing: Path, frame: KeptFrame, tmp_path: Path) -> None:
    two = with_trailer(crossing, tmp_path)
    assert len(frame.drawn) == len(frame.boxes)
    assert len(two.drawn) == len(two.boxes) + 1
    own = two.agent[two.drawn.owner] == TRUCK
    assert two.drawn.boxes.center_m[own, 0].tolist() == [-9.5, -15.0]
    assert two.drawn.is_rear[own].tolist() == [False, True]
    # What is scored stays one road user.
    assert two.counts() == frame.counts()


@pytest.mark.parametrize("draw", [draw_fused_frame, draw_fused_cloud])
def test_both_parts_are_in_the_pictures(draw, crossing: Path, tmp_path: Path) -> None:
    two = with_trailer(crossing, tmp_path)
    whole = replace(two, parts=Bodies.none())
    drawn, before = (outlines_in(draw(frame, "run")) for frame in (two, whole))
    assert drawn == before + (2 if draw is draw_fused_frame else 12)


def outlines_in(figure: Figure) -> int:
    """Return how many outlines of road users that the ego does not see or sees a figure has: rectangles, or edges of boxes."""
    wanted = [to_hex(line["edgecolor"]) for line in OUTLINES.values()]
    count = 0
    for axes in figure.axes:
        for lines in axes.collections:
            colors = [to_hex(color) for color in lines.get_edgecolor()]
            if colors and colors[0] in wanted and lines.get_zorder() == (8 if isinstance(lines, PolyCollection) else 5):
                count += len(lines.get_paths())
    return count


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


def test_every_road_keeps_its_own_points(frame: KeptFrame) -> None:
    assert (len(frame.roads), frame.roads.offset.tolist()) == (4, [0, 2, 4, 6, 8])
    assert frame.roads.points_m[2:4].tolist() == [[80, 1.8], [-60, 1.8]]
    assert frame.roads.width_m.tolist() == [3.6] * 4


@pytest.mark.parametrize(("time_us", "text"), [(9_500_000, "9.5 s"), (9_000_000, "9.0 s"), (530_000, "0.53 s")])
def test_the_caption_has_the_time_with_all_its_digits(frame: KeptFrame, time_us: int, text: str) -> None:
    assert replace(frame, time_us=time_us).caption("crossing").endswith(f"t = {text}")
