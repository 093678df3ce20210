"""Notices of points: kept with the metrics, and merged with the number of points that each concerns."""

import json

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from tests.study.small_sweeps import done, planned
from v2xsim.cli.app import app
from v2xsim.evaluation.metric import Metric
from v2xsim.notices import Notice
from v2xsim.results.results import metrics_table
from v2xsim.study.folders import StudyError
from v2xsim.study.gather import gather
from v2xsim.study.point import as_bytes
from v2xsim.study.point_notices import PointNotice, merged, notices_in, notices_of, with_notices
from v2xsim.study.store import opened
from v2xsim.study.studies import read_study

LEFT_OUT = Notice("buildings.left_out", 3, "town.poly.xml: 3 outlines cross themselves; repair them")
FEW = Notice("lidars.few", 2, "2 of 9 stations have a lidar")
FEWER = Notice("lidars.few", 1, "1 of 9 stations has a lidar")


def metrics(*notices):
    return with_notices(metrics_table([("prr", "", Metric(0.5, "1", 8))]), notices)


def stored(*notices):
    """Return the metrics of a point as another process reads them."""
    return pa.ipc.open_file(as_bytes(metrics(*notices))).read_all()


def test_notices_come_back_from_the_file_of_a_point():
    assert notices_in(stored(LEFT_OUT, FEW)) == [LEFT_OUT, FEW]
    assert notices_in(stored()) == []


def test_the_file_of_a_point_is_the_same_each_time_and_without_notices_as_before():
    assert as_bytes(metrics(LEFT_OUT, FEW)) == as_bytes(metrics(LEFT_OUT, FEW))
    assert as_bytes(metrics()) == as_bytes(metrics_table([("prr", "", Metric(0.5, "1", 8))]))


def test_notices_are_counted_by_points_and_not_by_texts():
    """The second point has two texts of one subject, and counts once."""
    assert merged([[LEFT_OUT, FEW], [FEW, FEWER], [], [LEFT_OUT]]) == [
        PointNotice("buildings.left_out", 2, 1, LEFT_OUT.text),
        PointNotice("lidars.few", 2, 2, FEW.text),
    ]


@pytest.mark.parametrize(
    ("notice", "of", "sentence"),
    [
        (PointNotice("a.b", 3, 1, "It rains."), 12, "3 of 12 points: It rains."),
        (PointNotice("a.b", 3, 4, "It rains."), 12, "3 of 12 points: It rains. (and 3 similar texts)"),
        (PointNotice("a.b", 1, 1, "It rains."), 1, "It rains."),
    ],
)
def test_a_notice_names_the_number_of_points(notice, of, sentence):
    assert notice.sentence(of) == sentence


def finished_sweep(folder, notices_of_points):
    plan = planned()
    with opened(folder, plan, resume=False) as store:
        for point, notices in zip(plan.points, notices_of_points, strict=False):
            (folder / "points" / f"{point.key}.arrow").write_bytes(as_bytes(metrics(*notices)))
            store.note(done(point))
        gather(store)
    return folder


def test_a_sweep_gathers_the_notices_of_its_points(tmp_path):
    folder = finished_sweep(tmp_path / "s", [[LEFT_OUT], [LEFT_OUT], [LEFT_OUT, FEW], [LEFT_OUT]])
    expected = (
        PointNotice("buildings.left_out", 4, 1, LEFT_OUT.text),
        PointNotice("lidars.few", 1, 1, FEW.text),
    )
    assert notices_of(folder) == expected
    assert read_study(folder).notices == expected
    assert json.loads((folder / "notices.json").read_text())[0]["points"] == 4


def test_a_sweep_without_notices_says_so(tmp_path):
    folder = finished_sweep(tmp_path / "s", [[], [], [], []])
    assert (folder / "notices.json").read_text() == "[]\n"


def test_a_sweep_of_an_older_version_has_no_notices(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", [{"radio.mcs": 0}, {"radio.mcs": 1}], 2, lambda n, s, k: 0.5 + 0 * k)
    assert read_study(folder).notices == ()


def test_the_report_lists_notices_with_their_points(tmp_path):
    folder = finished_sweep(tmp_path / "s", [[], [Notice("a.b", 1, "<b>5 < 6</b>")], [LEFT_OUT], [LEFT_OUT]])
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    page = (folder / "report" / "report.html").read_text()
    assert f"2 of 4 points: {LEFT_OUT.text}" in page
    assert "1 of 4 points: &lt;b&gt;5 &lt; 6&lt;/b&gt;" in page


def test_notices_of_a_run_reach_the_sweep_and_its_command(tmp_path):
    """In the demo without relays, stations without a lidar share nothing, and each point has a notice of this."""
    words = ["sweep", "demo", "--grid", "radio.mcs=0,2", "--set", "run.duration_s=0.5"]
    words += ["--set", "cooperation.relay=none", "--out", str(tmp_path / "s"), "--workers", "1", "--json"]
    found = CliRunner().invoke(app, words)
    answer = json.loads(found.stdout)
    assert [notice["points"] for notice in answer["notices"]] == [2] * len(answer["notices"]) != []
    assert all(found.stderr.count(notice["text"]) == 1 for notice in answer["notices"])


@pytest.mark.parametrize(
    "content", ["{}x", "[1]", '[{"subject": "a"}]', '[{"subject": "a", "points": "b", "texts": 1, "text": "c"}]']
)
def test_damaged_notices_are_refused(tmp_path, content):
    folder = finished_sweep(tmp_path / "s", [[], [], [], []])
    (folder / "notices.json").write_text(content)
    with pytest.raises(StudyError, match="damaged"):
        read_study(folder)
