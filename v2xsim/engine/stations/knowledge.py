"""The knowledge of one station: its own frames, and the answers and reports that it received.

What it knows from announcements is in `v2xsim.engine.stations.neighbours`.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.cpm import CHECK_US, SLOWEST_US
from v2xsim.engine.stations.contents import NOBODY, Answer, Report, Retold
from v2xsim.engine.stations.frame import Frame

GRACE_US = 2 * CHECK_US
"""A reported object is valid until its sender must report it again, plus two check intervals for the transmission."""

REPORT_VALID_US = SLOWEST_US + GRACE_US
"""No reported object is valid for longer: its sender must report it again once a second."""


@dataclass
class ReceivedAnswer:
    """An answer of which at least one fragment has arrived.

    Attributes:
        number: Number of the message that carried the answer.
        answer: The whole answer, as it was sent.
        parts: Whether each fragment has arrived.
        packets: Number of packets that brought the fragments; an ideal channel brings all fragments in one packet.
    """

    number: int
    answer: Answer
    parts: Bool[np.ndarray, " fragments"]
    packets: int = 0


@dataclass(frozen=True)
class ReportedObject:
    """The latest report of one object by one sender.

    Attributes:
        report: The message that reported the object.
        row: Row of the object in that message.
        arrived_us: Time at which the message arrived.
        relay: Agent id of the station that passed it on or told it on, NOBODY if it came directly from its sender.
        told_us: Time at which that station told it on; -1 if the message of the sender itself arrived.
    """

    report: Report
    row: int
    arrived_us: int
    relay: int = NOBODY
    told_us: int = -1


@dataclass
class Knowledge:
    """The knowledge of one station.

    Attributes:
        agent: Agent id of the station.
        frames: The station's own frames, newest last; frames that are no longer needed are dropped.
        answers: Answers of which at least one fragment has arrived, by helper, in the order of their first packet.
        reported: Latest report of each object, by the station that reported it and that station's number of the object.
        report_copies: Reports that arrived, with their times of arrival, for redundancy rules that count copies of objects.
        returned_us: Time at which the station came back into the simulation, if it had left; the start of the run otherwise.
        ego_since_us: Time at which the station became an ego; None if it has never been one.
    """

    agent: int
    frames: deque[Frame]
    answers: dict[int, list[ReceivedAnswer]] = field(default_factory=dict)
    reported: dict[int, dict[int, ReportedObject]] = field(default_factory=dict)
    report_copies: list[tuple[Report, int]] = field(default_factory=list)
    returned_us: int = -(2**62)
    ego_since_us: int | None = None

    def frame_detected_by(self, now_us: int, detect_us: int) -> Frame | None:
        """Return the station's newest frame whose detection is finished; None if it has none since it was last away.

        Args:
            now_us: Present simulated time.
            detect_us: Time from a capture to the end of its detection.
        """
        for frame in reversed(self.frames):
            if frame.time_us + detect_us <= now_us:
                # A station that comes back has an old frame from before; it may show a place that is far away by now.
                return frame if frame.time_us >= self.returned_us else None
        return None

    def frame_of(self, time_us: int) -> Frame | None:
        """Return the station's frame captured at an instant; None if there is none."""
        return next((frame for frame in self.frames if frame.time_us == time_us), None)

    def receive_part(self, number: int, answer: Answer, parts: Bool[np.ndarray, " fragments"]) -> None:
        """Store the fragments of an answer that one packet brought.

        Args:
            number: Number of the message that carried the answer.
            answer: The whole answer, as it was sent.
            parts: Whether the packet brought each fragment.
        """
        answers = self.answers.setdefault(answer.request.helper, [])
        received = next((item for item in answers if item.number == number), None)
        if received is None:
            received = ReceivedAnswer(number, answer, np.zeros(len(parts), bool))
            answers.append(received)
        if (parts & ~received.parts).any():
            received.packets += 1
        received.parts |= parts

    def take_report(self, report: Report, now_us: int, keep_copy: bool, relay: int = NOBODY) -> None:
        """Store the objects that another station reports; the station's own reports are ignored.

        Args:
            report: The report that arrived.
            now_us: Time at which the report arrived.
            keep_copy: Whether to store the whole report too, for redundancy rules that count copies of objects.
            relay: Agent id of the station that passed it on, NOBODY if it came directly.
        """
        if report.origin == self.agent:
            return
        objects = self.reported.setdefault(report.origin, {})
        for row, number in enumerate(report.number.tolist()):
            known = objects.get(number)
            # A report may arrive twice: from its sender, and from a station that passed it on. A copy may wait so long that it comes
            # after the next report, and must not replace it.
            if known is None or known.report.frame.time_us < report.frame.time_us:
                objects[number] = ReportedObject(report, row, now_us, relay)
        if keep_copy and not any(copy is report for copy, _ in self.report_copies):
            self.report_copies.append((report, now_us))

    def take_retold(self, retold: Retold, told_us: int, now_us: int) -> int:
        """Store the objects of others that a station told on; what this station reported itself is ignored.

        Args:
            retold: The message that arrived.
            told_us: Time at which its sender made it.
            now_us: Time at which it arrived.

        Returns:
            Number of objects of which nothing as new had arrived before.
        """
        news = 0
        for report, rows, _ in retold.parts:
            if report.origin == self.agent:
                continue
            objects = self.reported.setdefault(report.origin, {})
            for row in rows.tolist():
                known = objects.get(int(report.number[row]))
                if known is None or known.report.frame.time_us < report.frame.time_us:
                    objects[int(report.number[row])] = ReportedObject(report, row, now_us, retold.origin, told_us)
                    news += 1
        return news

    def forget(self, next_frame_us: int, now_us: int, max_age_us: int) -> None:
        """Forget what this station cannot use any more.

        Args:
            next_frame_us: Capture time of the station's next frame that is fused, or earlier.
            now_us: Present simulated time.
            max_age_us: Answers whose data was captured earlier than this before a frame are not fused with it.
        """
        self.answers = {
            helper: kept for helper, answers in self.answers.items()
            if (kept := [item for item in answers if item.answer.frame.time_us >= next_frame_us - max_age_us])
        }  # fmt: skip
        oldest_us = next_frame_us - REPORT_VALID_US
        valid = {
            origin: {number: item for number, item in objects.items() if item.report.frame.time_us >= oldest_us}
            for origin, objects in self.reported.items()
        }
        self.reported = {origin: objects for origin, objects in valid.items() if objects}
        self.report_copies = [(report, at_us) for report, at_us in self.report_copies if now_us - at_us <= SLOWEST_US]
