"""What becomes of the cycles that egos want: asked or not, answered or not, by the deadline or after it."""

import numpy as np
import pytest

from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    Candidate,
    answer,
    answer_message,
    candidates_from,
    frame,
    matrix,
    nothing_sent,
    request,
    request_message,
    sure_of,
)
from v2xsim.engine.cooperation.matching import Ask
from v2xsim.engine.cooperation.transfers import Transfer, Transfers
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.results.tables import Columns

FRAME_US, ASK_US, FUSE_US = 300_000, 320_000, 400_000
FREE = 1
SEES_ALL, SEES_NOTHING = np.full((4, 4), FREE), np.zeros((4, 4))


class Run:
    """Cycles of one run; helpers are asked for the frame of `FRAME_US`."""

    def __init__(self):
        self.cycles = Columns("cycles")
        self.transfers = Transfers(Columns("transfers"), 500_000, self.cycles)
        self.numbers = iter(range(1, 100))

    def wants(self, *asked, egos=(EGO,), sees=(SEES_ALL,), weight=1.0):
        """Let egos want data; each knows one helper for each of the matrices `sees`, and the first one asks some."""
        known = candidates_from(*[
            [Candidate(HELPER + n, matrix(code), np.zeros(2), 1.0, 1.0, np.inf, NOBODY) for n, code in enumerate(sees)] for _ in egos
        ])  # fmt: skip
        frames = [frame(ego, FRAME_US) for ego in egos]
        asks = [
            [Ask(helper, NOBODY, sure_of(helper), np.ones((4, 4), bool), 100) for helper in asked],
            *[[] for _ in egos[1:]],
        ]
        self.transfers.cycles.wanted(ASK_US, frames, np.full((len(egos), 4, 4), weight), known, asks)
        return self

    def sent(self, helper=HELPER):
        """Return a request to a helper that is under way."""
        message = request_message(request(number=next(self.numbers), helper=helper))
        transfer = Transfer.of(message, FRAME_US, -1, -1, 1)
        self.transfers.add(transfer)
        return transfer

    def answered(self, helper=HELPER, fragments=2):
        """Let a request arrive; return its answer, which is under way."""
        asked = self.sent(helper)
        asked.receive(0, ASK_US + 5_000)
        asked.reached_helper(True)
        self.transfers.over(asked.number)
        message = answer_message(answer(request(frame_us=FRAME_US, helper=helper)), number=next(self.numbers))
        transfer = Transfer.of(message, FRAME_US, 200_000, 220_000, fragments)
        self.transfers.add(transfer)
        return transfer

    def arrives(self, transfer, *fragments, at_us):
        for fragment in fragments:
            transfer.receive(fragment, at_us)

    def fuses(self, now_us=FUSE_US):
        self.transfers.fused_before(now_us, now_us)
        return self

    @property
    def rows(self):
        return self.cycles.finished().to_pylist()

    @property
    def outcomes(self):
        return [row["outcome"] for row in self.rows]


def test_a_cycle_is_a_row_with_its_times():
    run = Run().wants(HELPER)
    one = run.answered()
    run.arrives(one, 0, 1, at_us=390_000)
    run.transfers.over(one.number)
    run.fuses()
    assert run.rows == [{
        "frame_us": FRAME_US, "ego": EGO, "ask_us": ASK_US, "fuse_us": FUSE_US, "blind_weight": 16.0, "known": 1, "asked": 1,
        "complete": 1, "partial": 0, "complete_us": 390_000, "outcome": "complete",
    }]  # fmt: skip


# Asked nobody


@pytest.mark.parametrize(("sees", "reason"), [
    ([], "nobody_known"), ([SEES_NOTHING, SEES_NOTHING], "nobody_useful"), ([SEES_NOTHING, SEES_ALL], "not_asked"),
])  # fmt: skip
def test_an_ego_that_asked_nobody_has_failed(sees, reason):
    run = Run().wants(sees=sees).fuses()
    assert run.outcomes == [reason]
    assert run.rows[0]["complete_us"] == -1


def test_an_ego_without_a_blind_zone_wants_nothing():
    assert Run().wants(weight=0.0).fuses().rows == []


