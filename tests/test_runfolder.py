"""The folder of a run: its default name, and what may be replaced in it."""

import json

import pytest

import v2xsim
from v2xsim.runfolder import REPORT_MARK, RunFolderError, default_folder, staged


@pytest.fixture
def run(tmp_path):
    """A folder as a run, `view` and `report` leave it."""
    folder = tmp_path / "run"
    for name in ("links.parquet", "timing.json", "pictures/coverage.png", "pictures/clouds/frame_0.ply",
                 "report/report.html", "report/figures/coverage.svg"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "manifest.json").write_text(json.dumps({"scenario": {}, "seed": 1}))
    mark = {"v2xsim": "report", "files": ["report.html", "figures/coverage.svg"]}
    (folder / "report" / REPORT_MARK).write_text(json.dumps(mark))
    return folder


def folder_of(*overrides, seed=None, scenario="highway"):
    settings = dict(override.split("=", 1) for override in overrides)
    return default_folder(v2xsim.load(scenario, overrides, seed), settings).as_posix()


def replace(folder):
    with staged(folder) as temporary:
        (temporary / "manifest.json").write_text(json.dumps({"scenario": {}, "seed": 2}))


def test_a_run_with_its_pictures_and_its_report_is_replaced(run):
    replace(run)
    assert [path.name for path in run.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "name",
    ["thesis.tex", "notes.json", "me.png", "pictures/thesis.tex", "pictures/clouds/me.png", "report/paper.pdf", "sub/a.parquet",
     "report/figures/my.svg", ".hidden"],
)  # fmt: skip
def test_a_run_with_a_file_of_the_user_is_refused_and_nothing_is_lost(run, name):
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_text("years of work")
    before = sorted(run.rglob("*"))
    with pytest.raises(RunFolderError, match=f"holds '{name}', which no run wrote"):
        replace(run)
    assert sorted(run.rglob("*")) == before


def test_a_foreign_report_in_a_run_is_a_file_of_the_user(run):
    (run / "report" / REPORT_MARK).unlink()
    with pytest.raises(RunFolderError, match="which no run wrote"):
        replace(run)


def test_a_link_in_a_run_is_a_file_of_the_user(run, tmp_path):
    (run / "more.parquet").symlink_to(tmp_path / "thesis.tex")
    with pytest.raises(RunFolderError, match="which no run wrote"):
        replace(run)


def test_a_file_that_comes_while_the_run_is_at_work_is_not_lost(run):
    def come():
        with staged(run):
            (run / "thesis.tex").write_text("years of work")

    with pytest.raises(RunFolderError, match=r"holds 'thesis.tex'"):
        come()
    assert (run / "thesis.tex").exists()
    assert (run / "manifest.json").exists()


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "highway-1"),
        (["radio.access=ieee80211p"], "highway-1-access=ieee80211p"),
        (["cooperation.fusion=cpm"], "highway-1-fusion=cpm"),
        (["run.duration_s=2.5", "cooperation.relay=none"], "highway-1-relay=none,duration_s=2.5"),
        # Several parts have a parameter of this name.
        (["radio.propagation.vehicle_blockage=knife_edges"], "highway-1-vehicle_blockage=knife_edges"),
        (["run.seed=5"], "highway-5"),
    ],
)
def test_the_default_folder_names_the_settings(overrides, name):
    assert folder_of(*overrides) == f"runs/{name}"


def test_the_order_of_the_settings_does_not_matter():
    one, other = "run.duration_s=2", "cooperation.relay=none"
    assert folder_of(one, other) == folder_of(other, one)


def test_the_seed_is_in_the_name():
    assert folder_of(seed=7) == "runs/highway-7"


@pytest.mark.parametrize(
    "override", ["description=a/b: ü, 'c'", "traffic.highway.mix={car: 0.9, truck: 0.1}", "radio.tx_power_dbm= 20"]
)
def test_a_name_has_safe_characters_only(override):
    key, value = override.split("=", 1)
    folder = default_folder(v2xsim.load("highway"), {key: value, "x" * 200: "y"})
    assert set(folder.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,=+-")
    assert len(folder.name) < 120
    assert len(folder.parts) == 2


def test_settings_that_a_name_cannot_hold_make_different_names():
    scenario = v2xsim.load("highway")
    values = [{"plugins": "[a.py]"}, {"plugins": "[a.py ]"}, {"plugins": "(a.py)"}, {"x": "1" * 90}, {"x": "1" * 91}]
    assert len({default_folder(scenario, value) for value in values}) == len(values)


def test_keys_with_the_same_last_word_make_different_names():
    scenario = v2xsim.load("highway")
    assert default_folder(scenario, {"lidars.model": "x"}) != default_folder(scenario, {"radio.channel.model": "x"})


def test_a_scenario_that_was_edited_has_the_folder_of_before():
    """So that what a user draws again and again is the latest run."""
    assert default_folder(v2xsim.load("highway", ["run.duration_s=2"])) == default_folder(v2xsim.load("highway"))
