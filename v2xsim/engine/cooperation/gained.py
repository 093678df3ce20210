"""What an ego got from the helpers that it asked, as it remembers it: how much of its blind zone their answers filled."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

# An answer counts half as much as one this much newer: in 3 s, a car in a town leaves a junction or reaches the next one. Ours.
_HALF_US = 3_000_000
# A helper whose answers together count less than this is forgotten: one answer after 10 s, one in each frame of 10 Hz after 26 s.
_LEAST_COUNT = 0.1
# Number of helpers from which on the forgotten ones are dropped.
_MANY = 64


class Filled(NamedTuple):
    """What one helper filled.

    Attributes:
        share: Mean share of the ego's blind weight, 0 to 1.
        frames: Number of frames in this mean; older ones count less.
        last_us: Capture time of the last of them.
    """

    share: float
    frames: float
    last_us: int

    def count_at(self, time_us: int) -> float:
        """Return what the count has faded to at a later time."""
        return float(self.frames * 0.5 ** ((time_us - self.last_us) / _HALF_US))

    def after(self, share: float, time_us: int) -> "Filled":
        """Return the mean with one more frame."""
        count = self.count_at(time_us)
        return Filled((self.share * count + share) / (count + 1.0), count + 1.0, time_us)


_NOTHING = Filled(0.0, 0.0, 0)


class Gained:
    """What the helpers of one ego filled of its blind zone, frame by frame, and exponentially forgotten."""

    def __init__(self) -> None:
        self._of: dict[int, Filled] = {}

    def learn(self, frame_us: int, asked: Iterable[int], shares: Mapping[int, float]) -> None:
        """Learn from one frame at its deadline.

        Args:
            frame_us: Capture time of the frame.
            asked: Agent ids of the helpers that were asked for it.
            shares: Share of its blind weight that the data of each helper filled alone, 0 to 1, by agent id. Helpers of which nothing has
                arrived are not in it; if they were asked, they filled nothing.
        """
        for helper in sorted({*asked, *shares}):
            self._of[helper] = self._of.get(helper, _NOTHING).after(shares.get(helper, 0.0), frame_us)
        if len(self._of) > _MANY:
            self._of = {helper: one for helper, one in self._of.items() if one.count_at(frame_us) >= _LEAST_COUNT}

    def shares(self, agent: Int64[np.ndarray, " helpers"], time_us: int) -> Float[np.ndarray, " helpers"]:
        """Return the mean share that each of some helpers filled, 0 to 1; NaN for one that was never asked or is forgotten.

        Args:
            agent: Agent id of each helper.
            time_us: Capture time of the frame for which the ego chooses helpers.
        """
        found = [self._of.get(helper, _NOTHING) for helper in agent.tolist()]
        return np.array([one.share if one.count_at(time_us) >= _LEAST_COUNT else np.nan for one in found], np.float64)
