"""The threads of a run that work beside its main thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")


class Workers:
    """Threads that cast lidars, score frames and store rows while the main thread runs the events.

    All work goes through one queue. With more busy threads than processors, the main thread, on which all others wait in the end, would
    only get its share of a processor.

    Args:
        threads: Number of threads of the run, the main thread included.

    Attributes:
        count: Number of threads beside the main thread.
    """

    def __init__(self, threads: int) -> None:
        self.count = max(threads - 1, 0)
        self._pool = ThreadPoolExecutor(self.count) if self.count else None

    def submit(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> Future[_T]:
        """Let a thread do some work after what was submitted earlier; without other threads, do it now."""
        if self._pool is not None:
            return self._pool.submit(work, *arguments, **named)
        done: Future[_T] = Future()
        done.set_result(work(*arguments, **named))
        return done

    def close(self) -> None:
        """Wait for work that has begun, and end all threads; other work is left undone."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
