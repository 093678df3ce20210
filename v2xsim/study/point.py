"""The work of one process of a sweep: run a scenario and store its metrics, or store the reason of a failure."""

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from v2xsim.atomic import write_atomically
from v2xsim.errors import StorageError, UserError, reason_of
from v2xsim.notices import Notice
from v2xsim.results.errors import ResultsError
from v2xsim.runfolder import RunFolderError, staged
from v2xsim.scenario.load import from_data
from v2xsim.scenario.schema import Scenario
from v2xsim.study.point_notices import with_notices


@dataclass(frozen=True)
class Job:
    """The work that one process of a sweep does for one point.

    Attributes:
        key: Key that identifies the point.
        scenario: Scenario of the point with its seed; values that follow from other keys are left out, so that they follow again when
            the manifest of the run is run with other values.
        result: Path of the file for the metrics, which is written in one step.
        tables: Path of the run folder; empty if the tables of the run are not kept.
        log: Path of the file for the printed output.
        reason: Path of the file for the reason of a failure.
        threads: Number of threads of the process.
        timeout_s: Time after which the process is stopped; 0 for no limit.
        memory_bytes: Memory above which the process is stopped; 0 for no limit.
        plugins: Digest of each plug-in file that the scenario lists, by path.
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
    """Do a job; return the exit code of its process: 0 for success, 1 for failure, 3 if the folder cannot be written."""
    try:
        _run(job)
    except (ResultsError, RunFolderError, StorageError) as error:
        return _failed(job, "disk", str(error))
    except UserError as error:
        # A MemoryError in a user's part arrives as the cause of another error.
        return _failed(job, "memory" if isinstance(error.__cause__, MemoryError) else "scenario", str(error))
    except MemoryError as error:
        traceback.print_exc()
        return _failed(job, "memory", f"ran out of memory: {str(error) or 'an allocation failed'}")
    except BaseException as error:  # noqa: BLE001  # whatever happens in a point must not pass unseen
        traceback.print_exc()
        return _failed(job, "crash", f"{type(error).__name__}: {error}")
    return 0


def _run(job: Job) -> None:
    # Imported here, so that a process that only describes jobs does not load the engine.
    from v2xsim.simulate import run

    scenario = scenario_of(job)
    if job.tables:
        with staged(Path(job.tables)) as staging:
            results = run(scenario, out=staging, threads=job.threads)
            # The folder is moved at the end of this block.
            metrics = results.tables["metrics"]
    else:
        results = run(scenario, threads=job.threads, tables=False)
        metrics = results.tables["metrics"]
    store_metrics(job, metrics, results.notices)


def scenario_of(job: Job) -> Scenario:
    """Return the scenario of a job.

    Raises:
        UserError: If the scenario is not valid, or a plug-in file has changed since the sweep was planned.
    """
    scenario = from_data(job.scenario)
    for plugin in scenario.loaded_plugins:
        if job.plugins.get(str(plugin.path)) != plugin.sha256:
            raise UserError(
                f"{plugin.path}: must not change while a sweep runs; it is not what the sweep was planned with"
            )
    return scenario


def store_metrics(job: Job, metrics: pa.Table, notices: Sequence[Notice]) -> None:
    """Write the result of a point.

    Raises:
        ResultsError: If it cannot be written.
    """
    try:
        write_atomically(Path(job.result), as_bytes(with_notices(metrics, notices)))
    except OSError as error:
        raise ResultsError(f"{job.result}: cannot be written: {reason_of(error)}") from error


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
