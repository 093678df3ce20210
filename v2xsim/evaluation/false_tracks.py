"""New false tracks: confirmed tracks of egos that belong to no road user, each counted once."""

import numpy as np
from jaxtyping import Int64

from v2xsim.perception.metrics.awareness import GAP_US

# Room for the number of a track in the number of a pair of group and track.
_TRACK_BITS = 32


class FalseTracks:
    """Counts the tracks of egos that become false.

    A track counts when it is false for the first time, so the number does not grow with the number of frames in which a false track is
    seen. It counts again only if it was not false for longer than `gap_us`.

    Args:
        gap_us: Longest pause of a false track that counts once, as that of a conflict within one episode.
    """

    def __init__(self, gap_us: int = GAP_US) -> None:
        self._gap_us = gap_us
        # Numbers of the tracks that were false lately, and when each was so the last time.
        self._tracks, self._last_us = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(
        self, time_us: int, egos: Int64[np.ndarray, " egos"], modes: int,
        group: Int64[np.ndarray, " tracks"], number: Int64[np.ndarray, " tracks"],
    ) -> Int64[np.ndarray, "egos modes"]:  # fmt: skip
        """Return the number of new false tracks of each ego in each mode; ticks must come in order of time.

        Args:
            time_us: Time of the frames.
            egos: Agent id of each ego.
            modes: Number of modes.
            group: Group of each false track: row of the ego times number of modes plus mode.
            number: Track id of each false track, in the numbering of its ego and mode.
        """
        ego, mode = np.divmod(group, modes)
        tracks = (egos[ego] * modes + mode) << _TRACK_BITS | number
        is_held = self._last_us >= time_us - self._gap_us
        held, last_us = self._tracks[is_held], self._last_us[is_held]
        is_new = ~np.isin(tracks, held)
        is_over = ~np.isin(held, tracks)
        self._tracks = np.concatenate([held[is_over], tracks])
        self._last_us = np.concatenate([last_us[is_over], np.full(len(tracks), time_us, np.int64)])
        return per_group(group[is_new], len(egos), modes)


def per_group(group: Int64[np.ndarray, " tracks"], egos: int, modes: int) -> Int64[np.ndarray, "egos modes"]:
    """Return the number of tracks of each ego in each mode, given the group of each track."""
    counts: Int64[np.ndarray, "egos modes"] = np.bincount(group, minlength=egos * modes).reshape(egos, modes)
    return counts
