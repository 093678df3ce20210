"""Traffic in a process of its own, which computes the next instant while the run works on the present one.

SUMO's step holds the lock of Python's interpreter: in the process of the run, no other thread could go on meanwhile.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from typing import IO, Any

from v2xsim.children import environment, python
from v2xsim.mobility.base import Bounds, Mobility, MobilityError, Names, Progress
from v2xsim.mobility.piped import Message, receive, send
from v2xsim.mobility.sumo_session import SumoSession
from v2xsim.notices import Notice
from v2xsim.records import Bodies, Boxes
from v2xsim.scenario.schema_world import Run, Traffic
from v2xsim.world.roads import Roads
from v2xsim.world.snapshot import Snapshot

# Time for the process to end SUMO and to remove its temporary files, after which it is killed.
_END_S = 3.0
# Time for it to see that it shall end.
_LOOK_S = 0.3

_WITHOUT = "with one thread (`threads=1` of `v2xsim.run`), SUMO runs in the process of the run"


class AheadMobility(Mobility):
    """Traffic that SUMO simulates, computed one step ahead by another process; nobody can steer it.

    It gives the same snapshots, names, roads and notices as the source of traffic in this process.
    """

    def __init__(self, traffic: Traffic, run: Run, names: Names) -> None:
        """Start the process, which takes about a second to start its source of traffic. The first call of a method waits for that.

        Args:
            traffic: Source of traffic, simulated by SUMO.
            run: Time span and seed of the run.
            names: Register of names of the run. All that is in it must have been registered before; from now on, only this object
                registers names.

        Raises:
            MobilityError: If a simulation of SUMO is open in this process.
        """
        super().__init__(names)
        # A second one could run, but not in a run with one thread.
        SumoSession.refuse_second(str(traffic.sumocfg or f"traffic.{traffic.source}"))
        self._step_us, begin_us = round(run.step_s * 1e6), round(run.begin_s * 1e6)
        self._end_us = begin_us + round(run.duration_s * 1e6 / self._step_us) * self._step_us
        try:
            self._process, self._answers = _started()
        except OSError as error:
            raise MobilityError(f"the process of the traffic does not start ({error.strerror}); {_WITHOUT}") from error
        _OPEN.add(self)
        self._end = weakref.finalize(self, _ended, self._process, self._answers, os.getpid())
        # Instant of which the snapshot is being computed, and the latest snapshot.
        self._asked_us: int | None = None
        self._last: Snapshot | None = None
        self._bounds: Bounds | None = None
        known = [(names.name_of(agent), names.owner_of(agent)) for agent in range(len(names))]
        try:
            self._ask(
                "open", traffic=traffic.model_dump(mode="json", exclude_unset=True),
                run=run.model_dump(mode="json", exclude_unset=True), names=known,
            )  # fmt: skip
        except BaseException:
            self.close()
            raise

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions that road users can have."""
        if self._bounds is None:
            self._bounds = tuple(self._answer()[0]["bounds"])
        return self._bounds

    def warm_up(self, until_us: int, progress: Progress | None = None) -> None:
        """Advance the traffic to an instant without reading states."""
        self._start()
        self._ask("warm_up", until_us=until_us)
        while "done" not in (answer := self._answer()[0]):
            if progress is not None:
                progress(answer["progress_us"])

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users at one instant, by rising agent id, and let the next instant be computed."""
        if self._last is not None and time_us <= self._last.time_us:
            if time_us == self._last.time_us:
                return self._last
            raise ValueError(f"instants must rise; {time_us} us came after {self._last.time_us} us")
        self._start()
        if self._asked_us is None:
            self._ask_for(time_us)
        elif self._asked_us != time_us:
            raise ValueError(
                f"instants must follow each other by {self._step_us} us; {time_us} us came, not {self._asked_us} us"
            )
        content, arrays = self._answer()
        self._asked_us = None
        for name, owner in content["names"]:
            self.names.register(name, owner)
        agent, kind, center, size, yaw, velocity, antenna, owner, *parts = arrays
        self._last = Snapshot(
            time_us, agent, kind, Boxes(center, size, yaw), velocity, antenna, Bodies(Boxes(*parts), owner)
        )
        if time_us + self._step_us < self._end_us:
            self._ask_for(time_us + self._step_us)
        return self._last

    def roads(self) -> Roads:
        """Return the roads of the traffic; only before the first snapshot or after the last."""
        content, (kind, users, width_m, points_m, offset, limit_mps) = self._asked("roads")
        return Roads(tuple(content["names"]), kind, users, width_m, points_m, offset, limit_mps)

    def notices(self) -> tuple[Notice, ...]:
        """Return what the source has left out, repaired or assumed; only before the first snapshot or after the last.

        If the other process has ended after the last snapshot, the run has all that it needs but these notices.
        """
        try:
            told = self._asked("notices")[0]["notices"]
        except MobilityError as error:
            told = [("traffic.notices_lost", 1, f"what SUMO reported during the run is not known: {error}")]
        return tuple(Notice(subject, count, text) for subject, count, text in told)

    def close(self) -> None:
        """End the other process; a second call does nothing."""
        self._end()

    def _start(self) -> None:
        """Wait until the source of traffic has started.

        Raises:
            MobilityError: If it cannot start.
        """
        _ = self.bounds

    def _ask_for(self, time_us: int) -> None:
        self._ask("snapshot", time_us=time_us)
        self._asked_us = time_us

    def _asked(self, question: str) -> Message:
        assert self._asked_us is None, "the traffic is being computed"
        self._start()
        self._ask(question)
        return self._answer()

    def _ask(self, question: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        if not self._end.alive:
            raise MobilityError("the traffic is closed")
        # If the process has ended, the answer that does not come tells it.
        with suppress(BrokenPipeError):
            send(self._process.stdin, {"question": question, **arguments})

    def _answer(self) -> Message:
        """Return the answer of the process; raise its error."""
        answer = receive(self._answers)
        if answer is None:
            raise MobilityError(f"the process of the traffic ended {_how(self._process)}; {_WITHOUT}")
        if "error" in answer[0]:
            raise MobilityError(answer[0]["error"])
        if "failure" in answer[0]:
            raise RuntimeError(f"the process of the traffic failed:\n{answer[0]['failure']}")
        return answer


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe, with numbers that no standard stream of a program has, also if this one has none."""
    ends = os.pipe()
    try:
        reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    finally:
        for end in ends:
            os.close(end)
    return reading, writing


