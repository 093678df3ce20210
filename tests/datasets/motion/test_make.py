"""Corpora made by the command and in Python: reproducible, honest about their splits, all or nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.cli.corpus import _rows
from v2xsim.datasets.motion.drivers import MODELS, STYLES
from v2xsim.datasets.motion.make import SMALL, Settings, make, plan
from v2xsim.datasets.motion.roads import KNOWN, UNSEEN, build
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.corpus import Corpus
from v2xsim.gpu.sequence.motion import moves_between

SHORT = ["--small", "--vehicles", "8", "--minutes", "1", "--jobs", "2"]


def call(*arguments):
    return CliRunner().invoke(app, ["corpus", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "made"
    result = call(folder, *SHORT, "--json")
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_the_statistics_of_a_corpus_are_rows_with_all_digits(made):
    manifest = made[1]
    rows = _rows(manifest)
    assert [row["split"] for row in rows] == list(manifest["splits"])
    assert rows[0]["drift_mean_m"] == manifest["splits"]["train"]["covering"]["drift"]["mean_m"]
    assert {type(value) for row in rows for name, value in row.items() if name != "split"} <= {int, float}


def test_the_command_writes_a_corpus_and_prints_its_manifest(made):
    folder, manifest = made
    corpus = Corpus.open(folder)
    assert corpus.manifest == manifest
    for split in ("train", "validation", "test"):
        held = getattr(corpus, split)
        assert len(held.token) == manifest["splits"][split]["tokens"] > 500
        assert manifest["splits"][split]["covering"]["drift"]["mean_m"] < 0.5
        assert manifest["splits"][split]["networks"] == sorted(set(held.network.tolist()))
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", "vocabulary.npz", "train.npz", "validation.npz", "test.npz",
    }  # fmt: skip


def test_the_test_has_networks_of_its_own_and_validation_has_trainings(made):
    corpus = Corpus.open(made[0])
    train, validation, test = (set(split.network.tolist()) for split in (corpus.train, corpus.validation, corpus.test))
    assert validation <= train
    assert not test & train
    # The same roads, but other drives.
    starts = {tuple(pose) for pose in corpus.train.initial_pose.tolist()}
    assert not starts & {tuple(pose) for pose in corpus.validation.initial_pose.tolist()}


def test_drivers_come_with_their_tracks(made):
    driver = Corpus.open(made[0]).train.driver
    assert set(driver["style"].tolist()) <= set(STYLES)
    assert set(driver["model"].tolist()) <= set(MODELS)
    assert set(driver["kind"].tolist()) <= {"passenger", "van", "truck", "bus"}
    calm, hasty = driver["style"] == "calm", driver["style"] == "hasty"
    assert driver["time_gap_s"][calm].min() > driver["time_gap_s"][hasty].max()


def test_tokens_lead_along_the_roads_at_the_speeds_of_traffic(made):
    corpus = Corpus.open(made[0])
    pose = corpus.train.poses(corpus.vocabulary)
    inside = np.ones(len(pose) - 1, bool)
    inside[corpus.train.offset[1:-1] + np.arange(len(corpus.train) - 1)] = False
    speed_mps = moves_between(pose[:-1], pose[1:])[inside, 0] / corpus.vocabulary.step_s
    # The towns have limits of 50 and 60 km/h, and hasty drivers factors of up to about 1.3.
    assert 5.0 < speed_mps.max() < 25.0
    assert speed_mps.min() > -2.0


def test_equal_settings_give_equal_bytes_on_any_number_of_processes(made, tmp_path):
    folder, _ = made
    result = call(tmp_path / "again", *SHORT[:-1], "1")
    assert result.exit_code == 0, result.output
    assert "drift of as many random k-disks" in result.stdout
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_networks_of_ones_own_are_read_in_place(tmp_path):
    scene = tmp_path / "scene"
    scene.mkdir()
    build(KNOWN[0], scene / "own.net.xml")
    route = f'<routes><trip id="a" depart="0" from="{EDGE}" to="{FAR_EDGE}"/></routes>'
    (scene / "own.rou.xml").write_text(route)
    (scene / "own.sumocfg").write_text(
        '<configuration><net-file value="own.net.xml"/><route-files value="own.rou.xml"/>'
        '<tripinfo-output value="tripinfo.xml"/></configuration>'
    )
    before = sorted(scene.iterdir())
    settings = replace(
        SMALL,
        vehicles=4,
        minutes=1.0,
        towns=0,
        networks=(scene / "own.net.xml",),
        test_networks=(scene / "own.sumocfg",),
    )
    make(tmp_path / "out", settings, 2, lambda *_: None)
    assert sorted(scene.iterdir()) == before
    corpus = Corpus.open(tmp_path / "out")
    assert set(corpus.train.network.tolist()) == {"own.net.xml"}
    assert corpus.test.driver["style"].tolist() == [""]
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text()
    notices = {(notice["run"], notice["subject"]): notice["text"] for notice in corpus.manifest["notices"]}
    left_out = notices["test.own.sumocfg", "sumo.options_left_out"]
    assert left_out.startswith("own.sumocfg: 1 option")
    assert left_out.endswith("tripinfo-output")


EDGE, FAR_EDGE = "A0A1", "E5F5"


def test_by_default_every_town_is_driven_on_and_the_test_towns_only_in_the_test():
    runs = plan(Settings())
    by_split = {split: {network for other, network in runs if other == split} for split, _ in runs}
    assert by_split["train"] == {town.name for town in KNOWN}
    assert by_split["test"] == {town.name for town in UNSEEN}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--step", "0.25"], "the step must be 0.1, 0.2, 0.3, 0.4 or 0.5 s, got 0.25"),
        (["--tolerance", "0"], "the tolerance must be above 0 m, got 0"),
        (["--minutes", "inf"], "the duration of a run must be above 0 minutes and finite, got inf"),
        (["--minutes", "1", "--shortest", "90"], "from one step to all of a run, 0.5 to 60 s, got 90 s"),
        (["--network", "town.osm"], "town.osm: must be a network (.net.xml, .net.xml.gz) or a SUMO configuration"),
        (["--network", "nowhere.net.xml"], "nowhere.net.xml: cannot be read"),
        (["--network", "a.net.xml", "--test-network", "other/a.net.xml"], "a.net.xml: is given twice"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line_and_leaves_nothing(tmp_path, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    result = call("out", *arguments)
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "must be a new or empty folder" in result.stderr


def test_a_run_that_fails_leaves_nothing_and_says_why(tmp_path):
    configs = [tmp_path / "broken.sumocfg", tmp_path / "other.sumocfg"]
    for config in configs:
        config.write_text('<configuration><net-file value="absent.net.xml"/></configuration>')
    settings = replace(SMALL, minutes=0.5, towns=0, networks=(configs[0],), test_networks=(configs[1],))
    with pytest.raises(UserError, match=r"absent\.net\.xml"):
        make(tmp_path / "out", settings, 1, lambda *_: None)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*partial"))
