"""What the stations around a station see of the objects that it would report, for redundancy rules that read announced matrices.

All of it follows from what the station received (positions, matrices and lists of heard stations, as announced), from its own
detections, and from its map.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.messages.redundancy.rule import SAME_M, Nearby
from v2xsim.engine.cooperation.matrix_sight import Matrices, covers, is_occupied, stacked
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbours import Neighbours
from v2xsim.perception.matching.relevance import ATTENTION_S, meeting_s
from v2xsim.records import DetectionGroups, Detections
from v2xsim.world.hidden_speeds import HiddenSpeeds


class _Objects(NamedTuple):
    """The objects of all reporting stations, one station after the other.

    Attributes:
        begin, end: Rows of the objects of each station.
        place_m: Position of each.
        velocity_mps: Velocity of each by the station's own tracks.
        size_m: Length, width and height of each.
        yaw_rad: Heading of each.
        top_mps: Highest speed that each may soon have.
    """

    begin: Int64[np.ndarray, " stations"]
    end: Int64[np.ndarray, " stations"]
    place_m: Float[np.ndarray, "objects 2"]
    velocity_mps: Float[np.ndarray, "objects 2"]
    size_m: Float[np.ndarray, "objects 3"]
    yaw_rad: Float[np.ndarray, " objects"]
    top_mps: Float[np.ndarray, " objects"]


class _Known(NamedTuple):
    """The stations that each reporting station knows, one reporting station after the other, at the instant of its frame.

    Attributes:
        offset: Row of the first one of each reporting station; one entry more than stations.
        agent: Agent id of each, in rising order for one reporting station.
        place_m: Announced position, extrapolated with the announced velocity.
        velocity_mps: Announced velocity.
        age_s: Time since the state that was announced with the matrix.
        is_vehicle: Whether it is a vehicle, not a roadside unit.
        wants: Whether it wants data of others.
        matrix: Row of its matrix, -1 for none.
        said: Row of its announcement in `listed`.
        listed: First entry of each announcement's list of heard stations; one more than announcements.
        heard_agent: Agent ids of the listed stations, in rising order for one list.
        heard_share: Share of the announcements of each that arrive.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    agent: Int64[np.ndarray, " known"]
    place_m: Float[np.ndarray, "known 2"]
    velocity_mps: Float[np.ndarray, "known 2"]
    age_s: Float[np.ndarray, " known"]
    is_vehicle: Bool[np.ndarray, " known"]
    wants: Bool[np.ndarray, " known"]
    matrix: Int64[np.ndarray, " known"]
    said: Int64[np.ndarray, " known"]
    listed: Int64[np.ndarray, " announcements_plus_1"]
    heard_agent: Int64[np.ndarray, " listed"]
    heard_share: Float[np.ndarray, " listed"]


class Seeking:
    """Compares the objects of reporting stations with what the stations around them announced.

    Args:
        neighbours: What each station knows of others from announcements.
        hidden_speeds: Highest speed that a road user at each place is assumed to have, from the map, as for blind cells.
    """

    def __init__(self, neighbours: Neighbours, hidden_speeds: HiddenSpeeds) -> None:
        self._neighbours, self._hidden_speeds = neighbours, hidden_speeds

    def nearby(self, frames: Sequence[Frame], detections: Sequence[Detections], now_us: int) -> list[Nearby]:
        """Return for each reporting station the stations that want data, and what they see of its objects.

        Args:
            frames: Frame that each reporting station reports.
            detections: Detections of each frame, with velocities.
            now_us: Present simulated time.
        """
        if not frames:
            return []
        objects = self._objects_of(detections)
        known, matrices, age_us = self._known_to(frames, now_us)
        pair_offset = np.concatenate([[0], np.cumsum((objects.end - objects.begin) * _wanting(known))])
        sees, is_itself, hears, relevance = _compared(objects, known, matrices, pair_offset, SAME_M, ATTENTION_S)
        found = []
        for station in range(len(frames)):
            rows = slice(known.offset[station], known.offset[station + 1])
            wants = known.wants[rows]
            pairs, shape = slice(pair_offset[station], pair_offset[station + 1]), (-1, int(wants.sum()))
            if shape[1] == 0:
                found.append(Nearby.nobody(len(detections[station])))
                continue
            found.append(Nearby(
                known.agent[rows][wants], known.place_m[rows][wants], known.matrix[rows][wants] >= 0, age_us[rows][wants],
                *(one[pairs].reshape(shape) for one in (sees, is_itself, hears, relevance)),
            ))  # fmt: skip
        return found

    def _objects_of(self, detections: Sequence[Detections]) -> _Objects:
        groups = DetectionGroups.of(detections)
        flat = groups.flat
        place_m = np.ascontiguousarray(flat.boxes.center_m[:, :2])
        # What drives faster than is usual at its place may go on doing so.
        top_mps = np.maximum(
            self._hidden_speeds.at(place_m), np.hypot(flat.velocity_mps[:, 0], flat.velocity_mps[:, 1])
        )
        return _Objects(
            groups.begin, groups.end, place_m, np.ascontiguousarray(flat.velocity_mps), np.ascontiguousarray(flat.boxes.size_m),
            np.ascontiguousarray(flat.boxes.yaw_rad), top_mps,
        )  # fmt: skip

    def _known_to(self, frames: Sequence[Frame], now_us: int) -> tuple[_Known, Matrices, Int64[np.ndarray, " known"]]:
        """Return what the stations know from announcements, and the age of each matrix in microseconds; without one, of the state."""
        agents = np.array([frame.agent for frame in frames], np.int64)
        said = self._neighbours.announced(agents, now_us)
        row = said.row
        stamp_us = np.repeat(np.array([frame.stamp_us for frame in frames], np.int64), np.diff(said.offset))
        # By the clocks of both, as for announced vehicles.
        age_us = stamp_us - said.stamp_us[row]
        velocity_mps = said.velocity_mps[row]
        place_m = said.pose[row, :2] + velocity_mps * (age_us * 1e-6)[:, None]
        announced, matrix = self._neighbours.matrices(agents.tolist(), now_us), np.full(len(row), -1, np.int64)
        # Both lists are of the same stations, in the same order. A matrix may have come with an earlier state.
        has_matrix = said.has_matrix[row]
        matrix[has_matrix] = announced.matrix
        age_us[has_matrix] = stamp_us[has_matrix] - announced.stamp_us
        known = _Known(
            said.offset, said.agent, place_m, velocity_mps, age_us * 1e-6,
            said.is_vehicle[row], said.wants_data[row], matrix, row, said.listed, said.heard_agent, said.heard_share,
        )  # fmt: skip
        return known, stacked(announced), age_us


