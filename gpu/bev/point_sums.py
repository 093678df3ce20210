"""Sums of own and received lidar points on road users, and the positions at which these points appear."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def joined(ego, agent, center_m, own_points, view, end, object_id, located_m, present):  # type: ignore[no-untyped-def]
    """Return numbers of points and positions of road users after fusion, and the received points that count.

    The arguments are attributes of `v2xsim.gpu.bev.fusion.scheme.FusionViews`.

    Returns:
        Number of points on each road user in each frame; its position, which is computed only for frames that received
        points; whether each received point counts; and the number of those of each item.
    """
    items, objects = located_m.shape[:2]
    row_of = np.full(agent[-1] + 1 if objects else 0, -1, np.int64)
    for row in range(objects):
        row_of[agent[row]] = row
    added = np.zeros((items, objects), np.int64)
    kept, kept_of_item = np.zeros(len(object_id), np.bool_), np.zeros(items, np.int64)
    first = 0
    for item in range(items):
        own = ego[view[item]]
        for n in range(first, end[item]):
            name = object_id[n]
            # The ego knows its own body and removes the points on it from the received points.
            if name == own:
                continue
            kept[n] = True
            kept_of_item[item] += 1
            # Without a position at the capture time, these points cannot move the body.
            if 0 <= name < len(row_of) and row_of[name] >= 0 and present[item, row_of[name]]:
                added[item, row_of[name]] += 1
        first = end[item]
    count, mean_m = own_points.copy(), center_m.copy()
    begin = 0
    while begin < items:
        number, stop = view[begin], begin
        while stop < items and view[stop] == number:
            for row in range(objects):
                count[number, row] += added[stop, row]
            stop += 1
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
