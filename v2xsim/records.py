"""The frozen records of arrays that packages exchange.

Every array whose name ends with `_m` is in the world frame unless its name has another frame. The world frame is
right-handed: x east, y north, z up, yaw counter-clockwise from x (docs/frames.md). Times are integer microseconds of
traffic time, the clock of the traffic source; a run starts at `run.begin_s` of this clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Int64, UInt8

# Object ids of lidar returns that hit no road user; the ids of road users are 0 or larger.
GROUND = -1
BUILDING = -2
NOTHING = -3
# A ray whose return was lost: it shows nothing, and there is no return.
LOST = -4
# A return from the air: rain, snow or fog.
CLUTTER = -5

# Link states, in the order of TR 37.885 clause 6.2: line of sight, blocked by vehicles, blocked by buildings.
LOS = 0
NLOSV = 1
NLOSB = 2
LINK_STATE_NAMES = ("LOS", "NLOSv", "NLOSb")

# Names of the parts of a road user of two parts, in the order of their boxes.
PART_NAMES = ("front", "rear")

# Instead of an agent id, in the truth of a detection: the run looks for the road user that stands there. For metrics only.
BY_PLACE = -2

# Codes of the cells of a perception matrix.
UNOBSERVED = 0
FREE = 1
OCCUPIED = 2


@dataclass(frozen=True)
class Boxes:
    """Upright oriented boxes.

    Attributes:
        center_m: Centre of each box's bottom face.
        size_m: Length (along the heading), width and height of each box.
        yaw_rad: Heading of each box, counter-clockwise from x.
    """

    center_m: Float[np.ndarray, "boxes 3"]
    size_m: Float[np.ndarray, "boxes 3"]
    yaw_rad: Float[np.ndarray, " boxes"]

    def __len__(self) -> int:
        return len(self.yaw_rad)

    def __repr__(self) -> str:
        return f"<{len(self)} boxes>"

    def __getitem__(self, rows: np.ndarray | slice) -> "Boxes":
        return Boxes(self.center_m[rows], self.size_m[rows], self.yaw_rad[rows])

    @staticmethod
    def none() -> "Boxes":
        """Return an empty set of boxes."""
        return Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))

    @staticmethod
    def joined(parts: "list[Boxes]") -> "Boxes":
        """Return the boxes of several sets, one after the other."""
        if not parts:
            return Boxes.none()
        return Boxes(
            np.concatenate([p.center_m for p in parts]),
            np.concatenate([p.size_m for p in parts]),
            np.concatenate([p.yaw_rad for p in parts]),
        )


@dataclass(frozen=True)
class Bodies:
    """The boxes that lidar rays and radio waves meet: one for most road users, two for a road user of two parts.

    Attributes:
        boxes: The boxes.
        owner: Row of the road user to which each box belongs, in rising order; the front part of two comes first.
    """

    boxes: Boxes
    owner: Int64[np.ndarray, " boxes"]

    def __len__(self) -> int:
        return len(self.owner)

    @staticmethod
    def none() -> "Bodies":
        """Return an empty set of bodies."""
        return Bodies(Boxes.none(), np.zeros(0, np.int64))

    @cached_property
    def is_rear(self) -> Bool[np.ndarray, " boxes"]:
        """Whether each box is the rear part of a road user of two parts."""
        return np.diff(self.owner, prepend=-1) == 0


@dataclass(frozen=True)
class Prisms:
    """Buildings as upright prisms.

    A prism is a shell: its walls, its roof and its raised underside block rays and radio waves, and its inside is open. So two
    cars below one roof see and hear each other, and neither sees or hears what is outside.

    A footprint with a courtyard is one outline: it runs round the building, along a seam to the court, round the court the other
    way, and back along the same seam.

    Attributes:
        vertices_m: Corners of the footprints of all prisms in one array, counter-clockwise; the first corner of a footprint
            is not repeated at its end.
        offset: The corners of prism p are vertices_m[offset[p]:offset[p + 1]].
        base_m: Height of the bottom of each prism.
        top_m: Height of the flat roof of each prism.
    """

    vertices_m: Float[np.ndarray, "vertices 2"]
    offset: Int64[np.ndarray, " prisms_plus_1"]
    base_m: Float[np.ndarray, " prisms"]
    top_m: Float[np.ndarray, " prisms"]

    def __len__(self) -> int:
        return len(self.base_m)

    def footprint_m(self, row: int) -> Float[np.ndarray, "corners 2"]:
        """Return the corners of the footprint of one prism."""
        return self.vertices_m[self.offset[row] : self.offset[row + 1]]

    @cached_property
    def is_seam(self) -> Bool[np.ndarray, " vertices"]:
        """Whether the edge from each corner to the next one is a seam: passed once in each direction, so that it is no wall."""
        after = np.arange(1, len(self.vertices_m) + 1)
        after[self.offset[1:][np.diff(self.offset) > 0] - 1] = self.offset[:-1][np.diff(self.offset) > 0]
        start, end = self.vertices_m, self.vertices_m[after]
        forward = (start[:, 0] < end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] < end[:, 1]))
        low, high = np.where(forward[:, None], start, end), np.where(forward[:, None], end, start)
        prism = np.repeat(np.arange(len(self)), np.diff(self.offset))
        edge = np.column_stack([low, high, prism])
        order = np.lexsort(edge.T)
        is_new = np.append(True, (edge[order[1:]] != edge[order[:-1]]).any(axis=1))[: len(order)]
        group = np.empty(len(order), np.int64)
        group[order] = np.cumsum(is_new) - 1
        passes = np.bincount(group, minlength=1)
        there = np.bincount(group, weights=forward, minlength=1)
        return ((there > 0) & (there < passes))[group]

    @staticmethod
    def none() -> "Prisms":
        """Return an empty set of prisms."""
        return Prisms(np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class PointCloud:
    """Lidar returns of one station at one instant, over all its lidars.

    Attributes:
        time_us: True time of the capture, without the station's clock error.
        points_m: Position of each return in the station's own frame: origin at the centre of the bottom face of the
            station's box, x forward, y left.
        object_id: Agent id of the road user that each return hit, or GROUND or BUILDING. This is the truth: metrics and the
            visibility detection model may read it, matching and tracking must not.
        lidar: Number of the station's lidar that measured each point.
    """

    time_us: int
    points_m: Float[np.ndarray, "points 3"]
    object_id: Int64[np.ndarray, " points"]
    lidar: UInt8[np.ndarray, " points"]

    def __len__(self) -> int:
        return len(self.object_id)

    def __repr__(self) -> str:
        return f"<{len(self):,} lidar returns of {self.time_us / 1e6:.12g} s>"


@dataclass(frozen=True)
class Detections:
    """Detected road users.

    Attributes:
        boxes: Detected boxes; the code that holds the detections documents their coordinate frame.
        velocity_mps: Estimated velocity over ground; zero if it has not been estimated.
        score: Confidence of each detection, 0 to 1.
        truth: Agent id of the road user behind each detection, -1 for a false positive; for metrics only.
    """

    boxes: Boxes
    velocity_mps: Float[np.ndarray, "detections 2"]
    score: Float[np.ndarray, " detections"]
    truth: Int64[np.ndarray, " detections"]

    def __len__(self) -> int:
        return len(self.score)

    def __repr__(self) -> str:
        return f"<{len(self)} detections>"

    def __getitem__(self, rows: np.ndarray | slice) -> "Detections":
        return Detections(self.boxes[rows], self.velocity_mps[rows], self.score[rows], self.truth[rows])

    @staticmethod
    def none() -> "Detections":
        """Return an empty set of detections."""
        return Detections(Boxes.none(), np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64))

    @staticmethod
    def joined(parts: "list[Detections]") -> "Detections":
        """Return the detections of several sets, one after the other."""
        if not parts:
            return Detections.none()
        return Detections(
            Boxes.joined([p.boxes for p in parts]),
            np.concatenate([p.velocity_mps for p in parts]),
            np.concatenate([p.score for p in parts]),
            np.concatenate([p.truth for p in parts]),
        )

    def split(self, before: Int64[np.ndarray, " cuts"]) -> "list[Detections]":
        """Return the parts between some rows, in memory that they share; the inverse of `joined`.

        Args:
            before: Row of the first detection of each part but the first, in rising order.
        """
        ends = [*before.tolist(), len(self)]
        return [self[slice(first, end)] for first, end in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass(frozen=True, eq=False)
class DetectionGroups(Sequence[Detections]):
    """Groups of detections, such as those of several stations, in flat arrays for compiled functions.

    Attributes:
        flat: The detections of all groups.
        begin: Row of the first detection of each group.
        end: Row behind the last detection of each group.
    """

    flat: Detections
    begin: Int64[np.ndarray, " groups"]
    end: Int64[np.ndarray, " groups"]

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.begin)

    @overload
    def __getitem__(self, group: int) -> Detections: ...
    @overload
    def __getitem__(self, group: slice) -> "DetectionGroups": ...
    def __getitem__(self, group: int | slice) -> "Detections | DetectionGroups":
        """Return the detections of one group, or some of the groups."""
        if isinstance(group, slice):
            begin, end = (np.ascontiguousarray(rows[group]) for rows in (self.begin, self.end))
            return DetectionGroups(self.flat, begin, end)
        return self.flat[self.begin[group] : self.end[group]]

    @property
    def lengths(self) -> Int64[np.ndarray, " groups"]:
        """Number of detections of each group."""
        return self.end - self.begin

    @staticmethod
    def of(parts: "Sequence[Detections]") -> "DetectionGroups":
        """Return several sets of detections as groups."""
        if isinstance(parts, DetectionGroups):
            return parts
        if not parts:
            return DetectionGroups.at(Detections.none(), np.zeros(1, np.int64))
        boxes = [part.boxes for part in parts]
        score = [part.score for part in parts]
        flat = Detections(
            Boxes(
                _plain([box.center_m for box in boxes]), _plain([box.size_m for box in boxes]),
                _plain([box.yaw_rad for box in boxes]),
            ),
            _plain([part.velocity_mps for part in parts]), _plain(score),
            np.concatenate([part.truth for part in parts], dtype=np.int64, casting="unsafe"),
        )  # fmt: skip
        first = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(rows) for rows in score], out=first[1:])
        return DetectionGroups.at(flat, first)

    @staticmethod
    def at(flat: Detections, first: Int64[np.ndarray, " groups_plus_1"]) -> "DetectionGroups":
        """Return groups that lie one after the other, given the first row of each and the number of all rows."""
        return DetectionGroups(flat, first[:-1], first[1:])


def _plain(parts: list[np.ndarray]) -> np.ndarray:
    """Return arrays one after the other, in the layout for which compiled functions are built."""
    return np.ascontiguousarray(np.concatenate(parts), np.float64)


@dataclass(frozen=True)
class PerceptionMatrix:
    """A bird's-eye grid of what one station observed: its abstract perception matrix.

    The grid is aligned with the map: cell (i, j) covers x in [(lower[0] + i) * cell_m, ... + cell_m) and y
    likewise with j and lower[1], so that the matrices of two stations differ by a whole-cell shift.

    Attributes:
        lower: World cell index of cell (0, 0).
        cell_m: Side of a square cell.
        code: UNOBSERVED, FREE or OCCUPIED for each cell, indexed [i, j] along x and y.
    """

    lower: Int64[np.ndarray, " 2"]
    cell_m: float
    code: UInt8[np.ndarray, "nx ny"]

    @property
    def observed(self) -> Bool[np.ndarray, "nx ny"]:
        """Whether the station observed each cell, as free or as occupied."""
        return self.code != UNOBSERVED

    def __repr__(self) -> str:
        nx, ny = self.code.shape
        free, occupied = (int((self.code == code).sum()) for code in (FREE, OCCUPIED))
        return f"<perception matrix of {nx} x {ny} cells of {self.cell_m:g} m: {free} free, {occupied} occupied>"


@dataclass(frozen=True)
class Links:
    """Directed links at one instant, from a sending to a receiving antenna.

    Attributes:
        distance_m: Distance between the antennas in three dimensions.
        state: Link state: LOS (clear), NLOSV (blocked by vehicles) or NLOSB (blocked by buildings).
        blocker_height_m: Height above ground of the top of the vehicle that blocks most; NaN if no vehicle blocks.
        case: Blockage case of TR 37.885 clause 6.2.1 (1, 2 or 3) for NLOSV; 0 otherwise.
    """

    distance_m: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    blocker_height_m: Float[np.ndarray, " links"]
    case: Int8[np.ndarray, " links"]

    def __len__(self) -> int:
        return len(self.distance_m)


@dataclass(frozen=True)
class Grid:
    """A uniform grid index over rectangles: for each cell, the list of rectangles that touch it.

    Attributes:
        origin_m: Lower corner of the grid.
        cell_m: Side of a square cell.
        shape: Number of cells in x and y.
        offset: The rectangles of cell c = ix * ny + iy are item[offset[c]:offset[c + 1]].
        item: Row of each listed rectangle, rising within a cell.
    """

    origin_m: Float[np.ndarray, " 2"]
    cell_m: float
    shape: tuple[int, int]
    offset: Int64[np.ndarray, " cells_plus_1"]
    item: Int64[np.ndarray, " entries"]


@dataclass(frozen=True)
class Obstacles:
    """Buildings with a grid index, with which code finds those near a line or a rectangle."""

    prisms: Prisms
    grid: Grid
    lower_m: Float[np.ndarray, "prisms 2"] = field(repr=False)
    upper_m: Float[np.ndarray, "prisms 2"] = field(repr=False)


Poses = Float[np.ndarray, "poses 4"]
"""Poses as rows of x, y, z (metres) and yaw (radians): the centre of a box's bottom face, and the heading."""

Rows = Int[np.ndarray, " rows"]
