"""docs/own_parts.md: its example files work as printed, from a folder outside the checkout; its tables are complete."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import v2xsim
from v2xsim.comms.channel.path_loss.model import PathLossView
from v2xsim.comms.messages.retelling.rule import RetellingView
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.model import ForesightView
from v2xsim.comms.relay.rule import RelayView
from v2xsim.gpu.bev.fusion import FusionView, Received
from v2xsim.perception.detection.detector import DetectorView
from v2xsim.perception.matching.rule import MatchingView
from v2xsim.scenario.part_list import listed_kinds, overview

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "own_parts.md").read_text()
# A code block whose first line is a comment with a file name is that file.
FILES = {
    name: block
    for block, name in re.findall(r"^```\w+\n((?=# (\w+\.(?:py|yaml))\n).*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
}
PARTS = [
    "always_tallest.py",
    "best_within.py",
    "dual_slope.py",
    "most_occupied.py",
    "point_threshold.py",
    "straight_on.py",
]
# It needs reports that nobody asked for, so it cannot be in one scenario with the others.
RETELLING = "hardly_told.py"
EVERYTHING = f"plugins=[{', '.join(PARTS)}]"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with the files of the guide."""
    folder = tmp_path_factory.mktemp("study")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def command(study, *arguments):
    """Call v2xsim as a user in the folder of the files."""
    # A checkout that is not installed is found by PYTHONPATH, which may be relative.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "v2xsim", *arguments],
        cwd=study,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def digests(study):
    return {str(study / name): hashlib.sha256((study / name).read_bytes()).hexdigest() for name in PARTS}


def ran(study, monkeypatch, *settings):
    """Return the results of the guide's scenario with all parts at hand."""
    monkeypatch.chdir(study)
    return v2xsim.run(v2xsim.load("crossing.yaml", [EVERYTHING, *settings]), threads=1)


def test_the_guide_holds_the_files_that_it_names():
    assert sorted(FILES) == sorted([*PARTS, RETELLING, "crossing.yaml", "all_six.yaml"])


@pytest.mark.parametrize("name", [*PARTS, RETELLING])
def test_a_part_is_one_file_of_at_most_40_lines(name):
    assert len(FILES[name].splitlines()) <= 40


def test_the_check_names_the_files_and_the_parts(study):
    said = command(study, "check", "all_six.yaml")
    assert re.search(r"plugins +always_tallest\.py \(sha256 \w{12}\), best_within\.py", said)
    for name in ("dual_slope", "most_occupied", "always_tallest", "best_within"):
        assert name in said.split("radio")[1]


def test_a_run_of_all_six_parts_records_them_and_their_files(study):
    command(study, "run", "all_six.yaml", "--out", "runs/all_six")
    manifest = json.loads((study / "runs/all_six/manifest.json").read_text())
    assert {said["path"]: said["sha256"] for said in manifest["plugins"]} == digests(study)
    scenario = manifest["scenario"]
    assert scenario["cooperation"]["relay"] == {"rule": "always_tallest", "bonus_m": 1.0}
    assert scenario["cooperation"]["fusion"] == {"scheme": "best_within", "apart_m": 2.0}
    assert scenario["cooperation"]["matching"] == {"rule": "most_occupied", "count_delivery": True}
    assert scenario["cooperation"]["foresight"] == {"model": "straight_on", "ahead_s": 1.0, "margin_db": 3.0}
    assert scenario["radio"]["channel"]["breakpoint_m"] == 80.0
    assert scenario["detector"]["least_points"] == 10


def test_a_sweep_of_all_six_parts_with_two_workers_records_their_files(study):
    command(
        study,
        "sweep",
        "all_six.yaml",
        "--grid",
        "radio.channel.breakpoint_m=40,80",
        "--workers",
        "2",
        "--out",
        "sweeps/six",
    )
    assert json.loads((study / "sweeps/six/sweep.json").read_text())["plugins"] == digests(study)
    rows = pq.read_table(study / "sweeps/six/results.parquet").to_pylist()
    assert {row["radio.channel.breakpoint_m"] for row in rows} == {40.0, 80.0}


