"""What a station puts into its collective perception messages: ETSI TS 103 324.

Every 100 ms, or as congestion control allows, a station looks at what it perceives. What it has not recognised in three looks
may be a false alarm and is not told of (the standard asks for a known quality; three is ours). An object goes into the message if it is new,
or since it was last in one has moved by more than 4 m, changed its speed by more than 0.5 m/s or turned by more than 4 degrees,
or if a second has passed. How its sensors see goes in once a second. Without either there is no message.

Objects that others tell of already may be left out (redundancy mitigation):

- self_announcing: stations that announce themselves;
- dynamics: objects of which a copy was received within the last second that differs by less than 4 m and 0.5 m/s;
- frequency: objects of which more than five copies were received within the last second;
- distance: objects that a sender less than 10 m away told of within the last second.

References:
    ETSI TS 103 324 V2.1.1, clause 6.1 (generation and inclusion); ETSI TR 103 562 (mitigation), with Artery's limits. The rule for
    persons and animals (all of them, twice a second) is left out, as Artery leaves it out. Neither document was re-read.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int64

Mitigation = Literal["none", "self_announcing", "dynamics", "frequency", "distance"]

CHECK_US, SLOWEST_US = 100_000, 1_000_000
MOVE_M, SPEED_MPS, TURN_RAD = 4.0, 0.5, np.deg2rad(4.0)
SENSORS_EVERY_US = 1_000_000
LOOKS = 3
COPIES, NEAR_M = 5, 10.0
# Two reports are of one object if they put it less than this apart: less than two cars in a queue.
SAME_M = 3.0
_FORGOTTEN_US = 2_000_000


@dataclass(frozen=True)
class Heard:
    """Objects that others told of, each as often as it was told.

    Attributes:
        place_m: Where each is by now, moved on by its velocity.
        speed_mps: Of each.
        told_us: When it was received.
        sender_m: Where its sender was.
    """

    place_m: Float[np.ndarray, "copies 2"]
    speed_mps: Float[np.ndarray, " copies"]
    told_us: Int64[np.ndarray, " copies"]
    sender_m: Float[np.ndarray, "copies 2"]

    @staticmethod
    def nothing() -> "Heard":
        """Return no object."""
        return Heard(np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 2)))


def redundant(
    rule: Mitigation,
    place_m: Float[np.ndarray, "objects 2"],
    speed_mps: Float[np.ndarray, " objects"],
    own_m: Float[np.ndarray, " 2"],
    heard: Heard,
    announced_m: Float[np.ndarray, "stations 2"],
    now_us: int,
) -> Bool[np.ndarray, " objects"]:
    """Return which objects need not be told of, because others do.

    Args:
        rule: Which rule.
        place_m: Of each object.
        speed_mps: Of each object.
        own_m: Where the station is.
        heard: What others told.
        announced_m: Where stations are that announce themselves.
        now_us: The instant.
    """
    nobody = np.zeros(len(place_m), bool)
    if rule == "none" or len(place_m) == 0:
        return nobody
    if rule == "self_announcing":
        return _apart(place_m, announced_m).min(axis=1, initial=np.inf) < SAME_M
    recent = now_us - heard.told_us <= SLOWEST_US
    apart = np.where(recent[None, :], _apart(place_m, heard.place_m), np.inf)
    if rule == "dynamics":
        alike = np.abs(speed_mps[:, None] - heard.speed_mps[None, :]) < SPEED_MPS
        return ((apart < min(SAME_M, MOVE_M)) & alike).any(axis=1)
    if rule == "frequency":
        return (apart < SAME_M).sum(axis=1) > COPIES
    near = np.linalg.norm(heard.sender_m - own_m, axis=1) < NEAR_M
    found: Bool[np.ndarray, " objects"] = ((apart < SAME_M) & near[None, :]).any(axis=1)
    return found


class CpmRules:
    """What one station perceives and has told of, by the number that it gave each object."""

    def __init__(self) -> None:
        self._number = np.zeros(0, np.int64)
        self._place, self._velocity, self._seen_us = np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, np.int64)
        self._looks = np.zeros(0, np.int64)
        self._told_place, self._told_speed = np.zeros((0, 2)), np.zeros(0)
        self._told_heading, self._told_us = np.zeros(0), np.zeros(0, np.int64)
        self._next = 0
        self._sent_us, self._sensors_us = -SLOWEST_US, -SENSORS_EVERY_US

    def included(
        self,
        place_m: Float[np.ndarray, "objects 2"],
        velocity_mps: Float[np.ndarray, "objects 2"],
        heading_rad: Float[np.ndarray, " objects"],
        omitted: Bool[np.ndarray, " objects"],
        now_us: int,
        wait_us: float,
    ) -> tuple[Int64[np.ndarray, " told"], Int64[np.ndarray, " told"], bool] | None:
        """Return the rows of the objects to tell of now, their numbers, and whether sensors are described; None for no message.

        Args:
            place_m: Of each object perceived now.
            velocity_mps: Of each.
            heading_rad: Of each.
            omitted: Objects that are not told of (`redundant`).
            now_us: Later than at the last call.
            wait_us: That congestion control asks for between messages.
        """
        row = self._recognised(place_m, velocity_mps, now_us)
        if now_us - self._sent_us < max(CHECK_US, wait_us):
            return None
        speed = np.linalg.norm(velocity_mps, axis=1)
        turn = np.abs((heading_rad - self._told_heading[row] + np.pi) % (2.0 * np.pi) - np.pi)
        due = (
            (self._told_us[row] < 0)
            | (now_us - self._told_us[row] >= SLOWEST_US)
            | (np.linalg.norm(place_m - self._told_place[row], axis=1) > MOVE_M)
            | (np.abs(speed - self._told_speed[row]) > SPEED_MPS)
            | (turn > TURN_RAD)
        )
        due &= ~omitted & (self._looks[row] >= LOOKS)
        sensors = now_us - self._sensors_us >= SENSORS_EVERY_US
        if not due.any() and not sensors:
            return None
        told = np.flatnonzero(due)
        mine = row[told]
        self._told_place[mine], self._told_speed[mine] = place_m[told], speed[told]
        self._told_heading[mine], self._told_us[mine] = heading_rad[told], now_us
        self._sent_us = now_us
        self._sensors_us = now_us if sensors else self._sensors_us
        return told, self._number[mine], bool(sensors)

    def _recognised(
        self, place_m: Float[np.ndarray, "objects 2"], velocity_mps: Float[np.ndarray, "objects 2"], now_us: int
    ) -> Int64[np.ndarray, " objects"]:
        """Return the row of each object in what is remembered; the nearest pairs first, each once, the rest are new."""
        kept = now_us - self._seen_us <= _FORGOTTEN_US
        for name in (
            "_number",
            "_place",
            "_velocity",
            "_seen_us",
            "_told_place",
            "_told_speed",
            "_told_heading",
            "_told_us",
            "_looks",
        ):
            setattr(self, name, getattr(self, name)[kept])
        expected = self._place + self._velocity * ((now_us - self._seen_us) * 1e-6)[:, None]
        apart = _apart(place_m, expected)
        row = np.full(len(place_m), -1, np.int64)
        taken = np.zeros(len(expected), bool)
        close = np.argwhere(apart < SAME_M)
        for k, n in close[np.argsort(apart[close[:, 0], close[:, 1]], kind="stable")]:
            if row[k] < 0 and not taken[n]:
                row[k], taken[n] = n, True
        new = np.flatnonzero(row < 0)
        row[new] = len(self._number) + np.arange(len(new))
        self._number = np.append(self._number, self._next + np.arange(len(new)))
        self._next += len(new)
        more = len(new)
        self._place = np.concatenate([self._place, np.zeros((more, 2))])
        self._velocity = np.concatenate([self._velocity, np.zeros((more, 2))])
        self._seen_us = np.append(self._seen_us, np.zeros(more, np.int64))
        self._told_place = np.concatenate([self._told_place, np.zeros((more, 2))])
        self._told_speed, self._told_heading = (
            np.append(self._told_speed, np.zeros(more)),
            np.append(self._told_heading, np.zeros(more)),
        )
        self._told_us = np.append(self._told_us, np.full(more, -1, np.int64))
        self._looks = np.append(self._looks, np.zeros(more, np.int64))
        self._looks[row] += 1
        self._place[row], self._velocity[row], self._seen_us[row] = place_m, velocity_mps, now_us
        return row


def _apart(
    first_m: Float[np.ndarray, "rows 2"], second_m: Float[np.ndarray, "columns 2"]
) -> Float[np.ndarray, "rows columns"]:
    """Return all distances."""
    gap = first_m[:, None, :] - second_m[None, :, :]
    return np.hypot(gap[..., 0], gap[..., 1])
