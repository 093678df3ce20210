"""What becomes of requests and answers."""

import math
import weakref

import pytest

from tests.engine.small_world import (
    EGO,
    HELPER,
    RELAY,
    answer,
    answer_message,
    frame,
    nothing_sent,
    request,
    request_message,
)
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.results.tables import Columns

FRAME_US = 300_000


def asking(fragments=1, number=7):
    return Transfer.of(request_message(request(number=number)), FRAME_US, -1, -1, fragments)


def answering(fragments=1, frame_us=FRAME_US, number=8):
    message = answer_message(answer(request(frame_us=frame_us)), number=number)
    return Transfer.of(message, frame_us, 200_000, 220_000, fragments)


def answering_after(*fragments, of=2):
    """Return an answer of which some fragments have arrived."""
    transfer = answering(of)
    for fragment in fragments:
        transfer.receive(fragment, 400_000)
    return transfer


@pytest.mark.parametrize("transfer", [asking(), answering()])
def test_a_transfer_knows_who_asked_whom(transfer):
    assert (transfer.ego, transfer.helper) == (EGO, HELPER)


def test_nothing_has_happened_to_a_message_that_was_just_queued():
    transfer = asking()
    assert (transfer.air_us, transfer.arrive_us, transfer.fuse_us, transfer.final_outcome) == (-1, -1, -1, "lost")


# On the way


@pytest.mark.parametrize("starts_us", [(5, 3, 9), (3, 5), (0, 2)])
def test_a_message_is_on_the_air_from_its_first_packet(starts_us):
    transfer = asking()
    for start_us in starts_us:
        transfer.on_air(start_us)
    assert transfer.air_us == min(starts_us)


def test_a_message_has_arrived_when_its_last_fragment_has():
    transfer = asking(fragments=2)
    assert not transfer.receive(1, 10)
    assert transfer.arrive_us == -1
    assert transfer.receive(0, 20)
    assert transfer.arrive_us == 20


def test_a_fragment_that_comes_twice_completes_nothing():
    transfer = asking(fragments=2)
    transfer.receive(1, 10)
    assert not transfer.receive(1, 20)


# What becomes of it


@pytest.mark.parametrize(("is_answered", "outcome"), [(True, "answered"), (False, "no_frame")])
def test_a_request_that_reached_its_helper_is_answered_if_the_helper_has_a_frame(is_answered, outcome):
    transfer = asking()
    transfer.receive(0, 10)
    transfer.reached_helper(is_answered)
    assert transfer.final_outcome == outcome


def test_a_request_of_which_a_part_arrived_is_lost():
    transfer = asking(fragments=2)
    transfer.receive(0, 10)
    assert transfer.final_outcome == "lost"


def test_a_request_that_arrived_whole_without_an_answer_is_lost():
    transfer = asking()
    transfer.receive(0, 10)
    assert transfer.final_outcome == "lost"


def test_an_answer_fused_for_the_frame_that_asked_for_it_is_used():
    transfer = answering_after(0, 1)
    transfer.fused(450_000, FRAME_US)
    assert transfer.final_outcome == "used"
    assert transfer.fuse_us == 450_000


def test_an_answer_fused_for_another_frame_is_late():
    transfer = answering_after(0, 1)
    transfer.fused(550_000, FRAME_US + 100_000)
    assert transfer.final_outcome == "late"


def test_only_the_first_fusion_of_an_answer_counts():
    transfer = answering_after(0, 1)
    transfer.fused(450_000, FRAME_US)
    transfer.fused(550_000, FRAME_US + 100_000)
    assert (transfer.fuse_us, transfer.final_outcome) == (450_000, "used")


def test_a_fusion_at_the_begin_of_a_run_counts_as_the_first():
    transfer = answering(frame_us=0)
    transfer.fused(0, 0)
    transfer.fused(100_000, 100_000)
    assert (transfer.fuse_us, transfer.final_outcome) == (0, "used")


def test_a_part_of_an_answer_that_was_fused_counts_as_used():
    transfer = answering_after(0)
    transfer.fused(450_000, FRAME_US)
    assert transfer.final_outcome == "used"


def test_an_answer_that_arrived_whole_and_was_never_fused_is_superseded():
    assert answering_after(0, 1).final_outcome == "superseded"


def test_an_answer_of_which_a_part_arrived_and_was_never_fused_is_partial():
    assert answering_after(1).final_outcome == "partial"


def test_an_answer_of_which_nothing_arrived_is_lost():
    assert answering_after().final_outcome == "lost"


# All of a run


def test_transfers_are_found_by_the_number_of_their_message():
    transfers, first, second = nothing_sent(), asking(number=1), asking(number=2)
    transfers.add(first)
    transfers.add(second)
    assert transfers.of_message(2) is second
    assert transfers.without_row() == [first, second]


def test_requests_for_a_frame_are_found_with_the_answers_to_them():
    transfers = nothing_sent()
    asked, answered, later = asking(), answering(), answering(frame_us=400_000)
    for transfer in (asked, answered, later):
        transfers.add(transfer)
    assert transfers.of_frame(EGO, FRAME_US) == [asked, answered]


def test_a_frame_that_asked_nobody_has_no_transfers():
    assert nothing_sent().of_frame(EGO, FRAME_US) == []


