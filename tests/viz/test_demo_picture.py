"""docs/demo.png and the README's words about it, compared with the tables of a run of the shipped demo."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import v2xsim
from v2xsim.viz import render

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
FRAME = 13
COUNTS = re.compile(r"Ego alone sees (\d+) of (\d+) road users, fused (\d+) of (\d+)")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped demo, as `tools/demo_picture.py` runs and draws it."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    v2xsim.run(v2xsim.load("demo"), out=folder)
    render(folder)
    return folder


@pytest.fixture(scope="module")
def picture() -> list[str]:
    """The texts on the picture of the README."""
    return texts_of(ROOT / "docs" / "demo.png")


def texts_of(path: Path) -> list[str]:
    with Image.open(path) as image:
        image.load()
        return str(image.info["Description"]).splitlines()


def rows(run: Path, table: str, **wanted: object) -> list[Row]:
    every: list[Row] = pq.read_table(run / f"{table}.parquet").to_pylist()
    return [row for row in every if all(row[name] == value for name, value in wanted.items())]


def names(run: Path) -> dict[int, str]:
    return {row["agent"]: row["name"] for row in rows(run, "agents")}


def test_the_picture_of_the_readme_has_the_words_and_numbers_that_its_command_draws(
    run: Path, picture: list[str]
) -> None:
    assert texts_of(run / "pictures/fused_frame.png") == picture, "draw it again: make picture"


def test_the_picture_of_the_readme_looks_like_the_one_that_its_command_draws(run: Path) -> None:
    paths = (run / "pictures/fused_frame.png", ROOT / "docs/demo.png")
    drawn, shown = (np.asarray(Image.open(path).convert("RGB"), np.int16) for path in paths)
    assert drawn.shape == shown.shape
    # Other versions of the font library move single pixels of letters.
    assert (np.abs(drawn - shown).max(axis=2) > 40).mean() < 0.01


def test_the_picture_shows_the_kept_frame_of_its_time(run: Path, picture: list[str]) -> None:
    (frame,) = rows(run, "frames", frame=FRAME)
    assert f"demo, t = {frame['frame_us'] / 1e6:.1f} s" in picture
    assert names(run)[frame["ego"]] == "ego"


def test_the_counts_on_the_picture_are_those_of_the_tables(run: Path, picture: list[str]) -> None:
    (frame,) = rows(run, "frames", frame=FRAME)
    (fusion,) = rows(run, "fusion", frame_us=frame["frame_us"], ego=frame["ego"])
    alone, total, fused, same = map(int, COUNTS.fullmatch(picture[0]).groups())  # type: ignore[union-attr]
    assert (alone, fused) == (fusion["seen_ego"], fusion["seen_fused"])
    assert total == same == fusion["objects"]


def test_the_points_on_the_picture_are_counted_in_the_cloud(run: Path, picture: list[str]) -> None:
    cloud = pq.read_table(run / "clouds.parquet", columns=["source"], filters=[("frame", "=", FRAME)])
    source = cloud.column("source").to_numpy()
    counted = {f"{name} {(source == agent).sum():,}" for agent, name in names(run).items() if (source == agent).any()}
    key = picture[picture.index("Lidar points") + 1 : picture.index("Road users")]
    assert set(key) == counted


def test_the_road_users_in_orange_are_those_that_only_fusion_found(run: Path, picture: list[str]) -> None:
    found = rows(run, "frame_boxes", frame=FRAME, in_range=True, seen_ego=False, seen_fused=True)
    assert found
    # Each is labelled on both maps.
    assert [picture.count(names(run)[row["agent"]]) for row in found] == [2] * len(found)


def test_the_relay_and_the_helpers_are_those_whose_data_was_fused(run: Path, picture: list[str]) -> None:
    (frame,) = rows(run, "frames", frame=FRAME)
    moved = rows(run, "transfers", kind="data", frame_us=frame["frame_us"], destination=frame["ego"], outcome="used")
    assert {names(run)[row["relay"]] for row in moved} == {"truck"}
    helpers = sorted(names(run)[row["origin"]] for row in moved)
    assert picture[2].startswith(f"truck relays for {' and '.join(helpers)}: ")
    assert "truck (relay)" in picture


def test_the_reason_for_the_relay_is_the_state_of_the_links_when_the_ego_asked(run: Path, picture: list[str]) -> None:
    (frame,) = rows(run, "frames", frame=FRAME)
    choices = rows(run, "relays", time_us=frame["frame_us"], requester=frame["ego"])
    pairs = [{frame["ego"], row["helper"]} for row in choices]
    # The links of the tick at which the ego captured the frame: it asked before the next one.
    links = [row for row in rows(run, "links", time_us=frame["frame_us"]) if {row["a"], row["b"]} in pairs]
    assert [row["state"] for row in links] == ["NLOSb"] * len(choices)
    expected = f"{100 * max(row['delivery'] for row in choices):.0f} %"
    assert picture[2].endswith(f"buildings block their direct links (expected delivery at most {expected}).")
    assert f"not used, NLOSb (\N{LESS-THAN OR EQUAL TO} {expected})" in picture
    (limit,) = {v2xsim.load("demo").cooperation.min_delivery}
    assert all(row["delivery"] < limit for row in choices)


def test_the_packets_on_the_picture_are_those_of_the_frames_requests_and_data(run: Path, picture: list[str]) -> None:
    (frame,) = rows(run, "frames", frame=FRAME)
    messages = {row["message"] for row in rows(run, "transfers", frame_us=frame["frame_us"])}
    sent = [row for row in rows(run, "packets", addressed=True) if row["message"] in messages]
    arrived = [row for row in sent if row["outcome"] == "delivered"]
    assert {row["link_state"] for row in sent} == {"LOS"}
    assert f"relay hop, LOS ({len(arrived)} of {len(sent)})" in picture


def test_the_caption_of_the_readme_has_the_time_and_the_counts_of_the_picture(picture: list[str]) -> None:
    alone, total, fused, _ = COUNTS.fullmatch(picture[0]).groups()  # type: ignore[union-attr]
    caption = README[README.index("*The shipped demo at") :].split("\n\n")[0].replace("\n", " ")
    assert f"*The shipped demo at {picture[1].split('t = ')[1]}." in caption
    assert f"the ego sees {alone} of {total} road users. After fusion (right), it sees {fused} of {total}" in caption


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("object_awareness_ego", "The ego alone knows {:.0%} of the road users in range;"),
        ("object_awareness_fused", "relays data, the ego knows {:.0%}."),
    ],
)
def test_the_result_of_the_readme_is_that_of_the_demo(run: Path, metric: str, words: str) -> None:
    (row,) = rows(run, "metrics", metric=metric, bin="")
    assert words.format(row["value"]).replace("%", " %") in README.replace("\n", " ")


def test_the_radio_traffic_of_the_readme_is_that_of_the_demo(run: Path) -> None:
    (row,) = rows(run, "metrics", metric="on_air", bin="")
    assert f" to {row['value'] / 1e3:.0f} kB/s" in README.replace("\n", " ")
