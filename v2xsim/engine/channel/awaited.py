"""The packets that stations wait for, and the instants at which the radio looks whether they have arrived.

A station acts on an awaited packet at the first whole QUANTUM_US of simulated time that is not before the packet's end. These
instants are the same for all stations, so that no station acts earlier or later because others wait, too. If the access layer
knows when a packet ends, the instants before are skipped. Otherwise the radio looks at each of them.

A watched packet is one that nobody awaited when it was sent, but on which a relay acts now; from then on it is awaited, too.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.clock import Clock, Order

QUANTUM_US = 500

_NEVER_US = 2**62


class Awaited:
    """The awaited packets on their way; plans the instants at which the radio looks for them.

    Args:
        clock: Clock of the run.
        submit: Function that gives new packets to the access layer; it calls `submitted` with them.
        settle: Function that delivers all packets that have arrived; it calls `remove` with them.
    """

    def __init__(self, clock: Clock, submit: Callable[[], None], settle: Callable[[], None]) -> None:
        self._clock, self._submit, self._settle = clock, submit, settle
        self._numbers: set[int] = set()
        # End of each packet on its way, -1 if it is unknown.
        self._end_us: dict[int, int] = {}
        # End and number of each awaited packet, earliest first. Packets that have arrived leave it late.
        self._ends: list[tuple[int, int]] = []
        self._look_us = _NEVER_US
        self._plans_soon = False

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int) -> None:
        """Add a packet that the access layer gets next."""
        self._numbers.add(number)
        self._plan_soon()

    def watch(self, numbers: Iterable[int]) -> None:
        """Await some packets that are on their way already."""
        new = set(numbers) - self._numbers
        if new:
            self._numbers |= new
            for number in new & self._end_us.keys():
                heappush(self._ends, (self._end_us[number], number))
            self._plan_soon()

    def submitted(self, numbers: Sequence[int], ends_us: Int64[np.ndarray, " packets"] | None) -> None:
        """Note when packets end, awaited and other ones; None if the access layer does not know."""
        for number, end_us in zip(numbers, [-1] * len(numbers) if ends_us is None else ends_us.tolist(), strict=True):
            self._end_us[number] = end_us
            if number in self._numbers:
                heappush(self._ends, (end_us, number))

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove packets that have arrived or cannot arrive any more."""
        for number in numbers:
            self._end_us.pop(number, None)
        self._numbers.difference_update(numbers)

    def _plan_soon(self) -> None:
        # The packets of one instant are given to the access layer together.
        if not self._plans_soon:
            self._plans_soon = True
            self._clock.call(self._clock.now_us, Order.ARRIVAL, self._plan)

    def _plan(self) -> None:
        """Plan the next look: at the first instant at which a packet may have ended."""
        self._plans_soon = False
        if not self._numbers:
            return
        self._submit()
        next_us = (self._clock.now_us // QUANTUM_US + 1) * QUANTUM_US
        look_us = max(next_us, -(-self._earliest_end_us() // QUANTUM_US) * QUANTUM_US)
        if look_us < min(self._look_us, _NEVER_US):
            self._look_us = look_us
            self._clock.call(look_us, Order.ARRIVAL, self._look)

    def _earliest_end_us(self) -> int:
        """Return the earliest end of an awaited packet, -1 if one is unknown; very late if none can arrive."""
        while self._ends:
            end_us, number = self._ends[0]
            # A packet that should have arrived will not: its sender left before it was sent.
            if number in self._numbers and not -1 < end_us <= self._clock.now_us:
                return end_us
            heappop(self._ends)
        return _NEVER_US

    def _look(self) -> None:
        if self._clock.now_us != self._look_us:
            return  # Another look was planned meanwhile.
        self._look_us = _NEVER_US
        # Packets that are added meanwhile are planned below.
        self._plans_soon = True
        self._settle()
        self._plan()
