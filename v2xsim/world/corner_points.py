"""Corner points of a map: the places where streets of different direction meet, and the sharp bends of streets.

A wave that goes round a building turns at such a place. The points come from the roads alone, so they are on the map of
every station, and no vehicle moves them.

- A junction of a road network is a corner point if lanes that end at it differ in direction.
- Streets that a scenario lists have no junctions: two of them that cross, or end at each other, meet in a corner point.
- A bend within a street is one if a station before it and one behind it look in different directions.
"""

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from v2xsim.world.roads import JUNCTION, LANE, MOTOR, Roads

# Streets that meet at a smaller angle count as one street.
_LEAST_ANGLE_RAD = np.deg2rad(30.0)
# A lane of a road network ends at the outline of its junction; rounded coordinates leave a gap.
_GAP_M = 2.0
# Streets of a list end at the middle of another street, or at its edge.
_REACH_M = 10.0
# A line is straightened by this much before its bends are measured: a curve has many small ones.
_STRAIGHTENED_M = 3.0
# The direction of a lane at its end is that of its last metres: the very last piece may be centimetres long.
_END_M = 5.0
# Corner points in chains with shorter gaps than this are one: the lanes of one crossing, or the nodes of one wide junction.
_MERGED_M = 10.0

_Point = Float[np.ndarray, " 2"]
_Line = Float[np.ndarray, "_ 2"]


def corner_points(roads: Roads) -> Float[np.ndarray, "corners 2"]:
    """Return the corner points of a map, in rising order of x and y; lanes that are closed to motor vehicles count for nothing."""
    shapes = [roads.points_m[roads.offset[row] : roads.offset[row + 1]] for row in range(len(roads))]
    open_to_cars = roads.users == MOTOR
    lanes = [shapes[row] for row in np.flatnonzero((roads.kind == LANE) & open_to_cars)]
    junctions = [shapes[row] for row in np.flatnonzero(roads.kind == JUNCTION)]
    if not lanes:
        return np.zeros((0, 2))
    meeting = _at_junctions(lanes, junctions) if junctions else _at_crossings(lanes)
    bends = [bend for line in lanes for bend in _bends(line)]
    return _merged(np.array([*meeting, *bends]).reshape(-1, 2))


def _at_junctions(lanes: list[_Line], junctions: list[_Line]) -> list[_Point]:
    """Return the middle of each junction at which lanes of different directions end."""
    end_m = np.array([point for line in lanes for point in (line[0], line[-1])])
    angle = np.array([_angle_rad(points) for line in lanes for points in (line, line[::-1])])
    ends, points = cKDTree(end_m), []
    for outline in junctions:
        middle = _middle_m(outline)
        radius_m = float(np.hypot(*(outline - middle).T).max())
        near = np.array(ends.query_ball_point(middle, radius_m + _GAP_M), int)
        near = near[_gaps_m(end_m[near], outline) <= _GAP_M]
        if len(near) and _differ(angle[near]):
            points.append(middle)
    return points


def _differ(angle_rad: Float[np.ndarray, " lines"]) -> bool:
    """Return whether some of several lines have different directions; which way along a line does not matter."""
    between = np.abs((angle_rad[:, None] - angle_rad + 0.5 * np.pi) % np.pi - 0.5 * np.pi)
    return bool((between >= _LEAST_ANGLE_RAD).any())


def _angle_rad(line: _Line) -> float:
    """Return the direction of a line at its first point."""
    way_m = np.cumsum(np.hypot(*np.diff(line, axis=0).T))
    step = line[min(int(np.searchsorted(way_m, _END_M)) + 1, len(line) - 1)] - line[0]
    return float(np.arctan2(step[1], step[0]))


def _middle_m(outline: _Line) -> _Point:
    """Return the centroid of an outline; of one without area, the mean of its corners."""
    first, origin = outline - outline[0], outline[0]
    after = np.roll(first, -1, axis=0)
    cross = first[:, 0] * after[:, 1] - first[:, 1] * after[:, 0]
    if abs(cross.sum()) < 1e-3:
        return np.asarray(outline.mean(axis=0))
    return np.asarray(origin + ((first + after) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum()))