def _started() -> tuple["subprocess.Popen[bytes]", IO[bytes]]:
    """Start the process; return it with the pipe on which it answers.

    It imports what this process could import, and has the same folder for temporary files.
    """
    # On a pipe of their own: what else a process prints when Python starts is no answer.
    reading, writing = _pipe()
    # Without the folder of the program, whose files may have names of libraries.
    program = {os.getcwd(), os.path.dirname(os.path.abspath(sys.argv[0] if sys.argv else ""))}
    paths = [path for path in map(os.path.abspath, filter(None, sys.path)) if path not in program]
    own = environment()
    try:
        process = subprocess.Popen(
            python("-m", "v2xsim.mobility.traffic_process", str(writing)), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            pass_fds=[writing],
            env=own | {"PYTHONPATH": os.pathsep.join([own["PYTHONPATH"], *paths]), "TMPDIR": tempfile.gettempdir()},
            # Ctrl-C must reach only this process, which then ends the other one.
            start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, os.fdopen(reading, "rb")


def _how(process: "subprocess.Popen[bytes]") -> str:
    """Return how a process ended whose answers have ended."""
    try:
        code = process.wait(_END_S)
    except subprocess.TimeoutExpired:
        return "its answers"
    return f"with signal {-code}" if code < 0 else f"with exit code {code}"


def _ended(process: "subprocess.Popen[bytes]", answers: IO[bytes], owner: int) -> None:
    """End a process; in a forked copy of the process that started it, do nothing."""
    if owner != os.getpid():
        return
    assert process.stdin is not None
    # First the pipe that it writes to: it may be waiting there. Then it is told to end, because forked copies of this process may hold the
    # pipe that it reads.
    with suppress(OSError):
        answers.close()
    with suppress(OSError, ValueError):
        send(process.stdin, {"question": "end"})
    with suppress(OSError):
        process.stdin.close()
    # It may be building a road or computing a step, and has not looked at the pipe yet.
    for wait_s, ask in ((_LOOK_S, process.terminate), (_END_S, process.kill)):
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            ask()
    process.wait()


def _leave_in_copy() -> None:
    """Close the pipes in a forked copy of this process: otherwise, the other process would live as long as the copy."""
    for traffic in _OPEN:
        for pipe in (traffic._answers, traffic._process.stdin):
            if pipe is not None and not pipe.closed:
                # The number stays valid, for the objects that hold it.
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, pipe.fileno())
                os.close(nothing)


# Traffic of this process whose other process may run.
_OPEN: weakref.WeakSet[AheadMobility] = weakref.WeakSet()
os.register_at_fork(after_in_child=_leave_in_copy)
