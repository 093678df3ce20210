"""What stations tell each other: the contents of messages. They hold what the sender knows.

Two things in them are not sent, and no decision reads them: `Detections.truth` and `Answer.point_row`, for metrics and the visibility
model. Answers and reports also refer to the sender's whole frame; receivers use its times and pose, which are sent, and no more.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Detections, PerceptionMatrix

NOBODY = -1
"""In place of a station: none. Result tables write it as -1."""
EVERYBODY = -2
"""In place of the station that a message is for: whoever receives it."""


@dataclass(frozen=True)
class Awareness:
    """What a station announces of itself: its state as it believes it, and what it observed.

    Attributes:
        origin: The station.
        capture_us: Simulated time of the state announced.
        stamp_us: The same on the station's own clock.
        pose: Believed x, y, z, yaw.
        velocity_mps: Velocity over ground.
        antenna_height_m: Height of the antenna above ground.
        size_m: Length, width and height of the body; zeros for a roadside unit.
        matrix: Its perception matrix, None without a lidar.
        heard: Stations that it has heard lately; how well is not in the message.
    """

    origin: int
    capture_us: int
    stamp_us: int
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    antenna_height_m: float
    size_m: Float[np.ndarray, " 3"]
    matrix: PerceptionMatrix | None
    heard: Int64[np.ndarray, " stations"]


@dataclass(frozen=True)
class Request:
    """What an ego asks one helper for.

    Attributes:
        number: Number of the message that carries it, unique in a run.
        ego: Station that asks.
        helper: Station that is asked.
        frame_us: Capture of the ego's frame that the answer is for.
        lower: World cell index of cell (0, 0), in the world as the ego believes it.
        cell_m: Side of a cell.
        cells: Cells asked for.
        near_m: Position of the ego: the answer takes cells nearer to it first.
        allowance_bytes: Most payload of the answer.
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
    """What a helper sends back. Parts that share a fragment arrive or are lost together.

    Attributes:
        request: What it answers.
        frame: The helper's frame that the data is from.
        code: Matrix codes of the cells asked for, UNOBSERVED where the answer says nothing.
        code_part: Fragment that completes each cell's content.
        points_m: Lidar points in the world as the helper believes it; none where boxes are sent.
        point_row: Row of each point in the helper's cloud. Not sent: the visibility model looks up by it what the point hit.
        point_part: Fragment of each point.
        detections: Boxes in the world as the helper believes it, velocities included; none where points are sent.
        box_part: Fragment of each box.
        size_bytes: Payload.
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
    """One collective perception message.

    Attributes:
        origin: The station.
        frame: Its frame that the objects are from.
        number: The sender's own number of each object.
        detections: The objects in the world as the sender believes it, velocities included.
        size_bytes: Payload.
    """

    origin: int
    frame: Frame
    number: Int64[np.ndarray, " objects"]
    detections: Detections
    size_bytes: int
