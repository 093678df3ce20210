"""Announcements: which stations announce themselves at an instant, and the content of each announcement."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.sizes import awareness_bytes, encoded_matrix_bytes
from v2xsim.engine.stations.agent_set import grown
from v2xsim.engine.stations.contents import SEQUENCE_NUMBERS, Awareness, HeardList, announced_busy_share
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates


class Announcing:
    """Decides when each station announces itself, by the message rule and the station's own movement."""

    def __init__(self, rule: AwarenessRule) -> None:
        self._announcer = Announcer(rule)
        # By agent id: number of announcements so far.
        self._count = np.zeros(0, np.int64)

    def numbered(self, agents: Int64[np.ndarray, " senders"]) -> list[int]:
        """Return the sequence number of the next announcement of each of some stations, and count it."""
        self._count = grown(self._count, int(agents.max(initial=-1)) + 1)
        number = self._count[agents] % SEQUENCE_NUMBERS
        self._count[agents] += 1
        return [int(one) for one in number]

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


def announcements(
    states: OwnStates, rows: Int64[np.ndarray, " senders"], frames: Sequence[Frame | None], heard: Sequence[HeardList],
    sequence: Sequence[int], busy_share: Float[np.ndarray, " senders"],
) -> list[Awareness]:  # fmt: skip
    """Return the content of the announcements of some stations.

    Args:
        states: State of each station as the station itself knows it; only the senders' rows are read, each for its own message.
        rows: Row of each station that announces itself.
        frames: Newest frame of each of them; None for one without a lidar.
        heard: What each of them measured on the packets of stations that it has heard lately.
        sequence: Number of each announcement among those of its sender.
        busy_share: Busy ratio that each of them measured last, 0 to 1.
    """
    return [
        Awareness(
            origin=agent, sequence=number, wants_data=wants_data, capture_us=states.time_us, stamp_us=stamp_us, pose=pose, velocity_mps=velocity_mps,
            acceleration_mps2=change, turn_radps=turn, antenna_height_m=height_m, size_m=size_m, matrix=frame.matrix if frame else None, heard=known,
            busy_share=busy,
        )
        for agent, wants_data, stamp_us, pose, velocity_mps, change, turn, height_m, size_m, frame, known, number, busy in zip(
            states.agent[rows].tolist(), states.ego[rows].tolist(), states.stamp_us[rows].tolist(), states.pose[rows],
            states.velocity_mps[rows], states.acceleration_mps2[rows].tolist(), states.turn_radps[rows].tolist(),
            states.antenna_height_m[rows].tolist(), states.size_m[rows], frames, heard, sequence,
            announced_busy_share(busy_share).tolist(), strict=True,
        )
    ]  # fmt: skip


def announcement_bytes(awareness: Awareness) -> int:
    """Return the size of an announcement's payload."""
    matrix_bytes = encoded_matrix_bytes(awareness.matrix.code) if awareness.matrix is not None else 0
    return awareness_bytes(matrix_bytes, len(awareness.heard))
