"""What an ego fuses at its deadline: of each helper the newest answer that has arrived, whole or in part."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8

from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge, ReceivedAnswer
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import UNOBSERVED, Detections, PerceptionMatrix


@dataclass(frozen=True)
class Arrived:
    """What has arrived of one helper's frame, on the grid of the ego's matrix. Parts that were lost are not in it.

    Attributes:
        frame: The helper's frame that the data is from.
        code: Matrix codes of the cells that the helper answered; UNOBSERVED elsewhere.
        points_m: Lidar points in the world as the helper believes it.
        point_row: Row of each point in the helper's cloud; the visibility model looks up by it what the point hit.
        detections: Boxes in the world as the helper believes it, velocities included.
    """

    frame: Frame
    code: UInt8[np.ndarray, "nx ny"]
    points_m: Float[np.ndarray, "points 3"]
    point_row: Int64[np.ndarray, " points"]
    detections: Detections


def newest_answers(knowledge: Knowledge, ego: Frame, max_age_us: int) -> list[ReceivedAnswer]:
    """Forget answers older than `max_age_us`, and return what an ego fuses for its frame.

    That is, of each helper, the newest answer captured not after the frame, however few of its fragments have arrived. One that arrives after this instant is late for this frame; it may still serve
    the next one.
    """
    newest, oldest_us = [], ego.time_us - max_age_us
    for helper in sorted(knowledge.answers):
        answers = [item for item in knowledge.answers[helper] if item.answer.frame.time_us >= oldest_us]
        knowledge.answers[helper] = answers
        usable = [item for item in answers if item.answer.frame.time_us <= ego.time_us]
        # With equal captures, the one of which more packets have arrived; then the later request, whose cells are newer.
        if usable:
            newest.append(max(usable, key=lambda item: (item.answer.frame.time_us, item.packets, item.number)))
    return newest


def arrived_of(received: ReceivedAnswer, ego: Frame) -> Arrived:
    """Return what has arrived of an answer, perhaps to an earlier request, on the grid of the ego's present matrix."""
    answer, parts, request = received.answer, received.parts, received.answer.request
    # The first fragment has the list of cells: without it nothing says which cells the codes are of.
    has_code = parts[answer.code_part] & parts[0]
    code = np.where(has_code, answer.code, UNOBSERVED).astype(np.uint8)
    on_request_grid = PerceptionMatrix(request.lower, request.cell_m, code)
    has_point, has_box = parts[answer.point_part], parts[answer.box_part]
    return Arrived(
        answer.frame, shifted(on_request_grid, ego.matrix.lower, ego.matrix.code.shape), answer.points_m[has_point],
        answer.point_row[has_point], answer.detections[np.flatnonzero(has_box)],
    )  # fmt: skip


def arrived_reports(frame: Frame, detections: Detections, ego: Frame) -> Arrived:
    """Return reported objects: they say nothing about cells.

    Args:
        frame: The sender's frame of the newest report.
        detections: All objects that are still valid, moved on to that frame.
        ego: The ego's frame.
    """
    unknown = np.full(ego.matrix.code.shape, UNOBSERVED, np.uint8)
    return Arrived(frame, unknown, np.zeros((0, 3)), np.zeros(0, np.int64), detections)
