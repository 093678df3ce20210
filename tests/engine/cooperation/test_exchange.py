"""What a request says, and how many packets a payload needs."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, frame, matrix
from v2xsim.engine.cooperation.exchange import fragments_of, request_of
from v2xsim.engine.cooperation.matching import Ask, Candidate
from v2xsim.engine.stations.contents import NOBODY


def test_a_request_asks_the_chosen_helper_for_the_chosen_cells():
    ego = frame(EGO, 100_000, pose=(3, 4, 5, 6), lower=(7, 8))
    cells = np.eye(4, dtype=bool)
    asked = request_of(12, ego, Ask(Candidate(HELPER, matrix(), np.zeros(2), 1.0, NOBODY), cells, 900))
    assert (asked.number, asked.ego, asked.helper, asked.frame_us) == (12, EGO, HELPER, 100_000)
    assert (asked.allowance_bytes, asked.cell_m) == (900, 2.0)
    assert asked.cells is cells
    assert (asked.lower.tolist(), asked.near_m.tolist()) == ([7, 8], [3, 4])


@pytest.mark.parametrize(("size_bytes", "fragments"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_a_payload_needs_as_many_packets_as_it_fills_and_at_least_one(size_bytes, fragments):
    assert fragments_of(size_bytes, 100) == fragments
