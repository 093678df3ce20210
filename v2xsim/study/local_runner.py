"""Runs the points of a sweep on this machine, several at a time, by a fork server that starts a process for each."""

import contextlib
import json
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from v2xsim.children import environment, python
from v2xsim.errors import UserError
from v2xsim.study.outcome import Outcome, outcome_of, outcomes_of
from v2xsim.study.point import Job


class ForkServer:
    """Connection to a fork server (v2xsim.study.fork_server), which runs each job, or some jobs together, in a process of its own.

    Attributes:
        again: Jobs of a process of several that ended without an outcome of theirs; they must run again alone.
        may_join: Whether jobs should still run together: no process of several was killed, or stopped for its memory.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        # By the key of the first job of a process.
        self._jobs: dict[str, tuple[Job, ...]] = {}
        self.again: deque[Job] = deque()
        self.may_join = True
        self._process = self._started()

    def start(self, job: Job, *others: Job) -> None:
        """Send a job to the fork server, which starts it at once, and others that run in the same process."""
        self._jobs[job.key] = (job, *others)
        order = {"job": json.loads(job.text())}
        self._tell(order | {"others": [json.loads(other.text()) for other in others]} if others else order)

    @property
    def running(self) -> int:
        """Number of processes that are running."""
        return len(self._jobs)

    def ended(self, wait_s: float) -> list[Outcome]:
        """Return the outcomes of the jobs that have ended; if none has, wait for one up to `wait_s`."""
        outcomes = []
        for answer in self._answers(wait_s):
            jobs = self._jobs.pop(answer["key"], ())
            if len(jobs) > 1:
                done, again = outcomes_of(jobs, answer)
                outcomes += done
                self.again += again
                # Points apart take less memory at once.
                self.may_join &= not answer["signal"] and not answer["stopped"]
            else:
                outcomes += [outcome_of(job, answer) for job in jobs]
        if self._process.poll() is not None:
            outcomes += self._after_death()
        return outcomes

    def close(self) -> None:
        """End the fork server and all processes that it started."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            python("-m", "v2xsim.study.fork_server"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(self._threads),
            # Ctrl-C must reach only the process that runs the sweep, which then ends the fork server.
            start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._part = b""
        return process

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # The pipe is broken: `ended` will notice that the server has died and report all its jobs as lost.

    def _answers(self, wait_s: float) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        if not self._selector.select(wait_s):
            return
        while True:
            more = self._process.stdout.read(1 << 20)
            if not more:
                break
            self._part += more
        *lines, self._part = self._part.split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if "key" in answer:
                yield answer

    def _after_death(self) -> list[Outcome]:
        """Return outcomes that report all jobs of a dead fork server as lost, and start a new server."""
        code = self._process.returncode
        lost = [
            Outcome(
                job.key,
                "killed",
                f"the fork server ended ({code}), and this point with it",
                0.0,
                0.0,
                0,
            )
            for jobs in self._jobs.values()
            for job in jobs
        ]
        if not lost:
            raise UserError(f"points cannot be started: the fork server ended with exit code {code}")
        self._jobs.clear()
        self._selector.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for pipe in (self._process.stdin, self._process.stdout):
            # Data that was not sent yet is lost with the process, so errors in closing the pipe do not matter.
            with contextlib.suppress(OSError):
                pipe.close()
        self._process = self._started()
        return lost


def run_locally(groups: Iterable[Sequence[Job]], workers: int, threads: int) -> Generator[Outcome, None, None]:
    """Run jobs on this machine and yield the outcome of each when it ends.

    Args:
        groups: Jobs to run; those of a group run in one process. A job that fails there, or that ends with the process, runs again alone.
        workers: Number of processes that run at the same time.
        threads: Number of threads of each process.
    """
    waiting = iter(groups)
    with ForkServer(threads) as server:
        more = True
        while more or server.running or server.again:
            while (more or server.again) and server.running < workers:
                group = (server.again.popleft(),) if server.again else next(waiting, None)
                if group is None:
                    more = False
                elif server.may_join:
                    server.start(*group)
                else:
                    server.start(group[0])
                    server.again.extend(group[1:])
            if server.running:
                yield from server.ended(1.0)
