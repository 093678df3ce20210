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

from v2xsim.comms.channel.geometry import cells_of, outlines, rows_of_column
from v2xsim.comms.channel.vehicle_loss import CLEAR_PARAMETER
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.comms.phases import PHASE
from v2xsim.records import NLOSB, Boxes
from v2xsim.spatial.grid import grid_over

_CELL_M = 64.0
_MARGIN = 1e-7
# Rows of the table of edges: positions along the line at which it enters and leaves a vehicle, as shares of its length; top of the
# vehicle; how far it reaches to the left and to the right of the line; place of the edge along the line; height of the roof
# above the line.
BEGIN, END, TOP, LEFT, RIGHT, PLACE, ROOF = range(7)
_EDGE_ROWS = 7
# An edge that just touches the line loses 6.03 dB.
_GRAZED_DB = 6.0


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
    box = np.vstack([boxes.center_m[:, :2].T, along.T, across.T, boxes.center_m[:, 2] + boxes.size_m[:, 2]])
    loss_db: Float[np.ndarray, " pairs"] = _losses(
        np.ascontiguousarray(antenna_m, np.float64), np.ascontiguousarray(body, np.int64), np.ascontiguousarray(rear, np.int64),
        np.ascontiguousarray(first, np.int32), np.ascontiguousarray(second, np.int32), np.ascontiguousarray(state, np.int8),
        np.ascontiguousarray(box[:, grid.item]), grid.item, np.ascontiguousarray(owner, np.int64), cells_of(grid),
        SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9),
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
            float(length_m), SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9), np.empty(len(place_m) + 2, np.int64), np.inf,
        )
    )  # fmt: skip


@njit(**PHASE)
def _strength(clearance_m, before_m, behind_m):  # type: ignore[no-untyped-def]
    """Return v |v| times half the wavelength of an edge. It rises with the loss, and the worst of many edges is found without a root."""
    before_m, behind_m = max(before_m, 1e-3), max(behind_m, 1e-3)
    return clearance_m * abs(clearance_m) * (before_m + behind_m) / (before_m * behind_m)


@njit(**PHASE)
def _strength_db(strength, wavelength_m):  # type: ignore[no-untyped-def]
    """Return the loss J(v) in dB of an edge; 0 below P.526's limit of v."""
    v = math.copysign(math.sqrt(2.0 * abs(strength) / wavelength_m), strength)
    if v <= CLEAR_PARAMETER:
        return 0.0
    return max(0.0, 6.9 + 20.0 * math.log10(math.sqrt((v - 0.1) ** 2 + 1.0) + v - 0.1))


@njit(**PHASE)
def _taut_string(place_m, height_m, count, length_m, hull):  # type: ignore[no-untyped-def]
    """Write the rows of the edges on the taut string from end to end, and return their number with the ends.

    The string over the edges above the line is their upper convex hull. -1 and `count` stand for the two ends.
    """
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
    return size


@njit(**PHASE)
def _cascade(place_m, height_m, count, length_m, wavelength_m, hull, enough_db):  # type: ignore[no-untyped-def]
    """Return the diffraction loss in dB over several edges in a row; a smaller value, but no less than `enough_db`, if it exceeds that.

    `hull` is working space for the rows of the edges on the taut string.
    """
    size = _taut_string(place_m, height_m, count, length_m, hull)
    loss, correction = 0.0, 0.0
    for n in range(1, size):
        a, b = hull[n - 1], hull[n]
        ax, ay = (0.0, 0.0) if a == -1 else (place_m[a], height_m[a])
        bx, by = (length_m, 0.0) if b == count else (place_m[b], height_m[b])
        gap = max(bx - ax, 1e-3)
        if n + 1 < size:
            c = hull[n + 1]
            cx, cy = (length_m, 0.0) if c == count else (place_m[c], height_m[c])
            next_gap = max(cx - bx, 1e-3)
            chord = ay + (cy - ay) * (bx - ax) / max(cx - ax, 1e-3)
            loss += _strength_db(_strength(by - chord, gap, next_gap), wavelength_m)
            if size > 3:
                # The correction of one edge alone is 0.
                correction += math.log10((gap + next_gap) / next_gap)
                if n + 2 == size:
                    correction += math.log10(next_gap / length_m)
        strongest = -np.inf
        for k in range(a + 1, b):
            chord = ay + (by - ay) * (place_m[k] - ax) / gap
            strongest = max(strongest, _strength(height_m[k] - chord, place_m[k] - ax, bx - place_m[k]))
        if strongest > -np.inf:
            loss += _strength_db(strongest, wavelength_m)
        if loss > enough_db:
            # The correction only adds to it.
            return loss
    return loss + 10.0 * correction


