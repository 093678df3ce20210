"""What an ego fuses at its deadline: of each helper the newest answer that has arrived, whole or in part."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from v2xsim.engine.stations.contents import Answer
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge, ReceivedAnswer
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import PerceptionMatrix


@dataclass(frozen=True)
class Arrived:
    """An answer on the grid of the ego's matrix, and which of its fragments are there."""

    answer: Answer
    parts: Bool[np.ndarray, " fragments"]


def newest_answers(knowledge: Knowledge, ego: Frame, max_age_us: int) -> list[ReceivedAnswer]:
    """Return what an ego fuses for its frame: of each helper the newest answer captured not after the frame.

    Answers older than `max_age_us` are forgotten. One that arrives after this instant is late for this frame; it may still serve
    the next one.
    """
    newest, oldest_us = [], ego.time_us - max_age_us
    for helper in sorted(knowledge.answers):
        answers = [item for item in knowledge.answers[helper] if item.answer.frame.time_us >= oldest_us]
        knowledge.answers[helper] = answers
        usable = [item for item in answers if item.answer.frame.time_us <= ego.time_us]
        if usable:
            newest.append(max(usable, key=lambda item: (item.answer.frame.time_us, item.packets, item.number)))
    return newest


def on_grid_of(ego: Frame, received: ReceivedAnswer) -> Arrived:
    """Return an answer, perhaps to an earlier request, on the grid of the ego's present matrix."""
    answer, parts = received.answer, received.parts.copy()
    request, shape = answer.request, ego.matrix.code.shape
    if not (ego.matrix.lower - request.lower).any() and answer.code.shape == shape:
        return Arrived(answer, parts)
    code, code_part = (
        shifted(PerceptionMatrix(request.lower, request.cell_m, values), ego.matrix.lower, shape)
        for values in (answer.code, answer.code_part)
    )
    return Arrived(replace(answer, code=code, code_part=code_part), parts)
