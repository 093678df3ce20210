"""Simulated time in integer microseconds, kept by a SimPy environment, with a fixed order of events at the same instant."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from enum import IntEnum

import simpy

Process = Generator[simpy.Event, None, None]
"""A generator that yields the events it waits for, from `Clock.at` and `Clock.after`."""


class Order(IntEnum):
    """The order of events at the same instant, lowest first.

    Arrivals come first, so that a station that acts at an instant has all messages that arrive at that instant. SimPy
    itself uses the orders 0 and 1, for processes that begin or fail; both come before all other events.
    """

    ARRIVAL = 2
    TICK = 3
    ANNOUNCE = 4
    MATCH = 5
    FUSE = 6


class _ProcessError(Exception):
    """Raised when a process fails; the clock holds the exception of that process."""


class Clock:
    """Runs processes in simulated time."""

    def __init__(self, begin_us: int) -> None:
        self._environment = simpy.Environment(initial_time=begin_us)
        self._failure: BaseException | None = None

    @property
    def now_us(self) -> int:
        """The present simulated time."""
        return int(self._environment.now)

    def at(self, time_us: int, order: Order) -> simpy.Event:
        """Return an event at a simulated time, for which a process can wait.

        Args:
            time_us: Simulated time of the event, not before the present.
            order: Order among the events of the same time; events of the same order happen in the order of their creation.
        """
        # A plain event, because SimPy's Timeout does not take an order.
        event = simpy.Event(self._environment)
        event._ok = True
        event._value = None
        # SimPy accepts any integer as priority, but its type hint names only two.
        self._environment.schedule(event, priority=order, delay=time_us - self.now_us)  # type: ignore[arg-type]
        return event

    def after(self, delay_us: int, order: Order) -> simpy.Event:
        """Return an event that happens `delay_us` from now, for which a process can wait; `order` as in `at`."""
        return self.at(self.now_us + delay_us, order)

    def event(self) -> simpy.Event:
        """Return an event for which a process can wait until other code calls the event's `succeed`."""
        return self._environment.event()

    def call(self, time_us: int, order: Order, action: Callable[[], None]) -> None:
        """Call a function once at a simulated time; `order` as in `at`."""
        self.at(time_us, order).callbacks.append(lambda _: action())

    def start(self, process: Process) -> None:
        """Start a process now. An exception in it ends `run_until`, which raises it unchanged."""
        self._environment.process(self._watched(process))

    def run_until(self, time_us: int) -> None:
        """Run all events before a simulated time; events at that time itself do not run."""
        with self._failures():
            self._environment.run(until=time_us)

    def run_through(self, time_us: int) -> None:
        """Run all events up to a simulated time, those at that time too; the present is then the time of the last of them."""
        with self._failures():
            while self._environment.peek() <= time_us:
                self._environment.step()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise the exception of a failed process unchanged."""
        try:
            yield
        except _ProcessError:
            assert self._failure is not None
            raise self._failure from None

    def _watched(self, process: Process) -> Process:
        # SimPy raises a copy of a process's exception, made from its arguments alone, and some exceptions cannot be
        # copied that way. So the original is raised here.
        try:
            yield from process
        except GeneratorExit:  # At the end of a run, Python closes the processes that still wait.
            raise
        except BaseException as failure:  # noqa: BLE001  (`run_until` raises it)
            self._failure = failure
            raise _ProcessError from None
