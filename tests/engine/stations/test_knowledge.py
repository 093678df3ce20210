"""What one station knows."""

import numpy as np

from tests.engine.small_world import answer, detections, frame, knowledge, report, request
from v2xsim.engine.stations.contents import NOBODY, Retold


def test_the_newest_frame_counts_once_its_detection_is_finished():
    mine = knowledge(1, frame(time_us=0), frame(time_us=100))
    assert mine.frame_detected_by(149, 50).time_us == 0
    assert mine.frame_detected_by(150, 50).time_us == 100
    assert mine.frame_detected_by(49, 50) is None


def test_a_frame_is_found_by_its_capture():
    mine = knowledge(1, frame(time_us=0), frame(time_us=100))
    assert mine.frame_of(100) is mine.frames[1]
    assert mine.frame_of(50) is None


def test_parts_of_an_answer_add_up():
    mine, sent = knowledge(1), answer()
    mine.receive_part(7, sent, np.array([True, False, False]))
    mine.receive_part(7, sent, np.array([False, False, True]))
    (received,) = mine.answers[2]
    np.testing.assert_array_equal(received.parts, [True, False, True])
    assert received.packets == 2


def test_a_part_that_arrives_twice_counts_once():
    mine, sent = knowledge(1), answer()
    for _ in range(2):
        mine.receive_part(7, sent, np.array([True, False]))
    assert mine.answers[2][0].packets == 1


def test_answers_of_two_messages_are_kept_apart():
    mine = knowledge(1)
    mine.receive_part(7, answer(), np.array([True]))
    mine.receive_part(8, answer(request(number=8)), np.array([True]))
    assert [item.number for item in mine.answers[2]] == [7, 8]


def test_the_last_report_of_an_object_counts():
    mine = knowledge(1)
    mine.take_report(report(frame(2), number=[5]), 100, keep_copy=False)
    newer = report(frame(2, 1000), detections([(0, 0), (9, 9)]), [6, 5])
    mine.take_report(newer, 1100, keep_copy=False)
    objects = mine.reported[2]
    assert sorted(objects) == [5, 6]
    assert (objects[5].report, objects[5].row, objects[5].arrived_us) == (newer, 1, 1100)


def test_a_copy_of_a_report_neither_replaces_the_original_nor_a_newer_report():
    mine, first, second = knowledge(1), report(frame(2), number=[5]), report(frame(2, 1000), number=[5])
    mine.take_report(first, 100, keep_copy=False)
    mine.take_report(first, 150, keep_copy=False, relay=7)
    assert (mine.reported[2][5].arrived_us, mine.reported[2][5].relay) == (100, NOBODY)
    mine.take_report(second, 1100, keep_copy=False, relay=7)
    mine.take_report(first, 1200, keep_copy=False, relay=8)
    assert (mine.reported[2][5].report, mine.reported[2][5].relay) == (second, 7)


def test_a_station_ignores_its_own_report():
    mine = knowledge(2)
    mine.take_report(report(frame(2)), 100, keep_copy=True)
    assert mine.reported == {}
    assert mine.report_copies == []


def test_copies_are_kept_for_rules_that_count_them_alone():
    mine, sent = knowledge(1), report(frame(2))
    mine.take_report(sent, 100, keep_copy=False)
    assert mine.report_copies == []
    mine.take_report(sent, 200, keep_copy=True)
    assert mine.report_copies == [(sent, 200)]


def test_a_newer_report_leaves_objects_that_it_does_not_name():
    mine, first = knowledge(1), report(frame(2), detections([(0, 0), (9, 9)]), [5, 6])
    mine.take_report(first, 100, keep_copy=False)
    mine.take_report(report(frame(2, 1000), number=[6]), 1100, keep_copy=False)
    assert (mine.reported[2][5].report, mine.reported[2][5].row, mine.reported[2][5].arrived_us) == (first, 0, 100)
    assert mine.reported[2][6].arrived_us == 1100


def test_an_answer_remembers_its_message_and_what_was_sent():
    mine, sent = knowledge(1), answer()
    mine.receive_part(7, sent, np.array([True, False]))
    (received,) = mine.answers[2]
    assert (received.number, received.answer, received.packets) == (7, sent, 1)


def test_what_was_told_on_is_news_until_the_report_itself_or_a_newer_one_has_arrived():
    mine = knowledge(1)
    old, new = (report(frame(2, time_us), detections([(0, 0), (9, 0)]), [5, 6]) for time_us in (0, 100_000))
    both, hops = np.array([0, 1]), np.array([1, 1])
    assert mine.take_retold(Retold(3, ((old, both[:1], hops[:1]),), 72), 40_000, 50_000) == 1
    mine.take_report(new, 160_000, False)
    assert mine.take_retold(Retold(4, ((old, both, hops), (new, both, hops)), 176), 170_000, 180_000) == 0
    first, second = (mine.reported[2][number] for number in (5, 6))
    assert [(item.relay, item.told_us) for item in (first, second)] == [(NOBODY, -1), (NOBODY, -1)]


def test_what_was_told_on_names_the_station_that_told_it_and_when():
    mine, one = knowledge(1), report(frame(2, 0), detections([(0, 0)]), [5])
    mine.take_retold(Retold(3, ((one, np.array([0]), np.array([1])),), 72), 40_000, 50_000)
    item = mine.reported[2][5]
    assert (item.relay, item.told_us, item.arrived_us) == (3, 40_000, 50_000)