def _gaps_m(point_m: Float[np.ndarray, "points 2"], outline: _Line) -> Float[np.ndarray, " points"]:
    """Return the distance of points from the edges of an outline."""
    start, edge = outline, np.roll(outline, -1, axis=0) - outline
    square = np.maximum((edge**2).sum(axis=1), 1e-12)
    along = np.clip(((point_m[:, None] - start) * edge).sum(axis=2) / square, 0.0, 1.0)
    nearest = start + along[:, :, None] * edge
    return np.asarray(np.hypot(*(point_m[:, None] - nearest).T).T.min(axis=1, initial=np.inf))


def _at_crossings(lanes: list[_Line]) -> list[_Point]:
    """Return the points at which pieces of different lanes cross, or would cross if each lane were a little longer."""
    pieces, owner = [], []
    for row, line in enumerate(lanes):
        longer = line.copy()
        for tip, inner in ((0, 1), (-1, -2)):
            outwards = line[tip] - line[inner]
            longer[tip] += outwards * (_REACH_M / np.hypot(*outwards))
        pieces += [(longer[k], longer[k + 1]) for k in range(len(longer) - 1)]
        owner += [row] * (len(longer) - 1)
    start, end = (np.array(points) for points in zip(*pieces, strict=True))
    step, lane, points = end - start, np.array(owner), []
    angle = np.arctan2(step[:, 1], step[:, 0])
    for k in range(len(start)):
        later = np.arange(k + 1, len(start))
        turn = np.abs((angle[later] - angle[k] + 0.5 * np.pi) % np.pi - 0.5 * np.pi)
        later = later[(lane[later] != lane[k]) & (turn >= _LEAST_ANGLE_RAD)]
        gap = start[later] - start[k]
        across = step[k, 0] * step[later, 1] - step[k, 1] * step[later, 0]
        own = (gap[:, 0] * step[later, 1] - gap[:, 1] * step[later, 0]) / across
        others = (gap[:, 0] * step[k, 1] - gap[:, 1] * step[k, 0]) / across
        hit = (own >= 0.0) & (own <= 1.0) & (others >= 0.0) & (others <= 1.0)
        points += list(start[k] + own[hit, None] * step[k])
    return points


def _bends(line: _Line) -> list[_Point]:
    """Return the points at which a line turns by a corner's angle or more."""
    kept = _straightened(line)
    step = np.diff(kept, axis=0)
    angle = np.arctan2(step[:, 1], step[:, 0])
    turn = np.abs((np.diff(angle) + np.pi) % (2.0 * np.pi) - np.pi)
    return list(kept[1:-1][turn >= _LEAST_ANGLE_RAD])


def _straightened(line: _Line) -> _Line:
    """Return the points of a line without which it would move by more than a few metres (Ramer, Douglas, Peucker)."""
    keep, waiting = np.zeros(len(line), bool), [(0, len(line) - 1)]
    keep[[0, -1]] = True
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        chord, inner = line[last] - line[first], line[first + 1 : last] - line[first]
        along = np.clip(inner @ chord / max(float(chord @ chord), 1e-12), 0.0, 1.0)
        gap_m = np.hypot(*(inner - along[:, None] * chord).T)
        farthest = int(np.argmax(gap_m))
        if gap_m[farthest] > _STRAIGHTENED_M:
            middle = first + 1 + farthest
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    return line[keep]


def _merged(point_m: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "corners 2"]:
    """Return points with each group of close ones replaced by its mean, in rising order of x and y."""
    if len(point_m) == 0:
        return point_m
    pairs = cKDTree(point_m).query_pairs(_MERGED_M, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(point_m), len(point_m)))
    groups, group = connected_components(links, directed=False)
    corners = np.zeros((groups, 2))
    np.add.at(corners, group, point_m)
    corners /= np.bincount(group)[:, None]
    return corners[np.lexsort(corners.T[::-1])]
