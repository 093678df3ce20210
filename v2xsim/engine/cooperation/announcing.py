"""Announcements: which stations announce themselves at an instant, and the content of each announcement."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.sizes import awareness_bytes, encoded_matrix_bytes
from v2xsim.engine.stations.contents import Awareness
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates


class Announcing:
    """Decides when each station announces itself, by the message rule and the station's own movement."""

    def __init__(self, rule: AwarenessRule) -> None:
        self._announcer = Announcer(rule)

    def due(
        self, states: OwnStates, wait_us: Float[np.ndarray, " stations"], now_us: int
    ) -> Bool[np.ndarray, " stations"]:
        """Return which stations announce themselves now, and remember that they did.

        Args:
            states: State of each station as the station itself knows it.
            wait_us: Least time between two messages that congestion control demands of each station.
            now_us: Simulated time of the decision.
        """
        speed_mps = np.hypot(states.velocity_mps[:, 0], states.velocity_mps[:, 1])
        view = AwarenessView(states.agent, states.odometry[:, :2], states.odometry[:, 2], speed_mps, now_us, wait_us)
        return self._announcer.due(view)


def announcement(states: OwnStates, row: int, frame: Frame | None, heard: Int64[np.ndarray, " heard"]) -> Awareness:
    """Return the content of a station's announcement.

    Args:
        states: State of each station as the station itself knows it; only the sender's row is read.
        row: Row of the station that announces itself.
        frame: The station's newest frame; None if it has no lidar.
        heard: Agent ids of the stations that the sender has heard lately.
    """
    return Awareness(
        origin=int(states.agent[row]), capture_us=states.time_us, stamp_us=int(states.stamp_us[row]), pose=states.pose[row],
        velocity_mps=states.velocity_mps[row], antenna_height_m=float(states.antenna_height_m[row]), size_m=states.size_m[row],
        matrix=frame.matrix if frame else None, heard=heard,
    )  # fmt: skip


def announcement_bytes(awareness: Awareness) -> int:
    """Return the size of an announcement's payload."""
    matrix_bytes = encoded_matrix_bytes(awareness.matrix.code) if awareness.matrix is not None else 0
    return awareness_bytes(matrix_bytes, len(awareness.heard))
