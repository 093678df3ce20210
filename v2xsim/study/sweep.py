"""The function that runs a sweep: it runs every point without a result, then writes the table of all results."""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from v2xsim.errors import UserError
from v2xsim.notices import Notice
from v2xsim.staging import Scratch
from v2xsim.study.expected import Estimate, Trial, expected
from v2xsim.study.gather import gather
from v2xsim.study.groups import groups_of
from v2xsim.study.local_runner import run_locally
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import Plan, Point, plan_of
from v2xsim.study.point import Job
from v2xsim.study.preflight import preflight
from v2xsim.study.store import Store, opened
from v2xsim.study.sweepfile import SweepFile

Backend = Literal["local", "dask"]
Report = Callable[[int, int, int], None]
"""Function called with the numbers of finished points, failed points and all points."""
LEAST_MEMORY_BYTES = 100_000_000
"""Memory of a process that has loaded nothing; no point can take less."""


@dataclass(frozen=True)
class Swept:
    """The state of a sweep after it ran.

    Attributes:
        folder: Path of the sweep's folder.
        finished: Number of points with a result.
        failed: Failed points, each with index, setting, seed, kind of failure, reason and log.
        ran: Number of points that ran in this call.
        waiting: Number of points that have not run yet.
        disk_bytes: Size of the folder.
    """

    folder: Path
    finished: int
    failed: list[dict[str, Any]]
    ran: int
    waiting: int
    disk_bytes: int


def default_folder(plan: Plan) -> Path:
    """Return the default folder of a sweep."""
    return Path("sweeps") / plan.file.name


def sweep(
    what: str | Path | Mapping[str, Any] | SweepFile | Plan,
    *,
    out: Path | str | None = None,
    workers: int | None = None,
    backend: Backend = "local",
    scheduler: str | None = None,
    memory_per_worker_bytes: int | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    together: bool = True,
    checked: bool = False,
    progress: Report | None = None,
    notify: Callable[[Notice], None] | None = None,
) -> Swept:
    """Run a sweep and gather its results; a point that fails is recorded and does not stop the others.

    Args:
        what: Path of a sweep file, its content, or a plan.
        out: Folder to write into; by default sweeps/NAME.
        workers: Number of processes that run at once, each with one point or one group; by default one per processor. The results do not depend on it.
        backend: Where points run: on this machine or on a Dask cluster.
        scheduler: Address of the cluster's scheduler; None starts a small cluster on this machine.
        memory_per_worker_bytes: Memory above which a process is stopped; by default 90 % of this machine's memory, divided by the number of
            processes. If the sweep file has `memory_gb`, the smaller of the two limits counts. A point that is alone in its process counts as failed then;
            those of a group run again, each alone, and so do all later ones.
        resume: Whether to continue in a folder that holds a part of this sweep.
        retry_failed: Whether to run failed points again. Without `resume`, no other points run.
        together: Whether points of one seed whose scenarios have the same world (`v2xsim.run_together`) share a process, up to 8 each, and compute the
            world once. The results do not depend on it. Points of the backend dask always have a process each.
        checked: Whether all settings were checked already (`v2xsim.study.preflight`), so that they are not checked again.
        progress: Function called with the numbers of finished, failed and all points as the sweep advances.
        notify: Function called, before the first point runs, with each notice about the inputs of the settings.

    Raises:
        UserError: If the sweep is not valid, a setting cannot be run (the message lists all of them, and nothing is run), the folder cannot be used, or the disk is full; finished points are kept.
    """
    _check_limits(workers, memory_per_worker_bytes)
    plan = what if isinstance(what, Plan) else plan_of(what)
    folder = Path(out) if out is not None else default_folder(plan)
    workers = workers or default_workers(plan)
    for notice in () if checked else preflight(plan):
        if notify is not None:
            notify(notice)
    with opened(folder, plan, resume or retry_failed) as store:
        retried = store.forget_failures() if retry_failed else set()
        waiting = [point for point in store.waiting() if resume or not retry_failed or point.key in retried]
        limit = memory_per_worker_bytes
        memory = limit or memory_for_each(min(workers, max(len(waiting), 1)))
        shares = together and backend == "local"
        groups = groups_of(plan, waiting, workers) if shares else [(point,) for point in waiting]
        jobs = (tuple(_limited(store.job(point, memory), limit) for point in group) for group in groups)
        _tell(progress, store)
        if waiting:
            with closing(_outcomes(jobs, workers, plan.file.threads, backend, scheduler, memory)) as ended:
                for outcome in ended:
                    store.note(outcome)
                    _tell(progress, store)
        gather(store)
        left = len(store.waiting())
        return Swept(folder, len(store.finished), store.failures(), len(waiting), left, _size_bytes(folder))


