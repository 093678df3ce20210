"""Decentralised congestion control: how long a station waits between messages, from how busy it finds the channel.

The channel busy ratio comes from `busy_ratio.py`. The reactive table switches between states by it; a worse state is entered when
the ratio has asked for it for a second, a better one when it has for five. The adaptive algorithm (LIMERIC) lets all stations
near a target share the channel: every 200 ms each moves its share of time on the air towards what would reach the target.

References:
    ETSI TS 102 687 V1.2.1, clause 5.4 (adaptive; as Vanetza codes it) and table A.1 (reactive, messages of up to 1 ms;
    recalled, not re-read, as are the times of entering a state: TS 102 687 V1.1.1).
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.pairs import carried

Control = Literal["none", "reactive", "adaptive"]

# Reactive: busy ratio from which a state holds, and the wait between messages.
REACTIVE_FROM = np.array([0.0, 0.30, 0.40, 0.50, 0.65])
REACTIVE_WAIT_US = np.array([100_000, 200_000, 400_000, 500_000, 1_000_000])
WORSE_AFTER, BETTER_AFTER = 10, 50

ALPHA, BETA, TARGET = 0.016, 0.0012, 0.68
STEP_UP, STEP_DOWN = 0.0005, -0.00025
LEAST_SHARE, MOST_SHARE = 0.0006, 0.03
LEAST_WAIT_US, MOST_WAIT_US = 25_000, 1_000_000


class Dcc:
    """The control of all stations.

    Args:
        control: Which algorithm.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._windows = 0
        self._state = np.zeros(0, np.int64)
        self._worse, self._better = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._share = np.zeros(0)
        self._smooth, self._last = np.zeros(0), np.zeros(0)

    def reindexed(self, row: Int64[np.ndarray, " new"]) -> None:
        """Carry the state over to another set of stations; newcomers begin relaxed."""
        self._state = carried(self._state, row, 0)
        self._worse, self._better = carried(self._worse, row, 0), carried(self._better, row, 0)
        self._share = carried(self._share, row, MOST_SHARE)
        self._smooth, self._last = carried(self._smooth, row, 0.0), carried(self._last, row, 0.0)

    def measured(self, busy_share: Float[np.ndarray, " stations"]) -> None:
        """Take in the busy ratio of each station over the last 100 ms."""
        self._windows += 1
        if self._control == "reactive":
            wanted = np.searchsorted(REACTIVE_FROM, busy_share, "right") - 1
            self._worse = np.where(wanted > self._state, self._worse + 1, 0)
            self._better = np.where(wanted < self._state, self._better + 1, 0)
            step = (self._worse >= WORSE_AFTER).astype(np.int64) - (self._better >= BETTER_AFTER)
            self._state = self._state + step
            self._worse[step != 0], self._better[step != 0] = 0, 0
        elif self._control == "adaptive":
            if self._windows % 2 == 0:
                self._smooth = 0.5 * self._smooth + 0.25 * (busy_share + self._last)
                offset = np.clip(BETA * (TARGET - self._smooth), STEP_DOWN, STEP_UP)
                self._share = np.clip((1.0 - ALPHA) * self._share + offset, LEAST_SHARE, MOST_SHARE)
            self._last = busy_share.copy()

    def wait_us(self, airtime_us: Float[np.ndarray, " stations"] | float) -> Float[np.ndarray, " stations"]:
        """Return the least time between messages of each station.

        Args:
            airtime_us: Of the messages.
        """
        if self._control == "none":
            return np.zeros(len(self._state))
        if self._control == "reactive":
            return REACTIVE_WAIT_US[self._state].astype(float)
        return np.clip(airtime_us / self._share, LEAST_WAIT_US, MOST_WAIT_US)
