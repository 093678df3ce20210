"""The work of one process of a sweep: run a scenario, keep its metrics, or report why that failed."""

import json
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError
from v2xsim.results.results import ResultsError
from v2xsim.runfolder import RunFolderError, staged
from v2xsim.scenario.load import from_data


@dataclass(frozen=True)
class Job:
    """Description of one process's work.

    Attributes:
        key: Key of the point.
        scenario: Resolved scenario, with its seed.
        result: File for the metrics, written in one step.
        tables: Folder for the whole run; empty if its tables are not kept.
        log: File for the printed output.
        reason: File for the reason of a failure.
        threads: Number of threads.
        timeout_s: The process is stopped after this time; 0 for no limit.
        memory_bytes: The process is stopped when it uses more; 0 for no limit.
        plugins: Digest of each user's file that the scenario lists, by path.
    """

    key: str
    scenario: dict[str, Any]
    result: str
    tables: str
    log: str
    reason: str
    threads: int
    timeout_s: float
    memory_bytes: int
    plugins: dict[str, str]

    def text(self) -> str:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self))


def work(job: Job) -> int:
    """Do a job; return the exit code: 0 done, 1 failed, 3 if the folder cannot be written."""
    try:
        _run(job)
    except (ResultsError, RunFolderError) as error:
        return _failed(job, "disk", str(error))
    except UserError as error:
        # A user's part that ran out of memory raises another error that contains MemoryError.
        return _failed(job, "memory" if isinstance(error.__cause__, MemoryError) else "scenario", str(error))
    except MemoryError as error:
        traceback.print_exc()
        return _failed(job, "memory", f"ran out of memory: {str(error) or 'an allocation failed'}")
    except BaseException as error:  # noqa: BLE001  # whatever happens in a point must not pass unseen
        traceback.print_exc()
        return _failed(job, "crash", f"{type(error).__name__}: {error}")
    return 0


def _run(job: Job) -> None:
    # Imported here: a process that only describes jobs does not load the engine.
    from v2xsim.simulate import run

    scenario = from_data(job.scenario)
    for plugin in scenario.loaded_plugins:
        if job.plugins.get(str(plugin.path)) != plugin.sha256:
            raise UserError(
                f"{plugin.path}: must not change while a sweep runs; it is not what the sweep was planned with"
            )
    if job.tables:
        with staged(Path(job.tables)) as staging:
            results = run(scenario, out=staging, threads=job.threads)
    else:
        results = run(scenario, threads=job.threads)
    try:
        write_atomically(Path(job.result), as_bytes(results.tables["metrics"]))
    except OSError as error:
        raise ResultsError(f"{job.result}: cannot be written: {error.strerror}") from error


def as_bytes(table: pa.Table) -> bytes:
    """Return a table as the content of a file (Arrow IPC)."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _failed(job: Job, kind: str, reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    try:
        write_atomically(Path(job.reason), json.dumps({"kind": kind, "reason": reason}).encode())
    except OSError:
        return 3
    return 3 if kind == "disk" else 1
