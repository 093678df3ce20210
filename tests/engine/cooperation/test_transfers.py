"""What becomes of requests and answers."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, answer, answer_message, request, request_message
from v2xsim.engine.cooperation.transfers import Transfer, Transfers

FRAME_US = 300_000


def asking(fragments=1, number=7):
    return Transfer(request_message(request(number=number)), FRAME_US, -1, -1, np.zeros(fragments, bool))


def answering(fragments=1, frame_us=FRAME_US, number=8):
    message = answer_message(answer(request(frame_us=frame_us)), number=number)
    return Transfer(message, frame_us, 200_000, 220_000, np.zeros(fragments, bool))


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
    transfers, first, second = Transfers(), asking(number=1), asking(number=2)
    transfers.add(first)
    transfers.add(second)
    assert transfers.of_message(2) is second
    assert transfers.all() == [first, second]


def test_requests_for_a_frame_are_found_with_the_answers_to_them():
    transfers = Transfers()
    asked, answered, later = asking(), answering(), answering(frame_us=400_000)
    for transfer in (asked, answered, later):
        transfers.add(transfer)
    assert transfers.of_frame(EGO, FRAME_US) == [asked, answered]


def test_a_frame_that_asked_nobody_has_no_transfers():
    assert Transfers().of_frame(EGO, FRAME_US) == []
