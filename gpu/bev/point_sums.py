"""Received lidar points on road users, by where the points lie, and the positions at which these road users appear."""

import numpy as np
from numba import njit

# A point counts for a road user if it lies in its box, or this close to it: errors of positions and ranges are rarely larger; our choice.
REACH_M = 0.5


@njit(cache=True, nogil=True)
def joined(  # type: ignore[no-untyped-def]
    ego, agent, center_m, size_m, yaw_rad, own_points, view, end, points_m, object_id, located_m, present
):
    """Return numbers of points and positions of road users after fusion, and the received points that count.

    A received point counts for the road user in whose box it lies: where the ego places the box, or, if the ego has no point on this road
    user, where the helper with most points on it does. So points that come late, or from a helper with another error of its position,
    count as far as they still fit. The arguments are attributes of `v2xsim.gpu.bev.fusion.scheme.FusionViews`.

    Returns:
        Number of points on each road user in each frame; its position, which is computed only for frames that received
        points; whether each received point counts; and the number of those of each item.
    """
    items, objects = located_m.shape[:2]
    added, kept = np.zeros((items, objects), np.int64), np.ones(len(points_m), np.bool_)
    kept_of_item = np.zeros(items, np.int64)
    count, mean_m = own_points.copy(), center_m.copy()
    begin = 0
    while begin < items:
        number, stop = view[begin], begin
        hits = np.zeros((items, objects), np.int64)
        while stop < items and view[stop] == number:
            first = end[stop - 1] if stop else 0
            for n in range(first, end[stop]):
                # The ego knows its own body and removes the points on it from the received points.
                kept[n] = object_id[n] != ego[number]
                kept_of_item[stop] += kept[n]
            _count(
                points_m,
                kept,
                first,
                end[stop],
                ego[number],
                agent,
                located_m[stop],
                size_m,
                yaw_rad[number],
                present[stop],
                hits[stop],
            )
            stop += 1
        place_m = center_m[number].copy()
        for row in range(objects):
            best = begin
            for item in range(begin, stop):
                best = item if hits[item, row] > hits[best, row] else best
            if own_points[number, row] == 0 and hits[best, row] > 0:
                place_m[row] = located_m[best, row]
        for item in range(begin, stop):
            first = end[item - 1] if item else 0
            _count(
                points_m,
                kept,
                first,
                end[item],
                ego[number],
                agent,
                place_m,
                size_m,
                yaw_rad[number],
                present[item],
                added[item],
            )
            for row in range(objects):
                count[number, row] += added[item, row]
        for row in range(objects):
            # A body without received points keeps its exact position, without rounding errors of the mean.
            if count[number, row] == own_points[number, row]:
                continue
            for axis in range(3):
                weighted = center_m[number, row, axis] * own_points[number, row]
                for item in range(begin, stop):
                    weighted += located_m[item, row, axis] * added[item, row]
                mean_m[number, row, axis] = weighted / count[number, row]
        begin = stop
    return count, mean_m, kept, kept_of_item


@njit(cache=True, nogil=True)
def _outside_m(point, x, y, z, yaw, size):  # type: ignore[no-untyped-def]
    """Return how far a point lies outside a box along its farthest axis; 0 inside."""
    dx, dy, up = point[0] - x, point[1] - y, point[2] - z
    cos, sin = np.cos(yaw), np.sin(yaw)
    along, across = abs(dx * cos + dy * sin) - 0.5 * size[0], abs(dy * cos - dx * sin) - 0.5 * size[1]
    return max(0.0, along, across, -up, up - size[2])


@njit(cache=True, nogil=True)
def _count(points_m, kept, first, end, ego, agent, place_m, size_m, yaw_rad, present, hits):  # type: ignore[no-untyped-def]
    """Add the points from one row to another to the numbers of points on road users, each to the one whose box it fits best."""
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    for n in range(first, end):
        low_x, high_x = min(low_x, points_m[n, 0]), max(high_x, points_m[n, 0])
        low_y, high_y = min(low_y, points_m[n, 1]), max(high_y, points_m[n, 1])
    near, count = np.empty(len(agent), np.int64), 0
    for row in range(len(agent)):
        if not present[row] or agent[row] == ego:
            continue
        reach = 0.5 * np.hypot(size_m[row, 0], size_m[row, 1]) + 2.0 * REACH_M
        x, y = place_m[row, 0], place_m[row, 1]
        if low_x - reach <= x <= high_x + reach and low_y - reach <= y <= high_y + reach:
            near[count] = row
            count += 1
    for n in range(first, end):
        if not kept[n]:
            continue
        best, least, nearest = -1, REACH_M, np.inf
        for row in near[:count]:
            x, y, z = place_m[row]
            outside = _outside_m(points_m[n], x, y, z, yaw_rad[row], size_m[row])
            gap = np.hypot(points_m[n, 0] - x, points_m[n, 1] - y)
            # Of several boxes in which it lies, the one with the nearest centre.
            if outside < least or (outside == least and gap < nearest):
                best, least, nearest = row, outside, gap
        if best >= 0:
            hits[best] += 1
