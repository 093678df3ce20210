import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from crossing_run import FRAMES, add

from v2xsim.results.tables import Columns
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, ViewError, open_run
from v2xsim.viz.run.frame_choice import chosen_frame
from v2xsim.viz.run.kept_frame import load_frame

EGO, RELAY = 1, 5


class Run:
    """A run whose kept frames gain road users, fill blind zones and fuse data as stated; nothing by default."""

    def __init__(self, frames: int) -> None:
        names = ("frames", "frame_boxes", "frame_links", "fusion")
        self.tables = {name: Columns(name) for name in names}
        for number in range(frames):
            add(self.tables["frames"], frame=number, frame_us=number * 1000, ego=EGO, before=[b""], after=[b""])

    def gained(self, frame: int, users: int) -> "Run":
        for _ in range(users):
            add(self.tables["frame_boxes"], frame=frame, agent=9, in_range=True, seen_fused=True)
        return self

    def seen(self, frame: int, users: int) -> "Run":
        for _ in range(users):
            add(self.tables["frame_boxes"], frame=frame, agent=9, in_range=True, seen_ego=True, seen_fused=True)
        return self

    def filled(self, frame: int, share: float) -> "Run":
        add(self.tables["fusion"], frame_us=frame * 1000, ego=EGO, blind_covered=share)
        return self

    def link(self, frame: int, a: int, b: int, role: str, used: bool = True) -> "Run":
        add(self.tables["frame_links"], frame=frame, a=a, b=b, state=["LOS"], role=[role], used=used)
        return self

    def relayed(self, frame: int, *helpers: int, used: bool = True) -> "Run":
        for helper in helpers:
            self.link(frame, EGO, RELAY, "relay_hop", used).link(frame, RELAY, helper, "relay_hop", used)
        return self

    def opened(self, folder: Path) -> RunFolder:
        for name, columns in self.tables.items():
            pq.write_table(columns.finished(), folder / f"{name}.parquet")
        (folder / "manifest.json").write_text(json.dumps({"scenario": {}}))
        return open_run(folder)


def test_the_frame_with_most_gained_by_fusion_is_drawn(folder: RunFolder) -> None:
    found = [int(load_frame(folder, number).only_fused.sum()) for number in range(FRAMES)]
    assert found[chosen_frame(folder, None)] == max(found) > min(found)


def test_a_helper_through_a_relay_counts_as_much_as_a_road_user_gained(tmp_path: Path) -> None:
    run = Run(4).gained(0, 2).gained(1, 1).relayed(1, 7, 8).gained(2, 2)
    assert chosen_frame(run.opened(tmp_path), None) == 1


def test_a_large_gain_outweighs_a_relay(tmp_path: Path) -> None:
    assert chosen_frame(Run(2).relayed(0, 7).gained(1, 2).opened(tmp_path), None) == 1


def test_among_equal_frames_one_with_a_relay_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(Run(3).gained(0, 1).relayed(1, 7).gained(2, 1).opened(tmp_path), None) == 1


def test_a_relay_whose_data_was_not_fused_counts_nothing(tmp_path: Path) -> None:
    run = Run(2).relayed(0, 7, 8, used=False).gained(1, 1)
    assert chosen_frame(run.opened(tmp_path), None) == 1


def test_one_helper_behind_two_relays_counts_once(tmp_path: Path) -> None:
    run = Run(2).relayed(0, 7).link(0, 6, 7, "relay_hop").gained(1, 2)
    assert chosen_frame(run.opened(tmp_path), None) == 1


def test_without_gains_the_frame_is_drawn_in_which_most_of_the_blind_zone_was_filled(tmp_path: Path) -> None:
    run = Run(3).filled(0, 0.2).filled(1, 0.9).filled(2, float("nan"))
    assert chosen_frame(run.opened(tmp_path), None) == 1


def test_among_frames_without_blind_zones_one_that_fused_data_is_drawn(tmp_path: Path) -> None:
    run = Run(3).link(1, EGO, 7, "direct", used=False).link(2, EGO, 7, "direct")
    assert chosen_frame(run.opened(tmp_path), None) == 2


def test_of_a_run_without_cooperation_the_frame_with_most_road_users_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(Run(3).seen(0, 1).seen(1, 4).seen(2, 4).opened(tmp_path), None) == 1


def test_among_frames_equal_in_all_the_earliest_is_drawn(tmp_path: Path) -> None:
    assert chosen_frame(Run(3).gained(1, 1).gained(2, 1).opened(tmp_path), None) == 1


def test_the_frame_asked_for_is_drawn(folder: RunFolder) -> None:
    assert chosen_frame(folder, 3) == 3


def test_a_frame_that_was_not_kept_is_refused_with_those_that_were(folder: RunFolder) -> None:
    with pytest.raises(ViewError, match=r"got 99; .* kept frames 0 to 4"):
        chosen_frame(folder, 99)


def test_asking_a_run_without_kept_frames_for_one_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"record\.clouds_every_s"):
        chosen_frame(Run(0).opened(tmp_path), 0)


def test_a_run_without_kept_frames_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(NothingToShowError, match=r"record\.clouds_every_s"):
        chosen_frame(Run(0).opened(tmp_path), None)
