"""What an ego asks for, and what it predicts, with each form of requests."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, Candidate, candidates_from, cooperation, frame, matrix
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast, Predicted
from v2xsim.engine.cooperation.matching import asks
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.records import FREE, OCCUPIED
from v2xsim.streams import Streams


class Told(CycleForecast):
    """A forecast that keeps the sizes of the requests and answers that it is given."""

    def predicted(self, ego, helper, evidence, there, back, request_bytes, answer_bytes):
        """Keep the sizes, and return the evidence as success."""
        self.request_bytes, self.answer_bytes = request_bytes.tolist(), answer_bytes.tolist()
        return Predicted(evidence, np.zeros(len(evidence)), np.zeros(len(evidence)))


def asked_of_two_egos(coding, *, seen, transport="radio"):
    """Return the requests of two egos of 12 x 12 cells, blind in a corner or in all cells, and what was predicted."""
    rule, forecast = cooperation(request_coding=coding, transport=transport), Told("ideal", 0, 1400)
    weight = np.zeros((2, 12, 12))
    weight[0, 0, 0] = weight[0, 1, 5] = 1.0
    weight[1] = 1.0
    one = Candidate(HELPER, matrix(seen), np.zeros(2), 1.0, 1.0, 1.0, NOBODY)
    known = candidates_from([one], [one])
    egos = [frame(EGO, code=np.zeros((12, 12))), frame(OTHER, code=np.zeros((12, 12)))]
    return asks(egos, weight, known, rule, Streams(1), forecast), forecast


@pytest.mark.parametrize(("coding", "count"), [("bits", 1), ("runs", 1), ("blocks", 16)])
def test_with_blocks_an_ego_asks_for_each_cell_of_a_block_in_which_it_wants_one(coding, count):
    seen = np.zeros((12, 12), np.uint8)
    seen[1, 5] = FREE
    (only,) = asked_of_two_egos(coding, seen=seen)[0][0]
    assert only.cells.sum() == count
    assert only.cells[1, 5]
    assert only.cells[0:4, 4:8].all() == (coding == "blocks")


@pytest.mark.parametrize(("coding", "sizes"), [
    ("bits", [22 + 18, 22 + 18]),
    # Cells 0 and 17 of 144: runs of 1, 16, 1 and 126. And 144 wanted ones: runs of 128 and 16.
    ("runs", [22 + 1 + 4, 22 + 1 + 2]),
    # Blocks 0 and 1 of 9, or all: two runs, or one.
    ("blocks", [22 + 1 + 2, 22 + 1 + 1]),
])  # fmt: skip
def test_before_the_choice_a_request_counts_as_one_for_all_that_its_ego_wants(coding, sizes):
    forecast = asked_of_two_egos(coding, seen=np.full((12, 12), FREE, np.uint8))[1]
    assert forecast.request_bytes == sizes


def test_the_predicted_answer_carries_the_codes_of_all_cells_of_the_blocks():
    seen = np.full((12, 12), OCCUPIED, np.uint8)
    cells, blocks = (asked_of_two_egos(coding, seen=seen)[1].answer_bytes[0] for coding in ("runs", "blocks"))
    assert blocks > cells


def test_without_messages_nobody_asks_by_blocks():
    seen = np.full((12, 12), FREE, np.uint8)
    assert asked_of_two_egos("blocks", seen=seen, transport="synchronous")[0][0][0].cells.sum() == 2
