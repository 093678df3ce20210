"""Who saw what: the lidar returns of each station on each road user, as rows of the tables `sights` and `seen`.

Both are truth for the analysis of a run; no station reads them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.results.tables import Columns
from v2xsim.spatial.reach import in_reach


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
        time_us, snapshot = captured[0][0].time_us, captured[0][1].snapshot
        station = np.array([frame.agent for frame, _ in captured])
        points: Int64[np.ndarray, "stations agents"] = np.array([capture.points for _, capture in captured])
        row, agent = np.nonzero(points)
        if len(row):
            self._sights.add(
                time_us=time_us, station=station[row], agent=snapshot.agent[agent], points=points[row, agent]
            )
        bodies = snapshot.bodies
        near = in_reach(
            np.array([capture.pose[:2] for _, capture in captured]), _reach_m(captured), bodies.boxes.center_m, bodies.boxes.size_m,
            bodies.boxes.yaw_rad, bodies.owner, len(snapshot),
        )  # fmt: skip
        # The body that carries a lidar is not what it looks for. A body at the edge may return points while the middle of the station is too far.
        near = (near & (station[:, None] != snapshot.agent)) | (points > 0)
        stations = near.sum(axis=0)
        listed = np.flatnonzero(stations)
        if len(listed):
            self._seen.add(
                time_us=time_us, agent=snapshot.agent[listed], in_range=stations[listed],
                stations=(points > 0).sum(axis=0)[listed], points=points.sum(axis=0)[listed],
                most_points=points.max(axis=0)[listed],
            )  # fmt: skip


def _reach_m(captured: Sequence[tuple[Frame, Capture]]) -> Float[np.ndarray, " stations"]:
    """Return the range of the lidar of each station that reaches farthest."""
    return np.array([max(lidar.rays.range_m for lidar in frame.returns.lidars) for frame, _ in captured], np.float64)
