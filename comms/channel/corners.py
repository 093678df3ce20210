"""Ways round buildings along streets: from one antenna to a corner point of the map, perhaps to a second one, and to the other antenna.

A way exists if no building blocks any of its legs. The legs of an antenna are level, at its own height; those between
corner points are at street level. So a way depends on the positions of the two antennas and on the map, and on nothing
else: not on headings, not on traffic. Two corners count only if no single corner is in sight of both antennas. Of
several ways, the one with the smallest product of its legs is taken: the loss round corners rises with the logarithm of
this product.
"""

import numpy as np
from jaxtyping import Float, Int, Int64
from numba import njit

from v2xsim.comms.channel.detours import CornerMap, Detours
from v2xsim.comms.channel.geometry import building_arrays, cells_of, prisms_block
from v2xsim.records import Obstacles
from v2xsim.spatial.grid import grid_over

FARTHEST_M = 500.0
"""Longest leg of a way: both corner models have lost the signal of any vehicle long before."""

# A corner at the antenna itself is as good as one this far away.
_SHORTEST_M = 1.0
# Height of a leg between two corner points.
_STREET_M = 1.5
_CELL_M = 250.0


def corner_map(position_m: Float[np.ndarray, "corners 2"], obstacles: Obstacles) -> CornerMap:
    """Return the map of some corner points between buildings."""
    if len(position_m) == 0:
        return CornerMap.none()
    street_m = np.column_stack([position_m, np.full(len(position_m), _STREET_M)])
    return CornerMap(position_m, *_seen(street_m, np.arange(len(position_m)), position_m, obstacles))


def detours_between(
    antenna_m: Float[np.ndarray, "stations 3"],
    first: Int[np.ndarray, " links"],
    second: Int[np.ndarray, " links"],
    corners: CornerMap,
    obstacles: Obstacles,
) -> Detours:
    """Return the best ways round corners of some links.

    Args:
        antenna_m: Position of each station's antenna.
        first: Row of the station at one end of each link; the search is fast if links of one station follow each other.
        second: Row of the station at the other end.
        corners: Corner points of the map.
        obstacles: Buildings.
    """
    if len(first) == 0 or len(corners) == 0:
        return Detours.none(len(first))
    rows = np.unique(np.concatenate([first, second]))
    offset, corner, leg_m = _seen(antenna_m[rows], None, corners.position_m, obstacles)
    return Detours(
        *_ways(
            np.searchsorted(rows, first), np.searchsorted(rows, second), offset, corner, leg_m, corners.offset, corners.other,
            corners.between_m,
        )
    )  # fmt: skip


def _seen(
    place_m: Float[np.ndarray, "places 3"],
    own: Int[np.ndarray, " places"] | None,
    corner_m: Float[np.ndarray, "corners 2"],
    obstacles: Obstacles,
) -> tuple[Int64[np.ndarray, " places_plus_1"], Int64[np.ndarray, " sights"], Float[np.ndarray, " sights"]]:
    """Return which corner points are in sight of each place, and how far away.

    Args:
        place_m: Places; the lines of sight are level.
        own: Corner point at which each place is, to be left out; None for places that are no corner points.
        corner_m: Corner points.
        obstacles: Buildings.

    Returns:
        Index of the first sight of each place, the corner points in sight, and their distances.
    """
    grid = grid_over(corner_m, corner_m, _CELL_M)
    buildings, building_cells = building_arrays(obstacles)
    offset, corner, distance_m = _sights(
        np.ascontiguousarray(place_m, np.float64), np.full(len(place_m), -1) if own is None else np.asarray(own, np.int64),
        np.ascontiguousarray(corner_m, np.float64), cells_of(grid), buildings, building_cells,
    )  # fmt: skip
    return offset, corner, distance_m


