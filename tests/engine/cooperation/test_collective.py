"""What stations report unasked, and what an ego makes of the reports that reached it."""

import math

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, cooperation, detections, frame, knowledge, report
from v2xsim.engine.cooperation.collective import Reporting, _copies, reported_to

NOBODY_ANNOUNCED = np.zeros((0, 2))


class Reporter:
    """A station that looks every 0.1 s and may report."""

    def __init__(self, agent=HELPER, redundancy="none", rules=None, known=None, position_m=(0.0, 0.0), lidars=1):
        self.agent, self.position_m, self.lidars = agent, position_m, lidars
        self.rules = Reporting(cooperation(redundancy=redundancy).redundancy) if rules is None else rules
        self.known = knowledge(agent) if known is None else known

    def look(self, time_us, seen, *, announced_m=NOBODY_ANNOUNCED, wait_us=0.0):
        captured = frame(self.agent, time_us, pose=(*self.position_m, 0, 0))
        return self.rules.report(self.known, captured, seen, announced_m, time_us, wait_us, self.lidars)

    def third_look(self, seen, first_us=0, **about):
        """Return the report of the third look: an object seen less often may be a false alarm."""
        for time_us in (first_us, first_us + 100_000):
            self.look(time_us, seen, **about)
        return self.look(first_us + 200_000, seen, **about)


CAR = detections([(30, 0)], truth=[77])


# What a station reports


def test_an_object_is_reported_when_it_has_been_seen_three_times():
    sent = Reporter().third_look(CAR)
    assert sent.detections.truth.tolist() == [77]
    assert (sent.origin, sent.frame.time_us) == (HELPER, 200_000)


def test_only_the_objects_that_are_due_are_reported():
    reporter = Reporter()
    reporter.third_look(CAR)
    moved = detections([(30, 0), (60, 5)], truth=[77, 88])
    for time_us in (300_000, 400_000):
        assert reporter.look(time_us, moved) is None
    assert reporter.look(500_000, moved).detections.truth.tolist() == [88]


def test_an_object_keeps_the_number_that_its_station_gave_it():
    reporter = Reporter()
    first = reporter.third_look(detections([(30, 0), (60, 5)], truth=[77, 88]))
    again = reporter.look(1_200_000, detections([(60, 5), (30, 0)], truth=[88, 77]))
    assert dict(zip(first.detections.truth, first.number, strict=True)) == dict(
        zip(again.detections.truth, again.number, strict=True)
    )


def test_a_station_with_nothing_to_report_sends_nothing():
    reporter = Reporter()
    reporter.third_look(CAR)
    assert reporter.look(300_000, CAR) is None


def test_the_first_message_describes_the_lidars_of_its_station():
    sent = Reporter(lidars=2).look(0, CAR)
    assert len(sent.detections) == 0
    assert sent.size_bytes == math.ceil(37 + 2 * 26 / 3)


def test_a_message_between_descriptions_has_the_bytes_of_its_objects_alone():
    assert Reporter(lidars=2).third_look(CAR).size_bytes == math.ceil(37 + 27.9)


def test_congestion_control_makes_a_station_wait():
    assert Reporter().third_look(CAR, wait_us=250_000.0) is None


def test_messages_of_a_station_are_as_far_apart_as_the_scenario_demands():
    reporter = Reporter(rules=Reporting(cooperation(redundancy="none").redundancy, 500_000))
    sent_us = []
    for time_us in range(0, 2_000_000, 100_000):
        # It moves by 5 m from look to look, so it is always due.
        if reporter.look(time_us, detections([(30 + time_us / 2e4, 0)], velocity_mps=(50.0, 0.0))) is not None:
            sent_us.append(time_us)
    assert sent_us == [0, 500_000, 1_000_000, 1_500_000]


def test_each_station_has_objects_of_its_own():
    one = Reporter()
    one.third_look(CAR)
    assert Reporter(OTHER, rules=one.rules).look(300_000, CAR).detections.truth.tolist() == []


def test_a_station_that_announces_itself_need_not_be_reported():
    sent = Reporter(redundancy="self_announcing").third_look(CAR, announced_m=np.array([[30.0, 1.0]]))
    assert sent is None


