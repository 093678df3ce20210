"""Work that is done in the order in which it comes, on other threads, so that the simulation need not wait for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from v2xsim.engine.workers import Workers

# Pieces of work that may wait. More would take memory and gain nothing.
_MOST_WAITING = 2


class InOrder:
    """Does pieces of work one after the other.

    Args:
        workers: Threads that do the work beside other work; if there are none, it is done at once.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers if workers.count else None
        self._waiting: deque[Future[None]] = deque()
        # Work that no thread has begun, and whether a thread is at work or will be.
        self._queue: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._is_active, self._lock = False, Lock()

    def do(self, work: Callable[[], None]) -> None:
        """Do a piece of work after all earlier ones; an exception in an earlier one is raised here or in `wait`."""
        if self._workers is None:
            work()
            return
        while len(self._waiting) >= _MOST_WAITING or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        future: Future[None] = Future()
        self._waiting.append(future)
        with self._lock:
            self._queue.append((work, future))
            begins, self._is_active = not self._is_active, True
        if begins:
            self._workers.submit(self._work)

    def wait(self) -> None:
        """Wait until all work is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Wait for work that has begun; other work is left undone, and later work is done at once."""
        self._workers = None
        with self._lock:
            for _, future in self._queue:
                future.cancel()
            self._queue.clear()
        for future in self._waiting:
            if not future.cancelled():
                future.exception()
        self._waiting.clear()

    def _work(self) -> None:
        """Do one piece of work. What waits goes behind other work of the threads, for which the simulation may be waiting."""
        with self._lock:
            if not self._queue:
                self._is_active = False
                return
            work, future = self._queue.popleft()
        try:
            work()
        except BaseException as failure:  # noqa: BLE001  # whoever waits for the work gets it
            future.set_exception(failure)
        else:
            future.set_result(None)
        workers = self._workers
        if workers is not None:
            workers.submit(self._work)
