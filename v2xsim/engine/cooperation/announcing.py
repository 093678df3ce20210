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
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.scenario.schema import Cooperation, Scenario

# Time of the last announcement with a matrix of a station that has made none since it has one.
_NEVER_US = -(2**62)
# Announcements are due at whole checks of their rule. A part of the time between two checks makes up for rounded times, such as those of
# three messages a second, and is too short for another announcement.
_EARLY_SHARE = 0.1
# How much later than it may come the next matrix may come before the last one is given up. By EN 302 637-2, a station that stands still
# announces itself once a second.
_LATE_US = 1_000_000


class Announcing:
    """Decides when each station announces itself, by the message rule and the station's own movement, and when with its matrix.

    Args:
        rule: The message rule.
        matrix_us: Least time between two announcements of one station that contain its perception matrix; 0 for every announcement, None
            for none.
    """

    def __init__(self, rule: AwarenessRule, matrix_us: int | None = 0) -> None:
        self._announcer = Announcer(rule)
        # By agent id: number of announcements so far.
        self._count = np.zeros(0, np.int64)
        self._matrix_us = matrix_us
        self._early_us = _EARLY_SHARE * rule.check_us
        # By agent id: time of the last announcement with a matrix.
        self._shown_us = np.zeros(0, np.int64)

    def numbered(self, agents: Int64[np.ndarray, " senders"]) -> list[int]:
        """Return the sequence number of the next announcement of each of some stations, and count it."""
        self._count = grown(self._count, int(agents.max(initial=-1)) + 1)
        number = self._count[agents] % SEQUENCE_NUMBERS
        self._count[agents] += 1
        return [int(one) for one in number]

    def contains_matrix(
        self, agents: Int64[np.ndarray, " senders"], has_matrix: Bool[np.ndarray, " senders"], now_us: int
    ) -> Bool[np.ndarray, " senders"]:
        """Return which of some stations put their perception matrix into the announcement that they send now, and remember it.

        Args:
            agents: Agent ids of the stations.
            has_matrix: Whether each of them has a matrix. The first announcement after a station had none contains it.
            now_us: Time of the announcements.
        """
        if self._matrix_us is None:
            return np.zeros(len(agents), bool)
        self._shown_us = grown(self._shown_us, int(agents.max(initial=-1)) + 1, _NEVER_US)
        shown_us = np.where(has_matrix, self._shown_us[agents], _NEVER_US)
        is_shown: Bool[np.ndarray, " senders"] = has_matrix & (now_us - shown_us >= self._matrix_us - self._early_us)
        self._shown_us[agents] = np.where(is_shown, now_us, shown_us)
        return is_shown

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


def matrix_interval_us(rule: Cooperation) -> int | None:
    """Return the least time between two announcements of one station that contain its matrix; 0 for every one, None for none.

    Data that reaches its receivers without messages needs no announcement to wait for.

    Args:
        rule: Section `cooperation` of the scenario.
    """
    if rule.transport != "radio":
        return 0
    interval_ms = rule.matrix.interval_ms
    return None if interval_ms is None else round(interval_ms * 1e3)


def matrix_valid_us(rule: Cooperation) -> int | None:
    """Return how long after its arrival a matrix is used; None if it is as long as the announcement that contains it.

    One announcement with a matrix may be lost, and the next one come late.

    Args:
        rule: Section `cooperation` of the scenario.
    """
    interval_us = matrix_interval_us(rule)
    return interval_us + _LATE_US if interval_us else None


def all_keep_announcements(scenario: Scenario) -> bool:
    """Return whether all stations keep the announcements that reach them, for decisions about relays or reports; otherwise only egos do."""
    rule = scenario.cooperation
    # A station that may relay decides from what it knows of the stations around it.
    relays = rule.relay.relays or rule.relay.repeats or rule.bound.sees
    relays = relays and rule.transport == "radio" and not scenario.radio.access.ideal
    # So does one that leaves out what these stations see. Not every station with a lidar is an ego.
    return relays or (rule.redundancy.reads_matrices and rule.fusion.shares is Share.REPORTS)


def announcements(
    states: OwnStates, rows: Int64[np.ndarray, " senders"], frames: Sequence[Frame | None], heard: Sequence[HeardList],
    sequence: Sequence[int], busy_share: Float[np.ndarray, " senders"], contains_matrix: Sequence[bool] | None = None,
) -> list[Awareness]:  # fmt: skip
    """Return the content of the announcements of some stations.

    Args:
        states: State of each station as the station itself knows it; only the senders' rows are read, each for its own message.
        rows: Row of each station that announces itself.
        frames: Newest frame of each of them; None for one without a lidar.
        heard: What each of them measured on the packets of stations that it has heard lately.
        sequence: Number of each announcement among those of its sender.
        busy_share: Busy ratio that each of them measured last, 0 to 1.
        contains_matrix: Whether each announcement contains the matrix of its sender; None for all.
    """
    shown = [True] * len(rows) if contains_matrix is None else contains_matrix
    return [
        Awareness(
            origin=agent, sequence=number, wants_data=wants_data, capture_us=states.time_us, stamp_us=stamp_us, pose=pose, velocity_mps=velocity_mps,
            acceleration_mps2=change, turn_radps=turn, antenna_height_m=height_m, size_m=size_m,
            matrix=frame.matrix if frame and is_shown else None, heard=known, busy_share=busy, withheld=frame is not None and not is_shown,
        )
        for agent, wants_data, stamp_us, pose, velocity_mps, change, turn, height_m, size_m, frame, known, number, busy, is_shown in zip(
            states.agent[rows].tolist(), states.ego[rows].tolist(), states.stamp_us[rows].tolist(), states.pose[rows],
            states.velocity_mps[rows], states.acceleration_mps2[rows].tolist(), states.turn_radps[rows].tolist(),
            states.antenna_height_m[rows].tolist(), states.size_m[rows], frames, heard, sequence,
            announced_busy_share(busy_share).tolist(), shown, strict=True,
        )
    ]  # fmt: skip


def announcement_bytes(awareness: Awareness) -> int:
    """Return the size of an announcement's payload."""
    matrix_bytes = encoded_matrix_bytes(awareness.matrix.code) if awareness.matrix is not None else 0
    return awareness_bytes(matrix_bytes, len(awareness.heard))