# What others have reported already


def copy_of(position_m, captured_us, *, velocity_mps=(0.0, 0.0), sender_m=(0.0, 0.0), origin=OTHER):
    """Return a report that another station sent."""
    seen = detections(position_m, velocity_mps=velocity_mps)
    return report(frame(origin, captured_us, pose=(*sender_m, 0, 0)), seen)


def reported_after(*copies, redundancy="distance", seen=CAR, position_m=(0.0, 0.0)):
    """Return whether a station reports a car at its third look, at 2.2 s, with these copies (report, arrival) in its inbox."""
    reporter = Reporter(redundancy=redundancy, position_m=position_m)
    reporter.known.report_copies.extend(copies)
    return reporter.third_look(seen, 2_000_000) is not None


def test_an_object_that_a_near_station_reported_is_left_out():
    assert not reported_after((copy_of([(30, 1)], 2_200_000), 2_200_000))


def test_an_object_that_a_far_station_reported_is_reported():
    assert reported_after((copy_of([(30, 1)], 2_200_000, sender_m=(0, 11)), 2_200_000))


def test_the_distance_of_the_sender_counts_from_where_the_station_stands():
    copy = (copy_of([(30, 1)], 2_200_000, sender_m=(0, 45)), 2_200_000)
    assert not reported_after(copy, position_m=(0.0, 40.0))


def test_another_object_of_the_same_report_is_no_copy():
    assert reported_after((copy_of([(90, 1), (30, 9)], 2_200_000), 2_200_000))


def test_each_object_of_a_report_is_a_copy_from_its_sender():
    near, far = copy_of([(90, 1), (30, 1)], 2_200_000), copy_of([(30, 1)], 2_200_000, sender_m=(0, 50))
    assert not reported_after((far, 2_200_000), (near, 2_200_000))


def test_a_copy_moves_on_with_its_velocity_from_its_capture():
    # Captured 1.2 s before at 18 m with 10 m/s.
    assert not reported_after((copy_of([(18, 0)], 1_000_000, velocity_mps=(10, 0)), 2_200_000))


def test_a_copy_moves_on_no_farther_than_its_velocity_takes_it():
    # Now at 15 m + 1.2 s x 10 m/s = 27 m, just outside the 3 m within which two reports are about one object.
    assert reported_after((copy_of([(14.9, 0)], 1_000_000, velocity_mps=(10, 0)), 2_200_000))


def test_a_copy_received_a_second_ago_still_counts():
    assert not reported_after((copy_of([(30, 1)], 1_200_000), 1_200_000))


def test_a_copy_received_longer_ago_is_forgotten():
    known = knowledge(HELPER)
    fresh = (copy_of([(90, 9)], 2_000_000), 2_000_000)
    known.report_copies.extend([(copy_of([(30, 1)], 1_199_999), 1_199_999), fresh])
    assert Reporter(redundancy="distance", known=known).third_look(CAR, 2_000_000) is not None
    assert known.report_copies == [fresh]


def test_only_copies_of_the_last_second_count_as_many():
    six = [(copy_of([(30, 1)], t), t) for t in (1_199_999, *range(1_500_000, 1_500_005))]
    assert reported_after(*six, redundancy="frequency")


@pytest.mark.parametrize(("speed_mps", "is_reported"), [(5.2, False), (5.6, True)])
def test_a_copy_with_another_speed_is_another_object(speed_mps, is_reported):
    """The car goes 3 m/s east and 4 m/s north: 5 m/s; speeds that differ by less than 0.5 m/s are alike."""
    seen = detections([(30, 0)], velocity_mps=(3, 4))
    copy = copy_of([(30, 1)], 2_200_000, velocity_mps=(0, speed_mps))
    reporter = Reporter(redundancy="dynamics")
    for time_us in (2_000_000, 2_100_000):
        reporter.look(time_us, seen)
    reporter.known.report_copies.append((copy, 2_200_000))
    assert (reporter.look(2_200_000, seen) is not None) == is_reported


