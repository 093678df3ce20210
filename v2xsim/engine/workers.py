"""The threads of a run that work beside its main thread."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")


class Workers:
    """Threads that cast lidars, score frames and store rows while the main thread runs the events.

    All work goes through one queue. With more busy threads than processors, the main thread, on which all others wait in the end, would
    only get its share of a processor. The main thread does work of the queue itself while it waits for a result.

    Args:
        threads: Number of threads of the run, the main thread included.

    Attributes:
        count: Number of threads beside the main thread.
    """

    def __init__(self, threads: int) -> None:
        self.count = max(threads - 1, 0)
        self._pool = ThreadPoolExecutor(self.count) if self.count else None
        # Work that no thread has begun.
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> Future[_T]:
        """Let a thread do some work after what was submitted earlier; without other threads, do it now."""
        done: Future[_T] = Future()
        if self._pool is None:
            done.set_result(work(*arguments, **named))
            return done
        self._waiting.append((done, partial(work, *arguments, **named)))
        self._pool.submit(self._do_next)
        return done

    def result(self, awaited: Future[_T]) -> _T:
        """Return the result of some work; until it is there, do work that no thread has begun."""
        while not awaited.done() and self._do_next():
            pass
        return awaited.result()

    def _do_next(self) -> bool:
        """Do the work that waits longest; return whether there was any."""
        try:
            done, work = self._waiting.popleft()
        except IndexError:
            return False
        if done.set_running_or_notify_cancel():
            try:
                result = work()
            except BaseException as failure:
                # Whoever waits for the result gets it. Ctrl-C, which comes to the main thread whatever it does, also ends what that does.
                done.set_exception(failure)
                if not isinstance(failure, Exception):
                    raise
            else:
                done.set_result(result)
        return True

    def close(self) -> None:
        """Wait for work that has begun, and end all threads; other work is left undone."""
        for done, _ in self._waiting:
            done.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
