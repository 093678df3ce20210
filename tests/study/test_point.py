"""What the process of one point does, with runs that a test makes up."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

import v2xsim
import v2xsim.simulate
from v2xsim.errors import StorageError, UserError
from v2xsim.evaluation.metric import Metric
from v2xsim.results.errors import ResultsError
from v2xsim.results.results import Results, metrics_table
from v2xsim.runfolder import RunFolderError
from v2xsim.scenario import resolved
from v2xsim.study.point import Job, as_bytes, work

TABLE = metrics_table([("prr", "", Metric(0.5, "1", 8))])


@pytest.fixture
def job(tmp_path):
    return Job(
        "k1", resolved(v2xsim.load("demo", [], 6)), str(tmp_path / "result"), "", str(tmp_path / "log"),
        str(tmp_path / "reason"), 3, 0.0, 0, {},
    )  # fmt: skip


@pytest.fixture
def ran(monkeypatch):
    """Return what each run was asked for; the runs themselves give one metric."""
    asked = []

    def run(scenario, out=None, threads=None, tables=True):
        asked.append((scenario, out, threads))
        if out is not None:
            (out / "manifest.json").write_text("{}")
        return Results(scenario, {"metrics": TABLE}, {})

    monkeypatch.setattr(v2xsim.simulate, "run", run)
    return asked


def failing(monkeypatch, error):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(v2xsim.simulate, "run", run)


def reason(job):
    with open(job.reason) as stream:
        return json.load(stream)


def test_a_point_leaves_its_metrics(job, ran):
    assert work(job) == 0
    with open(job.result, "rb") as stream:
        assert pa.ipc.open_file(stream.read()).read_all().equals(TABLE)


def test_a_point_runs_its_scenario_with_its_seed_and_threads(job, ran):
    work(job)
    ((scenario, out, threads),) = ran
    assert (scenario.name, scenario.run.seed, out, threads) == ("demo", 6, None, 3)


def test_a_point_that_keeps_tables_writes_its_run_folder(job, ran, tmp_path):
    assert work(replace(job, tables=str(tmp_path / "runs" / "k1"))) == 0
    assert (tmp_path / "runs" / "k1" / "manifest.json").exists()
    assert ran[0][2] == 3


def test_a_point_that_keeps_metrics_writes_no_run_folder(job, ran, tmp_path):
    work(job)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result"]


@pytest.mark.parametrize(
    ("error", "code", "kind", "words"),
    [
        (UserError("no such road"), 1, "scenario", "no such road"),
        (ResultsError("full"), 3, "disk", "full"),
        (RunFolderError("not empty"), 3, "disk", "not empty"),
        (StorageError("/tmp is full"), 3, "disk", "/tmp is full"),
        (MemoryError("10 GB"), 1, "memory", "ran out of memory: 10 GB"),
        (MemoryError(), 1, "memory", "ran out of memory: an allocation failed"),
        (ZeroDivisionError("by zero"), 1, "crash", "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), 1, "crash", "KeyboardInterrupt: "),
    ],
)  # fmt: skip
def test_a_point_that_fails_says_why(job, monkeypatch, error, code, kind, words):
    failing(monkeypatch, error)
    assert work(job) == code
    assert reason(job) == {"kind": kind, "reason": words}


def test_a_users_part_that_ran_out_of_memory_counts_as_memory(job, monkeypatch):
    error = UserError("own.py: ran out")
    error.__cause__ = MemoryError()
    failing(monkeypatch, error)
    work(job)
    assert reason(job)["kind"] == "memory"


def test_a_crash_leaves_its_traceback_in_the_log(job, monkeypatch, capsys):
    failing(monkeypatch, ZeroDivisionError("by zero"))
    work(job)
    assert "Traceback" in capsys.readouterr().err


def test_a_failure_is_in_the_log_too(job, monkeypatch, capsys):
    failing(monkeypatch, UserError("no such road"))
    work(job)
    assert capsys.readouterr().err == "no such road\n"


def test_a_point_whose_reason_cannot_be_written_says_that_the_disk_is_full(job, monkeypatch, tmp_path):
    failing(monkeypatch, UserError("no such road"))
    assert work(replace(job, reason=str(tmp_path / "gone" / "reason"))) == 3


def test_a_point_whose_result_cannot_be_written_says_so(job, ran, tmp_path):
    assert work(replace(job, result=str(tmp_path / "gone" / "result"))) == 3
    assert reason(job)["kind"] == "disk"
    assert "cannot be written: No such file or directory" in reason(job)["reason"]


PLUGIN = '''
from dataclasses import dataclass

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("first_of_all")
@dataclass(frozen=True)
class FirstOfAll(RelayRule):
    """Takes the first station."""

    def score(self, view):
        """Return one number for each pair of stations and each station."""
        return view.weaker_delivery
'''


@pytest.fixture
def own_part(job, tmp_path):
    (tmp_path / "own.py").write_text(PLUGIN)
    scenario = v2xsim.load("demo", [f"plugins=[{tmp_path / 'own.py'}]", "cooperation.relay=first_of_all"])
    (plugin,) = scenario.loaded_plugins
    return replace(job, scenario=resolved(scenario), plugins={str(plugin.path): plugin.sha256})


def test_a_point_with_a_users_file_that_is_as_planned_runs(own_part, ran):
    assert work(own_part) == 0


def test_a_point_with_a_users_file_that_has_changed_does_not_run(own_part, ran):
    changed = replace(own_part, plugins=dict.fromkeys(own_part.plugins, "0" * 64))
    assert work(changed) == 1
    assert "must not change while a sweep runs" in reason(changed)["reason"]
    assert not ran


def test_a_job_is_one_line_of_json_that_gives_it_again(job):
    assert "\n" not in job.text()
    assert Job(**json.loads(job.text())) == job


def test_a_table_as_bytes_is_a_file_that_arrow_reads():
    assert pa.ipc.open_file(as_bytes(TABLE)).read_all().equals(TABLE)