def test_speeds_of_several_objects_are_their_own():
    seen = detections([(30, 0), (60, 5)], velocity_mps=[(0, 0), (3, 4)], truth=[77, 88])
    copy = copy_of([(60, 5), (30, 0)], 2_200_000, velocity_mps=[(4, 3), (9, 0)])
    reporter = Reporter(redundancy="dynamics")
    for time_us in (2_000_000, 2_100_000):
        reporter.look(time_us, seen)
    reporter.known.report_copies.append((copy, 2_200_000))
    assert reporter.look(2_200_000, seen).detections.truth.tolist() == [77]


@pytest.mark.parametrize(("speed_mps", "interval_us", "valid_us"), [
    # 4 m at 10 m/s: it must be reported again after 0.4 s, and two checks of 0.1 s are granted.
    (10.0, 100_000, 600_000),
    # The next message may come 0.3 s later.
    (10.0, 400_000, 900_000),
    # What stands still is reported once a second.
    (0.0, 100_000, 1_200_000),
])  # fmt: skip
def test_a_copy_is_valid_until_its_sender_must_have_reported_the_object_again(speed_mps, interval_us, valid_us):
    known, captured_us = knowledge(HELPER), 5_000_000
    known.report_copies.append((copy_of([(30, 1)], captured_us, velocity_mps=(speed_mps, 0)), captured_us + 400_000))
    valid = [_copies(known, captured_us + after_us, interval_us) for after_us in (valid_us, valid_us + 1)]
    assert [(copies.is_valid.tolist(), copies.sender.tolist()) for copies in valid] == [
        ([True], [OTHER]),
        ([False], [OTHER]),
    ]


# What an ego fuses of the reports that reached it


FRAME_US = 3_000_000


def after_reports(*items):
    """Return the knowledge of an ego after reports (sender, capture, velocities, numbers), one object at x = 10 number each."""
    known = knowledge()
    for origin, captured_us, velocity_mps, numbers, *stamp in items:
        seen = detections([(10 * n, 0) for n in numbers], velocity_mps=velocity_mps, truth=numbers)
        captured = frame(origin, captured_us, stamp_us=stamp[0] if stamp else None)
        known.take_report(report(captured, seen, numbers), captured_us, False)
    return known


def fused_of(known):
    return reported_to(known, frame(EGO, FRAME_US))


def objects_of(known):
    """Return the objects that an ego fuses, sender by sender."""
    return [seen.truth.tolist() for _, seen in fused_of(known)]


HOLDS = [
    # 4 m at 10 m/s: it must be reported again after 0.4 s, and two checks of 0.1 s are granted.
    ((10.0, 0.0), 600_000),
    ((6.0, 8.0), 600_000),
    # What stands still, or takes longer than a second for 4 m, is reported once a second.
    ((0.0, 0.0), 1_200_000),
    ((3.0, 0.0), 1_200_000),
    # 4 m at 5 m/s.
    ((0.0, 5.0), 1_000_000),
]


@pytest.mark.parametrize(("velocity_mps", "holds_us"), HOLDS)
def test_a_reported_object_holds_until_its_sender_would_have_had_to_report_it_again(velocity_mps, holds_us):
    assert objects_of(after_reports((HELPER, FRAME_US - holds_us, velocity_mps, [1]))) == [[1]]
    assert objects_of(after_reports((HELPER, FRAME_US - holds_us - 1, velocity_mps, [1]))) == []


@pytest.mark.parametrize(
    ("interval_us", "holds_us"), [(300_000, 800_000), (700_000, 1_200_000), (1_000_000, 1_200_000)]
)
def test_a_report_holds_longer_if_its_sender_may_have_to_wait_for_its_next_message(interval_us, holds_us):
    # 4 m at 10 m/s take 0.4 s; the next message may follow up to an interval later, but not after a second.
    for age_us, held in ((holds_us, [[1]]), (holds_us + 1, [])):
        known = after_reports((HELPER, FRAME_US - age_us, (10.0, 0.0), [1]))
        found = reported_to(known, frame(EGO, FRAME_US), interval_us)
        assert [seen.truth.tolist() for _, seen in found] == held


