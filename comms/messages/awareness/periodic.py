"""Awareness messages at a fixed rate, delayed where congestion control demands it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator
from v2xsim.parts import AtLeast, AtMost, part

# A station that has never sent counts as having sent this long ago: longer than congestion control ever makes a
# station wait.
_NEVER_US = 1_000_000


@part("periodic")
@dataclass(frozen=True)
class Periodic(AwarenessRule):
    """Every station sends awareness messages at the same fixed rate.

    Attributes:
        rate_hz: Messages per second.
    """

    rate_hz: Annotated[float, AtLeast(0.001), AtMost(100), "Awareness messages that each station sends per second"] = (
        10.0
    )

    @property
    def check_us(self) -> int:
        """Time between two checks of a station: the period."""
        return round(self.longest_us)

    @property
    def longest_us(self) -> float:
        """Longest interval between two messages: the period."""
        return 1e6 / self.rate_hz

    def generator(self) -> Generator:
        """Return the state of a run: when each station sent last."""
        return _Sent()


class _Sent:
    """When each station sent last; stored only while congestion control limits the rate."""

    def __init__(self) -> None:
        self._last_us: dict[int, int] = {}

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        due = np.ones(len(view.agent), bool)
        # Without limits every station is due at every check, so no memory is needed.
        if view.wait_us.any():
            last = np.array([self._last_us.get(agent, -_NEVER_US) for agent in view.agent.tolist()])
            due = view.now_us - last >= view.wait_us
            self._last_us.update(dict.fromkeys(view.agent[due].tolist(), view.now_us))
        return due
