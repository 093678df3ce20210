"""The contents of messages between stations: data that the sender knows.

Two fields are not sent over the air, and no decision reads them: `Detections.truth`, which metrics need, and
`Answer.point_row`, which the visibility model needs. Answers and reports also refer to the sender's whole frame, but
receivers use only the frame's times and pose, which are sent.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Detections, PerceptionMatrix

NOBODY = -1
"""Used instead of an agent id where there is no station; result tables have -1 there."""
EVERYBODY = -2
"""Used instead of the destination's agent id in a broadcast message, which is for all stations that receive it."""


_SNR_STEP_DB, _SHARE_STEPS, _BUSY_STEPS, _SNR_RANGE_DB = 0.5, 255, 255, (-28.0, 99.5)
SEQUENCE_NUMBERS = 1 << 15
"""Number of different sequence numbers of announcements; after the last one, they start again at 0."""


@dataclass(frozen=True)
class HeardList:
    """What a station measured on the packets of others that it has heard lately, with the precision of the message.

    Attributes:
        agent: Agent ids of the stations that it heard, in rising order.
        snr_db: Mean SNR of the packets of each, in steps of 0.5 dB from -28 to 99.5 dB.
        share: Share of the announcements of each that arrived, 0 to 1, in steps of 1/255.
    """

    agent: Int64[np.ndarray, " heard"]
    snr_db: Float[np.ndarray, " heard"]
    share: Float[np.ndarray, " heard"]

    @staticmethod
    def nobody() -> "HeardList":
        """Return an empty list."""
        return HeardList(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    @staticmethod
    def of(
        agent: Int64[np.ndarray, " heard"], snr_db: Float[np.ndarray, " heard"], share: Float[np.ndarray, " heard"]
    ) -> "HeardList":
        """Return the list with the values rounded as in the message; SNRs outside its range are sent as its ends."""
        rounded_db = np.round(np.clip(snr_db, *_SNR_RANGE_DB) / _SNR_STEP_DB) * _SNR_STEP_DB
        return HeardList(agent, rounded_db, np.round(share * _SHARE_STEPS) / _SHARE_STEPS)

    def __len__(self) -> int:
        return len(self.agent)


def announced_busy_share(share: Float[np.ndarray, " stations"]) -> Float[np.ndarray, " stations"]:
    """Return busy ratios, 0 to 1, with the precision of the announcement: steps of 1/255."""
    return np.round(share * _BUSY_STEPS) / _BUSY_STEPS


@dataclass(frozen=True)
class Awareness:
    """The announcement of a station: its own state as it believes it, and its perception matrix.

    Attributes:
        origin: Agent id of the station that announces itself.
        sequence: Number of this announcement among those of its sender, below SEQUENCE_NUMBERS; receivers count lost ones.
        wants_data: Whether the sender asks others for data.
        capture_us: Simulated time of the announced state.
        stamp_us: Time of the announced state on the station's own clock.
        pose: x, y, z (metres) and yaw (radians) that the station believes.
        velocity_mps: Velocity over ground, x and y.
        acceleration_mps2: Change of the speed; negative when braking.
        turn_radps: Yaw rate, counter-clockwise.
        antenna_height_m: Height of the antenna above ground.
        size_m: Length, width and height of the body; zeros for a roadside unit.
        matrix: The station's perception matrix; None if it has none, or if this announcement does not contain it.
        heard: What the sender measured on the packets of stations that it has heard lately.
        busy_share: Busy ratio of the channel that the sender measured last, 0 to 1, in steps of 1/255.
        withheld: Whether the station has a perception matrix that this announcement does not contain (`cooperation.matrix.interval_ms`).
    """

    origin: int
    sequence: int
    wants_data: bool
    capture_us: int
    stamp_us: int
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    acceleration_mps2: float
    turn_radps: float
    antenna_height_m: float
    size_m: Float[np.ndarray, " 3"]
    matrix: PerceptionMatrix | None
    heard: HeardList
    busy_share: float = 0.0
    withheld: bool = False

    @property
    def senses(self) -> bool:
        """Whether the station has a perception matrix, in this announcement or not: only such a station can answer and report."""
        return self.matrix is not None or self.withheld


@dataclass(frozen=True)
class Request:
    """A request of an ego to one helper for data of some cells.

    Attributes:
        number: Number of the message that carries the request, unique in a run.
        ego: Agent id of the ego.
        helper: Agent id of the helper.
        frame_us: Capture time of the ego's frame for which the answer is needed.
        lower: World cell index of cell (0, 0); the ego places the cells by the pose that it believes.
        cell_m: Side of a square cell.
        cells: Whether the ego asks for each cell.
        near_m: Position of the ego; cells nearer to it come first in the answer.
        allowance_bytes: Largest payload of the answer.
    """

    number: int
    ego: int
    helper: int
    frame_us: int
    lower: Int64[np.ndarray, " 2"]
    cell_m: float
    cells: Bool[np.ndarray, "nx ny"]
    near_m: Float[np.ndarray, " 2"]
    allowance_bytes: int


@dataclass(frozen=True)
class Answer:
    """A helper's answer to a request. Data in the same fragment arrives or is lost together.

    Attributes:
        request: The request that is answered.
        frame: The helper's frame from which the data comes.
        code: Matrix codes of the requested cells; UNOBSERVED for cells without data in the answer.
        code_part: Number of the fragment with which the content of each cell is complete.
        points_m: Lidar points in the world frame, placed by the pose that the helper believes; none if boxes are sent.
        point_row: Row of each point in the helper's cloud. The row is not sent; the visibility model uses it to look up
            what the point hit.
        point_part: Number of the fragment that carries each point.
        detections: Boxes in the world frame, placed by the pose that the helper believes, with velocities; none if points
            are sent.
        box_part: Number of the fragment that carries each box.
        size_bytes: Size of the payload.
    """

    request: Request
    frame: Frame
    code: UInt8[np.ndarray, "nx ny"]
    code_part: Int64[np.ndarray, "nx ny"]
    points_m: Float[np.ndarray, "points 3"]
    point_row: Int64[np.ndarray, " points"]
    point_part: Int64[np.ndarray, " points"]
    detections: Detections
    box_part: Int64[np.ndarray, " boxes"]
    size_bytes: int


@dataclass(frozen=True)
class Report:
    """The content of one collective perception message (CPM).

    Attributes:
        origin: Agent id of the sender.
        frame: The sender's frame from which the objects come.
        number: Number by which the sender identifies each object in its messages.
        detections: The objects in the world frame, placed by the pose that the sender believes, with velocities.
        size_bytes: Size of the payload.
    """

    origin: int
    frame: Frame
    number: Int64[np.ndarray, " objects"]
    detections: Detections
    size_bytes: int

    @cached_property
    def speed_mps(self) -> list[float]:
        """Speed of each object; every receiver asks for it."""
        speed: list[float] = np.linalg.norm(self.detections.velocity_mps, axis=1).tolist()
        return speed


@dataclass(frozen=True)
class Retold:
    """The content of one message with which a station tells on what others reported.

    Attributes:
        origin: Agent id of the station that tells it on.
        parts: The reports that the objects come from, with the rows of the objects in each, and how often each has been told on, with this
            message: 1 for an object that the sender has from the station that detected it.
        size_bytes: Size of the payload.
    """

    origin: int
    parts: tuple[tuple[Report, Int64[np.ndarray, " objects"], Int64[np.ndarray, " objects"]], ...]
    size_bytes: int
