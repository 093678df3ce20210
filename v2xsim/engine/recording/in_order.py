"""Work that is done in the order in which it comes, on other threads, so that the simulation need not wait for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread, current_thread

from v2xsim.engine.workers import Workers

# Pieces of work that may wait. More would take memory and gain nothing.
_MOST_WAITING = 2


class InOrder:
    """Does pieces of work one after the other. After an exception, later work is left undone: it may need what the earlier one lacks.

    Args:
        workers: Threads that do the work beside other work; if there are none, it is done at once.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers if workers.count else None
        self._waiting: deque[Future[None]] = deque()
        # Work that no thread has begun, whether a thread has been asked to do some, and the thread that is at work.
        self._queue: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._is_asked = False
        self._at_work: Thread | None = None
        self._failure: BaseException | None = None
        self._lock = Lock()

    def do(self, work: Callable[[], None]) -> None:
        """Do a piece of work after all earlier ones; an exception in an earlier one is raised here or in `wait`."""
        if self._workers is None:
            work()
            return
        while len(self._waiting) >= _MOST_WAITING or (self._waiting and self._waiting[0].done()):
            self._take_first()
        future: Future[None] = Future()
        self._waiting.append(future)
        with self._lock:
            self._queue.append((work, future))
        self._ask()

    def wait(self) -> None:
        """Wait until all work is done."""
        while self._waiting:
            self._take_first()

    def close(self) -> None:
        """Wait for work that has begun; other work is left undone, and later work is done at once."""
        self._workers = None
        with self._lock:
            for _, future in self._queue:
                future.cancel()
            self._queue.clear()
        for future in self._waiting:
            # What this thread was at when Ctrl-C came is never done.
            if not future.cancelled() and self._at_work not in (None, current_thread()):
                future.exception()
        self._waiting.clear()

    def _take_first(self) -> None:
        """Wait for the oldest piece of work; if nobody has begun it, because all threads do other work, do it here."""
        if not self._waiting[0].done():
            self._work()
        done = self._waiting.popleft()
        if self._workers is not None:
            self._workers.result(done)
        else:
            done.result()

    def _ask(self) -> None:
        """Ask a thread to do a piece of work, if there is one and none has been asked."""
        with self._lock:
            asks = bool(self._queue) and not self._is_asked and self._at_work is None
            self._is_asked |= asks
        if asks and self._workers is not None:
            self._workers.submit(self._answer)

    def _answer(self) -> None:
        with self._lock:
            self._is_asked = False
        self._work()

    def _work(self) -> None:
        """Do one piece of work, if none is being done. What waits goes behind other work of the threads: the simulation may wait for that."""
        with self._lock:
            if self._at_work is not None or not self._queue:
                return
            self._at_work = current_thread()
            work, future = self._queue.popleft()
        stopped = None
        try:
            if self._failure is None:
                work()
        except BaseException as failure:  # noqa: BLE001  # whoever waits for the work gets it
            self._failure = failure
            stopped = None if isinstance(failure, Exception) else failure
        if self._failure is not None:
            future.set_exception(self._failure)
        else:
            future.set_result(None)
        with self._lock:
            self._at_work = None
        if stopped is not None:
            # Ctrl-C comes to the main thread whatever it does, and also ends what that does.
            raise stopped
        self._ask()
