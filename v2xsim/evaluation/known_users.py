"""The road users that an ego knows of: those with a confirmed track; and the tracks of egos after fusion."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from v2xsim.evaluation.scene import Scene
from v2xsim.perception.metrics.awareness import WITHIN_M, aware
from v2xsim.perception.tracking.station_tracks import Tracker, followed
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections


def known(tracks: Tracks, scene: Scene) -> Bool[np.ndarray, " agents"]:
    """Return whether the ego has a confirmed track for each other road user, at any distance."""
    # The ego's own body takes part in the assignment, so that a track of the ego itself is not assigned to another
    # road user.
    return aware(scene.apparent.center_m[:, :2], tracks.mean[tracks.confirmed, :2]) & scene.others


def without_detection(announced: Detections, detections: Detections) -> Detections:
    """Return the announced stations without a detection at their position."""
    if len(announced) == 0 or len(detections) == 0:
        return announced
    gap_m = announced.boxes.center_m[:, None, :2] - detections.boxes.center_m[None, :, :2]
    return announced[np.flatnonzero(np.hypot(gap_m[..., 0], gap_m[..., 1]).min(axis=1) > WITHIN_M)]


class FusedTracks:
    """Tracks of each ego after fusion, for evaluation only: no station acts on them.

    Args:
        tracker: The tracker.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._tracks: dict[int, Tracks] = {}

    def step(
        self, egos: Sequence[int], detections: Sequence[Detections], announced: Sequence[Detections], time_us: int
    ) -> list[Tracks]:
        """Return the tracks of several egos after one more frame of each, all captured at the same time.

        Args:
            egos: Agent id of each ego, without repetitions.
            detections: Detections of each ego after fusion, placed by the pose that it believes.
            announced: Stations that each ego knows from their announcements, extrapolated to the instant of the frame.
            time_us: Capture time of the frames; it must be later than that of each ego's frame before.
        """
        nothing = Tracks.none(time_us)
        before = [self._tracks.get(ego, nothing) for ego in egos]
        everything = [
            Detections.joined([found, without_detection(told, found)])
            for found, told in zip(detections, announced, strict=True)
        ]
        after = followed(self._tracker, before, everything, time_us)
        self._tracks.update(zip(egos, after, strict=True))
        return after
