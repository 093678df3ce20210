"""How long each stage of a run takes: traffic, lidars, links, radio, messages and so on, as seconds of the main thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

REST = "rest"
STAGES = {
    "traffic": "road users of the next tick: SUMO, traces or scripts",
    "stations": "which road users are stations, and the errors of their poses and clocks",
    "scans": "lidars, perception matrices and detections; with several threads, only the time for which the main thread waits for them",
    "links": "path loss, blockage and shadowing of all links",
    "radio": "access to the channel and reception of packets",
    "messages": "announcements, requests, answers and reports: making them, and storing those that arrived",
    "matching": "choice of helpers",
    "tracking": "tracks from own detections",
    "fusion": "fusion of an ego's frame with what arrived, and detection in it; with several threads, often only the collection of what arrived",
    "evaluation": "scores and rows of fused frames; with several threads, only the time for which the main thread waits for them",
    "recording": "rows of all other tables, and checks of the traffic",
    "writing": "moving rows into files, or into compact tables in memory; with several threads, only the part of the main thread",
    "program": "the program's own functions (`on_frame`, `on_tick`), and the display of progress",
    REST: "the event queue, and all that is in no other stage",
}
"""Stages of a run, with what each of them covers."""


class _Stage:
    """Context manager of one stage."""

    __slots__ = ("_name", "_stages")

    def __init__(self, stages: "Stages", name: str) -> None:
        self._stages, self._name = stages, name

    def __enter__(self) -> None:
        self._stages.enter(self._name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stages.leave()


class Stages:
    """Adds up the time of each stage; a stage within another one interrupts it, so that no time counts twice.

    Each `with` block reads a clock twice, so use it for work that takes microseconds or more, not for single packets.

    Example:
        with stages.counted():
            with stages.radio:
                air.settle()

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._open: list[str] = []
        self._since = 0.0
        self._main_cpu_s = self._all_cpu_s = 0.0
        of = {name: _Stage(self, name) for name in STAGES}
        self.traffic, self.stations, self.scans, self.links = (of[n] for n in ("traffic", "stations", "scans", "links"))
        self.radio, self.messages, self.matching = of["radio"], of["messages"], of["matching"]
        self.tracking, self.fusion, self.evaluation = of["tracking"], of["fusion"], of["evaluation"]
        self.recording, self.writing, self.program = of["recording"], of["writing"], of["program"]

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of a block: its time in no other stage belongs to the stage `rest`. Time outside such blocks is not counted."""
        main_s, all_s = time.thread_time(), time.process_time()
        self.enter(REST)
        try:
            yield
        finally:
            self.leave()
            self._main_cpu_s += time.thread_time() - main_s
            self._all_cpu_s += time.process_time() - all_s

    def enter(self, name: str) -> None:
        """Begin a stage."""
        now = self._clock()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._open.append(name)
        self._since = now

    def leave(self) -> None:
        """End the present stage, and go on with the one that it interrupted."""
        now = self._clock()
        self.seconds[self._open.pop()] += now - self._since
        self._since = now

    def timing(self) -> dict[str, float]:
        """Return the seconds of each stage, and the processor time of the main thread and of all other threads together."""
        return {
            **{f"stage_{name}_s": seconds for name, seconds in self.seconds.items()},
            "main_cpu_s": self._main_cpu_s,
            "threads_cpu_s": max(self._all_cpu_s - self._main_cpu_s, 0.0),
        }
