"""A process that has loaded the simulator and forks a new process for every job: `python -m v2xsim.study.fork_server`.

Each point of a sweep needs a process of its own, because SUMO can run only one simulation per process and no point may
affect another; points of one world may share a process (`v2xsim.study.groups`). Loading the simulator takes a second; forking a process that has loaded it takes a hundredth of that.
The fork server itself never simulates. The server reads one JSON object per line, {"job": {...}},
with "others": [{...}, ...] for jobs that share its process, or {"stop": key}. For every process that ends, it writes one JSON object with the key of the first job: {"key", "exit", "signal", "stopped", "wall_s", "cpu_s",
"peak_bytes"}. When its input ends, it kills the running processes and exits. So no process continues after the one that
started the server has ended or crashed.
"""

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from v2xsim.study.groups import work_together
from v2xsim.study.point import Job, work

# Seconds between two checks for processes that have ended.
_PAUSE_S = 0.02
# Seconds between two checks of one process's time and memory.
_LOOK_S = 0.1
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Child:
    job: Job
    begun_s: float
    looked_s: float = 0.0
    stopped: str = ""
    peak_bytes: int = field(default=0)
    others: tuple[Job, ...] = ()


def main() -> None:
    """Read jobs from standard input and run them until the input ends."""
    answers = os.dup(1)
    # What libraries print must not mix with the answers on standard output.
    os.dup2(2, 1)
    _load()
    children: dict[int, _Child] = {}
    with contextlib.suppress(BrokenPipeError):  # The process that started the server has ended, and needs no answers.
        _serve(children, answers)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _serve(children: dict[int, _Child], answers: int) -> None:
    _answer(answers, {"ready": os.getpid()})
    waiting = b""
    while True:
        readable, _, _ = select.select([0], [], [], _PAUSE_S if children else None)
        if readable:
            more = os.read(0, 1 << 20)
            if not more:
                break
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                _obey(json.loads(line), children, answers)
        _look_after(children)
        for pid, child, status, usage in _ended(children):
            del children[pid]
            _answer(answers, _obituary(child, status, usage))


def _answer(answers: int, content: dict[str, Any]) -> None:
    line = json.dumps(content).encode() + b"\n"
    while line:
        line = line[os.write(answers, line) :]


def _load() -> None:
    importlib.import_module("v2xsim.simulate")


def _obey(order: dict[str, Any], children: dict[int, _Child], answers: int) -> None:
    if "stop" in order:
        for pid, child in children.items():
            if child.job.key == order["stop"]:
                child.stopped = "asked"
                os.kill(pid, signal.SIGKILL)
        return
    job, others = Job(**order["job"]), tuple(Job(**other) for other in order.get("others", ()))
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _live(job, parent, answers, others)
    children[pid] = _Child(job, time.monotonic(), others=others)


def _live(job: Job, parent: int, answers: int, others: tuple[Job, ...] = ()) -> NoReturn:
    """Run a job in the forked process, and others with it."""
    code = 4
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            with contextlib.suppress(OSError):
                # If memory runs out, the Linux kernel should kill the process of a point, not the server.
                Path("/proc/self/oom_score_adj").write_text("1000")
        # The server may have ended before prctl took effect; this process would then never get the signal to end.
        if os.getppid() != parent:
            os._exit(5)
        os.close(answers)  # Only the server writes answers.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        with contextlib.suppress(OSError):
            log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
        code = work_together((job, *others)) if others else work(job)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)  # Without the exit handlers that the server registered before the fork.


def _look_after(children: dict[int, _Child]) -> None:
    """Stop the processes that exceed their time limit or memory limit."""
    now_s = time.monotonic()
    for pid, child in children.items():
        job = child.job
        if child.stopped or now_s - child.looked_s < _LOOK_S:
            continue
        child.looked_s = now_s
        resident = _resident_bytes(pid)
        child.peak_bytes = max(child.peak_bytes, resident)
        if job.timeout_s and now_s - child.begun_s > job.timeout_s * (1 + len(child.others)):
            child.stopped = "time"
        elif job.memory_bytes and resident > job.memory_bytes:
            child.stopped = "memory"
        if child.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _ended(children: dict[int, _Child]) -> list[tuple[int, _Child, int, Any]]:
    ended = []
    while children:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        if pid in children:
            ended.append((pid, children[pid], status, usage))
    return ended


def _obituary(child: _Child, status: int, usage: Any) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    # Linux reports the resident memory in KiB, macOS in bytes.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "key": child.job.key,
        "exit": max(code, 0),
        "signal": max(-code, 0),
        "stopped": child.stopped,
        "wall_s": round(time.monotonic() - child.begun_s, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_bytes": max(peak, child.peak_bytes),
    }


if __name__ == "__main__":
    main()
