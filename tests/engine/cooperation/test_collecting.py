"""Which of the answers that arrived an ego fuses."""

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, answer, frame, knowledge, request
from v2xsim.engine.cooperation.collecting import newest_answers, on_grid_of
from v2xsim.engine.stations.knowledge import ReceivedAnswer
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED

FRAME_US, MAX_AGE_US = 500_000, 300_000


def numbers_fused(known):
    """Return the numbers of the answers that an ego fuses for its frame."""
    return [item.number for item in newest_answers(known, frame(EGO, FRAME_US), MAX_AGE_US)]


def with_answers(*items):
    """Return the knowledge of an ego with answers: number, capture, and by which helper; in that order."""
    known = knowledge()
    for number, captured_us, helper in items:
        sent = answer(request(number=number, helper=helper), frame(helper, captured_us))
        known.receive_part(number, sent, np.ones(1, bool))
    return known


def test_of_each_helper_the_answer_captured_last_is_fused():
    assert numbers_fused(with_answers((1, 400_000, HELPER), (2, 450_000, HELPER), (3, 300_000, HELPER))) == [2]


def test_an_answer_captured_at_the_instant_of_the_frame_is_fused():
    assert numbers_fused(with_answers((1, FRAME_US, HELPER))) == [1]


def test_an_answer_captured_after_the_frame_is_kept_for_the_next_one():
    known = with_answers((1, 400_000, HELPER), (2, FRAME_US + 1, HELPER))
    assert numbers_fused(known) == [1]
    assert len(known.answers[HELPER]) == 2


def test_a_helper_whose_only_answer_was_captured_after_the_frame_gives_nothing():
    assert numbers_fused(with_answers((1, FRAME_US + 1, HELPER), (2, 400_000, OTHER))) == [2]


def test_an_answer_as_old_as_is_allowed_is_fused():
    assert numbers_fused(with_answers((1, FRAME_US - MAX_AGE_US, HELPER))) == [1]


def test_an_older_answer_is_forgotten():
    known = with_answers((1, FRAME_US - MAX_AGE_US - 1, HELPER))
    assert numbers_fused(known) == []
    assert known.answers[HELPER] == []


def test_helpers_come_in_rising_order():
    assert numbers_fused(with_answers((1, 400_000, OTHER), (2, 400_000, HELPER))) == [2, 1]


def test_of_two_answers_from_one_frame_the_one_with_more_packets_is_fused():
    known = knowledge()
    sent = answer(request(), frame(HELPER, 400_000))
    for number, parts in ((1, (0, 1)), (2, (0,))):
        for part in parts:
            known.receive_part(number, sent, np.arange(2) == part)
    assert numbers_fused(known) == [1]


def test_of_two_answers_from_one_frame_with_as_many_packets_the_later_is_fused():
    assert numbers_fused(with_answers((2, 400_000, HELPER), (1, 400_000, HELPER))) == [2]


# On the grid of the ego's present matrix


def received(sent, parts=(True,)):
    return ReceivedAnswer(1, sent, np.array(parts), 1)


def test_an_answer_on_the_present_grid_is_taken_as_it_is():
    sent = answer(request(lower=(3, 5)))
    assert on_grid_of(frame(EGO, lower=(3, 5)), received(sent)).answer is sent


def on_grid(lower, of=(0, 0), shape=(4, 4)):
    """Return an answer with an occupied cell (2, 2) in fragment 1 on the grid of a later matrix."""
    code, part = np.full((4, 4), FREE), np.zeros((4, 4))
    code[2, 2], part[2, 2] = OCCUPIED, 1
    sent = answer(request(lower=of), code=code, code_part=part)
    return on_grid_of(frame(EGO, lower=lower, code=np.zeros(shape)), received(sent, (True, True))).answer


def test_an_answer_to_an_earlier_request_moves_to_the_grid_of_the_present_matrix():
    moved = on_grid((6, 4), of=(5, 3))
    assert np.argwhere(moved.code == OCCUPIED).tolist() == [[1, 1]]
    assert np.argwhere(moved.code_part == 1).tolist() == [[1, 1]]


def test_a_grid_that_has_moved_along_one_axis_moves_the_answer():
    assert np.argwhere(on_grid((0, 1)).code == OCCUPIED).tolist() == [[2, 1]]


def test_cells_that_the_request_did_not_cover_are_not_answered():
    assert (on_grid((2, 0)).code[2:] == UNOBSERVED).all()


def test_an_answer_on_a_smaller_grid_takes_the_size_of_the_present_matrix():
    moved = on_grid((0, 0), shape=(5, 6))
    assert moved.code.shape == (5, 6)
    assert moved.code[2, 2] == OCCUPIED


def test_an_answer_on_a_grid_that_moved_keeps_what_it_says_otherwise():
    moved = on_grid((6, 4), of=(5, 3))
    assert (moved.request.lower.tolist(), moved.size_bytes) == ([5, 3], 100)


def test_fragments_that_arrive_after_the_fusion_change_nothing_in_it():
    late = received(answer(), (True, False))
    arrived = on_grid_of(frame(EGO), late)
    late.parts[1] = True
    assert arrived.parts.tolist() == [True, False]