def test_a_frame_that_was_fused_keeps_no_transfers():
    transfers = of(asking(), asking(number=9))
    transfers.fused_before(FRAME_US + 100_000, FRAME_US + 100_000)
    assert transfers.of_frame(EGO, FRAME_US) == []


def test_the_answer_to_a_late_request_is_kept_for_no_frame_that_was_fused():
    transfers = of()
    transfers.fused_before(FRAME_US + 100_000, FRAME_US + 100_000)
    transfers.add(answering())
    assert transfers._by_frame == {}


# Rows


MAX_AGE_US = 150_000


def of(*sent):
    """Return the transfers of a run in which these requests and answers were sent; `_table` has their rows."""
    transfers = nothing_sent(Columns("transfers"), max_age_us=MAX_AGE_US)
    for transfer in sent:
        transfers.add(transfer)
    return transfers


def rows(transfers):
    return transfers._table.finished().to_pylist()


def numbers(transfers):
    return [row["message"] for row in rows(transfers)]


def test_a_request_is_a_row_with_its_times():
    message = request_message(request(), relay=RELAY, size_bytes=24, queued_us=7)
    transfer = Transfer.of(message, 6, -1, -1, 2, 0.25)
    transfer.receive(0, -1)
    transfer.on_air(8)
    transfers = of(transfer)
    transfers.close()
    assert rows(transfers) == [{
        "message": 7, "kind": "request", "origin": EGO, "destination": HELPER, "relay": RELAY, "frame_us": 6,
        "capture_us": -1, "detect_us": -1, "queue_us": 7, "air_us": 8, "arrive_us": -1, "fuse_us": -1, "size_bytes": 24,
        "fragments": 2, "arrived": 1, "predicted": 0.25, "outcome": "lost",
    }]  # fmt: skip


def test_an_answer_is_a_row_with_what_became_of_it():
    transfer = Transfer.of(answer_message(answer(), number=9), 6, 4, 5, 2)
    transfer.receive(0, 9)
    transfer.receive(1, 10)
    transfers = of(transfer)
    transfers.close()
    (row,) = rows(transfers)
    assert (row["message"], row["kind"], row["origin"], row["destination"]) == (9, "data", HELPER, EGO)
    assert (row["capture_us"], row["detect_us"], row["arrive_us"], row["arrived"]) == (4, 5, 10, 2)
    assert row["outcome"] == "superseded"
    # The ego predicts the whole cycle when it asks; its request has the prediction.
    assert math.isnan(row["predicted"])


def test_a_fragment_that_arrives_twice_counts_once():
    transfer = Transfer.of(answer_message(answer(), number=9), 6, 4, 5, 2)
    assert [transfer.receive(fragment, time_us) for fragment, time_us in ((0, 1), (0, 2), (1, 3), (1, 4))] == [
        False,
        False,
        True,
        False,
    ]
    assert transfer.arrive_us == 3


def test_a_request_gets_its_row_when_nothing_of_it_is_under_way():
    transfers = of(asking())
    transfers.fused_before(FRAME_US, FRAME_US)
    assert rows(transfers) == []
    transfers.over(7)
    transfers.fused_before(FRAME_US, FRAME_US)
    assert numbers(transfers) == [7]
    assert transfers.without_row() == []


@pytest.mark.parametrize(("next_frame_us", "has_row"), [(350_000, False), (350_001, True)])
def test_an_answer_that_arrived_gets_its_row_when_no_later_frame_can_use_it(next_frame_us, has_row):
    # Its data was captured at 200 ms, so the frame of 350 ms is the last one that can use it.
    transfers = of(answering_after(0, 1))
    transfers.over(8)
    transfers.fused_before(next_frame_us, next_frame_us)
    assert bool(rows(transfers)) == has_row


def test_an_answer_of_which_nothing_arrived_waits_for_no_deadline():
    transfers = of(answering())
    transfers.over(8)
    transfers.fused_before(0, 0)
    assert [row["outcome"] for row in rows(transfers)] == ["lost"]


def test_an_answer_that_is_too_old_waits_for_its_last_packet():
    transfers = of(answering_after(0))
    transfers.fused_before(900_000, 900_000)
    assert rows(transfers) == []
    transfers.of_message(8).receive(1, 950_000)
    transfers.over(8)
    transfers.fused_before(1_000_000, 1_000_000)
    assert [row["arrived"] for row in rows(transfers)] == [2]


def test_rows_are_in_the_order_of_sending():
    transfers = of(asking(number=1), asking(number=2), asking(number=3))
    for number in (3, 2):
        transfers.over(number)
        transfers.fused_before(0, 0)
        assert rows(transfers) == []
    transfers.over(1)
    transfers.fused_before(0, 0)
    assert numbers(transfers) == [1, 2, 3]


def test_what_is_under_way_at_the_end_of_a_run_gets_its_row_in_order():
    transfers = of(asking(number=1), answering(number=2))
    transfers.over(2)
    transfers.close()
    assert numbers(transfers) == [1, 2]


def test_a_transfer_keeps_no_frame():
    captured = frame(HELPER)
    is_kept = weakref.ref(captured)
    transfer = Transfer.of(answer_message(answer(captured=captured)), FRAME_US, 0, 0, 1)
    del captured
    assert is_kept() is None
    assert transfer.helper == HELPER
