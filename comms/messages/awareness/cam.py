"""Rule for sending cooperative awareness messages: ETSI EN 302 637-2.

Every 100 ms, a station checks whether to send. The station sends if congestion control allows it and, since its last
message, it has turned by more than 4 degrees, moved by more than 4 metres or changed its speed by more than 0.5 m/s.
The time between this message and the one before becomes its interval: it sends three more messages at that interval
even without such a change, and then once a second. So a vehicle that stands still sends once a second.

References:
    ETSI EN 302 637-2 V1.4.1, clause 6.1.3, as ms-van3t implements it; we did not check it against the document.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.comms.messages.awareness.rule import AwarenessRule, AwarenessView, Generator
from v2xsim.comms.pairs import carried, kept_rows
from v2xsim.parts import part

# Times and thresholds of EN 302 637-2, clause 6.1.3: T_CheckCamGen, T_GenCamMax, and the changes that cause a
# message.
CHECK_US = 100_000
SLOWEST_US = 1_000_000
TURN_RAD, MOVE_M, SPEED_MPS = np.deg2rad(4.0), 4.0, 0.5
REPEATS = 3
# Time stamp that is longer ago than any interval and does not overflow when it is subtracted.
_NEVER_US = -(2**62)


@part("cam")
@dataclass(frozen=True)
class Cam(AwarenessRule):
    """A station sends when it has moved, turned or changed its speed enough: 1 to 10 messages a second (EN 302 637-2)."""

    @property
    def check_us(self) -> int:
        """Time in us between two checks whether a station sends."""
        return CHECK_US

    @property
    def longest_us(self) -> float:
        """Longest interval in us between two messages of a station."""
        return float(SLOWEST_US)

    def generator(self) -> Generator:
        """Return a new generator, which stores what each station sent last."""
        return CamGenerator()


class CamGenerator:
    """Stores the last message of each station, and the interval at which the station repeats it."""

    def __init__(self) -> None:
        self._agent = self._last_us = self._pace_us = self._repeats = np.zeros(0, np.int64)
        self._position, self._speed = np.zeros((0, 2)), np.zeros(0)
        self._heading = self._speed

    def due(self, view: AwarenessView) -> Bool[np.ndarray, " stations"]:
        """Return which stations send now, and store that they sent."""
        place_m, heading_rad, speed_mps, now_us = view.place_m, view.heading_rad, view.speed_mps, view.now_us
        self._over(view.agent)
        elapsed_us = now_us - self._last_us
        turn = np.abs((heading_rad - self._heading + np.pi) % (2.0 * np.pi) - np.pi)
        moved = np.linalg.norm(place_m - self._position, axis=1)
        caused = (turn > TURN_RAD) | (moved > MOVE_M) | (np.abs(speed_mps - self._speed) > SPEED_MPS)
        # Congestion control limits both kinds of message: those caused by a change and those sent at the interval.
        allowed = elapsed_us >= np.maximum(view.wait_us, CHECK_US)
        first = allowed & caused
        second = allowed & ~caused & (elapsed_us >= self._pace_us)
        self._pace_us = np.where(first, np.clip(elapsed_us, CHECK_US, SLOWEST_US), self._pace_us)
        self._repeats = np.where(first, 0, self._repeats + second)
        self._pace_us = np.where(self._repeats >= REPEATS, SLOWEST_US, self._pace_us)
        sends = first | second
        self._last_us = np.where(sends, now_us, self._last_us)
        self._position = np.where(sends[:, None], place_m, self._position)
        self._heading, self._speed = (
            np.where(sends, heading_rad, self._heading),
            np.where(sends, speed_mps, self._speed),
        )
        return sends

    def _over(self, agent: Int64[np.ndarray, " stations"]) -> None:
        """Reorder the state for another list of stations; a newcomer counts as never having sent."""
        row = kept_rows(self._agent, agent)
        self._last_us, self._pace_us = carried(self._last_us, row, _NEVER_US), carried(self._pace_us, row, SLOWEST_US)
        self._repeats, self._position = carried(self._repeats, row, 0), carried(self._position, row, np.inf)
        self._speed, self._heading = carried(self._speed, row, 0.0), carried(self._heading, row, 0.0)
        self._agent = agent.copy()
