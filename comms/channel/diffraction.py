"""Diffraction loss at vehicles in the way of a link: cascaded knife edges over the roofs and round both sides.

Each vehicle whose outline the line between the antennas crosses is one knife edge, at the middle of the part of the
line inside the outline. Of a vehicle of two parts, this is the part of the line from where it enters the first one to
where it leaves the last one, and the edge has the height of the higher one of those that it crosses. For the path over the roofs, the edge has the height of the roof; for the paths round the
sides, it reaches to the farthest corner. Along each path, the main edges are those that a taut string between the
antennas would touch; the loss of a main edge is computed between its two neighbours on the string. Between two main
edges, the edge with the highest loss is added. P.526's correction for edges in a row is added to the sum. The result is
the smallest loss of the three paths.

If no edge reaches the line between the antennas, only the edge that reaches farthest into the Fresnel zone counts.

References:
    ITU-R P.526, clauses 4.1 (single edge) and 4.5 (obstacles in a row: hull, sub-paths, correction), as GEMV2 uses it
    for vehicles (Boban, Barros, Tonguz, IEEE TVT 2014). The clause on obstacles in a row was written from memory. GEMV2
    also uses the farthest corner for the sides and the path with the smallest loss.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from v2xsim.comms.channel.geometry import outlines, rows_of_column
from v2xsim.comms.channel.vehicle_loss import CLEAR_PARAMETER
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.records import NLOSB, Boxes
from v2xsim.spatial.grid import grid_over

_CELL_M = 64.0
_MARGIN = 1e-7


def diffraction_loss_db(
    antenna_m: Float[np.ndarray, "stations 3"],
    body: Int[np.ndarray, " stations"],
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    state: Int[np.ndarray, " pairs"],
    boxes: Boxes,
    carrier_ghz: float,
    rear: Int[np.ndarray, " stations"] | None = None,
    owner: Int[np.ndarray, " boxes"] | None = None,
) -> Float[np.ndarray, " pairs"]:
    """Return the loss in dB that vehicles add to each pair of stations; 0 for pairs that a building blocks.

    Args:
        antenna_m: Position of each station's antenna.
        body: Row in `boxes` of a box that does not block the station's own links: its body; -1 for none.
        first: Row of one station of each pair.
        second: Row of the other station of each pair.
        state: State of each link: LOS, NLOSV (a vehicle in the way) or NLOSB (a building in the way).
        boxes: Bounding boxes of all vehicles and other bodies.
        carrier_ghz: Centre frequency of the channel.
        rear: Row of a second box that does not block them, such as the rear part of a vehicle of two parts; -1 for none.
        owner: Number of the vehicle to which each box belongs; None if each is one of its own.
    """
    rear = np.full(len(antenna_m), -1) if rear is None else rear
    owner = np.arange(len(boxes)) if owner is None else owner
    along, across, lower, upper = outlines(boxes)
    spread = (upper.max(axis=0) - lower.min(axis=0)).max() if len(along) else 0.0
    grid = grid_over(lower, upper, max(_CELL_M, spread / 1024))
    box = np.column_stack([boxes.center_m[:, :2], along, across, boxes.center_m[:, 2] + boxes.size_m[:, 2], owner])
    loss_db: Float[np.ndarray, " pairs"] = _losses(
        np.ascontiguousarray(antenna_m, np.float64), np.ascontiguousarray(body, np.int64), np.ascontiguousarray(rear, np.int64),
        np.ascontiguousarray(first, np.int64), np.ascontiguousarray(second, np.int64),
        np.ascontiguousarray(state, np.int8), np.ascontiguousarray(box),
        grid.origin_m, float(grid.cell_m), grid.shape, grid.offset, grid.item, SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9),
    )  # fmt: skip
    return loss_db


def cascade_loss_db(
    place_m: Float[np.ndarray, " edges"], clearance_m: Float[np.ndarray, " edges"], length_m: float, carrier_ghz: float
) -> float:
    """Return the diffraction loss in dB over several edges in a row.

    Args:
        place_m: Distance of each edge from the first antenna along the line, in rising order.
        clearance_m: How far each edge reaches beyond the line; negative if it does not reach it.
        length_m: Length of the line between the antennas.
        carrier_ghz: Centre frequency of the channel.
    """
    return float(
        _cascade(
            np.ascontiguousarray(place_m, np.float64), np.ascontiguousarray(clearance_m, np.float64), len(place_m),
            float(length_m), SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9), np.empty(len(place_m) + 2, np.int64),
        )
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _edge_db(clearance_m, before_m, behind_m, wavelength_m):  # type: ignore[no-untyped-def]
    """Return the loss J(v) in dB of one edge; 0 below P.526's limit of v."""
    before_m, behind_m = max(before_m, 1e-3), max(behind_m, 1e-3)
    v = clearance_m * math.sqrt(2.0 * (before_m + behind_m) / (wavelength_m * before_m * behind_m))
    if v <= CLEAR_PARAMETER:
        return 0.0
    return max(0.0, 6.9 + 20.0 * math.log10(math.sqrt((v - 0.1) ** 2 + 1.0) + v - 0.1))


