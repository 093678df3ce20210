"""The outcome of a point of a sweep: finished, or the kind and reason of its failure."""

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2xsim.study.point import Job


@dataclass(frozen=True)
class Outcome:
    """The outcome of a point of a sweep.

    Attributes:
        key: Key that identifies the point.
        kind: `done`, or the kind of failure: scenario, memory, time, crash, killed or disk.
        reason: Reason for the failure, in one line; empty if the point is done.
        wall_s: Wall-clock time of the point's process; of points that share one, an equal part for each.
        cpu_s: Processor time of the point's process; of points that share one, an equal part for each.
        peak_bytes: Largest resident memory of the point's process.
    """

    key: str
    kind: str
    reason: str
    wall_s: float
    cpu_s: float
    peak_bytes: int

    @property
    def done(self) -> bool:
        """Whether the point has a result."""
        return self.kind == "done"


def outcome_of(job: Job, ended: dict[str, Any]) -> Outcome:
    """Return the outcome of a job, judged by the end of its process and the files that the process wrote.

    Args:
        job: The job that ended.
        ended: Report of the fork server about the process.
    """
    kind, reason = _kind(job, ended)
    return Outcome(job.key, kind, reason, ended["wall_s"], ended["cpu_s"], ended["peak_bytes"])


def outcomes_of(jobs: Sequence[Job], ended: dict[str, Any]) -> tuple[list[Outcome], list[Job]]:
    """Return the outcomes of those jobs of one process that left a result, and the other jobs, which must run again alone."""
    done = [job for job in jobs if Path(job.result).exists()]
    wall_s, cpu_s = (round(ended[name] / len(jobs), 3) for name in ("wall_s", "cpu_s"))
    outcomes = [Outcome(job.key, "done", "", wall_s, cpu_s, ended["peak_bytes"]) for job in done]
    return outcomes, [job for job in jobs if job not in done]


def _kind(job: Job, ended: dict[str, Any]) -> tuple[str, str]:
    peak_gb = ended["peak_bytes"] / 1e9
    if ended["stopped"] == "memory":
        return (
            "memory",
            f"took {peak_gb:.2f} GB of memory, more than its {job.memory_bytes / 1e9:.2f} GB (memory_gb, --memory-per-worker, or by default a share of "
            "the machine's memory)",
        )
    if ended["stopped"] == "time":
        return "time", f"took longer than {job.timeout_s:g} s (timeout_s)"
    if ended["signal"]:
        name = signal.Signals(ended["signal"]).name
        hint = f"; it held {peak_gb:.1f} GB, so the system may have run out of memory" if name == "SIGKILL" else ""
        return "killed", f"its process was ended by {name}{hint}"
    if ended["exit"] == 0:
        return ("done", "") if Path(job.result).exists() else ("disk", f"{job.result}: the result is missing")
    try:
        failure = json.loads(Path(job.reason).read_text())
        Path(job.reason).unlink()
        return str(failure["kind"]), str(failure["reason"]).splitlines()[0]
    except (OSError, ValueError, KeyError, IndexError):
        if ended["exit"] == 3:
            return "disk", f"{job.result}: cannot be written"
        return "crash", f"its process exited with code {ended['exit']} and without a reason"
