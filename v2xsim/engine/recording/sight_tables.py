"""Who saw what: the lidar returns of each station on each road user, as rows of the tables `sights` and `seen`.

Both are truth for the analysis of a run; no station reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.results.tables import Columns
from v2xsim.spatial.reach import in_reach


@dataclass(frozen=True)
class Sights:
    """Who saw whom at one tick.

    Attributes:
        station: Agent id of each station with a lidar.
        agent: Agent id of each road user.
        near: Whether a lidar of each station reaches each road user, whatever stands between; never for the station's own body.
        points: Number of returns of each station on each road user.
    """

    station: Int64[np.ndarray, " stations"]
    agent: Int64[np.ndarray, " agents"]
    near: Bool[np.ndarray, "stations agents"]
    points: Int64[np.ndarray, "stations agents"]


class SightTables:
    """Records, at every n-th tick, which stations saw which road users, and which road users in range nobody saw.

    Args:
        tables: Tables of the run.
        every: Number of ticks from one recorded tick to the next; 0 records none.
        begin_us: Simulated time of the first tick, which is recorded.
        step_us: Time between two ticks.
    """

    def __init__(self, tables: dict[str, Columns], every: int, begin_us: int, step_us: int) -> None:
        self._sights, self._seen = tables["sights"], tables["seen"]
        self._begin_us, self._period_us = begin_us, every * step_us

    def add(self, captured: Sequence[tuple[Frame, Capture]]) -> None:
        """Record what all stations with lidars captured at one tick, in rising order of their agent ids, if the tick is to be recorded."""
        if not captured or not self._period_us or (captured[0][0].time_us - self._begin_us) % self._period_us:
            return
        time_us, sights = captured[0][0].time_us, sights_of(captured)
        points = sights.points
        row, agent = np.nonzero(points)
        if len(row):
            self._sights.add(
                time_us=time_us, station=sights.station[row], agent=sights.agent[agent], points=points[row, agent]
            )
        stations = sights.near.sum(axis=0)
        listed = np.flatnonzero(stations)
        if len(listed):
            self._seen.add(
                time_us=time_us, agent=sights.agent[listed], in_range=stations[listed],
                stations=(points > 0).sum(axis=0)[listed], points=points.sum(axis=0)[listed],
                most_points=points.max(axis=0)[listed],
            )  # fmt: skip


def sights_of(captured: Sequence[tuple[Frame, Capture]]) -> Sights:
    """Return who saw whom at one tick.

    Args:
        captured: What each station with a lidar captured; at least one.
    """
    snapshot = captured[0][1].snapshot
    station = np.array([frame.agent for frame, _ in captured])
    points: Int64[np.ndarray, "stations agents"] = np.array([capture.points for _, capture in captured])
    bodies = snapshot.bodies
    near = in_reach(
        np.array([capture.pose[:2] for _, capture in captured]), _reach_m(captured), bodies.boxes.center_m, bodies.boxes.size_m,
        bodies.boxes.yaw_rad, bodies.owner, len(snapshot),
    )  # fmt: skip
    # The body that carries a lidar is not what it looks for. A body at the edge may return points while the middle of the station is too far.
    near = (near & (station[:, None] != snapshot.agent)) | (points > 0)
    return Sights(station, snapshot.agent, near, points)


def _reach_m(captured: Sequence[tuple[Frame, Capture]]) -> Float[np.ndarray, " stations"]:
    """Return the range of the lidar of each station that reaches farthest."""
    return np.array([max(lidar.rays.range_m for lidar in frame.returns.lidars) for frame, _ in captured], np.float64)
