"""The reports that arrived at each station, as arrays, for stations that tell on what others reported."""

from collections import deque
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.engine.stations.contents import Report, Retold
from v2xsim.engine.stations.growing import GrowingColumns
from v2xsim.engine.stations.knowledge import REPORT_VALID_US


class ReportedRows(NamedTuple):
    """The objects of all messages that some station may still use, message after message. A station may read only those that it holds.

    Attributes:
        begin, end: Rows of the objects of each message.
        sender: Agent id of the station that sent the message of each row.
        origin: Agent id of the station that detected and reported the object.
        number: Number of the object in the messages of that station.
        hops: How often the object had been told on: 0 in a message of the station that detected it.
        stamp_us: Time of the frame in which it was detected, on the clock of the station that detected it.
        place_m: Position at that time.
        velocity_mps: Reported velocity.
        size_m: Length, width and height.
        yaw_rad: Heading.
        report_row: Row of the object in the report in which its station described it.
    """

    begin: Int64[np.ndarray, " messages"]
    end: Int64[np.ndarray, " messages"]
    sender: Int64[np.ndarray, " rows"]
    origin: Int64[np.ndarray, " rows"]
    number: Int64[np.ndarray, " rows"]
    hops: Int64[np.ndarray, " rows"]
    stamp_us: Int64[np.ndarray, " rows"]
    place_m: Float[np.ndarray, "rows 2"]
    velocity_mps: Float[np.ndarray, "rows 2"]
    size_m: Float[np.ndarray, "rows 3"]
    yaw_rad: Float[np.ndarray, " rows"]
    report_row: Int64[np.ndarray, " rows"]


class Held(NamedTuple):
    """The messages that each of some stations holds, one station after the other.

    Attributes:
        offset: First message of each station; one entry more than stations.
        message: Messages as indices into `ReportedRows.begin`, in rising order for one station.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    message: Int64[np.ndarray, " held"]


class ReportsHeard:
    """The messages with reported objects that each station received or sent; a station keeps each for 1.2 s after it arrived there last.

    Attributes:
        news: Number of objects told on that arrived at an ego before anything as new about them, over all egos so far.
    """

    def __init__(self) -> None:
        self.news = 0
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        # Messages have numbers in the order in which they were noted; the first one that is kept has number `_first`.
        self._first, self._messages = 0, deque[Report | Retold]()
        self._number: dict[int, int] = {}
        # Of each message: number of its objects, and time at which it was noted last.
        self._of_message = GrowingColumns(whole, whole)
        # Of each object: the report that it comes from, and the columns of `ReportedRows`.
        self._source: list[Report] = []
        self._rows = GrowingColumns(
            whole, whole, whole, whole, whole, np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 3)), real, whole
        )
        # Receiver, number of a message, and time of arrival.
        self._held = GrowingColumns(whole, whole, whole)

    def hear(self, message: Report | Retold, receivers: Int64[np.ndarray, " receivers"], now_us: int) -> None:
        """Note that a message arrived at some stations, or that its sender sent it.

        Args:
            message: The message.
            receivers: Agent ids of the stations that hold it from now on.
            now_us: Present simulated time.
        """
        number = self._number.get(id(message))
        if number is None:
            number = self._number[id(message)] = self._first + len(self._messages)
            self._messages.append(message)
            self._of_message.add(1, self._keep(message), now_us)
        else:
            self._of_message.columns()[1][number - self._first] = now_us
        self._held.add(len(receivers), receivers, number, now_us)

    def _keep(self, message: Report | Retold) -> int:
        """Store the objects of a message, and return their number."""
        if isinstance(message, Report):
            self._keep_part(message.origin, message, np.arange(len(message.number)), 0)
            return len(message.number)
        for report, rows, hops in message.parts:
            self._keep_part(message.origin, report, rows, hops)
        return sum(len(rows) for _, rows, _ in message.parts)

    def _keep_part(
        self, sender: int, report: Report, rows: Int64[np.ndarray, " objects"], hops: Int64[np.ndarray, " objects"] | int
    ) -> None:  # fmt: skip
        found, boxes = report.detections, report.detections.boxes
        self._rows.add(
            len(rows), sender, report.origin, report.number[rows], hops, report.frame.stamp_us, boxes.center_m[rows, :2],
            found.velocity_mps[rows], boxes.size_m[rows], boxes.yaw_rad[rows], rows,
        )  # fmt: skip
        self._source += [report] * len(rows)

    def forget(self, now_us: int) -> None:
        """Forget what arrived so long ago that all objects in it are too old for any use."""
        oldest_us = now_us - REPORT_VALID_US
        # How long a message took to a station does not change how long another one keeps it.
        self._held.cut(_count_before(self._held.columns()[2], oldest_us))
        objects, noted_us = self._of_message.columns()
        gone = _count_before(noted_us, oldest_us)
        if gone == 0:
            return
        rows = int(objects[:gone].sum())
        for _ in range(gone):
            del self._number[id(self._messages.popleft())]
        self._of_message.cut(gone)
        self._rows.cut(rows)
        del self._source[:rows]
        self._first += gone

    def rows(self) -> ReportedRows:
        """Return the objects of all messages that are kept; they are valid until the next message is noted."""
        count = self._of_message.columns()[0]
        end = np.cumsum(count)
        return ReportedRows(end - count, end, *self._rows.columns())

    def source(self, row: int) -> Report:
        """Return the report that an object comes from."""
        return self._source[row]

    def held_by(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> Held:
        """Return the messages that each of some stations, in rising order of their agent ids, holds."""
        receiver, number, arrived_us = self._held.columns()
        return Held(
            *_held(receiver, number, arrived_us, now_us - REPORT_VALID_US, agents, self._first, len(self._messages))
        )


def _count_before(times_us: Int64[np.ndarray, " rows"], oldest_us: int) -> int:
    """Return how many of the first rows are older than a time."""
    is_kept = times_us >= oldest_us
    return int(np.argmax(is_kept)) if is_kept.any() else len(times_us)


@njit(cache=True, nogil=True)
def _held(receiver, number, arrived_us, oldest_us, agents, first, messages):  # type: ignore[no-untyped-def]
    stations = len(agents)
    most = agents[-1] if stations else -1
    row_of = np.full(most + 1, -1, np.int64)
    for row in range(stations):
        row_of[agents[row]] = row
    holds = np.zeros((stations, messages), np.bool_)
    for n in range(len(receiver)):
        if receiver[n] <= most and arrived_us[n] >= oldest_us and row_of[receiver[n]] >= 0:
            holds[row_of[receiver[n]], number[n] - first] = True
    offset, message, count = np.zeros(stations + 1, np.int64), np.empty(holds.sum(), np.int64), 0
    for row in range(stations):
        for m in range(messages):
            if holds[row, m]:
                message[count] = m
                count += 1
        offset[row + 1] = count
    return offset, message
