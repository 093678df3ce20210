"""What each listening station knows of others from their announcements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.stations.contents import Awareness, HeardList
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbour_table import (
    FORGOTTEN,
    Arrivals,
    forget,
    is_known,
    known_to,
    no_neighbours,
    with_arrivals,
    with_row,
    without_row,
)
from v2xsim.records import Boxes, DetectionGroups, Detections, PerceptionMatrix


@dataclass(frozen=True)
class Announced:
    """The latest announcement of one station.

    Attributes:
        awareness: Content of the announcement.
        arrived_us: Time at which the announcement arrived.
        sent_us: Time at which its sender made it.
        with_matrix: The newest announcement of the station that contains its matrix, if this one is older than `awareness`; None if not.
    """

    awareness: Awareness
    arrived_us: int
    sent_us: int
    with_matrix: "Announced | None" = None


@dataclass(frozen=True)
class Heard:
    """The stations that an ego ever heard.

    Attributes:
        agent: Agent ids of the stations, in rising order.
        copied_us: Time of the newest announcement that arrived, by agent id, of those stations whose announcement the ego may still know, or
            of which an older copy may still arrive.
    """

    agent: Int64[np.ndarray, " heard"]
    copied_us: dict[int, int]

    @staticmethod
    def nobody() -> "Heard":
        """Return no stations."""
        return Heard(np.zeros(0, np.int64), {})


@dataclass(frozen=True)
class AnnouncedMatrices:
    """The stations with a perception matrix that each ego knows, in rising order of their agent ids, and the matrices that reached it.

    Attributes:
        offset: Index of the first station of each ego in the arrays over helpers; one entry more than egos.
        agent: Agent id of the station.
        position_m: Position that it announced last.
        matrix: Row in `matrices` of the newest matrix of it that arrived; -1 if none did, or if it is too old.
        stamp_us: Time, on the clock of the station, of the state that it announced with this matrix; of its newest one without a matrix.
        matrices: The matrices; several egos know the same ones.
    """

    offset: Int64[np.ndarray, " egos_plus_1"]
    agent: Int64[np.ndarray, " helpers"]
    position_m: Float[np.ndarray, "helpers 2"]
    matrix: Int64[np.ndarray, " helpers"]
    stamp_us: Int64[np.ndarray, " helpers"]
    matrices: Sequence[PerceptionMatrix]

    @property
    def stacked(self) -> tuple[UInt8[np.ndarray, "matrices nx ny"], Int64[np.ndarray, "matrices 2"]]:
        """Codes of the matrices, which have one size, and world cell index of cell (0, 0) of each."""
        if not self.matrices:
            return np.zeros((0, 1, 1), np.uint8), np.zeros((0, 2), np.int64)
        codes, lowers = ([getattr(one, name) for one in self.matrices] for name in ("code", "lower"))
        return np.array(codes), np.array(lowers)


@dataclass(frozen=True)
class AnnouncedStates:
    """What some stations know from the newest announcements of others, by rows; several stations know the same ones.

    Attributes:
        offset: Index of the first known station of each station; one entry more than stations.
        agent: Agent ids of the stations that each knows, in rising order.
        row: Row of each one's announcement in the arrays below.
        pose: x, y, z (metres) and yaw (radians).
        velocity_mps: Velocity over ground.
        acceleration_mps2: Change of the speed; negative when braking.
        turn_radps: Yaw rate, counter-clockwise.
        size_m: Length, width and height; zeros for a roadside unit.
        antenna_m: Height of the antenna above ground.
        stamp_us: Time of the state on the sender's own clock.
        is_vehicle: Whether the sender is a vehicle, not a roadside unit.
        has_matrix: Whether it has a perception matrix, in this announcement or not.
        wants_data: Whether it asks others for data.
        busy_share: Busy ratio of the channel that it measured last, 0 to 1.
        listed: Index of the first entry of each announcement's list of heard stations; one entry more than rows.
        heard_agent: Agent ids of the stations that each sender heard, in rising order.
        heard_snr_db: Mean SNR of the packets of each.
        heard_share: Share of the announcements of each that arrived at the sender, 0 to 1.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    agent: Int64[np.ndarray, " known"]
    row: Int64[np.ndarray, " known"]
    pose: Float[np.ndarray, "rows 4"]
    velocity_mps: Float[np.ndarray, "rows 2"]
    acceleration_mps2: Float[np.ndarray, " rows"]
    turn_radps: Float[np.ndarray, " rows"]
    size_m: Float[np.ndarray, "rows 3"]
    antenna_m: Float[np.ndarray, " rows"]
    stamp_us: Int64[np.ndarray, " rows"]
    is_vehicle: Bool[np.ndarray, " rows"]
    has_matrix: Bool[np.ndarray, " rows"]
    wants_data: Bool[np.ndarray, " rows"]
    busy_share: Float[np.ndarray, " rows"]
    listed: Int64[np.ndarray, " rows_plus_1"]
    heard_agent: Int64[np.ndarray, " listed"]
    heard_snr_db: Float[np.ndarray, " listed"]
    heard_share: Float[np.ndarray, " listed"]


