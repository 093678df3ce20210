"""What the stations around a station see of its objects, worked out again from its inbox alone: plain loops over one station's neighbours."""

import math

import numpy as np

from v2xsim.comms.messages.redundancy.rule import Nearby
from v2xsim.records import OCCUPIED


def nearby_of(inbox, frame, seen, now_us, forget_us, hidden_speeds):
    """Return what a station knows of the stations that want data, and of its objects, from what it received and has on its map."""
    known = {
        origin: said for origin, (said, _, arrived_us) in sorted(inbox.announced.items()) if now_us - arrived_us <= forget_us
    }  # fmt: skip
    place = {
        origin: said.pose[:2] + np.array(said.velocity_mps) * ((frame.stamp_us - said.stamp_us) * 1e-6)
        for origin, said in known.items()
    }
    held = {origin: inbox.seen_by(origin, now_us, forget_us) for origin in known}
    shown = {origin: held[origin] or said for origin, said in known.items()}
    wanting = [origin for origin, said in known.items() if said.wants_data]
    shape = (len(seen), len(wanting))
    sees, is_itself, hears, relevance = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape), np.zeros(shape)
    for row in range(len(seen)):
        body = body_of(seen, row, known, place)
        for column, origin in enumerate(wanting):
            said = known[origin]
            is_itself[row, column] = origin == body or (said.size_m[0] > 0.0 and is_inside(seen, row, place[origin]))
            age_s = (frame.stamp_us - shown[origin].stamp_us) * 1e-6
            sees[row, column] = held[origin] is not None and is_occupied(seen, row, held[origin].matrix, age_s)
            hears[row, column] = inbox.listed(said).get(body, (0.0, 0.0))[0] if body is not None else 0.0
            relevance[row, column] = relevance_to(seen, row, place[origin], np.array(said.velocity_mps), hidden_speeds)
    return Nearby(
        np.array(wanting, np.int64), np.array([place[origin] for origin in wanting]).reshape(-1, 2),
        np.array([held[origin] is not None for origin in wanting], bool),
        np.array([frame.stamp_us - shown[origin].stamp_us for origin in wanting], np.int64), sees, is_itself, hears, relevance,
    )  # fmt: skip


def body_of(seen, row, known, place):
    """Return the announced vehicle that an object is, None for none."""
    gaps = {
        origin: math.dist(place[origin], seen.boxes.center_m[row, :2])
        for origin, said in known.items()
        if said.size_m[0] > 0.0
    }
    nearest = min(gaps, key=gaps.get, default=None)
    return nearest if nearest is not None and gaps[nearest] < 3.0 else None


def _axes(seen, row):
    yaw = seen.boxes.yaw_rad[row]
    return np.array([math.cos(yaw), math.sin(yaw)]), np.array([-math.sin(yaw), math.cos(yaw)])


def is_inside(seen, row, point_m):
    """Return whether a point is inside the box of an object."""
    offset_m = point_m - seen.boxes.center_m[row, :2]
    return all(
        abs(offset_m @ axis) <= size / 2.0
        for axis, size in zip(_axes(seen, row), seen.boxes.size_m[row, :2], strict=True)
    )


def is_occupied(seen, row, matrix, age_s):
    """Return whether the box, moved back, overlaps an occupied cell: if no axis separates them."""
    centre_m = seen.boxes.center_m[row, :2] - seen.velocity_mps[row] * age_s
    (along, across), half_m = _axes(seen, row), seen.boxes.size_m[row, :2] / 2.0
    cells = (np.argwhere(matrix.code == OCCUPIED) + matrix.lower + 0.5) * matrix.cell_m - centre_m
    touches = np.ones(len(cells), bool)
    for axis in (along, across, np.array([1.0, 0.0]), np.array([0.0, 1.0])):
        box_m = half_m[0] * abs(axis @ along) + half_m[1] * abs(axis @ across)
        touches &= np.abs(cells @ axis) < box_m + matrix.cell_m / 2.0 * np.abs(axis).sum()
    return bool(touches.any())


def relevance_to(seen, row, point_m, velocity_mps, hidden_speeds):
    """Return exp(-t / 4 s), where t is the first time at which the object, at its top speed, can be where the station is."""
    offset_m = seen.boxes.center_m[row, :2] - point_m
    top_mps = max(
        float(hidden_speeds.at(seen.boxes.center_m[row : row + 1, :2])[0]), math.hypot(*seen.velocity_mps[row])
    )
    # |offset - v t| = u t: the smallest positive root.
    a, b, c = velocity_mps @ velocity_mps - top_mps**2, -2.0 * offset_m @ velocity_mps, offset_m @ offset_m
    roots = [root.real for root in np.roots([a, b, c]) if abs(root.imag) < 1e-9 and root.real > 0.0]
    return math.exp(-min(roots) / 4.0) if roots else float(c == 0.0)
