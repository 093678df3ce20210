"""The answers of helpers to requests: each is made from the helper's own newest frame."""

from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.answers import answer
from v2xsim.engine.stations.contents import Answer, Request
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.stations import Stations
from v2xsim.records import Obstacles
from v2xsim.scenario.schema import Scenario


class Answering:
    """Makes the answers of helpers to requests.

    Args:
        scenario: The scenario.
        clock: Clock of the run.
        stations: All stations, with their frames.
        tracks: Tracks of stations, for the velocities of boxes.
        obstacles: Buildings of the map.
    """

    def __init__(
        self, scenario: Scenario, clock: Clock, stations: Stations, tracks: OwnTracks, obstacles: Obstacles
    ) -> None:
        self._scheme, self._mtu_bytes = scenario.cooperation.fusion, scenario.radio.mtu_bytes
        self._by_body = scenario.cooperation.boxes_by == "body"
        self._clock, self._stations, self._tracks, self._obstacles = clock, stations, tracks, obstacles

    def answer_to(self, request: Request) -> Answer | None:
        """Return the helper's answer from its newest frame whose detection is finished; None if it has no such frame."""
        frame = self._stations.detected_frame(request.helper, self._clock.now_us)
        if frame is None:
            return None
        scheme = self._scheme
        detections = self._tracks.with_velocities(frame) if scheme.shares.is_boxes else frame.detections
        return answer(
            request, frame, detections, scheme.shares, scheme.thinned_to_m, self._mtu_bytes, self._obstacles,
            self._by_body,
        )  # fmt: skip
