"""Announcements: which stations announce themselves now, and what each says."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.sizes import awareness_bytes, encoded_matrix_bytes
from v2xsim.engine.stations.contents import Awareness
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates


class Announcing:
    """Decides for each station by its own movement when it announces itself."""

    def __init__(self, rule: AwarenessRule) -> None:
        self._announcer = Announcer(rule)

    def due(
        self, states: OwnStates, wait_us: Float[np.ndarray, " stations"], now_us: int
    ) -> Bool[np.ndarray, " stations"]:
        """Return which stations announce themselves now, and record them as sent.

        Args:
            states: What each station knows of itself.
            wait_us: Least time between messages that congestion control asks each for.
            now_us: The instant.
        """
        speed_mps = np.hypot(states.velocity_mps[:, 0], states.velocity_mps[:, 1])
        view = AwarenessView(states.agent, states.odometry[:, :2], states.odometry[:, 2], speed_mps, now_us, wait_us)
        return self._announcer.due(view)


def announcement(states: OwnStates, row: int, frame: Frame | None, heard: Int64[np.ndarray, " heard"]) -> Awareness:
    """Return what a station announces.

    Args:
        states: What each station knows of itself; only one row is read.
        row: The station.
        frame: Its newest frame, None without a lidar.
        heard: Stations that it has heard lately.
    """
    return Awareness(
        origin=int(states.agent[row]), capture_us=states.time_us, stamp_us=int(states.stamp_us[row]), pose=states.pose[row],
        velocity_mps=states.velocity_mps[row], antenna_height_m=float(states.antenna_height_m[row]), size_m=states.size_m[row],
        matrix=frame.matrix if frame else None, heard=heard,
    )  # fmt: skip


def announcement_bytes(awareness: Awareness) -> int:
    """Return the size of an announcement."""
    matrix_bytes = encoded_matrix_bytes(awareness.matrix.code) if awareness.matrix is not None else 0
    return awareness_bytes(matrix_bytes, len(awareness.heard))
