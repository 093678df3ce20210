"""The data that an ego fuses at its deadline: the newest answer that has arrived from each helper, complete or in part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8

from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge, ReceivedAnswer
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import UNOBSERVED, Detections, PerceptionMatrix


@dataclass(frozen=True)
class Arrived:
    """The data of one helper's frame that has arrived, on the grid of the ego's matrix. Lost fragments are not in it.

    Attributes:
        frame: The helper's frame from which the data comes.
        code: Matrix codes of the cells that the helper answered for; UNOBSERVED elsewhere.
        points_m: Lidar points in the world frame, placed by the pose that the helper believes.
        point_row: Row of each point in the helper's cloud; the visibility model uses it to look up what the point hit.
        detections: Boxes in the world frame, placed by the pose that the helper believes; with velocities.
    """

    frame: Frame
    code: UInt8[np.ndarray, "nx ny"]
    points_m: Float[np.ndarray, "points 3"]
    point_row: Int64[np.ndarray, " points"]
    detections: Detections


def newest_answers(knowledge: Knowledge, ego: Frame, max_age_us: int) -> list[ReceivedAnswer]:
    """Return the answers that an ego fuses for its frame, and forget answers that are too old.

    For each helper, this is the newest answer whose data was captured at or before the ego's frame, even if only some of
    its fragments have arrived. An answer that arrives later may still be fused with the ego's next frame.

    Args:
        knowledge: Knowledge of the ego, with the answers that have arrived.
        ego: The ego's frame.
        max_age_us: Answers whose data was captured earlier than this before the ego's frame are forgotten.
    """
    newest, oldest_us = [], ego.time_us - max_age_us
    for helper in sorted(knowledge.answers):
        answers = [item for item in knowledge.answers[helper] if item.answer.frame.time_us >= oldest_us]
        knowledge.answers[helper] = answers
        usable = [item for item in answers if item.answer.frame.time_us <= ego.time_us]
        # Of answers with the same capture, take the one of which more packets have arrived, then the one to the later
        # request, whose cells are newer.
        if usable:
            newest.append(max(usable, key=lambda item: (item.answer.frame.time_us, item.packets, item.number)))
    return newest


def answered_whole(knowledge: Knowledge, frame_us: int) -> set[int]:
    """Return the agent ids of the helpers whose whole answer to an ego's request for one of its frames has arrived."""
    return {
        helper for helper, answers in knowledge.answers.items()
        if any(item.answer.request.frame_us == frame_us and item.parts.all() for item in answers)
    }  # fmt: skip


def arrived_of(received: ReceivedAnswer, ego: Frame) -> Arrived:
    """Return the data of an answer that has arrived, on the grid of the ego's present matrix.

    The answer may belong to a request for an earlier frame, whose matrix had another grid.
    """
    answer, parts, request = received.answer, received.parts, received.answer.request
    if parts.all():
        matrix = PerceptionMatrix(request.lower, request.cell_m, answer.code)
        code = shifted(matrix, ego.matrix.lower, ego.matrix.code.shape)
        return Arrived(answer.frame, code, answer.points_m, answer.point_row, answer.detections)
    # The first fragment lists the cells; without it, the codes cannot be assigned to cells.
    has_code = parts[answer.code_part] & parts[0]
    code = np.where(has_code, answer.code, UNOBSERVED).astype(np.uint8)
    on_request_grid = PerceptionMatrix(request.lower, request.cell_m, code)
    has_point, has_box = parts[answer.point_part], parts[answer.box_part]
    return Arrived(
        answer.frame, shifted(on_request_grid, ego.matrix.lower, ego.matrix.code.shape), answer.points_m[has_point],
        answer.point_row[has_point], answer.detections[np.flatnonzero(has_box)],
    )  # fmt: skip


def arrived_reports(frame: Frame, detections: Detections, ego: Frame) -> Arrived:
    """Return objects from reports in the form of arrived data; all cells are UNOBSERVED, because reports have no cells.

    Args:
        frame: The sender's frame of the newest report.
        detections: All objects that are still valid, extrapolated to the instant of that frame.
        ego: The ego's frame.
    """
    unknown = np.full(ego.matrix.code.shape, UNOBSERVED, np.uint8)
    return Arrived(frame, unknown, np.zeros((0, 3)), np.zeros(0, np.int64), detections)


def filled_by(arrived: Sequence[Arrived], weight: Float[np.ndarray, "nx ny"]) -> list[float]:
    """Return the share of an ego's blind weight that the data of each helper fills alone, 0 to 1.

    Args:
        arrived: The data that has arrived, on the grid of the ego's matrix. A cell for which several helpers answered counts for each.
        weight: Relevance of each blind cell; 0 for cells that are not blind.
    """
    total = float(weight.sum())
    return [float(weight[item.code != UNOBSERVED].sum()) / total if total > 0.0 else 0.0 for item in arrived]
