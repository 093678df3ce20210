"""What one station knows: its own frames and what arrived in its inbox, each with the time at which it arrived."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from v2xsim.engine.stations.contents import Answer, Awareness, Report
from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Boxes, Detections


@dataclass(frozen=True)
class Announced:
    """The latest announcement of one station.

    Attributes:
        awareness: What it said.
        arrived_us: When it arrived.
    """

    awareness: Awareness
    arrived_us: int


@dataclass
class ReceivedAnswer:
    """An answer of which something has arrived.

    Attributes:
        number: Number of its message.
        answer: What was sent.
        parts: Which fragments are there.
        packets: Number of packets that brought them; an ideal channel brings all fragments in one.
    """

    number: int
    answer: Answer
    parts: Bool[np.ndarray, " fragments"]
    packets: int = 0


@dataclass(frozen=True)
class ReportedObject:
    """The last that one sender reported of one object.

    Attributes:
        report: The message.
        row: Row of the object in it.
        arrived_us: When it arrived.
    """

    report: Report
    row: int
    arrived_us: int


@dataclass
class Knowledge:
    """What one station knows.

    Attributes:
        agent: The station.
        frames: Its own frames, newest last; only as many as are still needed.
        announced: Latest announcement of each other station.
        answers: Answers of which something has arrived, by helper, in the order of their first packet.
        reported: Objects by the station that reported them and by its number for them.
        report_copies: Every report that arrived, with the time, for rules that count copies.
    """

    agent: int
    frames: deque[Frame]
    announced: dict[int, Announced] = field(default_factory=dict)
    answers: dict[int, list[ReceivedAnswer]] = field(default_factory=dict)
    reported: dict[int, dict[int, ReportedObject]] = field(default_factory=dict)
    report_copies: list[tuple[Report, int]] = field(default_factory=list)

    def frame_detected_by(self, now_us: int, detect_us: int) -> Frame | None:
        """Return the newest frame whose detection is finished, None without one.

        Args:
            now_us: The instant.
            detect_us: Time from a capture to the end of its detection.
        """
        for frame in reversed(self.frames):
            if frame.time_us + detect_us <= now_us:
                return frame
        return None

    def frame_of(self, time_us: int) -> Frame | None:
        """Return the frame captured at an instant, None without one."""
        return next((frame for frame in self.frames if frame.time_us == time_us), None)

    def learn(self, awareness: Awareness, now_us: int) -> None:
        """Keep an announcement unless it is the station's own or a newer one is known.

        Args:
            awareness: What was announced.
            now_us: When it arrived.
        """
        before = self.announced.get(awareness.origin)
        # A relayed copy may arrive after the next announcement was heard directly.
        if awareness.origin == self.agent or (
            before is not None and before.awareness.capture_us >= awareness.capture_us
        ):
            return
        self.announced[awareness.origin] = Announced(awareness, now_us)

    def receive_part(self, number: int, answer: Answer, parts: Bool[np.ndarray, " fragments"]) -> None:
        """Keep the fragments of an answer that one packet brought.

        Args:
            number: Number of the answer's message.
            answer: The answer as it was sent.
            parts: Fragments that the packet brought.
        """
        answers = self.answers.setdefault(answer.request.helper, [])
        received = next((item for item in answers if item.number == number), None)
        if received is None:
            received = ReceivedAnswer(number, answer, np.zeros(len(parts), bool))
            answers.append(received)
        if (parts & ~received.parts).any():
            received.packets += 1
        received.parts |= parts

    def take_report(self, report: Report, now_us: int, keep_copy: bool) -> None:
        """Keep what another station reports; its own reports are ignored."""
        if report.origin == self.agent:
            return
        objects = self.reported.setdefault(report.origin, {})
        for row, number in enumerate(report.number.tolist()):
            objects[number] = ReportedObject(report, row, now_us)
        if keep_copy:
            self.report_copies.append((report, now_us))

    def announced_vehicles(self, frame: Frame, now_us: int, forget_us: int) -> Detections:
        """Return the vehicles known from their own announcements, moved on to the instant of a frame.

        Args:
            frame: A frame of this station.
            now_us: The instant.
            forget_us: An announcement is forgotten this long after its arrival.
        """
        parts = []
        for agent in sorted(self.announced):
            announced = self.announced[agent]
            awareness = announced.awareness
            is_roadside_unit = awareness.size_m[0] <= 0
            if is_roadside_unit or now_us - announced.arrived_us > forget_us:
                continue
            age_s = (frame.stamp_us - awareness.stamp_us) * 1e-6
            center_m = awareness.pose[:3].copy()
            center_m[:2] += awareness.velocity_mps * age_s
            boxes = Boxes(center_m[None], awareness.size_m[None], awareness.pose[3:4])
            parts.append(Detections(boxes, awareness.velocity_mps[None], np.ones(1), np.array([agent])))
        return Detections.joined(parts)