def _wanting(known: _Known) -> Int64[np.ndarray, " stations"]:
    """Return for each reporting station how many of the stations that it knows want data."""
    before = np.concatenate([[0], np.cumsum(known.wants)])
    count: Int64[np.ndarray, " stations"] = np.diff(before[known.offset])
    return count


@njit(cache=True, nogil=True)
def _compared(objects, known, matrices, pair_offset, same_m, attention_s):  # type: ignore[no-untyped-def]
    """Return, for each pair of an object and a station that wants data, the columns of `Nearby`, object by object."""
    pairs = pair_offset[-1]
    sees, is_itself = np.zeros(pairs, np.bool_), np.zeros(pairs, np.bool_)
    hears, relevance = np.zeros(pairs), np.zeros(pairs)
    for station in range(len(objects.begin)):
        pair, first, last = pair_offset[station], known.offset[station], known.offset[station + 1]
        for thing in range(objects.begin[station], objects.end[station]):
            body = _announcer(objects, thing, known, first, last, same_m)
            for other in range(first, last):
                if not known.wants[other]:
                    continue
                is_itself[pair] = other == body or (
                    known.is_vehicle[other]
                    and covers(objects, thing, known.place_m[other, 0], known.place_m[other, 1], 0.0)
                )
                sees[pair] = known.matrix[other] >= 0 and is_occupied(
                    objects, thing, known.age_s[other], matrices, known.matrix[other]
                )
                hears[pair] = _share(known, known.said[other], known.agent[body]) if body >= 0 else 0.0
                relevance[pair] = _relevance(objects, thing, known, other, attention_s)
                pair += 1
    return sees, is_itself, hears, relevance


@njit(cache=True, nogil=True)
def _announcer(objects, thing, known, first, last, same_m):  # type: ignore[no-untyped-def]
    """Return the row of the announced vehicle that an object is: the nearest one that is near enough; -1 for none."""
    nearest, best = same_m * same_m, -1
    for other in range(first, last):
        dx = known.place_m[other, 0] - objects.place_m[thing, 0]
        dy = known.place_m[other, 1] - objects.place_m[thing, 1]
        if known.is_vehicle[other] and dx * dx + dy * dy < nearest:
            nearest, best = dx * dx + dy * dy, other
    return best


@njit(cache=True, nogil=True)
def _share(known, said, agent):  # type: ignore[no-untyped-def]
    """Return the share of a station's announcements that an announcement's list has; 0 if it is not in the list."""
    begin, end = known.listed[said], known.listed[said + 1]
    at = begin + np.searchsorted(known.heard_agent[begin:end], agent)
    return known.heard_share[at] if at < end and known.heard_agent[at] == agent else 0.0


@njit(cache=True, nogil=True)
def _relevance(objects, thing, known, other, attention_s):  # type: ignore[no-untyped-def]
    """Return the relevance of an object's place to a station, as `v2xsim.perception.matching.relevance` has it for a cell."""
    vx, vy = known.velocity_mps[other, 0], known.velocity_mps[other, 1]
    excess = vx * vx + vy * vy - objects.top_mps[thing] ** 2
    time_s = meeting_s(
        objects.place_m[thing, 0] - known.place_m[other, 0], objects.place_m[thing, 1] - known.place_m[other, 1], vx, vy, excess
    )  # fmt: skip
    return np.exp(-time_s / attention_s)
