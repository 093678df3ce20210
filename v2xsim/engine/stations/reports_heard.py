"""The reports that arrived at each station, as arrays, for stations that tell on what others reported."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.stations.contents import Report, Retold
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


class _Kept(NamedTuple):
    """One message and its objects as columns, in the order of `ReportedRows`."""

    message: Report | Retold
    sources: list[tuple[Report, int]]
    whole: Int64[np.ndarray, "rows 5"]
    real: Float[np.ndarray, "rows 8"]


class ReportsHeard:
    """The messages with reported objects that each station received or sent; a station keeps each for 1.2 s after it arrived there last.

    Attributes:
        news: Number of objects told on that arrived at an ego before anything as new about them, over all egos so far.
    """

    def __init__(self) -> None:
        self.news = 0
        # Messages have numbers in the order in which they were noted; the first one that is kept has number `_first`.
        self._first, self._kept = 0, list[_Kept]()
        self._number: dict[int, int] = {}
        # Number of a message, stations that hold it, and from when on.
        self._held: list[tuple[int, Int64[np.ndarray, " receivers"], int]] = []

    def hear(self, message: Report | Retold, receivers: Int64[np.ndarray, " receivers"], now_us: int) -> None:
        """Note that a message arrived at some stations, or that its sender sent it.

        Args:
            message: The message.
            receivers: Agent ids of the stations that hold it from now on.
            now_us: Present simulated time.
        """
        number = self._number.get(id(message))
        if number is None:
            number = self._number[id(message)] = self._first + len(self._kept)
            self._kept.append(_kept(message))
        self._held.append((number, receivers, now_us))

    def forget(self, now_us: int) -> None:
        """Forget what arrived so long ago that all objects in it are too old for any use."""
        # How long a message took to a station does not change how long another one keeps it.
        self._held = [held for held in self._held if now_us - held[2] <= REPORT_VALID_US]
        first = min((held[0] for held in self._held), default=self._first + len(self._kept))
        for kept in self._kept[: first - self._first]:
            del self._number[id(kept.message)]
        del self._kept[: first - self._first]
        self._first = first

    def rows(self) -> tuple[ReportedRows, list[tuple[Report, int]]]:
        """Return the objects of all messages that are kept, and the report and row from which each comes."""
        count = np.array([len(kept.sources) for kept in self._kept], np.int64)
        end = np.cumsum(count)
        whole = np.concatenate([np.zeros((0, 5), np.int64), *(kept.whole for kept in self._kept)])
        real = np.concatenate([np.zeros((0, 8)), *(kept.real for kept in self._kept)])
        sender, origin, number, hops, stamp_us = np.ascontiguousarray(whole.T)
        rows = ReportedRows(
            end - count, end, sender, origin, number, hops, stamp_us, np.ascontiguousarray(real[:, :2]), np.ascontiguousarray(real[:, 2:4]),
            np.ascontiguousarray(real[:, 4:7]), np.ascontiguousarray(real[:, 7]),
        )  # fmt: skip
        return rows, [source for kept in self._kept for source in kept.sources]

    def held_by(self, agents: Int64[np.ndarray, " agents"]) -> list[Int64[np.ndarray, " messages"]]:
        """Return for each of some stations the messages that it holds, as indices into `ReportedRows.begin`, in rising order."""
        if not self._held:
            return [np.zeros(0, np.int64) for _ in agents]
        receiver = np.concatenate([receivers for _, receivers, _ in self._held])
        number = np.repeat(
            np.array([number for number, _, _ in self._held], np.int64),
            [len(receivers) for _, receivers, _ in self._held],
        )
        return [np.unique(number[receiver == agent]) - self._first for agent in agents]


def _kept(message: Report | Retold) -> _Kept:
    if isinstance(message, Report):
        count = len(message.number)
        parts = [(message, np.arange(count), np.zeros(count, np.int64))]
    else:
        parts = list(message.parts)
    whole, real = [np.zeros((0, 5), np.int64)], [np.zeros((0, 8))]
    sources: list[tuple[Report, int]] = []
    for report, rows, hops in parts:
        found, count = report.detections, len(rows)
        boxes = found.boxes
        whole.append(np.column_stack([
            np.full(count, message.origin), np.full(count, report.origin), report.number[rows], hops, np.full(count, report.frame.stamp_us),
        ]))  # fmt: skip
        real.append(np.column_stack([
            boxes.center_m[rows, :2], found.velocity_mps[rows], boxes.size_m[rows], boxes.yaw_rad[rows],
        ]))  # fmt: skip
        sources.extend((report, row) for row in rows.tolist())
    return _Kept(message, sources, np.concatenate(whole), np.concatenate(real))