def test_an_object_that_no_longer_holds_is_forgotten_and_the_others_are_not():
    known = after_reports((HELPER, FRAME_US - 700_000, [(10, 0), (0, 0)], [1, 2]))
    fused_of(known)
    assert list(known.reported[HELPER]) == [2]


def test_objects_of_earlier_reports_are_fused_with_those_of_the_newest():
    known = after_reports((HELPER, FRAME_US - 200_000, (0, 0), [2]), (HELPER, FRAME_US - 100_000, (0, 0), [1]))
    assert objects_of(known) == [[1, 2]]


def test_the_newest_report_of_a_sender_gives_the_instant():
    known = after_reports((HELPER, FRAME_US - 100_000, (0, 0), [1]), (HELPER, FRAME_US - 200_000, (0, 0), [2]))
    ((newest, _),) = fused_of(known)
    assert newest.report.frame.time_us == FRAME_US - 100_000


def test_an_object_of_an_earlier_report_moves_on_to_the_instant_of_the_newest():
    known = after_reports((HELPER, FRAME_US - 300_000, (10, -5), [2]), (HELPER, FRAME_US - 100_000, (0, 0), [1]))
    ((_, seen),) = fused_of(known)
    assert seen.boxes.center_m.tolist() == [[10, 0, 0], pytest.approx([22, -1, 0])]


def test_a_reported_object_moves_on_by_the_clock_of_its_sender():
    known = after_reports(
        (HELPER, FRAME_US - 300_000, (10, 0), [2], 5_000), (HELPER, FRAME_US - 100_000, (0, 0), [1], 105_000)
    )
    ((_, seen),) = fused_of(known)
    assert seen.boxes.center_m[1].tolist() == pytest.approx([21, 0, 0])


def test_what_was_reported_stays_as_it_was_when_it_moves_on():
    known = after_reports((HELPER, FRAME_US - 300_000, (10, 0), [2]), (HELPER, FRAME_US - 100_000, (0, 0), [1]))
    fused_of(known)
    assert known.reported[HELPER][2].report.detections.boxes.center_m[0, 0] == 20


def test_an_object_reported_after_the_frame_waits_for_the_next_one():
    known = after_reports((HELPER, FRAME_US - 100_000, (0, 0), [1]), (HELPER, FRAME_US + 1, (0, 0), [2]))
    assert objects_of(known) == [[1]]
    assert 2 in known.reported[HELPER]


def test_an_object_captured_at_the_instant_of_the_frame_is_fused():
    assert objects_of(after_reports((HELPER, FRAME_US, (0, 0), [1]))) == [[1]]


def test_a_sender_with_nothing_to_fuse_keeps_nobody_else_out():
    assert objects_of(after_reports((HELPER, FRAME_US + 1, (0, 0), [1]), (OTHER, FRAME_US, (0, 0), [3]))) == [[3]]


def test_senders_come_in_rising_order():
    assert objects_of(after_reports((OTHER, FRAME_US, (0, 0), [3]), (HELPER, FRAME_US, (0, 0), [1]))) == [[1], [3]]


# Stations that stop reporting


def test_the_rules_of_a_station_that_stops_reporting_are_forgotten():
    gone = Reporter(OTHER)
    gone.third_look(CAR)
    there = Reporter(HELPER, rules=gone.rules)
    there.look(2_200_000, CAR)
    assert set(gone.rules._rules) == {OTHER, HELPER}
    there.look(2_200_001, CAR)
    assert set(gone.rules._rules) == {HELPER}


@pytest.mark.parametrize("pause_us", [1_900_000, 2_500_000])
def test_a_station_that_reports_again_goes_on_counting_its_objects(pause_us):
    reporter = Reporter(OTHER)
    reporter.third_look(CAR)
    Reporter(HELPER, rules=reporter.rules).look(200_000 + pause_us, CAR)
    elsewhere = detections([(-30, 0)], truth=[88])
    assert reporter.third_look(elsewhere, first_us=200_000 + pause_us).number.tolist() == [1]
