"""Simulated time: a SimPy environment in integer microseconds, with an order among events of one instant."""

from collections.abc import Callable
from enum import IntEnum

import simpy


class Order(IntEnum):
    """What comes first at one instant.

    Arrivals come first, so that a message that takes no time is there for whoever acts at that instant.
    """

    ARRIVAL = 2
    TICK = 3
    ANNOUNCE = 4
    MATCH = 5
    FUSE = 6


class Clock:
    """Calls functions at simulated times."""

    def __init__(self, begin_us: int) -> None:
        self.environment = simpy.Environment(initial_time=begin_us)

    @property
    def now_us(self) -> int:
        """The simulated time."""
        return int(self.environment.now)

    def at(self, time_us: int, order: Order, action: Callable[[], None]) -> None:
        """Call an action at a time, among the events of that instant by its order, then first come first served."""
        event = simpy.Event(self.environment)
        event._ok = True
        event._value = None
        event.callbacks.append(lambda _: action())
        # SimPy orders by any integer; its own type names only its two.
        self.environment.schedule(event, priority=order, delay=time_us - self.now_us)  # type: ignore[arg-type]

    def run_until(self, time_us: int) -> None:
        """Run all events up to a time, those at the very time excluded."""
        self.environment.run(until=time_us)