@njit(cache=True, nogil=True)
def _sights(place_m, own, corner_m, cells, buildings, building_cells):  # type: ignore[no-untyped-def]
    places, built = len(place_m), len(buildings.base_m) > 0
    offset = np.zeros(places + 1, np.int64)
    room = 64 + 16 * places
    corner, distance_m = np.empty(room, np.int64), np.empty(room)
    count = 0
    for place in range(places):
        x, y, z = place_m[place, 0], place_m[place, 1], place_m[place, 2]
        left = max(int(np.floor((x - FARTHEST_M - cells.origin_x) / cells.cell_m)), 0)
        right = min(int(np.floor((x + FARTHEST_M - cells.origin_x) / cells.cell_m)), cells.columns - 1)
        low = max(int(np.floor((y - FARTHEST_M - cells.origin_y) / cells.cell_m)), 0)
        high = min(int(np.floor((y + FARTHEST_M - cells.origin_y) / cells.cell_m)), cells.rows - 1)
        for column in range(left, right + 1):
            if low > high:
                continue
            cell = column * cells.rows
            for n in range(cells.offset[cell + low], cells.offset[cell + high + 1]):
                k = cells.item[n]
                cx, cy = corner_m[k, 0], corner_m[k, 1]
                away_m = np.sqrt((cx - x) ** 2 + (cy - y) ** 2)
                if away_m > FARTHEST_M or k == own[place]:
                    continue
                if built:
                    # The ends are sorted, as `prisms_block` needs them.
                    if x <= cx:
                        blocked = prisms_block(x, y, z, cx, cy, z, buildings, building_cells)
                    else:
                        blocked = prisms_block(cx, cy, z, x, y, z, buildings, building_cells)
                    if blocked:
                        continue
                if count == room:
                    room *= 2
                    more, more_m = np.empty(room, np.int64), np.empty(room)
                    more[:count], more_m[:count] = corner, distance_m
                    corner, distance_m = more, more_m
                corner[count], distance_m[count] = k, max(away_m, _SHORTEST_M)
                count += 1
        offset[place + 1] = count
    return offset, corner[:count].copy(), distance_m[:count].copy()


@njit(cache=True, nogil=True)
def _ways(first, second, offset, corner, leg_m, near_offset, near, near_m):  # type: ignore[no-untyped-def]
    """Return the five lengths of `Detours` for each link."""
    links, corners = len(first), len(near_offset) - 1
    first_m, second_m = np.full(links, np.inf), np.full(links, np.inf)
    before_m, between_m, behind_m = np.full(links, np.inf), np.full(links, np.inf), np.full(links, np.inf)
    # For the station at the first end: its leg to each corner in sight; and the legs of the best way to each corner that
    # is in sight of one of these.
    one_m, two_m, two_more_m = np.full(corners, np.inf), np.full(corners, np.inf), np.full(corners, np.inf)
    reached = np.empty(corners, np.int64)
    station, reached_count = -1, 0
    for link in range(links):
        if first[link] != station:
            if station >= 0:
                for n in range(offset[station], offset[station + 1]):
                    one_m[corner[n]] = np.inf
            for n in range(reached_count):
                two_m[reached[n]] = np.inf
            station, reached_count = first[link], 0
            for n in range(offset[station], offset[station + 1]):
                c = corner[n]
                one_m[c] = leg_m[n]
                for m in range(near_offset[c], near_offset[c + 1]):
                    d = near[m]
                    if two_m[d] == np.inf:
                        reached[reached_count] = d
                        reached_count += 1
                    elif two_m[d] * two_more_m[d] <= leg_m[n] * near_m[m]:
                        continue
                    two_m[d], two_more_m[d] = leg_m[n], near_m[m]
        begin, end, best = offset[second[link]], offset[second[link] + 1], np.inf
        for n in range(begin, end):
            c, leg = corner[n], leg_m[n]
            if one_m[c] * leg < best:
                best = one_m[c] * leg
                first_m[link], second_m[link] = one_m[c], leg
        if best < np.inf:
            continue
        for n in range(begin, end):
            c, leg = corner[n], leg_m[n]
            if two_m[c] < np.inf and two_m[c] * two_more_m[c] * leg < best:
                best = two_m[c] * two_more_m[c] * leg
                before_m[link], between_m[link], behind_m[link] = two_m[c], two_more_m[c], leg
    return first_m, second_m, before_m, between_m, behind_m
