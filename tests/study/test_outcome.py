"""What became of a point, from how its process ended and what it left."""

import json
import signal

import pytest

from v2xsim.study.outcome import Outcome, outcome_of
from v2xsim.study.point import Job


@pytest.fixture
def job(tmp_path):
    return Job(
        "k1",
        {},
        str(tmp_path / "result"),
        "",
        str(tmp_path / "log"),
        str(tmp_path / "reason"),
        1,
        2.5,
        3_000_000_000,
        {},
    )


def ended(**said):
    return {"exit": 0, "signal": 0, "stopped": "", "wall_s": 1.5, "cpu_s": 1.25, "peak_bytes": 4_000_000_000, **said}


def became(job, **said):
    outcome = outcome_of(job, ended(**said))
    return outcome.kind, outcome.reason


def test_time_and_memory_are_the_process_s_own(job):
    outcome = outcome_of(job, ended())
    assert (outcome.key, outcome.wall_s, outcome.cpu_s, outcome.peak_bytes) == ("k1", 1.5, 1.25, 4_000_000_000)


def test_a_process_that_ended_well_and_left_its_result_is_done(job, tmp_path):
    (tmp_path / "result").write_bytes(b"x")
    assert became(job) == ("done", "")


def test_a_process_that_ended_well_without_a_result_has_lost_it(job):
    assert became(job) == ("disk", f"{job.result}: the result is missing")


def test_a_point_stopped_for_its_memory_says_how_much_it_took(job):
    assert became(job, stopped="memory", signal=9) == (
        "memory", "took 4.00 GB of memory, more than its 3.00 GB (memory_gb, --memory-per-worker, or by default a share of the machine's memory)",
    )  # fmt: skip


def test_a_point_stopped_for_its_time_says_how_long_it_had(job):
    assert became(job, stopped="time", signal=9) == ("time", "took longer than 2.5 s (timeout_s)")


def test_a_point_killed_from_outside_may_have_lacked_memory(job):
    kind, reason = became(job, signal=signal.SIGKILL)
    assert kind == "killed"
    assert reason == "its process was ended by SIGKILL; it held 4.0 GB, so the system may have run out of memory"


def test_a_crash_in_a_library_names_the_signal(job):
    assert became(job, signal=signal.SIGSEGV) == ("killed", "its process was ended by SIGSEGV")


def test_a_reason_that_the_process_left_is_taken_over(job, tmp_path):
    (tmp_path / "reason").write_text(json.dumps({"kind": "scenario", "reason": "no such road\nand more"}))
    assert became(job, exit=1) == ("scenario", "no such road")


def test_a_reason_is_read_once(job, tmp_path):
    (tmp_path / "reason").write_text(json.dumps({"kind": "scenario", "reason": "no such road"}))
    became(job, exit=1)
    assert not (tmp_path / "reason").exists()


@pytest.mark.parametrize("text", ["", "{", '{"kind": "crash"}', '{"kind": "crash", "reason": ""}'])
def test_a_reason_that_cannot_be_read_leaves_the_exit_code(job, tmp_path, text):
    (tmp_path / "reason").write_text(text)
    assert became(job, exit=2) == ("crash", "its process exited with code 2 and without a reason")


def test_a_process_without_a_word_and_exit_code_3_could_not_write(job):
    assert became(job, exit=3) == ("disk", f"{job.result}: cannot be written")


@pytest.mark.parametrize("code", [1, 2, 4])
def test_a_process_without_a_word_and_another_exit_code_crashed(job, code):
    assert became(job, exit=code) == ("crash", f"its process exited with code {code} and without a reason")


@pytest.mark.parametrize(("kind", "done"), [("done", True), ("crash", False), ("disk", False)])
def test_a_point_is_done_where_its_kind_is_done(kind, done):
    assert Outcome("k", kind, "", 0.0, 0.0, 0).done == done
