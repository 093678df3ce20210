"""Runs the points of a sweep on a Dask cluster.

Each Dask worker has a fork server; results travel back as bytes, so no shared folder is needed.
"""

import os
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError, reason_of
from v2xsim.staging import Scratch
from v2xsim.study.local_runner import ForkServer
from v2xsim.study.outcome import Outcome
from v2xsim.study.point import Job

# A Dask worker itself takes about 150 MB; with a limit below this one, Dask would restart it again and again.
_LEAST_WORKER_BYTES = 500_000_000

_own = threading.local()


def run_on_dask(
    jobs: Iterable[Job], workers: int, scheduler: str | None, memory_bytes: int = 0
) -> Generator[Outcome, None, None]:
    """Run jobs on a Dask cluster and yield the outcome of each when it ends.

    Args:
        jobs: Jobs to run. The calling process, not the workers, writes results and logs.
        workers: Number of workers of a cluster that is started on this machine if no scheduler is given.
        scheduler: Address of a running scheduler, such as tcp://login1:8786.
        memory_bytes: Memory limit of each worker of a cluster on this machine, above which Dask restarts the worker; 0 for no limit. A
            point runs in a process that the worker starts; that process has the limit of its job.

    Raises:
        UserError: If Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client, LocalCluster, as_completed
    except ImportError:
        raise UserError("--backend dask: Dask is not installed; pip install 'v2xsim[cluster]'") from None
    cluster = None
    try:
        # Workers are processes: a crash of the simulation ends its process, which a thread would not survive.
        with _without_the_working_folder():
            cluster = (
                None if scheduler
                else LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=max(memory_bytes, _LEAST_WORKER_BYTES) if memory_bytes else 0
                )
            )  # fmt: skip
        client = Client(scheduler or cluster, timeout="20s")
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        if cluster is not None:
            cluster.close()
        if scheduler is None:
            raise UserError(f"--backend dask: the cluster on this machine cannot be started: {error}") from None
        raise UserError(f"--scheduler {scheduler}: no Dask scheduler answers there: {error}") from None
    try:
        known: dict[Any, Job] = {}
        waiting = iter(jobs)
        futures: Any = as_completed([], with_results=False)

        def feed(count: int) -> None:
            for _ in range(count):
                job = next(waiting, None)
                if job is None:
                    return
                # Without pure=False, Dask would return the result that another sweep got for the same point.
                future = client.submit(on_worker, asdict(job), pure=False)
                known[future] = job
                futures.add(future)

        # Submit enough jobs in advance that no worker waits, but so few that the scheduler does not hold ten thousand
        # scenarios.
        feed(max(8, 4 * sum(client.nthreads().values())))
        for future in futures:
            yield _arrived(known.pop(future), future)
            feed(1)
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


@contextmanager
def _without_the_working_folder() -> Iterator[None]:
    """Let processes that start during a block import no modules from the working folder."""
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _arrived(job: Job, future: Any) -> Outcome:
    error = future.exception()
    if error is not None:
        return Outcome(
            job.key, "killed", f"lost on the cluster: {type(error).__name__}: {error}".splitlines()[0], 0.0, 0.0, 0
        )
    ended, content, log = future.result()
    outcome = Outcome(**ended)
    try:
        if log:
            Path(job.log).write_bytes(log)
        if outcome.done:
            write_atomically(Path(job.result), content)
    except OSError as trouble:
        return replace(outcome, kind="disk", reason=f"{job.result}: cannot be written: {reason_of(trouble)}")
    return outcome


def on_worker(described: dict[str, Any]) -> tuple[dict[str, Any], bytes, bytes]:
    """Run one job on a Dask worker; return its outcome, the bytes of its result file, and its printed output."""
    job = Job(**described)
    if not hasattr(_own, "fork_server"):
        _own.fork_server = ForkServer(job.threads)
    with Scratch("point") as folder:
        directory = Path(folder)
        here = replace(
            job, result=str(directory / "result"), log=str(directory / "log"), reason=str(directory / "reason")
        )
        _own.fork_server.start(here)
        ended: list[Outcome] = []
        while not ended:
            ended = _own.fork_server.ended(1.0)
        content = (directory / "result").read_bytes() if ended[0].done else b""
        log = (directory / "log").read_bytes() if (directory / "log").exists() else b""
        return asdict(ended[0]), content, log
