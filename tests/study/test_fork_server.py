"""What the fork server writes of a process that ended, and when it stops one; the processes are in test_local_runner."""

import os
import resource
import signal
import time
from types import SimpleNamespace

import pytest

from v2xsim.study import fork_server
from v2xsim.study.point import Job

MIB = 1024 * 1024


def child(**said):
    job = Job("k", {}, "", "", "", "", 1, said.pop("timeout_s", 0.0), said.pop("memory_bytes", 0), {})
    return fork_server._Child(job, time.monotonic() - said.pop("age_s", 0.0), **said)


def obituary(status, kept=None, peak_kib=100, **said):
    usage = SimpleNamespace(ru_maxrss=peak_kib, ru_utime=1.2344, ru_stime=0.5)
    return fork_server._obituary(kept or child(**said), status, usage)


def test_a_process_that_left_has_an_exit_code_and_no_signal():
    said = obituary(3 << 8)
    assert (said["key"], said["exit"], said["signal"], said["stopped"]) == ("k", 3, 0, "")


def test_a_process_that_was_killed_has_a_signal_and_no_exit_code():
    said = obituary(signal.SIGSEGV)
    assert (said["exit"], said["signal"]) == (0, signal.SIGSEGV)


def test_processor_time_is_of_user_and_system():
    assert obituary(0)["cpu_s"] == 1.734


def test_wall_time_is_since_the_start_in_milliseconds(monkeypatch):
    kept = child()
    kept.begun_s = 100.0
    monkeypatch.setattr(fork_server.time, "monotonic", lambda: 107.12345)
    assert obituary(0, kept)["wall_s"] == 7.123


def test_the_largest_memory_is_in_bytes_on_linux(monkeypatch):
    monkeypatch.setattr(fork_server.sys, "platform", "linux")
    assert obituary(0, peak_kib=100)["peak_bytes"] == 102_400


def test_the_largest_memory_is_in_bytes_on_macos(monkeypatch):
    monkeypatch.setattr(fork_server.sys, "platform", "darwin")
    assert obituary(0, peak_kib=102_400)["peak_bytes"] == 102_400


def test_memory_seen_while_it_ran_counts_where_it_was_larger():
    assert obituary(0, peak_bytes=MIB)["peak_bytes"] == MIB


def test_why_a_process_was_stopped_is_passed_on():
    assert obituary(signal.SIGKILL, stopped="memory")["stopped"] == "memory"


def test_resident_memory_is_what_the_system_says():
    about = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert about / 4 < fork_server._resident_bytes(os.getpid()) <= about * 1.1


def test_a_process_that_is_gone_has_no_memory():
    assert fork_server._resident_bytes(2**22 + 1) == 0


@pytest.fixture
def killed(monkeypatch):
    """Signals that were sent, with a process of 10 MiB."""
    sent = []
    monkeypatch.setattr(fork_server.os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(fork_server, "_resident_bytes", lambda _: 10 * MIB)
    return sent


def looked_after(one):
    fork_server._look_after({7: one})
    return one


@pytest.mark.parametrize(
    ("limits", "stopped"),
    [
        ({}, ""),
        ({"timeout_s": 50.0}, ""),
        ({"timeout_s": 2.0}, "time"),
        ({"memory_bytes": 10 * MIB}, ""),
        ({"memory_bytes": 10 * MIB - 1}, "memory"),
        ({"timeout_s": 50.0, "memory_bytes": 11 * MIB}, ""),
        ({"timeout_s": 2.0, "memory_bytes": 1}, "time"),
    ],
)
def test_a_process_is_stopped_for_what_it_takes_beyond_its_limits(killed, limits, stopped):
    assert looked_after(child(age_s=5.0, **limits)).stopped == stopped
    assert killed == ([(7, signal.SIGKILL)] if stopped else [])


def test_a_process_that_was_stopped_is_not_stopped_again(killed):
    looked_after(child(age_s=5.0, timeout_s=2.0, stopped="memory"))
    assert killed == []


def test_a_process_is_looked_at_no_more_than_ten_times_a_second(killed):
    one = child(age_s=5.0, timeout_s=2.0, looked_s=time.monotonic() - 0.01)
    assert looked_after(one).stopped == ""
    one.looked_s = time.monotonic() - 1.0
    assert looked_after(one).stopped == "time"


def test_the_largest_memory_seen_is_kept(killed):
    assert looked_after(child(peak_bytes=MIB)).peak_bytes == 10 * MIB
    assert looked_after(child(peak_bytes=20 * MIB)).peak_bytes == 20 * MIB


def test_every_process_is_looked_after(killed):
    fork_server._look_after({7: child(stopped="asked"), 8: child(), 9: child(age_s=5.0, timeout_s=2.0)})
    assert killed == [(9, signal.SIGKILL)]


def test_processes_that_ended_are_collected_and_strangers_are_not():
    first, stranger = (os.posix_spawn("/bin/true", ["true"], {}) for _ in range(2))
    one = child()
    found, children = [], {first: one, 2**22 + 1: child()}
    begun_s = time.monotonic()
    while not found and time.monotonic() - begun_s < 10:
        found = fork_server._ended(children)
    assert [(pid, status) for pid, _, status, _ in found] == [(first, 0)]
    assert found[0][1] is one
    while stranger is not None and time.monotonic() - begun_s < 10:
        # It was collected with the other, or is collected now.
        try:
            stranger = None if os.waitpid(stranger, os.WNOHANG)[0] else stranger
        except ChildProcessError:
            stranger = None
