import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from v2xsim.errors import UserError
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, ViewError, open_run, words_of

ROOT = Path(__file__).resolve().parents[2]


def manifest_in(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is cut off in line 1"),
        ("", "is empty, so the folder was not copied completely"),
        ("{]}", "is damaged: it is no complete JSON"),
        ({"name": "my-app"}, r"has no scenario \(its keys are name\)"),
        (
            {"scenario": {}, "tables": {"links": "12", "packets": "34"}},
            r"2 of its 2 tables are missing \(links, packets\)",
        ),
        ([1, 2], "has no scenario, but is a list"),
        ({"scenario": {}, "complete": False}, "did not finish"),
        ({"scenario": {}, "format": 5}, "folder format 5"),
        ({"scenario": {}, "versions": {"v2xsim": "99.1.0"}}, "written by v2xsim 99.1.0, newer than this"),
    ],
)
def test_a_manifest_that_promises_no_readable_run_is_refused_with_the_reason(
    tmp_path: Path, content: object, said: str
) -> None:
    with pytest.raises(ViewError, match=said):
        open_run(manifest_in(tmp_path / "run", content))


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match=r"has no manifest\.json, which `v2xsim run` writes last"):
        open_run(tmp_path)


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(ViewError, match="got a file"):
        open_run(tmp_path / "run")


def test_a_folder_that_does_not_exist_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="there is no such folder"):
        open_run(tmp_path / "nowhere")


def test_a_user_can_act_on_a_view_error() -> None:
    assert issubclass(ViewError, UserError)


def test_a_run_of_a_later_patch_release_is_readable(tmp_path: Path) -> None:
    run = open_run(manifest_in(tmp_path / "run", {"scenario": {"name": "x"}, "versions": {"v2xsim": "0.1.99"}}))
    assert run.name == "x"


def test_a_run_whose_scenario_has_no_name_is_called_after_its_folder(tmp_path: Path) -> None:
    assert open_run(manifest_in(tmp_path / "evening", {"scenario": {}})).name == "evening"


def test_a_setting_is_found_by_its_dotted_key(folder: RunFolder) -> None:
    assert folder.setting("cooperation.deadline_ms", None) == 100.0


def test_a_setting_below_a_number_is_not_there(folder: RunFolder) -> None:
    assert folder.setting("cooperation.deadline_ms.unit", "none") == "none"


def test_a_table_that_was_not_written_has_no_rows(tmp_path: Path) -> None:
    run = open_run(manifest_in(tmp_path / "run", {"scenario": {}}))
    assert run.table("packets", ["distance_m", "outcome"]).num_rows == 0


def test_words_and_flags_of_a_table_that_was_not_written_are_empty_arrays(tmp_path: Path) -> None:
    run = open_run(manifest_in(tmp_path / "run", {"scenario": {}}))
    found = run.arrays("frame_links", ["frame", "state", "used"])
    assert [len(found[name]) for name in found] == [0, 0, 0]


def test_a_column_that_a_table_lacks_is_named(tmp_path: Path) -> None:
    run = open_run(manifest_in(tmp_path / "run", {"scenario": {}}))
    pq.write_table(pa.table({"frame": pa.array([1], pa.int32())}), run.path / "frames.parquet")
    with pytest.raises(NothingToShowError, match=r"frames\.parquet has no column ego"):
        run.table("frames", ["frame", "ego"])


def test_a_table_that_the_run_did_not_write_is_refused(tmp_path: Path) -> None:
    folder = manifest_in(tmp_path / "run", {"scenario": {}, "tables": {"frames": "0" * 64}})
    pq.write_table(pa.table({"frame": pa.array([1], pa.int32())}), folder / "frames.parquet")
    run = open_run(folder)
    with pytest.raises(ViewError, match=r"frames\.parquet: has changed since the run"):
        run.table("frames", ["frame"])


def test_a_table_that_the_run_wrote_and_is_gone_is_refused(tmp_path: Path) -> None:
    folder = manifest_in(tmp_path / "run", {"scenario": {}, "tables": {"frames": "0" * 64}})
    with pytest.raises(
        ViewError, match=r"1 of its 1 tables is missing \(frames\), so the folder of the run is not complete"
    ):
        open_run(folder)


def test_a_table_that_was_cut_off_is_named_as_such(tmp_path: Path) -> None:
    folder = manifest_in(tmp_path / "run", {"scenario": {}, "tables": {"frames": "0" * 64}})
    (folder / "frames.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(
        ViewError, match=r"frames\.parquet: cannot be read as a Parquet table; it is damaged or cut off"
    ):
        open_run(folder).table("frames", ["frame"])


def test_junk_in_place_of_a_table_is_reported_with_its_path(tmp_path: Path) -> None:
    run = open_run(manifest_in(tmp_path / "run", {"scenario": {}}))
    (run.path / "frames.parquet").write_bytes(b"no table at all")
    with pytest.raises(ViewError, match=r"frames\.parquet cannot be read"):
        run.table("frames", ["frame"])


def test_coded_words_decode_to_the_words(folder: RunFolder) -> None:
    column = folder.table("packets", ["link_state"]).column("link_state")
    words, codes = words_of(column)
    assert np.array(words)[codes].tolist() == column.to_pylist()


def test_importing_the_package_loads_no_drawing_library() -> None:
    code = "import sys, v2xsim.viz; print([m for m in ('matplotlib', 'pyarrow', 'numpy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "[]"


def test_the_public_names_can_be_fetched() -> None:
    from v2xsim import viz

    assert [callable(getattr(viz, name)) for name in viz.__all__] == [True, True, True]


def test_an_unknown_name_is_an_attribute_error() -> None:
    from v2xsim import viz

    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        viz.paint  # noqa: B018
