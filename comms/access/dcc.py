"""Decentralised congestion control: the least time between a station's messages, from its channel busy ratio.

The ratio comes from `busy_ratio.py`. The reactive control has a table of states with a message interval each. A station
moves to a state with a longer interval when the ratio has demanded this for one second, and to a state with a shorter
interval when the ratio has demanded this for five seconds. The adaptive control (LIMERIC) makes all stations near a
target share the channel: every 200 ms, each station adjusts its share of airtime so that the busy ratio moves towards
the target.

References:
    ETSI TS 102 687 V1.2.1, clause 5.4 (adaptive control, as Vanetza implements it; that a newcomer starts at the
    largest share is our choice) and table A.1 (reactive control, messages of up to 1 ms). The table and the times for a
    change of state (TS 102 687 V1.1.1) were written from memory and not checked against the documents.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.pairs import carried

Control = Literal["none", "reactive", "adaptive"]

# Reactive: lower limit of the busy ratio of each state, and the interval between messages in it.
REACTIVE_FROM = np.array([0.0, 0.30, 0.40, 0.50, 0.65])
REACTIVE_WAIT_US = np.array([100_000, 200_000, 400_000, 500_000, 1_000_000])
# Number of 100 ms windows before a change of state: 1 s to a longer interval, 5 s to a shorter one.
WORSE_AFTER, BETTER_AFTER = 10, 50

# LIMERIC's forgetting factor, gain and target busy ratio (TS 102 687 V1.2.1, clause 5.4).
ALPHA, BETA, TARGET = 0.016, 0.0012, 0.68
# Limits on the gain term of one change of a station's share of airtime.
STEP_UP, STEP_DOWN = 0.0005, -0.00025
# Limits on a station's share of airtime: 0.06 % to 3 %.
LEAST_SHARE, MOST_SHARE = 0.0006, 0.03
LEAST_WAIT_US, MOST_WAIT_US = 25_000, 1_000_000


class Dcc:
    """Congestion control of all stations: sets the least time between their messages.

    Args:
        control: Algorithm of congestion control: none, reactive or adaptive.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._windows = 0
        self._state = np.zeros(0, np.int64)
        self._worse, self._better = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._share = np.zeros(0)
        self._smooth, self._last = np.zeros(0), np.zeros(0)

    def reindexed(self, row: Int64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; newcomers start with the shortest interval."""
        self._state = carried(self._state, row, 0)
        self._worse, self._better = carried(self._worse, row, 0), carried(self._better, row, 0)
        self._share = carried(self._share, row, MOST_SHARE)
        self._smooth, self._last = carried(self._smooth, row, 0.0), carried(self._last, row, 0.0)

    def measured(self, busy_share: Float[np.ndarray, " stations"]) -> None:
        """Update the state of every station with its busy ratio (0 to 1) over the last 100 ms."""
        self._windows += 1
        if self._control == "reactive":
            wanted = np.searchsorted(REACTIVE_FROM, busy_share, "right") - 1
            # The counters count windows in a row: one window that calls for another state resets them.
            self._worse = np.where(wanted > self._state, self._worse + 1, 0)
            self._better = np.where(wanted < self._state, self._better + 1, 0)
            # The state changes by one step at a time, whatever the ratio.
            step = (self._worse >= WORSE_AFTER).astype(np.int64) - (self._better >= BETTER_AFTER)
            self._state = self._state + step
            self._worse[step != 0], self._better[step != 0] = 0, 0
        elif self._control == "adaptive":
            # LIMERIC works on the mean of two windows, every 200 ms.
            if self._windows % 2 == 0:
                self._smooth = 0.5 * self._smooth + 0.25 * (busy_share + self._last)
                offset = np.clip(BETA * (TARGET - self._smooth), STEP_DOWN, STEP_UP)
                self._share = np.clip((1.0 - ALPHA) * self._share + offset, LEAST_SHARE, MOST_SHARE)
            self._last = busy_share.copy()

    def wait_us(self, airtime_us: Float[np.ndarray, " stations"] | float) -> Float[np.ndarray, " stations"]:
        """Return the least time between two messages of each station, in us; 0 without congestion control.

        Args:
            airtime_us: Airtime of one message of each station. Only the adaptive control uses this value: longer
                messages mean a longer wait.
        """
        if self._control == "none":
            return np.zeros(len(self._state))
        if self._control == "reactive":
            return REACTIVE_WAIT_US[self._state].astype(float)
        return np.clip(airtime_us / self._share, LEAST_WAIT_US, MOST_WAIT_US)
