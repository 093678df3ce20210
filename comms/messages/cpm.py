"""Content of the collective perception messages of a station: ETSI TS 103 324.

Every 100 ms, or as often as congestion control allows, a station checks the objects that it perceives. An object that
it has recognised in fewer than three checks may be a false alarm and is not included (the standard requires a certain
quality of detection; the number three is our choice). Any other object is included if it has never been included, or if
since it was last included one of these has happened: it moved by more than 4 m, changed its speed by more than 0.5 m/s,
turned by more than 4 degrees, or a second has passed. Once a second the message also describes the station's sensors.
If there is nothing to include, no message is sent.

Objects that other stations already report may be left out (`v2xsim.comms.messages.redundancy`).

References:
    ETSI TS 103 324 V2.1.1, clause 6.1 (generation and inclusion); ETSI TR 103 562 (mitigation), with Artery's limits.
    The rule that all persons and animals are included twice a second is left out, as in Artery. We did not check the
    code against the two documents.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.messages.redundancy.rule import SAME_M, distances_m

# Times and thresholds of TS 103 324, clause 6.1, with Artery's limits.
CHECK_US, SLOWEST_US = 100_000, 1_000_000
MOVE_M, SPEED_MPS, TURN_RAD = 4.0, 0.5, np.deg2rad(4.0)
SENSORS_EVERY_US = 1_000_000
# Number of checks in which an object must be recognised before it is reported; our choice. Frames that follow each other
# faster than checks do not count more often.
LOOKS = 3
# An object not perceived for this long is forgotten; if it appears again, it gets a new number.
_FORGOTTEN_US = 2_000_000
# Rules that were not used for this long know no object any more and may send at once: only the next number matters.
UNUSED_US = max(_FORGOTTEN_US, SLOWEST_US, SENSORS_EVERY_US)


class CpmRules:
    """The objects that one station perceives, by their numbers, and the state of each when it was last reported.

    Args:
        first_number: Number of the first object.

    Attributes:
        due: Number of objects that were due at the last check; 0 if no message was.
        left_out: Number of these objects that a redundancy rule left out.
    """

    def __init__(self, first_number: int = 0) -> None:
        self._number = self._seen_us = self._looks = self._looked_us = self._included_us = np.zeros(0, np.int64)
        self._unsent_since_us = np.zeros(0, np.int64)
        self._position = self._velocity = self._sent_position = np.zeros((0, 2))
        self._sent_speed = self._sent_heading = np.zeros(0)
        self._next = first_number
        self._sent_us, self._sensors_us = -SLOWEST_US, -SENSORS_EVERY_US
        self.due, self.left_out = 0, 0

    @property
    def next_number(self) -> int:
        """Number of the next object that is recognised for the first time."""
        return self._next

    def unsent_us(self, row: Int64[np.ndarray, " objects"], now_us: int) -> Int64[np.ndarray, " objects"]:
        """Return for how long known objects have not been sent: since they were sent last, or since they were first perceived.

        Args:
            row: Rows of the objects in the list of known objects, from `recognised`.
            now_us: Present simulation time.
        """
        waited_us: Int64[np.ndarray, " objects"] = now_us - self._unsent_since_us[row]
        return waited_us

    def included(
        self,
        row: Int64[np.ndarray, " objects"],
        place_m: Float[np.ndarray, "objects 2"],
        velocity_mps: Float[np.ndarray, "objects 2"],
        heading_rad: Float[np.ndarray, " objects"],
        omitted: Bool[np.ndarray, " objects"],
        now_us: int,
        wait_us: float,
    ) -> tuple[Int64[np.ndarray, " included"], Int64[np.ndarray, " included"], bool] | None:
        """Return the rows of the objects to report now, their numbers, and whether to describe the sensors.

        The result is None if no message is sent.

        Args:
            row: Row of each object perceived now in the list of known objects, from `recognised`.
            place_m: Position of each object.
            velocity_mps: Velocity of each object.
            heading_rad: Heading of each object.
            omitted: Whether a redundancy rule leaves each object out of the message.
            now_us: Present simulation time; later than in the call before.
            wait_us: Least time between two messages of the station, set by congestion control.
        """
        self.due = self.left_out = 0
        if now_us - self._sent_us < max(CHECK_US, wait_us):
            return None
        speed = np.linalg.norm(velocity_mps, axis=1)
        turn = np.abs((heading_rad - self._sent_heading[row] + np.pi) % (2.0 * np.pi) - np.pi)
        due = (
            (self._included_us[row] < 0)
            | (now_us - self._included_us[row] >= SLOWEST_US)
            | (np.linalg.norm(place_m - self._sent_position[row], axis=1) > MOVE_M)
            | (np.abs(speed - self._sent_speed[row]) > SPEED_MPS)
            | (turn > TURN_RAD)
        )
        due &= self._looks[row] >= LOOKS
        self.due, self.left_out = int(due.sum()), int((due & omitted).sum())
        due &= ~omitted
        sensors = now_us - self._sensors_us >= SENSORS_EVERY_US
        if not due.any() and not sensors:
            return None
        included_rows = np.flatnonzero(due)
        known_rows = row[included_rows]
        self._sent_position[known_rows], self._sent_speed[known_rows] = place_m[included_rows], speed[included_rows]
        self._sent_heading[known_rows], self._included_us[known_rows] = heading_rad[included_rows], now_us
        self._unsent_since_us[known_rows] = now_us
        self._sent_us = now_us
        self._sensors_us = now_us if sensors else self._sensors_us
        return included_rows, self._number[known_rows], bool(sensors)

    def recognised(
        self, place_m: Float[np.ndarray, "objects 2"], velocity_mps: Float[np.ndarray, "objects 2"], now_us: int
    ) -> Int64[np.ndarray, " objects"]:
        """Return the row of each perceived object in the list of known objects.

        This comes first at each check, also if no message is due, because objects must be perceived in LOOKS checks before they are
        reported. A perceived object and the expected position of a known one are matched if they are less than 3 m apart, the
        nearest pairs first. Objects without a match are added to the list.
        """
        # Old objects are removed before matching, so that a new object does not get the number of one that left long
        # ago.
        kept = now_us - self._seen_us <= _FORGOTTEN_US
        for name in (
            "_number",
            "_position",
            "_velocity",
            "_seen_us",
            "_sent_position",
            "_sent_speed",
            "_sent_heading",
            "_included_us",
            "_unsent_since_us",
            "_looks",
            "_looked_us",
        ):
            setattr(self, name, getattr(self, name)[kept])
        # Positions are extrapolated before the comparison: at 50 km/h an object moves 1.4 m between two checks.
        expected = self._position + self._velocity * ((now_us - self._seen_us) * 1e-6)[:, None]
        apart = distances_m(place_m, expected)
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
        self._position = np.concatenate([self._position, np.zeros((more, 2))])
        self._velocity = np.concatenate([self._velocity, np.zeros((more, 2))])
        self._seen_us = np.append(self._seen_us, np.zeros(more, np.int64))
        self._sent_position = np.concatenate([self._sent_position, np.zeros((more, 2))])
        self._sent_speed, self._sent_heading = (
            np.append(self._sent_speed, np.zeros(more)),
            np.append(self._sent_heading, np.zeros(more)),
        )
        self._included_us = np.append(self._included_us, np.full(more, -1, np.int64))
        self._unsent_since_us = np.append(self._unsent_since_us, np.full(more, now_us))
        self._looks = np.append(self._looks, np.zeros(more, np.int64))
        self._looked_us = np.append(self._looked_us, np.full(more, now_us - CHECK_US))
        checked = row[now_us - self._looked_us[row] >= CHECK_US]
        self._looks[checked] += 1
        self._looked_us[checked] = now_us
        self._position[row], self._velocity[row], self._seen_us[row] = place_m, velocity_mps, now_us
        return row
