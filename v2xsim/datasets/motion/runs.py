"""The SUMO runs of a corpus, several at a time, each in a process of its own."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from v2xsim.children import Child, environment, python
from v2xsim.datasets.motion.record import Job
from v2xsim.errors import UserError

Report = Callable[[int, int, str], None]
"""Function called with the number of finished runs, the number of all runs, and the name of the present step."""

# Seconds between two checks of the running processes.
_PAUSE_S = 0.05


def run_all(jobs: Sequence[Job], at_once: int, folder: Path, report: Report) -> None:
    """Run jobs, and return when all have written their results.

    Args:
        jobs: Jobs to run.
        at_once: Number of processes that run at the same time.
        folder: Folder for the job files that the processes read.
        report: Function called after each run.

    Raises:
        UserError: If a job fails; the other processes are then stopped.
    """
    waiting = list(enumerate(jobs))[::-1]
    running: dict[int, tuple[Child, Job]] = {}
    done = 0
    report(done, len(jobs), "driving")
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, job = waiting.pop()
                running[number] = _started(job, folder / f"{number}"), job
            ended = [number for number, (child, _) in running.items() if child.process.poll() is not None]
            for number in ended:
                child, job = running.pop(number)
                child.end()
                _check(child.process.returncode, job, folder / f"{number}.log")
                done += 1
                report(done, len(jobs), "driving")
            if not ended:
                time.sleep(_PAUSE_S)
    finally:
        for child, _ in running.values():
            child.end()


def _started(job: Job, job_file: Path) -> Child:
    order = job_file.with_suffix(".json")
    order.write_text(job.text(), encoding="utf-8")
    with job_file.with_suffix(".log").open("wb") as log:
        return Child(python("-m", "v2xsim.datasets.motion.record", order), log, environment(threads=1))


def _check(code: int, job: Job, log: Path) -> None:
    if code == 0:
        return
    if Path(job.reason).exists():
        raise UserError(Path(job.reason).read_text(encoding="utf-8"))
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    raise UserError(f"{job.network}: its SUMO run ended with exit code {code}: {''.join(last) or 'no message'}")
