"""The true errors of what stations believe of their own position, heading and clock."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.scenario.schema import Errors
from v2xsim.streams import Streams


@dataclass(frozen=True)
class StationErrors:
    """Errors of what each station believes of its own pose and clock, at one instant.

    Attributes:
        agent: Stations.
        time_us: The instant.
        pose_error: Error of x and y in metres and of the heading in radians.
        clock_offset_us: Clock minus true time, constant over a run.
    """

    agent: Int64[np.ndarray, " stations"]
    time_us: int
    pose_error: Float[np.ndarray, "stations 3"]
    clock_offset_us: Int64[np.ndarray, " stations"]

    def applied_to(self, pose: Float[np.ndarray, "stations 4"]) -> Float[np.ndarray, "stations 4"]:
        """Return true poses (x, y, z, yaw) as the stations believe them."""
        believed: np.ndarray = pose + np.column_stack(
            [self.pose_error[:, :2], np.zeros(len(self.pose_error)), self.pose_error[:, 2]]
        )
        return believed

    @staticmethod
    def none(time_us: int) -> "StationErrors":
        """Return the errors of no stations."""
        none = np.zeros(0, np.int64)
        return StationErrors(none, time_us, np.zeros((0, 3)), none)


def next_errors(
    before: StationErrors, agent: Int64[np.ndarray, " stations"], time_us: int, errors: Errors, streams: Streams
) -> StationErrors:
    """Return the errors at the next instant: a first-order Gauss-Markov process per axis and station.

    e' = r e + sqrt(1 - r^2) sigma n, r = exp(-dt / gnss_correlation_s); newcomers start in the stationary state.
    Heading errors share the correlation time.
    """
    sigma = np.array([errors.gnss_sigma_m, errors.gnss_sigma_m, np.radians(errors.heading_sigma_deg)])
    # The draw of a station and an instant does not depend on who else is there.
    draw = streams.normals("localisation", agent, time_us, count=3) * sigma
    if len(before.agent):
        row = np.minimum(np.searchsorted(before.agent, agent), len(before.agent) - 1)
        known = before.agent[row] == agent
        kept = np.exp(-(time_us - before.time_us) * 1e-6 / errors.gnss_correlation_s)
        # The factor of the new draw keeps the variance at sigma^2 at all times.
        walked = kept * before.pose_error[row] + np.sqrt(1.0 - kept**2) * draw
        draw = np.where(known[:, None], walked, draw)
    offset = streams.normals("clock", agent)[:, 0] * errors.clock_sigma_ms * 1e3
    return StationErrors(agent, time_us, draw, np.round(offset).astype(np.int64))
