import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import pytest
from crossing_run import EGO, add
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.viz.ply_files import read_ply
from v2xsim.records import Prisms
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.tables import Columns
from v2xsim.viz import ViewError, render
from v2xsim.viz.drawing import style
from v2xsim.viz.drawing.ground import road_surfaces
from v2xsim.viz.drawing.style import in_style
from v2xsim.viz.run.bird_view import draw_fused_frame
from v2xsim.viz.run.coverage import draw_coverage
from v2xsim.viz.run.delays import draw_delays
from v2xsim.viz.run.delivery import draw_delivery
from v2xsim.viz.run.folder import RunFolder, open_run
from v2xsim.viz.run.frame_links import FrameLinks
from v2xsim.viz.run.kept_frame import KeptFrame, load_frame
from v2xsim.viz.run.oblique_view import draw_fused_cloud, point_colors
from v2xsim.world.roads import Roads

ALL = ["fused_frame.png", "fused_cloud.png", "frame_2.ply", "frame_2.pcd", "prr_by_distance.png", "coverage.png"]
ALL += ["latency.png"]

READ = ["agents", "packets", "transfers", "fusion", "channel", "frames", "frame_boxes", "frame_links", "clouds"]
READ += ["buildings", "roads", "relays"]


@pytest.fixture(scope="session")
def figures(folder: RunFolder) -> dict[str, Figure]:
    """All pictures of the crossing, drawn but not written."""
    frame = load_frame(folder, 2)
    with in_style():
        drawn = {
            "frame": draw_fused_frame(frame, "crossing"),
            "cloud": draw_fused_cloud(frame, "crossing"),
            "delivery": draw_delivery(folder),
            "coverage": draw_coverage(folder),
            "delays": draw_delays(folder),
        }
        for figure in drawn.values():
            figure.canvas.draw()
    return drawn


