"""Simulated time: a SimPy environment in integer microseconds, with an order among events of one instant."""

from collections.abc import Callable, Generator
from enum import IntEnum

import simpy

Process = Generator[simpy.Event, None, None]
"""A generator that yields the events it waits for, from `Clock.at` and `Clock.after`."""


class Order(IntEnum):
    """What comes first at one instant.

    Arrivals come first, so that a message that takes no time is there for whoever acts at that instant. SimPy itself uses 0
    and 1, for processes that begin or fail: both come before anything else at that instant.
    """

    ARRIVAL = 2
    TICK = 3
    ANNOUNCE = 4
    MATCH = 5
    FUSE = 6


class _ProcessError(Exception):
    """A process failed; the clock holds the reason."""


class Clock:
    """Runs processes in simulated time."""

    def __init__(self, begin_us: int) -> None:
        self._environment = simpy.Environment(initial_time=begin_us)
        self._failure: BaseException | None = None

    @property
    def now_us(self) -> int:
        """The simulated time."""
        return int(self._environment.now)

    def at(self, time_us: int, order: Order) -> simpy.Event:
        """Return the event at which a process goes on: at a time, among the events of that instant by its order.

        Events of one time and order happen in the order in which they were asked for.
        """
        # A plain event rather than a Timeout: only here can the order among events of one instant be given.
        event = simpy.Event(self._environment)
        event._ok = True
        event._value = None
        # SimPy orders by any integer; its own type names only its two.
        self._environment.schedule(event, priority=order, delay=time_us - self.now_us)  # type: ignore[arg-type]
        return event

    def after(self, delay_us: int, order: Order) -> simpy.Event:
        """Return the event at which a process goes on: a time from now, by its order."""
        return self.at(self.now_us + delay_us, order)

    def event(self) -> simpy.Event:
        """Return an event that a process can wait for and another part makes happen by its `succeed`."""
        return self._environment.event()

    def call(self, time_us: int, order: Order, action: Callable[[], None]) -> None:
        """Call an action once at a time, by its order."""
        self.at(time_us, order).callbacks.append(lambda _: action())

    def start(self, process: Process) -> None:
        """Start a process now. An exception in it ends `run_until`, which raises it unchanged."""
        self._environment.process(self._watched(process))

    def run_until(self, time_us: int) -> None:
        """Run all events up to a time, those at that very time excluded."""
        try:
            self._environment.run(until=time_us)
        except _ProcessError:
            assert self._failure is not None
            raise self._failure from None

    def _watched(self, process: Process) -> Process:
        # SimPy raises a copy of a process's exception, made from its arguments alone; some exceptions cannot be copied so.
        try:
            yield from process
        except GeneratorExit:  # A run that ended leaves processes behind that still wait.
            raise
        except BaseException as failure:  # noqa: BLE001  (`run_until` raises it)
            self._failure = failure
            raise _ProcessError from None