@njit(cache=True, nogil=True)
def _cascade(place_m, height_m, count, length_m, wavelength_m, hull):  # type: ignore[no-untyped-def]
    """Return the diffraction loss in dB over several edges in a row.

    `hull` is working space for the rows of the edges on the taut string; in it, -1 and `count` stand for the two ends.
    """
    # The taut string over the edges above the line is their upper convex hull from end to end.
    hull[0] = -1
    size = 1
    for k in range(count + 1):
        x = length_m if k == count else place_m[k]
        y = 0.0 if k == count else height_m[k]
        if k < count and y <= 0.0:
            continue
        while size >= 2:
            b = hull[size - 1]
            a = hull[size - 2]
            ax, ay = (0.0, 0.0) if a == -1 else (place_m[a], height_m[a])
            if (place_m[b] - ax) * (y - ay) - (x - ax) * (height_m[b] - ay) < 0.0:
                break
            size -= 1
        hull[size] = k
        size += 1
    if size == 2:
        worst = 0.0
        for k in range(count):
            worst = max(worst, _edge_db(height_m[k], place_m[k], length_m - place_m[k], wavelength_m))
        return worst
    loss = 0.0
    # Products of distances between neighbours on the string, for the correction.
    over, under, whole = 0.0, 0.0, 0.0
    for n in range(1, size):
        a, b = hull[n - 1], hull[n]
        ax, ay = (0.0, 0.0) if a == -1 else (place_m[a], height_m[a])
        bx, by = (length_m, 0.0) if b == count else (place_m[b], height_m[b])
        gap = max(bx - ax, 1e-3)
        whole += gap
        if n + 1 < size:
            c = hull[n + 1]
            cx, cy = (length_m, 0.0) if c == count else (place_m[c], height_m[c])
            next_gap = max(cx - bx, 1e-3)
            chord = ay + (cy - ay) * (bx - ax) / max(cx - ax, 1e-3)
            loss += _edge_db(by - chord, gap, next_gap, wavelength_m)
            under += math.log10(gap + next_gap)
            over += math.log10(next_gap)
            if n == 1:
                over += math.log10(gap)
                under += math.log10(gap)
            if n + 2 == size:
                under += math.log10(next_gap)
        worst = 0.0
        for k in range(a + 1, b):
            chord = ay + (by - ay) * (place_m[k] - ax) / gap
            worst = max(worst, _edge_db(height_m[k] - chord, place_m[k] - ax, bx - place_m[k], wavelength_m))
        loss += worst
    return loss - 10.0 * (over + math.log10(whole) - under)


