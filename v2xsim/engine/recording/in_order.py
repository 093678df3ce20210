"""Work that is done in the order in which it comes, on a thread of its own, so that the simulation need not wait for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

# Pieces of work that may wait. More would take memory and gain nothing.
_MOST_WAITING = 2


class InOrder:
    """Does pieces of work one after the other.

    Args:
        on_thread: Whether a thread of its own does the work; otherwise it is done at once.
    """

    def __init__(self, on_thread: bool) -> None:
        self._thread = ThreadPoolExecutor(1) if on_thread else None
        self._waiting: deque[Future[None]] = deque()

    def do(self, work: Callable[[], None]) -> None:
        """Do a piece of work after all earlier ones; an exception in an earlier one is raised here or in `wait`."""
        if self._thread is None:
            work()
            return
        while len(self._waiting) >= _MOST_WAITING or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(work))

    def wait(self) -> None:
        """Wait until all work is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread; work that has not begun is left undone, and later work is done at once."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._thread = None