@dataclass
class _Said:
    """The announcements that egos have, as arrays. A row may be unused.

    Attributes:
        awareness: Content of each announcement; None in an unused row.
        pose: x, y, z (metres) and yaw (radians).
        velocity_mps: Velocity over ground.
        acceleration_mps2: Change of the speed; negative when braking.
        turn_radps: Yaw rate, counter-clockwise.
        size_m: Length, width and height.
        antenna_m: Height of the antenna above ground.
        stamp_us: Time of the state on the sender's own clock.
        is_vehicle: Whether the sender is a vehicle, not a roadside unit.
        has_matrix: Whether it has a perception matrix, in this announcement or not.
        wants_data: Whether it asks others for data.
        busy_share: Busy ratio of the channel that it measured last, 0 to 1.
        free: Unused rows.
    """

    awareness: list[Awareness | None]
    pose: Float[np.ndarray, "rows 4"]
    velocity_mps: Float[np.ndarray, "rows 2"]
    acceleration_mps2: Float[np.ndarray, " rows"]
    turn_radps: Float[np.ndarray, " rows"]
    size_m: Float[np.ndarray, "rows 3"]
    antenna_m: Float[np.ndarray, " rows"]
    stamp_us: Int64[np.ndarray, " rows"]
    is_vehicle: Bool[np.ndarray, " rows"]
    has_matrix: Bool[np.ndarray, " rows"]
    wants_data: Bool[np.ndarray, " rows"]
    busy_share: Float[np.ndarray, " rows"]
    free: list[int]

    @staticmethod
    def nothing() -> "_Said":
        flags = np.zeros(0, bool)
        return _Said(
            [], np.zeros((0, 4)), np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64), flags, flags, flags, np.zeros(0), []
        )  # fmt: skip

    def keep(self, is_used: Bool[np.ndarray, " rows"], wanted: int) -> None:
        """Empty the rows that are not used, and make room for so many more announcements."""
        self.free = np.flatnonzero(~is_used).tolist()
        for row in self.free:
            self.awareness[row] = None
        # Enough room that the rows in use are searched for only now and then.
        missing = max(wanted, len(is_used) // 4) - len(self.free)
        if missing > 0:
            more = missing + len(is_used) // 2
            self.free += range(len(is_used), len(is_used) + more)
            self.awareness += [None] * more
            for name in _COLUMNS:
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros((more, *old.shape[1:]), old.dtype)]))

    def put(self, said: Sequence[Awareness]) -> Int64[np.ndarray, " announcements"]:
        """Store announcements in free rows, and return the rows."""
        rows = [self.free.pop() for _ in said]
        for row, one in zip(rows, said, strict=True):
            self.awareness[row] = one
        at = np.array(rows, np.int64)
        self.pose[at], self.velocity_mps[at] = [one.pose for one in said], [one.velocity_mps for one in said]
        self.size_m[at], self.stamp_us[at] = [one.size_m for one in said], [one.stamp_us for one in said]
        self.antenna_m[at], self.wants_data[at], self.acceleration_mps2[at], self.turn_radps[at], self.busy_share[at] = zip(
            *((one.antenna_height_m, one.wants_data, one.acceleration_mps2, one.turn_radps, one.busy_share) for one in said),
            strict=True,
        )  # fmt: skip
        # A mast may have a width and a height, but no length.
        self.is_vehicle[at], self.has_matrix[at] = self.size_m[at, 0] > 0.0, [one.senses for one in said]
        return at


_COLUMNS = (
    "pose",
    "velocity_mps",
    "acceleration_mps2",
    "turn_radps",
    "size_m",
    "antenna_m",
    "stamp_us",
    "is_vehicle",
    "has_matrix",
    "wants_data",
    "busy_share",
)


# Longer than any run.
_EVER_US = 2**61


