"""Collective perception: stations broadcast the objects that they detected, by the rules of `v2xsim.comms.messages.cpm`."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from v2xsim.comms.messages.cpm import CHECK_US, MOVE_M, SLOWEST_US, UNUSED_US, CpmRules
from v2xsim.comms.messages.redundancy.rule import Copies, Nearby, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.messages.sizes import cpm_bytes
from v2xsim.engine.stations.agent_set import grown
from v2xsim.engine.stations.contents import Report
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import GRACE_US, Knowledge, ReportedObject
from v2xsim.notices import Notice
from v2xsim.records import Detections


class Reporting:
    """Decides which objects the next collective perception message of each station contains.

    Args:
        redundancy: Redundancy rule: which objects a station leaves out because others report them as well.
        interval_us: Least time between two messages of a station.
    """

    def __init__(self, redundancy: RedundancyRule, interval_us: int = CHECK_US) -> None:
        self._redundancy, self._interval_us = redundancy, interval_us
        # By agent: time of the last use of the rules, and the rules; in the order of these times.
        self._rules: OrderedDict[int, tuple[int, CpmRules]] = OrderedDict()
        # Over all checks: objects that were due, and those that the redundancy rule left out.
        self._due = self._left_out = 0
        # By agent id, of stations whose rules are forgotten: number of the next object that they report.
        self._next_number = np.zeros(0, np.int64)

    def report(
        self, knowledge: Knowledge, frame: Frame, detections: Detections, announced_m: Float[np.ndarray, "stations 2"],
        now_us: int, wait_us: float, lidars: int, nearby: Nearby | None = None,
    ) -> Report | None:  # fmt: skip
        """Return the message that a station broadcasts now; None if it sends none.

        Args:
            knowledge: Knowledge of the station, with the reports that it received.
            frame: The station's frame whose detections are reported.
            detections: Detections of that frame, with velocities.
            announced_m: Positions of the vehicles that the station knows from their announcements.
            now_us: Simulated time of the report.
            wait_us: Least time between two messages that congestion control demands of the station.
            lidars: Number of lidars that the station carries.
            nearby: What the stations around it see of these detections, for rules that read matrices; None for nobody.
        """
        position_m = detections.boxes.center_m[:, :2]
        speed_mps = np.linalg.norm(detections.velocity_mps, axis=1)
        rules = self._rules_of(frame.agent, now_us)
        row = rules.recognised(position_m, detections.velocity_mps, now_us)
        view = RedundancyView(
            position_m, speed_mps, frame.pose[:2], _copies(knowledge, now_us, self._interval_us), announced_m, now_us,
            rules.unsent_us(row, now_us), Nearby.nobody(len(row)) if nearby is None else nearby,
        )  # fmt: skip
        omitted = omitted_by(self._redundancy, view)
        included = rules.included(
            row,
            position_m,
            detections.velocity_mps,
            detections.boxes.yaw_rad,
            omitted,
            now_us,
            max(wait_us, self._interval_us),
        )
        self._due, self._left_out = self._due + rules.due, self._left_out + rules.left_out
        if included is None:
            return None
        rows, number, with_sensors = included
        size_bytes = cpm_bytes(len(rows), lidars if with_sensors else 0)
        return Report(frame.agent, frame, number, detections[rows], size_bytes)

    def notices(self) -> tuple[Notice, ...]:
        """Return how many objects the redundancy rule left out so far; nothing if it left out none."""
        if self._left_out == 0:
            return ()
        text = (
            f"cooperation.redundancy {self._redundancy.name} left out {self._left_out:,} of {self._due:,} objects that were due; an object counts at each "
            "check, about every 100 ms, at which it was due"
        )
        return (Notice("cooperation.left_out", self._left_out, text),)

    def _rules_of(self, agent: int, now_us: int) -> CpmRules:
        """Return the rules of a station, and forget those of stations that have not used theirs for long."""
        if agent in self._rules:
            rules = self._rules[agent][1]
        else:
            rules = CpmRules(int(self._next_number[agent]) if agent < len(self._next_number) else 0)
        self._rules[agent] = now_us, rules
        self._rules.move_to_end(agent)
        while now_us - next(iter(self._rules.values()))[0] > UNUSED_US:
            gone, (_, unused) = self._rules.popitem(last=False)
            self._next_number = grown(self._next_number, gone + 1)
            self._next_number[gone] = unused.next_number
        return rules


def reported_to(
    knowledge: Knowledge, ego: Frame, interval_us: int = CHECK_US
) -> list[tuple[ReportedObject, Detections]]:
    """Return the reported objects that an ego fuses, by sender, and forget objects that are no longer valid.

    Each item has the sender's most recently captured object, and all its valid objects, extrapolated to the instant of
    that capture.

    Args:
        knowledge: Knowledge of the ego, with the reports that it received.
        ego: Frame of the ego.
        interval_us: Least time between two messages of a sender.
    """
    by_sender = []
    for origin in sorted(knowledge.reported):
        objects = {
            number: item for number, item in knowledge.reported[origin].items()
            if ego.time_us - item.report.frame.time_us <= _valid_us(item, interval_us)
        }  # fmt: skip
        knowledge.reported[origin] = objects
        usable = [item for _, item in sorted(objects.items()) if item.report.frame.time_us <= ego.time_us]
        if not usable:
            continue
        newest = max(usable, key=lambda item: item.report.frame.time_us)
        by_sender.append((newest, _moved(usable, newest.report.frame)))
    return by_sender


def _moved(items: Sequence[ReportedObject], to: Frame) -> Detections:
    """Return objects of one sender, each extrapolated by its reported velocity to the instant of another frame of that sender."""
    first_row: dict[int, int] = {}
    reports: list[Report] = []
    rows, wait_us, count = [], [], 0
    for item in items:
        report = item.report
        if id(report) not in first_row:
            first_row[id(report)], count = count, count + len(report.number)
            reports.append(report)
        rows.append(first_row[id(report)] + item.row)
        wait_us.append(to.stamp_us - report.frame.stamp_us)
    found = (
        Detections.joined([report.detections for report in reports]) if len(reports) > 1 else reports[0].detections
    )[np.array(rows)]
    center_m = found.boxes.center_m
    center_m[:, :2] += found.velocity_mps * (np.array(wait_us) * 1e-6)[:, None]
    return found


def _copies(knowledge: Knowledge, now_us: int, interval_us: int) -> Copies:
    """Return the copies of reported objects that a station received within the last second, extrapolated to now.

    Older copies are dropped. The extrapolation uses simulated time, as if the clocks of all stations agreed.
    """
    copies = [(report, at_us) for report, at_us in knowledge.report_copies if now_us - at_us <= SLOWEST_US]
    knowledge.report_copies[:] = copies
    if not copies:
        return Copies.nothing()
    position_m, speed_mps, arrived_us, sender_m, sender, is_valid = [], [], [], [], [], []
    for report, at_us in copies:
        count, detections = len(report.number), report.detections
        age_s = (now_us - report.frame.time_us) * 1e-6
        position_m.append(detections.boxes.center_m[:, :2] + detections.velocity_mps * age_s)
        speed_mps.append(np.linalg.norm(detections.velocity_mps, axis=1))
        arrived_us.append(np.full(count, at_us, np.int64))
        sender_m.append(np.tile(report.frame.pose[:2], (count, 1)))
        sender.append(np.full(count, report.origin, np.int64))
        is_valid.append(now_us - report.frame.time_us <= _each_valid_us(speed_mps[-1], interval_us))
    parts = (position_m, speed_mps, arrived_us, sender_m, sender, is_valid)
    return Copies(*(np.concatenate(part) for part in parts))


def _valid_us(item: ReportedObject, interval_us: int) -> float:
    """Return how long a reported object is valid: until its sender must have reported it again because it moved by MOVE_M.

    A sender whose messages are further apart than the checks may have to wait for the next one. The time of validity is at most
    SLOWEST_US, plus two check intervals for the transmission.
    """
    speed_mps = item.report.speed_mps[item.row]
    return GRACE_US + min(float(SLOWEST_US), 1e6 * MOVE_M / max(speed_mps, 1e-3) + (interval_us - CHECK_US))


def _each_valid_us(speed_mps: Float[np.ndarray, " objects"], interval_us: int) -> Float[np.ndarray, " objects"]:
    """Return the same for many objects with these reported speeds; fusion looks at one object after the other."""
    return GRACE_US + np.minimum(
        float(SLOWEST_US), 1e6 * MOVE_M / np.maximum(speed_mps, 1e-3) + (interval_us - CHECK_US)
    )