def points_to_run(plan: Plan, folder: Path, *, resume: bool, retry_failed: bool) -> list[Point]:
    """Return the points that `sweep` would run; arguments as there."""
    if not resume and not retry_failed:
        return list(plan.points)
    store = Store(folder, plan)
    failed = {point.key for point in plan.points} & set(store.failed) if retry_failed else set()
    return [*(store.waiting() if resume else ()), *(point for point in plan.points if point.key in failed)]


def estimate(
    plan: Plan, workers: int | None = None, memory_per_worker_bytes: int | None = None, points: Sequence[Point] | None = None,
    *, together: bool = True,
) -> Estimate:  # fmt: skip
    """Run one point of a plan and some points together in a temporary folder, and estimate the cost of points from them and from the work of the other settings.

    Args:
        plan: The plan.
        workers: Number of processes that would run at once; by default one per processor.
        memory_per_worker_bytes: Memory above which a point would be stopped; as in `sweep`.
        points: The points that would run; None for all of the plan.
        together: Whether points of one world would share a process, as in `sweep`.

    Raises:
        UserError: If the trial point fails, or an argument is not possible.
    """
    _check_limits(workers, memory_per_worker_bytes)
    workers = workers or default_workers(plan)
    points = plan.points if points is None else points
    groups = groups_of(plan, points, workers) if together else None
    with Scratch("trial") as directory:
        for part in ("points", "logs"):
            (Path(directory) / part).mkdir()
        (outcome,) = _tried(plan, Path(directory), plan.points[:1])
        each = _size_bytes(Path(directory))
        largest = max(groups or (), key=len, default=())
        group = None
        if len(largest) > 1:
            # Some of its points at even distances: settings are mostly listed from small to large.
            last = len(largest) - 1
            some = [largest[row] for row in sorted({0, last // 3, 2 * last // 3 + 1, last} & set(range(last + 1)))]
            group = Trial(some, sum(one.cpu_s for one in _tried(plan, Path(directory), some)))
    limit = memory_per_worker_bytes or memory_for_each(min(workers, max(len(points), 1)))
    return expected(plan, workers, outcome, each, limit, points, groups, group)


def _tried(plan: Plan, folder: Path, points: Sequence[Point]) -> list[Outcome]:
    """Run points in one process with all memory of the machine, and return their outcomes.

    Raises:
        UserError: If one of them fails.
    """
    store = Store(folder, plan)
    jobs = tuple(store.job(point, memory_for_each(1)) for point in points)
    for job in jobs:
        Path(job.result).unlink(missing_ok=True)
    outcomes = list(run_locally([jobs], 1, plan.file.threads))
    by_key = dict(zip((job.key for job in jobs), points, strict=True))
    for outcome in outcomes:
        if not outcome.done:
            point = by_key.get(outcome.key, points[0])
            raise UserError(f"trial point (setting {point.setting}, seed {point.seed}): {outcome.reason}")
    return outcomes


def _check_limits(workers: int | None, memory_per_worker_bytes: int | None) -> None:
    """Refuse numbers with which no point would ever run."""
    if workers is not None and workers < 1:
        raise UserError(f"sweep: workers must be at least 1, got {workers}; leave it out for one per processor")
    if memory_per_worker_bytes is not None and memory_per_worker_bytes < LEAST_MEMORY_BYTES:
        raise UserError(
            f"sweep: memory_per_worker_bytes must be at least {LEAST_MEMORY_BYTES:,}, the memory of an empty process, got {memory_per_worker_bytes:,}"
        )


def default_workers(plan: Plan) -> int:
    """Return the number of points that this machine's processors can run at once."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, processors // plan.file.threads)


def memory_for_each(workers: int) -> int:
    """Return the memory limit of each worker in bytes: nine tenths of this machine's memory divided by the number of workers.

    0 (no limit) if the machine's memory is unknown.
    """
    try:
        return int(0.9 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / workers)
    except (ValueError, OSError):
        return 0


def _limited(job: Job, limit_bytes: int | None) -> Job:
    """Return a job that takes no more memory than a limit, if there is one."""
    return job if limit_bytes is None else replace(job, memory_bytes=min(job.memory_bytes, limit_bytes))


def _outcomes(
    groups: Iterator[tuple[Job, ...]],
    workers: int,
    threads: int,
    backend: Backend,
    scheduler: str | None,
    memory_bytes: int,
) -> Generator[Outcome, None, None]:
    if backend == "dask":
        from v2xsim.study.cluster import run_on_dask

        return run_on_dask((job for group in groups for job in group), workers, scheduler, memory_bytes)
    if scheduler is not None:
        raise UserError("--scheduler is for --backend dask")
    return run_locally(groups, workers, threads)


def _tell(progress: Report | None, store: Store) -> None:
    if progress is not None:
        progress(len(store.finished), len(store.failed), len(store.plan.points))


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