def test_the_tallest_antenna_relays_where_hybrid_takes_the_nearer_van(study, monkeypatch):
    def relays(rule):
        tables = ran(study, monkeypatch, f"cooperation.relay={rule}").tables
        names = {row["agent"]: row["name"] for row in tables["agents"].to_pylist()}
        relayed = Counter(names[row["relay"]] for row in tables["relays"].to_pylist() if row["relay"] >= 0)
        return relayed.most_common(1)[0][0]

    # Not always: at first, the ego may know only one of the two well enough.
    assert relays("always_tallest") == "truck"
    assert relays("hybrid") == "van"


def test_most_occupied_cells_first_tells_more_of_road_users_and_covers_less(study, monkeypatch):
    own, built_in = (
        ran(study, monkeypatch, "cooperation.max_helpers=1", f"cooperation.matching={rule}").metrics
        for rule in ("most_occupied", "blind_cells")
    )
    # The figures of the guide.
    assert own["object_awareness_fused"].value == pytest.approx(0.75, abs=0.005)
    assert built_in["object_awareness_fused"].value == pytest.approx(0.61, abs=0.005)
    assert own["blind_covered"].value == pytest.approx(0.27, abs=0.005)
    assert built_in["blind_covered"].value == pytest.approx(0.42, abs=0.006)


def test_fusion_by_distance_differs_from_fusion_by_overlap_where_positions_are_wrong(study, monkeypatch):
    own, built_in = (
        ran(study, monkeypatch, "run.seed=1", "errors.gnss_sigma_m=1.5", f"cooperation.fusion={scheme}").metrics
        for scheme in ("best_within", "late")
    )
    assert own["ap_0.3_ego"].value == built_in["ap_0.3_ego"].value
    assert own["ap_0.3_fused"].value != built_in["ap_0.3_fused"].value


def test_a_path_loss_of_two_slopes_changes_what_arrives(study, monkeypatch):
    own, built_in = (
        ran(study, monkeypatch, f"radio.channel={model}").metrics
        for model in ("{model: dual_slope, breakpoint_m: 5, far_exponent: 5}", "tr37885_urban")
    )
    assert own["prr"].value < built_in["prr"].value


def test_a_detector_with_a_threshold_reports_nothing_that_is_not_there(study, monkeypatch):
    def false_positives(model):
        rows = ran(study, monkeypatch, f"detector={model}").tables["detections"].to_pylist()
        return sum(row["truth"] == -1 for row in rows)

    assert false_positives("point_threshold") == 0
    assert false_positives("visibility") > 0


def test_a_rule_of_ones_own_tells_objects_on(study, monkeypatch):
    monkeypatch.chdir(study)
    own = [f"plugins=[{RETELLING}]", "cooperation.retelling={rule: hardly_told, near_m: 100}", "run.duration_s=1"]
    notices = v2xsim.run(v2xsim.load("retelling", own), threads=1).notices
    (told,) = (notice for notice in notices if notice.subject == "cooperation.told_on")
    assert told.text.startswith("cooperation.retelling hardly_told told on ")


def section(heading):
    return GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(("heading", "views"), [
    ("Relay rule", [RelayView]),
    ("Link forecast", [ForesightView, Courses]),
    ("Fusion scheme", [FusionView, Received]),
    ("Path loss", [PathLossView]),
    ("Detector", [DetectorView]),
    ("Helper choice (matching rule)", [MatchingView]),
    ("Retelling rule", [RetellingView]),
])  # fmt: skip
def test_the_guide_explains_every_field_of_a_view(heading, views):
    text = section(heading)
    explained = set(re.findall(r"`(\w+)(?:\(.*?\))?`", text))
    for view in views:
        properties = {name for name, value in vars(view).items() if isinstance(value, property | cached_property)}
        assert set(view.__dataclass_fields__) | properties <= explained, view.__name__


def test_the_guide_lists_all_kinds_and_built_in_parts():
    for line in overview(listed_kinds()):
        assert line in GUIDE, (
            "copy the first table of docs/reference/parts.md to docs/own_parts.md, section 'All kinds'"
        )