class Neighbours:
    """What each listening station knows of others from the announcements that reached it, and from no others.

    All of them have rows in one table, because one announcement reaches hundreds of them.

    Args:
        forget_us: An announcement is forgotten this long after its arrival.
        matrix_valid_us: A perception matrix is used until this long after its arrival, as long as its station is not forgotten; None for no
            further limit.
    """

    def __init__(self, forget_us: int, matrix_valid_us: int | None = None) -> None:
        self._forget_us = forget_us
        self._matrix_valid_us = _EVER_US if matrix_valid_us is None else matrix_valid_us
        self._table, self._said = no_neighbours(), _Said.nothing()
        # Announcements that are not in the table yet: content, time of sending, receivers, time of arrival.
        self._new: list[tuple[Awareness, int, Int64[np.ndarray, " receivers"], int]] = []

    def begin(self, agent: int, heard: Heard | None = None, announced: Iterable[Announced] = ()) -> None:
        """Let a station keep announcements from now on.

        Args:
            agent: Agent id of the station.
            heard: The stations that it has heard before; None for nobody.
            announced: Their newest announcements, as far as it still knows them.
        """
        self._enter_new()
        before = heard or Heard.nobody()
        known = {item.awareness.origin: item for item in announced}
        copied = sorted((origin, time_us) for origin, time_us in before.copied_us.items() if origin not in known)
        origin, times_us = np.array(copied, np.int64).reshape(-1, 2).T
        self._table = with_row(self._table, agent, before.agent, origin, times_us)
        for item in known.values():
            for one in (item.with_matrix, item):
                if one is not None:
                    self.hear(one.awareness, one.sent_us, np.array([agent]), one.arrived_us)

    def end(self, agent: int) -> None:
        """Forget what an ego knows."""
        self._enter_new()
        without_row(self._table, agent)

    def hear(
        self, awareness: Awareness, sent_us: int, receivers: Int64[np.ndarray, " receivers"], arrived_us: int
    ) -> None:  # fmt: skip
        """Store an announcement at each ego that received it, unless it is the ego's own or the ego has a newer one of its sender.

        Args:
            awareness: Content of the announcement.
            sent_us: Time at which its sender made it.
            receivers: Agent ids of the stations at which it arrived.
            arrived_us: Time at which it arrived.
        """
        # One call for many announcements takes much less time than a call for each.
        self._new.append((awareness, sent_us, receivers, arrived_us))

    def forget(self, now_us: int, oldest_us: int) -> None:
        """Forget announcements that are too old.

        Args:
            now_us: Present simulated time.
            oldest_us: Announcements that were made before this time have arrived, with all their copies, or never will.
        """
        self._enter_new()
        forget(self._table, now_us - self._forget_us, oldest_us, now_us - self._matrix_valid_us)

    def known_by(self, agent: int) -> list[Announced]:
        """Return the announcements that an ego has, in rising order of their senders' agent ids; some may be too old."""
        self._enter_new()
        own = self._table.row_of(agent)
        own = own[own["said"] != FORGOTTEN]
        return [
            Announced(self._kept(said), arrived_us, sent_us, self._earlier_with_matrix(entry))
            for said, arrived_us, sent_us, entry in zip(
                own["said"].tolist(), own["arrived_us"].tolist(), own["sent_us"].tolist(), own, strict=True
            )
        ]

    def _kept(self, row: int) -> Awareness:
        """Return an announcement that an ego has, by its row."""
        awareness = self._said.awareness[row]
        if awareness is None:
            raise AssertionError(f"row {row} of the announcements is used and empty")
        return awareness

    def _earlier_with_matrix(self, entry: np.void) -> Announced | None:
        """Return the announcement that brought the matrix of an entry; None if it is the newest one, or there is none."""
        if entry["matrix_said"] in (FORGOTTEN, entry["said"]):
            return None
        return Announced(
            self._kept(int(entry["matrix_said"])), int(entry["matrix_arrived_us"]), int(entry["matrix_sent_us"])
        )

    def seen_by(self, announced: Announced, now_us: int) -> Awareness | None:
        """Return the announcement with the matrix of a station that is still used; None without one.

        Args:
            announced: What an ego has of the station (`known_by`).
            now_us: Present simulated time.
        """
        source = announced.with_matrix or announced
        is_used = announced.awareness.senses and now_us - source.arrived_us <= self._matrix_valid_us
        return source.awareness if is_used and source.awareness.matrix is not None else None

    def heard_by(self, agent: int) -> Heard:
        """Return the stations that an ego ever heard."""
        self._enter_new()
        copied_us = dict(self._table.row_of(agent)[["origin", "sent_us"]].tolist())
        return Heard(self._table.ever_heard_by(agent), copied_us)

    def heard(self, agent: int) -> int:
        """Return the number of stations that an ego ever heard."""
        self._enter_new()
        return self._table.count_ever_heard_by(agent)

    def vehicles(self, frames: Sequence[Frame], now_us: int) -> DetectionGroups:
        """Return for each frame the vehicles that its station knows from their announcements, extrapolated to its instant.

        Args:
            frames: A frame of each of some stations.
            now_us: Present simulated time.
        """
        self._enter_new()
        said, agents = self._said, np.array([frame.agent for frame in frames], np.int64)
        offset, entries = known_to(self._table, agents, said.is_vehicle, now_us - self._forget_us)
        row = entries["said"]
        stamp_us = np.repeat(np.array([frame.stamp_us for frame in frames], np.int64), np.diff(offset))
        center_m, velocity_mps = said.pose[row, :3], said.velocity_mps[row]
        center_m[:, :2] += velocity_mps * ((stamp_us - said.stamp_us[row]) * 1e-6)[:, None]
        boxes = Boxes(center_m, said.size_m[row], said.pose[row, 3])
        return DetectionGroups.at(Detections(boxes, velocity_mps, np.ones(len(row)), entries["origin"].copy()), offset)

    def announced(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> AnnouncedStates:
        """Return the states and lists that each of some stations knows from announcements.

        Args:
            agents: Agent ids of the stations.
            now_us: Present simulated time.
        """
        self._enter_new()
        said = self._said
        everyone = np.ones(len(said.has_matrix), bool)
        offset, entries = known_to(self._table, agents, everyone, now_us - self._forget_us)
        rows, row = np.unique(entries["said"], return_inverse=True)
        lists = [one.heard for used in rows.tolist() if (one := said.awareness[used]) is not None]
        lists.append(HeardList.nobody())
        agents_of = [one.agent for one in lists]
        listed = np.concatenate([[0], np.cumsum([len(heard) for heard in agents_of[:-1]], dtype=np.int64)])
        agent, snr_db, share = (
            np.concatenate(agents_of), np.concatenate([one.snr_db for one in lists]), np.concatenate([one.share for one in lists])
        )  # fmt: skip
        return AnnouncedStates(
            offset, entries["origin"].copy(), row.astype(np.int64), said.pose[rows], said.velocity_mps[rows],
            said.acceleration_mps2[rows], said.turn_radps[rows], said.size_m[rows],
            said.antenna_m[rows], said.stamp_us[rows], said.is_vehicle[rows], said.has_matrix[rows], said.wants_data[rows],
            said.busy_share[rows], listed, agent, snr_db, share,
        )  # fmt: skip

    def matrices(self, egos: Sequence[int], now_us: int) -> AnnouncedMatrices:
        """Return the stations with a perception matrix that each ego knows, and the newest matrix of each that arrived.

        Args:
            egos: Agent ids of the egos.
            now_us: Present simulated time.
        """
        self._enter_new()
        agents, has_matrix = np.array(egos, np.int64), self._said.has_matrix
        offset, entries = known_to(self._table, agents, has_matrix, now_us - self._forget_us)
        is_held = entries["matrix_said"] != FORGOTTEN
        is_held &= entries["matrix_arrived_us"] >= now_us - self._matrix_valid_us
        source = np.where(is_held, entries["matrix_said"], entries["said"])
        rows, held = np.unique(source[is_held], return_inverse=True)
        matrix = np.full(len(entries), -1, np.int64)
        matrix[is_held] = held
        found = (self._said.awareness[row] for row in rows.tolist())
        matrices = [one.matrix for one in found if one is not None and one.matrix is not None]
        return AnnouncedMatrices(
            offset, entries["origin"].copy(), self._said.pose[entries["said"], :2], matrix, self._said.stamp_us[source],
            matrices,
        )  # fmt: skip

    def _enter_new(self) -> None:
        """Enter the announcements that arrived since the last call."""
        if not self._new:
            return
        awareness, sent_us, receivers, arrived_us = zip(*self._new, strict=True)
        self._new = []
        if len(self._said.free) < len(awareness):
            self._said.keep(is_known(self._table, len(self._said.awareness)), len(awareness))
        said = self._said.put(awareness)
        self._table = with_arrivals(self._table, Arrivals(
            np.concatenate(receivers), np.repeat(np.arange(len(said)), [len(agents) for agents in receivers]),
            np.array([one.origin for one in awareness], np.int64), np.array(sent_us, np.int64), np.array(arrived_us, np.int64),
            said, np.array([one.matrix is not None for one in awareness], bool),
        ), self._forget_us)  # fmt: skip
