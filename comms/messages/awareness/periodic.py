"""Awareness messages at a fixed rate, delayed if congestion control requires it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator
from v2xsim.comms.pairs import carried, kept_rows
from v2xsim.parts import AtLeast, AtMost, part

# A station that has never sent counts as having sent this long ago: longer than the longest wait that congestion
# control sets.
_NEVER_US = 1_000_000


@part("periodic")
@dataclass(frozen=True)
class Periodic(AwarenessRule):
    """Every station sends awareness messages at the same fixed rate.

    Attributes:
        rate_hz: Messages per second of each station.
    """

    rate_hz: Annotated[float, AtLeast(0.001), AtMost(100), "Awareness messages that each station sends per second"] = (
        10.0
    )

    @property
    def check_us(self) -> int:
        """Time in us between two checks whether a station sends: the period."""
        return round(self.longest_us)

    @property
    def longest_us(self) -> float:
        """Longest interval in us between two messages of a station: the period."""
        return 1e6 / self.rate_hz

    def generator(self) -> Generator:
        """Return a new generator, which stores when each station sent last."""
        return _Sent()


class _Sent:
    """Time at which each station sent last; stored only while congestion control limits the rate, and while it matters."""

    def __init__(self) -> None:
        self._agent, self._last_us = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        due = np.ones(len(view.agent), bool)
        # Without limits every station sends at every check, so nothing needs to be stored.
        if view.wait_us.any():
            last_us = carried(self._last_us, kept_rows(self._agent, view.agent), -_NEVER_US)
            due = view.now_us - last_us >= view.wait_us
            # A station that is away for a moment only must still wait when it comes back.
            away = ~np.isin(self._agent, view.agent) & (view.now_us - self._last_us < _NEVER_US)
            self._agent = np.concatenate([view.agent, self._agent[away]])
            self._last_us = np.concatenate([np.where(due, view.now_us, last_us), self._last_us[away]])
        return due