@njit(cache=True, nogil=True)
def _losses(  # type: ignore[no-untyped-def]
    antenna_m, body, rear, first, second, state, box, origin_m, cell_m, shape, offset, item, wavelength_m
):
    pairs = len(first)
    loss_db = np.zeros(pairs)
    # All vehicles could stand on one line.
    most = len(box)
    seen, place, order = np.empty(most, np.int64), np.empty(most), np.empty(most, np.int64)
    begin_at, end_at, top = np.empty(most), np.empty(most), np.empty(most)
    roof, left, right, hull = np.empty(most), np.empty(most), np.empty(most), np.empty(most + 2, np.int64)
    sorted_place, sorted_height = np.empty(most), np.empty(most)
    for pair in range(pairs):
        if state[pair] == NLOSB:
            continue
        i, j = first[pair], second[pair]
        a, b = antenna_m[i], antenna_m[j]
        if (a[0], a[1], a[2]) > (b[0], b[1], b[2]):
            a, b = b, a
        ax, ay, az, bx, by, bz = a[0], a[1], a[2], b[0], b[1], b[2]
        x, y = bx - ax, by - ay
        length = math.sqrt(x * x + y * y)
        if length < 1e-6:
            continue
        count = 0
        cax, cay = (ax - origin_m[0]) / cell_m, (ay - origin_m[1]) / cell_m
        cbx, cby = (bx - origin_m[0]) / cell_m, (by - origin_m[1]) / cell_m
        for column in range(max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), shape[0] - 1) + 1):
            begin, end = rows_of_column(column, cax, cay, cbx, cby, shape[1])
            if begin > end:
                continue
            for n in range(offset[column * shape[1] + begin], offset[column * shape[1] + end + 1]):
                k = item[n]
                if k == body[i] or k == body[j] or k == rear[i] or k == rear[j]:
                    continue
                px, py = box[k, 0] - ax, box[k, 1] - ay
                sx, sy, tx, ty = box[k, 2], box[k, 3], box[k, 4], box[k, 5]
                aside = (x * py - y * px) / length
                extent = (abs(x * sy - y * sx) + abs(x * ty - y * tx)) / length
                if abs(aside) >= extent:
                    continue
                # Positions along the line at which it enters and leaves the outline.
                enter, leave = 0.0, 1.0
                for axis in range(2):
                    ux, uy = (sx, sy) if axis == 0 else (tx, ty)
                    square = ux * ux + uy * uy
                    start, along = -(px * ux + py * uy), x * ux + y * uy
                    if abs(along) < 1e-9 * square:
                        if abs(start) >= square:
                            leave = -1.0
                    else:
                        near, far = (-square - start) / along, (square - start) / along
                        enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
                if enter >= leave:
                    continue
                # The parts of one vehicle are one edge.
                m = 0
                while m < count and seen[m] != box[k, 7]:
                    m += 1
                if m == count:
                    seen[m], begin_at[m], end_at[m], top[m] = int(box[k, 7]), enter, leave, box[k, 6]
                    left[m], right[m] = extent + aside, extent - aside
                    count += 1
                else:
                    begin_at[m], end_at[m] = min(begin_at[m], enter), max(end_at[m], leave)
                    top[m] = max(top[m], box[k, 6])
                    left[m], right[m] = max(left[m], extent + aside), max(right[m], extent - aside)
        for m in range(count):
            middle = 0.5 * (begin_at[m] + end_at[m])
            place[m], roof[m] = middle * length, top[m] - (az + middle * (bz - az))
        if count == 0:
            continue
        for m in range(count):
            n = m
            while n > 0 and place[order[n - 1]] > place[m]:
                order[n] = order[n - 1]
                n -= 1
            order[n] = m
        least = math.inf
        for path in range(3):
            for m in range(count):
                k = order[m]
                sorted_place[m] = place[k]
                sorted_height[m] = roof[k] if path == 0 else (left[k] if path == 1 else right[k])
            least = min(least, _cascade(sorted_place, sorted_height, count, length, wavelength_m, hull))
        loss_db[pair] = least
    return loss_db
