"""Which of the answers that arrived an ego fuses."""

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, answer, detections, frame, knowledge, request
from v2xsim.engine.cooperation.collecting import arrived_of, arrived_reports, newest_answers
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


# What has arrived, on the grid of the ego's present matrix


def received(sent, parts=(True,)):
    return ReceivedAnswer(1, sent, np.array(parts), 1)


def on_grid(lower, of=(0, 0), shape=(4, 4), parts=(True, True)):
    """Return an answer with an occupied cell (2, 2) in fragment 1 on the grid of a later matrix."""
    code, part = np.full((4, 4), FREE), np.zeros((4, 4))
    code[2, 2], part[2, 2] = OCCUPIED, 1
    sent = answer(request(lower=of), code=code, code_part=part)
    return arrived_of(received(sent, parts), frame(EGO, lower=lower, code=np.zeros(shape))).code


def test_an_answer_to_an_earlier_request_moves_to_the_grid_of_the_present_matrix():
    assert np.argwhere(on_grid((6, 4), of=(5, 3)) == OCCUPIED).tolist() == [[1, 1]]


def test_a_grid_that_has_moved_along_one_axis_moves_the_answer():
    assert np.argwhere(on_grid((0, 1)) == OCCUPIED).tolist() == [[2, 1]]


def test_cells_that_the_request_did_not_cover_are_not_answered():
    assert (on_grid((2, 0))[2:] == UNOBSERVED).all()


def test_an_answer_on_a_smaller_grid_takes_the_size_of_the_present_matrix():
    moved = on_grid((0, 0), shape=(5, 6))
    assert moved.shape == (5, 6)
    assert moved[2, 2] == OCCUPIED


def test_a_cell_whose_fragment_was_lost_is_not_answered():
    code = on_grid((0, 0), parts=(True, False))
    assert code[2, 2] == UNOBSERVED
    assert (code == FREE).sum() == 15


def test_without_the_first_fragment_no_cell_is_answered():
    assert (on_grid((0, 0), parts=(False, True)) == UNOBSERVED).all()


def test_only_points_and_boxes_of_fragments_that_arrived_are_there():
    boxes = detections([(1, 1), (2, 2), (3, 3)])
    sent = answer(
        points_m=[(1, 0, 0), (2, 0, 0), (3, 0, 0)], point_part=[0, 1, 2], seen=boxes, box_part=[2, 1, 0]
    )  # fmt: skip
    arrived = arrived_of(received(sent, (False, True, True)), frame(EGO))
    assert arrived.points_m[:, 0].tolist() == [2.0, 3.0]
    assert arrived.point_row.tolist() == [1, 2]
    assert arrived.detections.boxes.center_m[:, 0].tolist() == [1.0, 2.0]
    assert arrived.frame is sent.frame


def test_fragments_that_arrive_after_the_fusion_change_nothing_in_it():
    late = received(answer(points_m=[(1, 0, 0), (2, 0, 0)], point_part=[0, 1]), (True, False))
    arrived = arrived_of(late, frame(EGO))
    late.parts[1] = True
    assert len(arrived.points_m) == 1


def test_reported_objects_say_nothing_about_cells_and_bring_no_points():
    theirs = frame(HELPER)
    arrived = arrived_reports(theirs, detections([(1, 1), (3, 3)]), frame(EGO, code=np.zeros((3, 5))))
    assert arrived.code.shape == (3, 5)
    assert (arrived.code == UNOBSERVED).all()
    assert (arrived.points_m.shape, len(arrived.point_row)) == ((0, 3), 0)
    assert len(arrived.detections) == 2
    assert arrived.frame is theirs
