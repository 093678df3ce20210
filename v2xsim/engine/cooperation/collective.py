"""Collective perception: stations broadcast what they perceive, unasked (`v2xsim.comms.messages.cpm` says what and when)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.messages.cpm import CHECK_US, MOVE_M, SLOWEST_US, CpmRules
from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyView, omitted_by
from v2xsim.comms.messages.sizes import cpm_bytes
from v2xsim.engine.cooperation.answers import Answer, Request
from v2xsim.engine.cooperation.fusing import Arrived
from v2xsim.engine.stations.sensing import Frame
from v2xsim.records import UNOBSERVED, Boxes, Detections
from v2xsim.scenario.schema import Cooperation as Rule

# What a sender told of holds until it would have had to tell again, and two looks more.
_GRACE_US = 2 * CHECK_US


@dataclass(frozen=True)
class Report:
    """One collective perception message.

    Attributes:
        origin: The station.
        frame: Its frame that the objects are from.
        number: That it gave each object.
        detections: The objects in the world as it believes it, velocities included.
        size_bytes: Payload.
    """

    origin: int
    frame: Frame
    number: Int64[np.ndarray, " objects"]
    detections: Detections
    size_bytes: int


@dataclass
class _Known:
    """The last word of one sender on one object."""

    report: Report
    row: int
    told_us: int


class Collective:
    """What stations have told and heard."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._rules: dict[int, CpmRules] = {}
        self._known: dict[int, dict[int, dict[int, _Known]]] = {}
        self._copies: dict[int, list[tuple[Report, int]]] = {}

    def report(
        self,
        frame: Frame,
        detections: Detections,
        announced_m: Float[np.ndarray, "stations 2"],
        now_us: int,
        wait_us: float,
        lidars: int,
    ) -> Report | None:
        """Return what a station broadcasts now; None for nothing.

        Args:
            frame: Its newest frame.
            detections: Of that frame, velocities included.
            announced_m: Where stations are that it knows by their own word.
            now_us: The instant.
            wait_us: That congestion control asks for between messages.
            lidars: That the station carries.
        """
        place = detections.boxes.center_m[:, :2]
        speed = np.linalg.norm(detections.velocity_mps, axis=1)
        view = RedundancyView(place, speed, frame.believed[:2], self._heard(frame.agent, now_us), announced_m, now_us)
        omitted = omitted_by(self._rule.redundancy, view)
        rules = self._rules.setdefault(frame.agent, CpmRules())
        told = rules.included(place, detections.velocity_mps, detections.boxes.yaw_rad, omitted, now_us, wait_us)
        if told is None:
            return None
        rows, number, sensors = told
        return Report(frame.agent, frame, number, detections[rows], cpm_bytes(len(rows), lidars if sensors else 0))

    def take(self, ego: int, report: Report, time_us: int) -> None:
        """Let a station learn what another told."""
        if report.origin == ego:
            return
        mine = self._known.setdefault(ego, {}).setdefault(report.origin, {})
        for row, number in enumerate(report.number.tolist()):
            mine[number] = _Known(report, row, time_us)
        if self._rule.redundancy.reads_copies:
            self._copies.setdefault(ego, []).append((report, time_us))

    def collected(self, ego: Frame) -> list[tuple[Report, int, Arrived]]:
        """Return what an ego fuses for its frame, sender by sender: the last report, when it came, and all that still holds."""
        found = []
        senders = self._known.get(ego.agent, {})
        for origin in sorted(senders):
            words = {
                number: word for number, word in senders[origin].items()
                if ego.time_us - word.report.frame.time_us <= _holds_us(word)
            }  # fmt: skip
            senders[origin] = words
            usable = [(n, w) for n, w in sorted(words.items()) if w.report.frame.time_us <= ego.time_us]
            if not usable:
                continue
            newest = max((w for _, w in usable), key=lambda w: w.report.frame.time_us)
            frame = newest.report.frame
            parts = []
            for _, word in usable:
                item = word.report.detections[np.array([word.row])]
                # Told earlier than the newest report: moved on to that.
                age_s = (frame.stamp_us - word.report.frame.stamp_us) * 1e-6
                center = item.boxes.center_m.copy()
                center[:, :2] += item.velocity_mps * age_s
                parts.append(
                    Detections(
                        Boxes(center, item.boxes.size_m, item.boxes.yaw_rad), item.velocity_mps, item.score, item.truth
                    )
                )
            found.append((newest.report, newest.told_us, _arrived(ego, newest.report, Detections.joined(parts))))
        return found

    def _heard(self, agent: int, now_us: int) -> Copies:
        """Return all copies of objects that a station received within a second."""
        copies = [(r, t) for r, t in self._copies.get(agent, ()) if now_us - t <= SLOWEST_US]
        if not copies:
            return Copies.nothing()
        self._copies[agent] = copies
        place, speed, told, sender = [], [], [], []
        for report, time_us in copies:
            count = len(report.number)
            age_s = (now_us - report.frame.time_us) * 1e-6
            place.append(report.detections.boxes.center_m[:, :2] + report.detections.velocity_mps * age_s)
            speed.append(np.linalg.norm(report.detections.velocity_mps, axis=1))
            told.append(np.full(count, time_us, np.int64))
            sender.append(np.tile(report.frame.believed[:2], (count, 1)))
        return Copies(np.concatenate(place), np.concatenate(speed), np.concatenate(told), np.concatenate(sender))


def _holds_us(word: _Known) -> float:
    """Return how long a word holds: the rules make a sender tell again of what has moved by four metres."""
    speed = float(np.linalg.norm(word.report.detections.velocity_mps[word.row]))
    return _GRACE_US + min(float(SLOWEST_US), 1e6 * MOVE_M / max(speed, 1e-3))


def _arrived(ego: Frame, report: Report, detections: Detections) -> Arrived:
    """Return reports in the form of an answer that says nothing about cells."""
    shape = ego.matrix.code.shape
    none = np.zeros(0, np.int64)
    request = Request(
        0, ego.agent, report.origin, ego.time_us, ego.matrix.lower, ego.matrix.cell_m, np.zeros(shape, bool),
        ego.believed[:2], 0,
    )  # fmt: skip
    code, part = np.full(shape, UNOBSERVED, np.uint8), np.zeros(shape, np.int64)
    answer = Answer(
        request, report.frame, code, part, np.zeros((0, 3)), none, none, detections, np.zeros(len(detections), np.int64),
        report.size_bytes,
    )  # fmt: skip
    return Arrived(answer, np.ones(1, bool))
