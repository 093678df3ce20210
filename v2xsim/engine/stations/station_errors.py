"""The errors of the stations' estimates of their own position and heading, and of their clocks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.scenario.schema import Errors
from v2xsim.streams import Streams


@dataclass(frozen=True)
class StationErrors:
    """Errors of the pose and the clock of each station at one instant: believed value minus true value.

    Attributes:
        agent: Agent ids of the stations, in rising order.
        time_us: Simulated time of the errors.
        pose_error: Error of x and y in metres and of the heading in radians.
        clock_offset_us: Time on the station's clock minus simulated time, constant over a run.
    """

    agent: Int64[np.ndarray, " stations"]
    time_us: int
    pose_error: Float[np.ndarray, "stations 3"]
    clock_offset_us: Int64[np.ndarray, " stations"]

    def applied_to(self, pose: Float[np.ndarray, "stations 4"]) -> Float[np.ndarray, "stations 4"]:
        """Return the poses (x, y, z, yaw) that stations believe, given their true poses."""
        believed: np.ndarray = pose + np.column_stack(
            [self.pose_error[:, :2], np.zeros(len(self.pose_error)), self.pose_error[:, 2]]
        )
        return believed

    @staticmethod
    def none(time_us: int) -> "StationErrors":
        """Return an empty set of errors, for no stations."""
        none = np.zeros(0, np.int64)
        return StationErrors(none, time_us, np.zeros((0, 3)), none)


def next_errors(
    before: StationErrors, agent: Int64[np.ndarray, " stations"], time_us: int, errors: Errors, streams: Streams
) -> StationErrors:
    """Return the errors of poses and clocks at the next instant; pose errors are a first-order Gauss-Markov process.

    Each step computes e' = r e + sqrt(1 - r^2) sigma n, with r = exp(-dt / gnss_correlation_s) and a standard normal
    draw n. Errors of new stations are drawn from the stationary distribution. Heading errors have the same correlation time
    as position errors. The clock offset of a station is drawn once and stays constant.
    """
    sigma = np.array([errors.gnss_sigma_m, errors.gnss_sigma_m, np.radians(errors.heading_sigma_deg)])
    # The draw for a station at an instant does not depend on which other stations exist.
    draw = streams.normals("localisation", streams.agent_keys(agent), time_us, count=3) * sigma
    if len(before.agent):
        row = np.minimum(np.searchsorted(before.agent, agent), len(before.agent) - 1)
        known = before.agent[row] == agent
        kept = np.exp(-(time_us - before.time_us) * 1e-6 / errors.gnss_correlation_s)
        # The factor sqrt(1 - r^2) of the new draw keeps the variance at sigma^2 at all times.
        walked = kept * before.pose_error[row] + np.sqrt(1.0 - kept**2) * draw
        draw = np.where(known[:, None], walked, draw)
    offset = streams.normals("clock", streams.agent_keys(agent))[:, 0] * errors.clock_sigma_ms * 1e3
    return StationErrors(agent, time_us, draw, np.round(offset).astype(np.int64))