@njit(cache=True, nogil=True)
def _losses(  # type: ignore[no-untyped-def]
    antenna_m, body, rear, first, second, state, entry, item, owner, cells, wavelength_m
):
    loss_db = np.zeros(len(first))
    # All vehicles could stand on one line.
    most = len(item)
    is_near = np.empty(most, np.bool_)
    edge, seen, order = np.empty((_EDGE_ROWS, most)), np.empty(most, np.int64), np.empty(most, np.int64)
    place_m, height_m, hull = np.empty(most), np.empty(most), np.empty(most + 2, np.int64)
    for pair in range(len(first)):
        if state[pair] == NLOSB:
            continue
        i, j = first[pair], second[pair]
        ax, ay, az = antenna_m[i, 0], antenna_m[i, 1], antenna_m[i, 2]
        bx, by, bz = antenna_m[j, 0], antenna_m[j, 1], antenna_m[j, 2]
        if (ax, ay, az) > (bx, by, bz):
            ax, ay, az, bx, by, bz = bx, by, bz, ax, ay, az
        x, y = bx - ax, by - ay
        length = math.sqrt(x * x + y * y)
        if length < 1e-6:
            continue
        own = body[i], body[j], rear[i], rear[j]
        count = _crossed(ax, ay, x, y, length, own, entry, item, owner, cells, is_near, edge, seen)
        if count > 0:
            loss_db[pair] = _least_db(count, az, bz, length, wavelength_m, edge, order, place_m, height_m, hull)
    return loss_db


@njit(**PHASE)
def _crossed(ax, ay, x, y, length, own, entry, item, owner, cells, is_near, edge, seen):  # type: ignore[no-untyped-def]
    """Write the edges of the vehicles whose outlines a line crosses, and return their number.

    Args:
        ax: Coordinate x of the line's first point, the one with the smaller x.
        ay: Its coordinate y.
        x: Extent of the line along x.
        y: Extent along y.
        length: Length of the line.
        own: Boxes that are left out.
        entry: Centre x and y, half length and half width as vectors, and top of the boxes of each cell, cell after cell.
        item: Box of each entry.
        owner: Vehicle to which each box belongs.
        cells: Grid over the boxes; its offsets are those of the entries.
        is_near: Working space, an item for each entry.
        edge: Output, a column for each vehicle: rows BEGIN to RIGHT.
        seen: Output: the vehicles.
    """
    count = 0
    cax, cay = (ax - cells.origin_x) / cells.cell_m, (ay - cells.origin_y) / cells.cell_m
    cbx, cby = (ax + x - cells.origin_x) / cells.cell_m, (ay + y - cells.origin_y) / cells.cell_m
    for column in range(max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), cells.columns - 1) + 1):
        first, last = rows_of_column(column, cax, cay, cbx, cby, cells.rows)
        if first > last:
            continue
        low, high = cells.offset[column * cells.rows + first], cells.offset[column * cells.rows + last + 1]
        _mark(ax, ay, x, y, entry[:, low:high], is_near)
        for k in range(high - low):
            if not is_near[k]:
                continue
            n = low + k
            if item[n] == own[0] or item[n] == own[1] or item[n] == own[2] or item[n] == own[3]:
                continue
            px, py = entry[0, n] - ax, entry[1, n] - ay
            sx, sy, tx, ty = entry[2, n], entry[3, n], entry[4, n], entry[5, n]
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
            aside, extent = (x * py - y * px) / length, (abs(x * sy - y * sx) + abs(x * ty - y * tx)) / length
            # The parts of one vehicle are one edge; a box may be listed in two cells.
            vehicle, m = owner[item[n]], 0
            while m < count and seen[m] != vehicle:
                m += 1
            if m == count:
                seen[m], edge[BEGIN, m], edge[END, m], edge[TOP, m] = vehicle, enter, leave, entry[6, n]
                edge[LEFT, m], edge[RIGHT, m] = extent + aside, extent - aside
                count += 1
            else:
                edge[BEGIN, m], edge[END, m] = min(edge[BEGIN, m], enter), max(edge[END, m], leave)
                edge[TOP, m] = max(edge[TOP, m], entry[6, n])
                edge[LEFT, m], edge[RIGHT, m] = max(edge[LEFT, m], extent + aside), max(edge[RIGHT, m], extent - aside)
    return count


@njit(**PHASE)
def _mark(ax, ay, x, y, entry, is_near):  # type: ignore[no-untyped-def]
    """Write for each of some boxes whether an infinite line crosses its outline: few do.

    The loop is one of its own, over boxes that lie side by side in memory, so that the processor tests several at once.
    """
    cx, cy, sx, sy, tx, ty = entry[0], entry[1], entry[2], entry[3], entry[4], entry[5]
    for k in range(len(cx)):
        aside = x * (cy[k] - ay) - y * (cx[k] - ax)
        is_near[k] = abs(aside) < abs(x * sy[k] - y * sx[k]) + abs(x * ty[k] - y * tx[k])


@njit(**PHASE)
def _least_db(count, az, bz, length, wavelength_m, edge, order, place_m, height_m, hull):  # type: ignore[no-untyped-def]
    """Return the smallest of the losses over the roofs, round the left and round the right sides of some vehicles."""
    for m in range(count):
        middle = 0.5 * (edge[BEGIN, m] + edge[END, m])
        edge[PLACE, m], edge[ROOF, m] = middle * length, edge[TOP, m] - (az + middle * (bz - az))
        n = m
        while n > 0 and edge[PLACE, order[n - 1]] > edge[PLACE, m]:
            order[n] = order[n - 1]
            n -= 1
        order[n] = m
    for m in range(count):
        place_m[m] = edge[PLACE, order[m]]
    least = math.inf
    for path in (ROOF, LEFT, RIGHT):
        for m in range(count):
            height_m[m] = edge[path, order[m]]
        least = min(least, _cascade(place_m, height_m, count, length, wavelength_m, hull, least))
        # All edges of a path round a side reach beyond the line, so that it loses more than this.
        if least < _GRAZED_DB:
            break
    return least
