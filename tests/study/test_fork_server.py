"""What the fork server writes of a process that ended, when it stops one, and what its processes do; see also test_local_runner."""

import json
import os
import resource
import select
import signal
import stat
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
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


def test_a_process_that_was_just_looked_at_is_left_alone(killed, monkeypatch):
    looks = []
    monkeypatch.setattr(fork_server, "_resident_bytes", lambda pid: looks.append(pid) or MIB)
    one = child()
    looked_after(one)
    looked_after(one)
    assert looks == [7]


@pytest.mark.parametrize(("after_s", "stopped"), [(0.0999, ""), (0.1, "time")])
def test_a_process_is_looked_at_again_after_a_tenth_of_a_second(killed, monkeypatch, after_s, stopped):
    one = child(timeout_s=2.0)
    one.begun_s, one.looked_s = -5.0, 0.0
    monkeypatch.setattr(fork_server.time, "monotonic", lambda: after_s)
    assert looked_after(one).stopped == stopped


@pytest.mark.parametrize(("after_s", "stopped"), [(2.0, ""), (2.001, "time")])
def test_a_process_may_take_its_time_to_the_end(killed, monkeypatch, after_s, stopped):
    one = child(timeout_s=2.0)
    one.begun_s, one.looked_s = 0.0, -1.0
    monkeypatch.setattr(fork_server.time, "monotonic", lambda: after_s)
    assert looked_after(one).stopped == stopped


def test_a_process_of_which_no_memory_was_seen_has_none():
    assert obituary(0, peak_kib=0)["peak_bytes"] == 0


# A server whose jobs do what their key says, without the simulator.
SERVER = """
import ctypes, json, os, sys, time
from dataclasses import replace
from v2xsim.study import fork_server

loads = []

def load():
    loads.append(os.getpid())
    os.write(1, b"a library greets")

def work(job):
    if job.key == "words":
        sys.stdout.write("to output ")
        sys.stderr.write("to errors ")
        return 3
    if job.key == "broken":
        raise RuntimeError
    if job.key == "long":
        ctypes.CDLL(None).prctl(1, 0)  # It does not end with its parent.
        time.sleep(60)
    if job.key == "adopted":
        pid = os.fork()
        if pid == 0:
            fork_server._live(replace(job, key="words"), os.getpid(), os.dup(1))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if job.key == "about":
        files = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")]
        score = open("/proc/self/oom_score_adj").read().strip()
        deadly = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(deadly))  # The signal that it gets when its parent ends.
        print(json.dumps({"input": os.read(0, 9).decode(), "files": files, "score": score, "deadly": deadly.value, "loads": loads}))
    return 0

fork_server._load, fork_server.work = load, work
fork_server.main()
"""


class Server:
    """A running server, to write to and to read from."""

    def __init__(self):
        # Without a buffer, so that what is not read yet can be waited for.
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            # With this variable, what a process prints needs no flush.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )  # fmt: skip
        self.first = self.answer()

    def send(self, *orders):
        self.process.stdin.write(b"".join(json.dumps(order).encode() + b"\n" for order in orders))

    def answer(self, limit_s=20.0):
        assert select.select([self.process.stdout], [], [], limit_s)[0]
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def server():
    made = Server()
    yield made
    made.close()


def job(folder, key, **said):
    limits = {"timeout_s": 0.0, "memory_bytes": 0, **said}
    return {"job": asdict(Job(key, {}, "", "", str(folder / "log"), "", 1, plugins={}, **limits))}


def ended(server, folder, key, **said):
    server.send(job(folder, key, **said))
    return server.answer()


def test_a_server_says_first_that_it_is_ready_whatever_libraries_print(server):
    assert server.first == {"ready": server.process.pid}


def test_all_that_a_process_prints_is_in_its_log(server, tmp_path):
    said = ended(server, tmp_path, "words")
    assert (said["key"], said["exit"], said["signal"], said["stopped"]) == ("words", 3, 0, "")
    assert sorted((tmp_path / "log").read_text().split()) == ["errors", "output", "to", "to"]


def test_a_log_is_for_all_to_read_and_for_nobody_to_run(server, tmp_path):
    ended(server, tmp_path, "words")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o644 & ~umask


def test_a_server_loads_the_simulator_for_all_its_processes(monkeypatch):
    loaded = []
    monkeypatch.setattr(fork_server.importlib, "import_module", loaded.append)
    fork_server._load()
    assert loaded == ["v2xsim.simulate"]


def test_a_log_begins_anew_with_each_process(server, tmp_path):
    (tmp_path / "log").write_text("x" * 99)
    ended(server, tmp_path, "words")
    assert "x" not in (tmp_path / "log").read_text()


def test_a_process_that_breaks_down_exits_with_4(server, tmp_path):
    assert ended(server, tmp_path, "broken")["exit"] == 4


def test_a_process_whose_server_is_gone_ends_before_it_works(server, tmp_path):
    assert ended(server, tmp_path, "adopted")["exit"] == 5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_has_no_input_no_way_to_the_answers_and_goes_with_its_server_or_first_when_memory_runs_out(
    server, tmp_path
):
    ended(server, tmp_path, "about")
    about = json.loads((tmp_path / "log").read_text())
    assert about["input"] == ""
    assert os.readlink(f"/proc/self/fd/{server.process.stdout.fileno()}") not in about["files"]
    assert about["score"] == "1000"
    assert about["deadly"] == signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_simulator_is_loaded_by_the_server_and_by_no_process(server, tmp_path):
    ended(server, tmp_path, "about")
    assert json.loads((tmp_path / "log").read_text())["loads"] == [server.process.pid]


def test_orders_may_come_in_pieces_and_several_at_once(server, tmp_path):
    text = b"".join(json.dumps(job(tmp_path, key)).encode() + b"\n" for key in ("words", "broken"))
    for piece in (text[:20], text[20:]):
        server.process.stdin.write(piece)
        time.sleep(0.05)
    assert {server.answer()["key"] for _ in range(2)} == {"words", "broken"}


def test_a_process_that_is_to_stop_is_killed_and_said_to_be_stopped(server, tmp_path):
    server.send(job(tmp_path, "long"), {"stop": "other"})
    assert not select.select([server.process.stdout], [], [], 0.1)[0]
    server.send({"stop": "long"})
    said = server.answer()
    assert (said["key"], said["exit"], said["signal"], said["stopped"]) == ("long", 0, 9, "asked")


def test_to_stop_a_process_that_has_ended_does_nothing(server, tmp_path):
    ended(server, tmp_path, "words")
    server.send({"stop": "words"})
    assert ended(server, tmp_path, "broken")["key"] == "broken"


def test_a_server_looks_after_its_processes(server, tmp_path):
    said = ended(server, tmp_path, "long", timeout_s=0.2)
    assert (said["stopped"], said["signal"]) == ("time", 9)
    assert 0.2 <= said["wall_s"] < 30


def test_a_server_whose_input_ends_kills_its_processes_and_exits(tmp_path):
    server = Server()
    server.send(job(tmp_path, "long"))
    children, begun_s = [], time.monotonic()
    while not children and time.monotonic() - begun_s < 30:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        time.sleep(0.02)
    time.sleep(0.2)
    assert (server.close(), len(children)) == (0, 1)
    while alive(children[0]) and time.monotonic() - begun_s < 30:
        time.sleep(0.02)
    assert not alive(children[0])


def alive(pid):
    """Return whether a process runs; a dead one may wait for its new parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
