"""What stations detected last, looked up only if a decision reads it."""

from collections.abc import Sequence
from functools import cached_property
from typing import overload

from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.stations import Stations
from v2xsim.records import Detections


class Detected(Sequence[tuple[int, Detections]]):
    """Capture time, on its own clock, and detections of the newest frame of each of some stations.

    The velocities of detections take time to look up, and most decisions need none of it: so this is done when it is first read.

    Args:
        own: States of the stations; those without a lidar, or without a frame so far, detected nothing.
        stations: Knowledge of all stations.
        tracks: Their tracks, which have the velocities.
        now_us: Present simulated time.
    """

    def __init__(self, own: OwnStates, stations: Stations, tracks: OwnTracks, now_us: int) -> None:
        self._own, self._stations, self._tracks, self._now_us = own, stations, tracks, now_us

    @cached_property
    def _every(self) -> list[tuple[int, Detections]]:
        return [
            self._of(agent, stamp_us, lidars)
            for agent, stamp_us, lidars in zip(
                self._own.agent.tolist(), self._own.stamp_us.tolist(), self._own.lidars.tolist(), strict=True
            )
        ]

    def _of(self, agent: int, stamp_us: int, lidars: int) -> tuple[int, Detections]:
        frame = self._stations.detected_frame(agent, self._now_us) if lidars else None
        if frame is None:
            return stamp_us, Detections.none()
        return frame.stamp_us, self._tracks.with_velocities(frame)

    def __len__(self) -> int:
        return len(self._own)

    @overload
    def __getitem__(self, row: int) -> tuple[int, Detections]: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[tuple[int, Detections]]: ...

    def __getitem__(self, row: int | slice) -> tuple[int, Detections] | Sequence[tuple[int, Detections]]:
        """Return the entry of a station, or those of some."""
        return self._every[row]