def test_each_ego_has_a_reason_of_its_own():
    run = Run().wants(HELPER, egos=(EGO, OTHER))
    run.fuses()
    # Without messages, a helper that sends nothing has no frame.
    assert [(row["ego"], row["outcome"]) for row in run.rows] == [(EGO, "no_frame"), (OTHER, "not_asked")]


# Asked


def test_a_request_that_never_arrived_is_lost():
    run = Run().wants(HELPER)
    run.transfers.over(run.sent().number)
    assert run.fuses().outcomes == ["request_lost"]


def test_a_helper_may_have_no_frame():
    run = Run().wants(HELPER)
    asked = run.sent()
    asked.receive(0, ASK_US)
    asked.reached_helper(False)
    run.transfers.over(asked.number)
    assert run.fuses().outcomes == ["no_frame"]


def test_an_answer_of_which_a_part_is_missing_is_lost_and_partial():
    run = Run().wants(HELPER)
    one = run.answered()
    run.arrives(one, 0, at_us=380_000)
    run.transfers.over(one.number)
    assert run.fuses().outcomes == ["answer_lost"]
    assert (run.rows[0]["complete"], run.rows[0]["partial"]) == (0, 1)


def test_an_answer_after_the_deadline_is_late_whatever_had_arrived_by_then():
    run = Run().wants(HELPER)
    one = run.answered()
    run.arrives(one, 0, at_us=380_000)
    assert run.fuses().rows == []
    run.arrives(one, 1, at_us=430_000)
    run.transfers.over(one.number)
    run.fuses(500_000)
    assert run.outcomes == ["late"]
    assert (run.rows[0]["partial"], run.rows[0]["complete_us"], run.rows[0]["fuse_us"]) == (1, 430_000, FUSE_US)


def test_the_answer_to_a_late_request_belongs_to_the_cycle():
    run = Run().wants(HELPER)
    asked = run.sent()
    run.fuses()
    asked.receive(0, 450_000)
    asked.reached_helper(True)
    late = Transfer.of(answer_message(answer(request(frame_us=FRAME_US)), number=50), FRAME_US, 200_000, 220_000, 1)
    run.transfers.add(late)
    run.transfers.over(asked.number)
    run.fuses(500_000)
    assert run.rows == []
    late.receive(0, 510_000)
    run.transfers.over(late.number)
    assert run.fuses(600_000).outcomes == ["late"]


def test_what_is_under_way_at_the_end_of_the_run_is_neither_lost_nor_late():
    run = Run().wants(HELPER)
    run.answered()
    run.fuses()
    run.transfers.close()
    assert run.outcomes == ["run_ended"]


def test_a_cycle_is_complete_only_with_all_answers():
    run = Run().wants(HELPER, OTHER, sees=(SEES_ALL, SEES_ALL))
    one, other = run.answered(HELPER), run.answered(OTHER)
    run.arrives(one, 0, 1, at_us=390_000)
    for transfer in (one, other):
        run.transfers.over(transfer.number)
    run.fuses()
    assert run.outcomes == ["answer_lost"]
    assert (run.rows[0]["asked"], run.rows[0]["complete"], run.rows[0]["complete_us"]) == (2, 1, -1)


def test_the_first_reason_counts():
    run = Run().wants(HELPER, OTHER, sees=(SEES_ALL, SEES_ALL))
    late = run.answered(HELPER)
    run.transfers.over(run.sent(OTHER).number)
    run.fuses()
    run.arrives(late, 0, 1, at_us=450_000)
    run.transfers.over(late.number)
    assert run.fuses(500_000).outcomes == ["request_lost"]


def test_rows_are_in_the_order_of_the_cycles():
    run = Run().wants(HELPER)
    one = run.answered()
    run.fuses()
    run.wants(egos=(OTHER,)).fuses(500_000)
    assert run.rows == []
    run.transfers.over(one.number)
    run.fuses(600_000)
    assert [row["ego"] for row in run.rows] == [EGO, OTHER]


def test_cycles_that_have_a_row_are_forgotten():
    run = Run().wants(HELPER)
    run.transfers.over(run.answered().number)
    run.fuses()
    assert (len(run.transfers.cycles._waiting), run.transfers.cycles._by_frame) == (0, {})


def test_a_cycle_that_nobody_wanted_takes_no_transfer():
    transfers = nothing_sent()
    transfers.add(Transfer.of(request_message(request()), FRAME_US, -1, -1, 1))
    assert transfers.cycles._by_frame == {}