@pytest.fixture
def copy(crossing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that the test may change, drawn with few pixels for speed."""
    monkeypatch.setattr(style, "DPI", 60)
    return shutil.copytree(crossing, tmp_path / "run", ignore=shutil.ignore_patterns("pictures"))


def texts_of(figure: Figure) -> list[Text]:
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    # Tick labels beyond the limits are kept by matplotlib but never drawn.
    ticks = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    drawn = [label for axes in figure.axes for label in _drawn_ticks(axes)]
    return [t for t in found if t.get_text().strip() and t.get_visible() and (t not in ticks or t in drawn)]


def _drawn_ticks(axes: mpl.axes.Axes) -> list[Text]:
    kept = []
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        low, high = sorted(limits)
        kept += [
            tick.label1
            for tick in axis.get_major_ticks()
            if axes.axison and tick.label1.get_visible() and low - 1e-9 <= tick.get_loc() <= high + 1e-9
        ]
    return kept


def empty(folder: Path, *tables: str) -> None:
    for name in tables:
        pq.write_table(schema_of(name).empty_table(), folder / f"{name}.parquet")


def reasons(folder: Path, frame: int | None = None) -> dict[str, str]:
    told: dict[str, str] = {}
    render(folder, frame=frame, on_skip=told.__setitem__)
    return told


def test_a_run_gives_all_its_pictures_and_clouds(copy: Path) -> None:
    assert [path.name for path in render(copy)] == ALL


def test_pictures_are_eighteen_hundred_pixels_wide(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    widths = [int.from_bytes(p.read_bytes()[16:20], "big") for p in render(copy) if p.suffix == ".png"]
    assert widths == [1800] * 5


def test_everything_is_written_below_the_folder_of_pictures(copy: Path) -> None:
    before = {path.name for path in copy.iterdir()}
    written = render(copy)
    assert {path.name for path in copy.iterdir()} - before == {"pictures"}
    assert all(path.is_relative_to(copy / "pictures") for path in written)


def test_clouds_of_several_frames_lie_side_by_side(copy: Path) -> None:
    render(copy, frame=1)
    render(copy, frame=3)
    assert sorted(p.name for p in (copy / "pictures/clouds").glob("*.ply")) == ["frame_1.ply", "frame_3.ply"]


def test_a_frame_that_was_not_kept_is_an_error(copy: Path) -> None:
    with pytest.raises(ViewError, match="got 77"):
        render(copy, frame=77)


def test_drawing_leaves_the_users_settings_alone(copy: Path) -> None:
    with mpl.rc_context({"font.size": 31.0}):
        render(copy)
        assert mpl.rcParams["font.size"] == 31.0


@pytest.fixture(scope="session")
def far_figures(folder: RunFolder) -> dict[str, Figure]:
    """The maps of the crossing, moved to where the numbers on the axes are longest."""
    frame = load_frame(folder, 2)
    with in_style():
        drawn = {f"{x_m:.0f}, {y_m:.0f}": draw_fused_frame(moved(frame, x_m, y_m), "crossing") for x_m, y_m in PLACES_M}
        for figure in drawn.values():
            figure.canvas.draw()
    return drawn


# UTM; just below the coordinate from which axes count from a round position; half way between two such positions.
PLACES_M = [(500_000.0, 5_538_780.0), (-9_900.0, -9_900.0), (-99_000_450.0, -99_000_450.0)]


def moved(frame: KeptFrame, east_m: float, north_m: float) -> KeptFrame:
    """Return a frame at another place."""
    by_m = np.array([east_m, north_m, 0.0])
    cells = np.round(by_m[:2] / frame.before.cell_m).astype(np.int64)
    return replace(
        frame, boxes=replace(frame.boxes, center_m=frame.boxes.center_m + by_m), points_m=frame.points_m + by_m,
        before=replace(frame.before, lower=frame.before.lower + cells), after=replace(frame.after, lower=frame.after.lower + cells),
        buildings=replace(frame.buildings, vertices_m=frame.buildings.vertices_m + by_m[:2]),
        roads=replace(frame.roads, points_m=frame.roads.points_m + by_m[:2]),
    )  # fmt: skip


def clashes(figure: Figure) -> list[tuple[str, str]]:
    """Return pairs of texts that overlap."""
    spans = [(t.get_text(), t.get_window_extent()) for t in texts_of(figure)]
    return [
        (one, two)
        for row, (one, a) in enumerate(spans)
        for two, b in spans[row + 1 :]
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def outside(figure: Figure) -> list[str]:
    """Return the texts that leave the picture."""
    box, extents = figure.bbox, {t.get_text(): t.get_window_extent() for t in texts_of(figure)}
    return [text for text, e in extents.items() if e.x0 < 0 or e.y0 < 0 or e.x1 > box.x1 or e.y1 > box.y1]


@pytest.mark.parametrize("place", range(len(PLACES_M)))
def test_the_texts_of_a_map_fit_at_any_coordinates(far_figures: dict[str, Figure], place: int) -> None:
    figure = list(far_figures.values())[place]
    assert (clashes(figure), outside(figure)) == ([], [])


def test_a_moved_frame_is_drawn_alike(figures: dict[str, Figure], far_figures: dict[str, Figure]) -> None:
    for figure in far_figures.values():
        for near, far in zip(figures["frame"].axes, figure.axes, strict=True):
            assert [t.get_text() for t in near.texts] == [t.get_text() for t in far.texts]


@pytest.mark.parametrize("name", ["frame", "cloud", "delivery", "coverage", "delays"])
def test_no_text_is_smaller_than_eight_points(figures: dict[str, Figure], name: str) -> None:
    assert min(text.get_fontsize() for text in texts_of(figures[name])) >= 8.0


@pytest.mark.parametrize("name", ["frame", "cloud", "delivery", "coverage", "delays"])
def test_no_text_overlaps_another(figures: dict[str, Figure], name: str) -> None:
    assert clashes(figures[name]) == []


@pytest.mark.parametrize("name", ["frame", "cloud", "delivery", "coverage", "delays"])
def test_no_text_leaves_the_picture(figures: dict[str, Figure], name: str) -> None:
    assert outside(figures[name]) == []


@pytest.mark.parametrize("name", ["delivery", "coverage", "delays", "frame"])
def test_every_axis_of_numbers_names_its_quantity(figures: dict[str, Figure], name: str) -> None:
    labels = {axes.get_xlabel() for axes in figures[name].axes if any(t.get_visible() for t in axes.get_xticklabels())}
    assert all("[" in label for label in labels if label)
    assert any(labels)


def test_both_maps_show_the_same_place_at_equal_scale(figures: dict[str, Figure]) -> None:
    left, right = figures["frame"].axes
    assert (left.get_xlim(), left.get_ylim()) == (right.get_xlim(), right.get_ylim())
    assert left.get_aspect() == right.get_aspect() == 1.0


# The ego looks along a street from west to east, between buildings from 9 m south and 10 m north of the axis.
@pytest.mark.parametrize(
    ("east_m", "north_m", "blind"), [(-14, 0, False), (0, -14, True), (8, 0, False), (0, 17, True)]
)
def test_the_blind_zone_is_shaded_where_the_ego_sees_nothing(
    folder: RunFolder, figures: dict[str, Figure], east_m: float, north_m: float, blind: bool
) -> None:
    frame = load_frame(folder, 2)
    x_m, y_m = frame.boxes.center_m[frame.ego_row, :2] + (east_m, north_m)
    image = figures["frame"].axes[0].images[0]
    left_m, right_m, bottom_m, top_m = image.get_extent()
    shade = np.asarray(image.get_array())
    row = int((y_m - bottom_m) / (top_m - bottom_m) * shade.shape[0])
    column = int((x_m - left_m) / (right_m - left_m) * shade.shape[1])
    assert (shade[row, column, 3] > 0) == blind


def test_no_tick_of_a_map_is_near_its_ends(figures: dict[str, Figure]) -> None:
    for axes in figures["frame"].axes:
        low, high = axes.get_xlim()
        share = (axes.get_xticks() - low) / (high - low)
        assert ((share > 0.05) & (share < 0.95)).all()


def test_the_title_of_the_map_says_how_many_are_seen(folder: RunFolder, figures: dict[str, Figure]) -> None:
    alone, fused, total = load_frame(folder, 2).counts()
    assert f"Ego alone sees {alone} of {total} road users, fused {fused} of {total}" in [
        text.get_text() for text in figures["frame"].texts
    ]


def test_the_key_counts_the_points_of_each_station(folder: RunFolder, figures: dict[str, Figure]) -> None:
    stations = load_frame(folder, 2).stations
    entries = [text.get_text() for legend in figures["frame"].legends for text in legend.get_texts()]
    assert entries[: len(stations)] == [
        f"{name} {count:,}" for name, (_, count) in zip(("ego", "helper", "truck"), stations, strict=True)
    ]


def test_the_key_has_the_state_of_each_kind_of_link_and_what_became_of_its_packets(figures: dict[str, Figure]) -> None:
    entries = [text.get_text() for legend in figures["frame"].legends for text in legend.get_texts()]
    assert {"relay hop, LOS (2 of 2)", "relay hop, NLOSv (2 of 3)", "not used, NLOSb (4 %)"} <= set(entries)


def test_the_sentence_below_the_title_tells_why_the_direct_link_was_not_used(figures: dict[str, Figure]) -> None:
    sentence = "truck relays for helper: a building blocks the direct link (expected delivery 4 %)."
    assert sentence in [text.get_text() for text in figures["frame"].texts]


@pytest.mark.parametrize(("table", "note"), [("buildings", "no buildings"), ("roads", "no roads known")])
def test_what_a_run_lacks_is_said_on_the_picture(copy: Path, table: str, note: str) -> None:
    def notes() -> list[bool]:
        frame = load_frame(open_run(copy), 2)
        with in_style():
            figures = [draw_fused_frame(frame, "crossing"), draw_fused_cloud(frame, "crossing")]
        return [note in [text.get_text() for text in texts_of(figure)] for figure in figures]

    assert notes() == [False, False]
    empty(copy, table)
    assert notes() == [True, True]


def test_both_maps_have_a_scale_bar(figures: dict[str, Figure]) -> None:
    bars = [
        [t.get_text() for t in axes.texts if re.fullmatch(r"\d+ m", t.get_text())] for axes in figures["frame"].axes
    ]
    assert [len(bar) for bar in bars] == [1, 1]
    assert bars[0] == bars[1]


def test_the_lanes_are_drawn_on_both_maps(folder: RunFolder, figures: dict[str, Figure]) -> None:
    frame = load_frame(folder, 2)
    expected = [area.tolist() for area in road_surfaces(frame.roads, *frame.view_m)]
    for axes in figures["frame"].axes:
        drawn = [path.vertices[:-1].tolist() for item in axes.collections for path in item.get_paths()]
        assert len(expected) == 4
        assert all(area in drawn for area in expected)


def test_the_longest_names_and_numbers_fit_into_the_keys(folder: RunFolder) -> None:
    full = load_frame(folder, 2)
    names = {agent: f"passenger_of_line.{agent:03}" for agent in full.names}
    crowded = replace(
        full, names=names, buildings=Prisms.none(), roads=Roads.none(), points_m=np.repeat(full.points_m, 9, axis=0),
        source=np.repeat(full.source, 9), hit=np.repeat(full.hit, 9), captured_us=np.repeat(full.captured_us, 9),
    )  # fmt: skip
    with in_style():
        figure = draw_fused_frame(crowded, "crossing")
    figure.canvas.draw()
    spans = sorted((legend.get_window_extent().x0, legend.get_window_extent().x1) for legend in figure.legends)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert spans[-1][1] <= figure.bbox.x1


def test_the_hidden_car_is_labelled_on_both_maps(figures: dict[str, Figure]) -> None:
    assert [sum(t.get_text() == "crossing" for t in axes.texts) for axes in figures["frame"].axes] == [1, 1]


def test_points_of_different_stations_differ_in_colour(folder: RunFolder) -> None:
    frame = load_frame(folder, 2)
    colours = {station: tuple(point_colors(frame)[frame.source == station][0]) for station, _ in frame.stations}
    assert len(set(colours.values())) == len(frame.stations)


def test_the_cloud_file_has_source_object_and_time_of_the_tables(copy: Path) -> None:
    render(copy, frame=2)
    rows = pq.read_table(copy / "clouds.parquet", filters=[("frame", "==", 2)])
    points = read_ply(copy / "pictures/clouds/frame_2.ply")
    assert points["xyz"].T.tolist() == [rows.column(name).to_pylist() for name in ("x_m", "y_m", "z_m")]
    assert [points[name].tolist() for name in ("source", "object")] == [
        rows.column(name).to_pylist() for name in ("source", "object")
    ]
    assert (points["time"] * 1e6).tolist() == rows.column("time_us").to_pylist()
    # The tables of this folder are made by hand: no lidar of it can be cast again.
    assert np.isnan(points["intensity"]).all()


def test_the_deadline_of_the_scenario_is_drawn(figures: dict[str, Figure]) -> None:
    lines = {str(line.get_label()): line for line in figures["delays"].axes[1].get_lines()}
    assert list(np.asarray(lines["deadline 100 ms"].get_xdata())) == [100.0, 100.0]


def test_a_latency_curve_ends_at_the_share_that_arrived(folder: RunFolder, figures: dict[str, Figure]) -> None:
    rows = folder.arrays("transfers", ["relay", "arrive_us"])
    direct = rows["relay"] < 0
    line = figures["delays"].axes[0].get_lines()[0]
    np.testing.assert_allclose(np.asarray(line.get_ydata())[-1], (rows["arrive_us"][direct] >= 0).mean())


def test_a_run_without_the_tables_that_no_picture_reads_gives_them_all(copy: Path) -> None:
    for table in set(COLUMNS) - set(READ):
        (copy / f"{table}.parquet").unlink()
    assert [path.name for path in render(copy)] == ALL


@pytest.mark.parametrize("table", READ)
def test_pictures_cope_with_a_table_that_is_not_there(copy: Path, table: str) -> None:
    (copy / f"{table}.parquet").unlink()
    written = {path.name for path in render(copy, on_skip=lambda *_: None)}
    assert len(written) >= 3


def test_a_run_of_empty_tables_skips_every_picture_with_its_reason(copy: Path) -> None:
    empty(copy, *COLUMNS)
    told = reasons(copy)
    assert sorted(told) == sorted([*[name for name in ALL if name.endswith("png")], "clouds"])
    assert all("the run" in reason for reason in told.values())


def test_a_skipped_picture_of_an_earlier_drawing_is_removed(copy: Path) -> None:
    render(copy)
    empty(copy, "fusion")
    render(copy)
    assert not (copy / "pictures/coverage.png").exists()


def test_a_frame_with_nothing_but_its_ego_is_drawn(copy: Path) -> None:
    alone = Columns("frame_boxes")
    add(alone, frame=2, agent=EGO, length_m=4.5, width_m=1.8, height_m=1.5)
    pq.write_table(alone.finished(), copy / "frame_boxes.parquet")
    empty(copy, "clouds", "frame_links", "buildings")
    assert reasons(copy, frame=2) == {}


def test_the_keys_of_a_frame_with_nothing_but_its_ego_fit_into_the_picture(folder: RunFolder) -> None:
    full = load_frame(folder, 2)
    ego, none = full.agent == EGO, np.zeros(0, np.int64)
    fewer = {name: getattr(full, name)[ego] for name in ("agent", "boxes", "in_range", "seen_ego", "seen_fused")}
    bare = replace(
        full, links=FrameLinks.none(), points_m=np.zeros((0, 3)), source=none, hit=none, captured_us=none, **fewer
    )
    with in_style():
        figures = [draw_fused_frame(bare, "crossing"), draw_fused_cloud(bare, "crossing")]
    for figure in figures:
        figure.canvas.draw()
    assert min(text.get_window_extent().y0 for figure in figures for text in texts_of(figure)) >= 0


def test_a_run_without_a_relay_draws_direct_transfers_alone(copy: Path) -> None:
    table = pq.read_table(copy / "transfers.parquet")
    pq.write_table(table.filter(np.asarray(table.column("relay")) < 0), copy / "transfers.parquet")
    assert reasons(copy) == {}


def test_a_run_in_which_every_transfer_is_lost_is_drawn(copy: Path) -> None:
    table = pq.read_table(copy / "transfers.parquet")
    pq.write_table(table.filter(np.asarray(table.column("arrive_us")) < 0), copy / "transfers.parquet")
    assert reasons(copy) == {}


def test_a_folder_that_cannot_be_written_is_reported(copy: Path) -> None:
    (copy / "pictures").write_text("in the way")
    with pytest.raises(ViewError, match="must be a folder, got a file; move it away"):
        render(copy)


def test_a_scenario_without_a_deadline_draws_none(copy: Path) -> None:
    (copy / "manifest.json").write_text(json.dumps({"scenario": {"name": "x"}, "seed": 1}))
    assert reasons(copy) == {}
