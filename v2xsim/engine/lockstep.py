"""What runs that advance tick by tick in turn, in one process, compute once: everything on which messages have no influence."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from v2xsim.engine.workers import Workers

_T = TypeVar("_T")


class Newest(Generic[_T]):
    """The results of a computation at the newest ticks; the first run that asks computes a tick, and the others get the same result.

    Args:
        kept: Number of ticks whose results are kept; older ones are forgotten.
    """

    def __init__(self, kept: int) -> None:
        self._kept, self._at = kept, dict[int, _T]()
        self._failure: BaseException | None = None

    def at(self, time_us: int, compute: Callable[[], _T]) -> _T:
        """Return the result at a tick.

        Args:
            time_us: Simulated time of the tick; not before the oldest of those that are kept.
            compute: Function that computes the result. It is called once for each tick, whoever asks.
        """
        if self._failure is not None:
            # The computation has been interrupted, so that no later tick would be right.
            raise self._failure
        if time_us not in self._at:
            if self._at and time_us < max(self._at):
                raise RuntimeError(f"runs must advance in lockstep; the tick at {time_us} us is forgotten")
            try:
                result = compute()
            except BaseException as failure:
                self._failure = failure
                raise
            self._at[time_us] = result
            while len(self._at) > self._kept:
                del self._at[next(iter(self._at))]
        return self._at[time_us]


class Lockstep:
    """The ticks and the parts that several runs have in common; a run alone has one for itself.

    Args:
        threads: Number of threads of all runs together, the main thread included.
        runs: Number of the runs.

    Attributes:
        runs: Number of the runs.
        workers: The threads beside the main thread.
        begun: Ticks whose computation has started. A run begins a tick before it enters the one before, so two are kept.
        instants: The world at the present tick, with its links, and at the next one if a bound of relaying looks ahead.
    """

    def __init__(self, threads: int, runs: int = 1) -> None:
        self.runs = runs
        self.workers = Workers(threads)
        self.begun, self.instants = Newest[Any](2), Newest[Any](2)
        self._parts: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return a part that all runs use; the first that asks makes it.

        Args:
            key: Name of the part, with all on which it depends and in which the runs may differ.
            make: Function that makes the part.
        """
        if key not in self._parts:
            self._parts[key] = make()
        part: _T = self._parts[key]
        return part

    def close(self) -> None:
        """Stop all threads; a second call does nothing."""
        self.workers.close()
