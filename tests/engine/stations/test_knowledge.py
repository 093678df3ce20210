"""What one station knows."""

import numpy as np
import pytest

from tests.engine.small_world import answer, awareness, detections, frame, knowledge, report, request


def test_the_newest_frame_counts_once_its_detection_is_finished():
    mine = knowledge(1, frame(time_us=0), frame(time_us=100))
    assert mine.frame_detected_by(149, 50).time_us == 0
    assert mine.frame_detected_by(150, 50).time_us == 100
    assert mine.frame_detected_by(49, 50) is None


def test_a_frame_is_found_by_its_capture():
    mine = knowledge(1, frame(time_us=0), frame(time_us=100))
    assert mine.frame_of(100) is mine.frames[1]
    assert mine.frame_of(50) is None


def test_an_announcement_is_kept_with_its_arrival():
    mine, said = knowledge(1), awareness(2, 1000)
    mine.learn(said, 1000, now_us=1500)
    assert (mine.announced[2].awareness, mine.announced[2].arrived_us) == (said, 1500)


@pytest.mark.parametrize(("second_us", "kept_us"), [(900, 1000), (1000, 1000), (1100, 1100)])
def test_only_a_newer_announcement_replaces_one(second_us, kept_us):
    mine = knowledge(1)
    mine.learn(awareness(2, 1000), 1000, 1500)
    mine.learn(awareness(2, second_us), second_us, 1600)
    assert mine.announced[2].awareness.capture_us == kept_us
    assert mine.announced[2].arrived_us == (1600 if kept_us == 1100 else 1500)


def test_a_station_that_announces_the_same_state_again_is_still_there():
    mine, again = knowledge(1), awareness(2, 1000)
    mine.learn(awareness(2, 1000), 1200, 1500)
    mine.learn(again, 2200, 2500)
    assert mine.announced[2].awareness is again
    assert mine.announced[2].arrived_us == 2500


def test_a_relayed_copy_of_an_announcement_changes_nothing():
    mine, said = knowledge(1), awareness(2, 1000)
    mine.learn(said, 1200, 1500)
    mine.learn(said, 1200, 1700)
    assert mine.announced[2].arrived_us == 1500


def test_a_station_learns_nothing_from_its_own_announcement():
    mine = knowledge(2)
    mine.learn(awareness(2), 0, 100)
    assert mine.announced == {}


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


def test_an_announced_vehicle_is_moved_on_to_the_frame_by_its_velocity():
    mine = knowledge(1)
    mine.learn(awareness(2, 100_000, pose=(10, 20, 0.5, 0.3), velocity_mps=(20, -10)), 0, 150_000)
    vehicles = mine.announced_vehicles(frame(time_us=300_000), 300_000, 1_000_000)
    # 0.2 s later: 4 m east, 2 m south.
    np.testing.assert_allclose(vehicles.boxes.center_m, [[14.0, 18.0, 0.5]])
    np.testing.assert_allclose(vehicles.boxes.yaw_rad, [0.3])
    np.testing.assert_allclose(vehicles.boxes.size_m, [[4.0, 2.0, 1.5]])
    np.testing.assert_allclose(vehicles.velocity_mps, [[20.0, -10.0]])
    assert vehicles.truth.tolist() == [2]
    assert vehicles.score.tolist() == [1.0]


def test_ages_are_by_the_stations_own_clocks():
    mine = knowledge(1)
    mine.learn(awareness(2, 0, stamp_us=50_000, velocity_mps=(10, 0)), 0, 0)
    vehicles = mine.announced_vehicles(frame(time_us=100_000, stamp_us=80_000), 100_000, 1_000_000)
    # 80 ms on one clock less 50 ms on the other.
    np.testing.assert_allclose(vehicles.boxes.center_m[0, 0], 0.3)


def test_moving_an_announced_vehicle_on_leaves_the_announcement_as_it_was():
    mine, said = knowledge(1), awareness(2, 0, velocity_mps=(10, 0))
    mine.learn(said, 0, 0)
    mine.announced_vehicles(frame(time_us=100_000), 100_000, 1_000_000)
    np.testing.assert_array_equal(said.pose, np.zeros(4))


# A mast may have a width and a height, but no length.
@pytest.mark.parametrize("size_m", [(0, 0, 0), (0, 0.3, 6)])
def test_an_announced_roadside_unit_is_no_vehicle(size_m):
    mine = knowledge(1)
    mine.learn(awareness(2, size_m=size_m), 0, 0)
    assert len(mine.announced_vehicles(frame(), 0, 1_000_000)) == 0


@pytest.mark.parametrize(("now_us", "count"), [(1_000_500, 1), (1_000_501, 0)])
def test_an_announced_vehicle_is_forgotten_in_time(now_us, count):
    mine = knowledge(1)
    mine.learn(awareness(2), 0, 500)
    assert len(mine.announced_vehicles(frame(), now_us, 1_000_000)) == count


def test_announced_vehicles_come_in_the_order_of_their_agents():
    mine = knowledge(1)
    for agent in (9, 4, 6):
        mine.learn(awareness(agent, pose=(agent, 0, 0, 0)), 0, 0)
    vehicles = mine.announced_vehicles(frame(), 0, 1_000_000)
    assert vehicles.truth.tolist() == [4, 6, 9]
    assert vehicles.boxes.center_m[:, 0].tolist() == [4.0, 6.0, 9.0]


def test_a_forgotten_announcement_hides_none_of_the_others():
    mine = knowledge(1)
    mine.learn(awareness(2), 0, 0)
    mine.learn(awareness(3, size_m=(0, 0, 0)), 0, 900)
    mine.learn(awareness(4), 0, 900)
    assert mine.announced_vehicles(frame(), 1100, 1000).truth.tolist() == [4]


def test_who_knows_nobody_knows_no_vehicle():
    assert len(knowledge(1).announced_vehicles(frame(), 0, 1000)) == 0


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


def test_a_vehicle_may_be_shorter_than_a_metre():
    mine = knowledge(1)
    mine.learn(awareness(2, size_m=(0.9, 0.5, 1.2)), 0, 0)
    assert mine.announced_vehicles(frame(), 0, 1_000_000).truth.tolist() == [2]
