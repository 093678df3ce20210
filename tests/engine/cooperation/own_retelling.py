"""What one station tells on of what others reported, worked out again from its inbox alone: plain loops, by docs/models.md."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.engine.cooperation.own_nearby import body_of, is_inside, is_occupied, relevance_to
from v2xsim.records import Boxes, Detections

KEPT_US, CHECK_US, SLOWEST_US, MOVE_M, SAME_M = 1_200_000, 100_000, 1_000_000, 4.0, 3.0


@dataclass(frozen=True)
class Reported:
    """One reported object as a message has it.

    Attributes:
        sender: Who sent the message.
        message: Number of the message.
        report: The report in which the detecting station described it.
        row: Its row there.
        hops: How often it had been told on.
    """

    sender: int
    message: int
    report: object
    row: int
    hops: int

    @property
    def identity(self):
        return self.report.origin, int(self.report.number[self.row])

    @property
    def velocity_mps(self):
        return self.report.detections.velocity_mps[self.row]

    def age_us(self, own_us):
        """Return its age by the clock of the station that detected it and that of a receiver."""
        return own_us - self.report.frame.stamp_us

    def place_m(self, own_us):
        age_s = self.age_us(own_us) * 1e-6
        return self.report.detections.boxes.center_m[self.row, :2] + self.velocity_mps * age_s

    def renewed_us(self, interval_us):
        """Return after which time its station must have reported it again."""
        speed_mps = max(math.hypot(*self.velocity_mps), 1e-3)
        return min(SLOWEST_US, MOVE_M / speed_mps * 1e6 + interval_us - CHECK_US)


def objects_in(message):
    """Return the objects of a message with a report, or with what a station told on."""
    body = message.body
    if hasattr(body, "parts"):
        return [
            Reported(body.origin, message.number, report, row, hops)
            for report, rows, of_rows in body.parts for row, hops in zip(rows.tolist(), of_rows.tolist(), strict=True)
        ]  # fmt: skip
    return [Reported(body.origin, message.number, body, row, 0) for row in range(len(body.number))]


class Teller:
    """What one station knows at an instant at which it may tell on.

    Args:
        situation: What it received, sensed and measured.
        hidden_speeds: Speeds of hidden road users, from the map.
        interval_us: Least time between two reports of a station.
    """

    def __init__(self, situation, hidden_speeds, interval_us):
        self._at, self._inbox, self._map, self._interval_us = situation, situation.inbox, hidden_speeds, interval_us
        self._own_us = int(situation.own.stamp_us[0]) + situation.now_us - situation.own.time_us
        held = {
            message.number: message for message, at_us in self._inbox.reported if situation.now_us - at_us <= KEPT_US
        }
        self._held = [one for _, message in sorted(held.items()) for one in objects_in(message)]
        self._place_m = {
            origin: said.pose[:2] + np.array(said.velocity_mps) * ((self._own_us - said.stamp_us) * 1e-6)
            for origin, said in situation.known.items()
        }

    def told_on(self, rule):
        """Return detecting station, number, time and hops of each object that it tells on now by a rule."""
        neighbours = [origin for origin, said in self._at.known.items() if said.wants_data]
        return {
            (*one.identity, one.report.frame.stamp_us, one.hops + 1)
            for one in self.usable
            if one.hops < rule.hops and one.age_us(self._own_us) <= rule.oldest_ms * 1e3
            and math.fsum(gains := [self.gain(one, neighbour, rule) for neighbour in neighbours]) >= rule.least_gain and any(gains)
        }  # fmt: skip

    @cached_property
    def usable(self):
        """Return the objects of others that are valid and not known better: the newest report of each."""
        own, own_us = self._inbox.agent, self._own_us
        known_m = [place_m for one, place_m in self.current if one.identity[0] == own]
        valid = [
            one for one in self._held
            if own not in (one.identity[0], one.sender) and one.age_us(own_us) <= one.renewed_us(self._interval_us) + CHECK_US
        ]  # fmt: skip
        found, seen = [], set()
        for one in sorted(valid, key=lambda one: (one.age_us(own_us), one.hops, one.sender, one.message)):
            is_new, place_m = one.identity not in seen, one.place_m(own_us)
            seen.add(one.identity)
            if is_new and all(math.dist(place_m, other_m) >= SAME_M for other_m in known_m):
                found.append(one)
                known_m.append(place_m)
        return found

    @cached_property
    def current(self):
        """Return the objects whose station need not have reported them again yet, each with its place."""
        held = [one for one in self._held if one.age_us(self._own_us) <= one.renewed_us(self._interval_us)]
        return [(one, one.place_m(self._own_us)) for one in held]

    def gain(self, one, neighbour, rule):
        """Return what telling an object on brings a neighbour: relevance times the chance that it gets something new."""
        at, own, said, place_m = self._at, self._inbox.agent, self._at.known[neighbour], one.place_m(self._own_us)
        seen, misses = self.as_seen(one), 1.0
        for other, other_m in self.current:
            if math.dist(place_m, other_m) < SAME_M:
                is_its_own = neighbour in (other.sender, other.identity[0])
                misses *= 0.0 if is_its_own else 1.0 - at.hop(other.sender, neighbour)[0]
        body = body_of(seen, 0, at.known, self._place_m)
        if neighbour == body or (said.size_m[0] > 0.0 and is_inside(seen, 0, self._place_m[neighbour])):
            return 0.0
        if body is not None:
            misses *= 1.0 - at.hop(body, neighbour)[0]
        held = self._inbox.seen_by(neighbour, at.now_us, at.forget_us) if rule.reads_matrices else None
        if held is not None and is_occupied(seen, 0, held.matrix, (self._own_us - held.stamp_us) * 1e-6):
            return 0.0
        if self.placed_better(one, neighbour) > rule.better:
            return 0.0
        relevance = relevance_to(seen, 0, self._place_m[neighbour], np.array(said.velocity_mps), self._map)
        return misses * relevance * at.hop(own, neighbour)[0]

    def placed_better(self, one, neighbour):
        """Return how many known stations are placed better between a sender and a neighbour."""
        at, own, to_m = self._at, self._inbox.agent, self._place_m[neighbour]
        mine = min(self.hears(one.sender), at.hop(own, neighbour)[0]), -math.dist(self._at.own.pose[0, :2], to_m)
        theirs = [
            (min(at.hop(one.sender, third)[0], at.hop(third, neighbour)[0]), -math.dist(self._place_m[third], to_m))
            for third in at.known if third not in (neighbour, one.sender, one.identity[0])
        ]  # fmt: skip
        return sum(other > mine for other in theirs)

    def hears(self, sender):
        """Return the share of a sender's announcements that arrive here, in the steps of announced ones."""
        return round(self._at.hop(sender, self._inbox.agent)[0] * 255) / 255

    def as_seen(self, one):
        """Return an object at the present, as a detection."""
        boxes = one.report.detections.boxes
        center_m = np.array([[*one.place_m(self._own_us), boxes.center_m[one.row, 2]]])
        box = Boxes(center_m, boxes.size_m[one.row : one.row + 1], boxes.yaw_rad[one.row : one.row + 1])
        return Detections(box, one.velocity_mps[None], np.ones(1), np.zeros(1, np.int64))
