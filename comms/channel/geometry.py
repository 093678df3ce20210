"""Which links are clear, which pass vehicles, and which pass through buildings.

A building blocks a link if the straight line between the antennas passes through a wall, the roof or the raised underside
of its prism, as a lidar ray does (`v2xsim.gpu.lidar.cast`): the inside of a prism is open. If no building blocks the link, vehicles are considered. A vehicle is in the way if the
line crosses its outline seen from above. TR 37.885 clause 6.2.1 then gives three cases, by heights alone:

- Case 1: the vehicle's top is below both antennas; the link counts as clear.
- Case 2: the vehicle's top is above both antennas.
- Case 3: any height in between, equal heights included, even if the line itself passes over the vehicle.

Of several vehicles, a vehicle of case 2 counts before one of case 3; within a case, the one that reaches highest above
the line counts. So an additional vehicle never improves a link. `links_and_obstruction` also returns how far the worst
vehicle reaches into the first Fresnel zone; this depends on its position along the line, which TR 37.885 ignores.

Two antennas inside one prism have a clear link if no wall is between them: cars in one passage, hall or car park. An
antenna exactly on a wall counts as outside, and an antenna exactly at the height of a roof counts as above it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.comms.phases import PHASE
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes, Grid, Links, Obstacles
from v2xsim.spatial.grid import grid_over

# Cell size of the spatial index of vehicles: about two car lengths, larger if there are few vehicles.
_CELL_M = 12.0
_CELLS_PER_BOX = 8.0

# Margin in cells when listing the cells that a line passes: far above rounding errors, far below any relevant length.
_MARGIN = 1e-7


def link_states(
    tx_m: Float[np.ndarray, "links 3"],
    rx_m: Float[np.ndarray, "links 3"],
    tx_body: Int64[np.ndarray, " links"],
    rx_body: Int64[np.ndarray, " links"],
    boxes: Boxes,
    obstacles: Obstacles,
) -> Links:
    """Return the links with their distances, states and blockage cases.

    The result does not change if transmitters and receivers are exchanged.

    Args:
        tx_m: Positions of the sending antennas.
        rx_m: Positions of the receiving antennas.
        tx_body: Row in `boxes` of the body with the sending antenna, which does not block the link; -1 for none.
        rx_body: Row in `boxes` of the body with the receiving antenna, which does not block the link; -1 for none.
        boxes: Bounding boxes of all vehicles and other bodies.
        obstacles: Buildings that may block links.
    """
    return links_and_obstruction(tx_m, rx_m, tx_body, rx_body, boxes, obstacles, 5.9)[0]


def links_and_obstruction(
    tx_m: Float[np.ndarray, "links 3"],
    rx_m: Float[np.ndarray, "links 3"],
    tx_body: Int64[np.ndarray, " links"],
    rx_body: Int64[np.ndarray, " links"],
    boxes: Boxes,
    obstacles: Obstacles,
    carrier_ghz: float,
) -> tuple[Links, Float[np.ndarray, " links"]]:
    """Return the state of each link, and how far the worst obstacle reaches into its first Fresnel zone.

    Args:
        tx_m: Positions of the sending antennas.
        rx_m: Positions of the receiving antennas.
        tx_body: Row in `boxes` of the body with the sending antenna; -1 for none.
        rx_body: Row in `boxes` of the body with the receiving antenna; -1 for none.
        boxes: Bounding boxes of all vehicles and other bodies.
        obstacles: Buildings that may block links.
        carrier_ghz: Centre frequency of the channel; sets the radius of the Fresnel zone.

    Returns:
        The links, and for each link the largest h / r of all vehicles whose outline the line crosses, seen from above:
        h is the height of the vehicle's top above the line (negative below it), r is the radius of the first Fresnel
        zone, both at the middle of the crossing. The value is minus infinity if the line crosses no vehicle's outline,
        and infinity if a building blocks the link. Roofs of buildings below the line are ignored.
    """
    cos, sin = np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)
    half = boxes.size_m[:, :2] / 2
    _along, _across, lower, upper = outlines(boxes)
    grid = grid_over(lower, upper, _cell_m(lower, upper))
    body = np.concatenate(
        [boxes.center_m[:, :2], half, np.stack([cos, sin, boxes.center_m[:, 2] + boxes.size_m[:, 2]], axis=1)], axis=1
    )
    buildings, building_cells = building_arrays(obstacles)
    distance_m, state, height_m, case, obstruction = _states(
        _contiguous(tx_m), _contiguous(rx_m),
        np.ascontiguousarray(tx_body, np.int64), np.ascontiguousarray(rx_body, np.int64),
        _contiguous(body), cells_of(grid), buildings, building_cells, SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9),
    )  # fmt: skip
    return Links(distance_m, state, height_m, case), obstruction


class Cells(NamedTuple):
    """A grid of cells for compiled loops; the items of a cell lie between two entries of `offset`.

    Attributes:
        origin_x: Coordinate x of the corner of the first cell, in metres.
        origin_y: Coordinate y of the corner of the first cell, in metres.
        cell_m: Side length of a cell.
        columns: Number of cells along x.
        rows: Number of cells along y; the cells of one column are stored one after the other.
        offset: Index in `item` of the first item of each cell; one entry more than cells.
        item: Row numbers of the items that touch each cell, cell after cell.
    """

    origin_x: float
    origin_y: float
    cell_m: float
    columns: int
    rows: int
    offset: Int64[np.ndarray, " cells_plus_1"]
    item: Int64[np.ndarray, " items"]


class Buildings(NamedTuple):
    """Building prisms as arrays for compiled loops.

    Attributes:
        vertices_m: Corners of all footprints, one building after the other.
        offset: Index of the first corner of each prism; one entry more than prisms.
        base_m: Height of the bottom of each prism.
        top_m: Height of the roof of each prism.
        lower_m: Lower corner (smallest x and y) of the rectangle around each footprint.
        upper_m: Upper corner (largest x and y) of this rectangle.
        is_seam: Whether the edge from each corner to the next one is a seam of the outline and no wall.
    """

    vertices_m: Float[np.ndarray, "vertices 2"]
    offset: Int64[np.ndarray, " prisms_plus_1"]
    base_m: Float[np.ndarray, " prisms"]
    top_m: Float[np.ndarray, " prisms"]
    lower_m: Float[np.ndarray, "prisms 2"]
    upper_m: Float[np.ndarray, "prisms 2"]
    is_seam: Bool[np.ndarray, " vertices"]


def cells_of(grid: Grid) -> Cells:
    """Return a grid as a named tuple of arrays for compiled loops."""
    return Cells(
        float(grid.origin_m[0]), float(grid.origin_m[1]), float(grid.cell_m), int(grid.shape[0]), int(grid.shape[1]),
        grid.offset, grid.item,
    )  # fmt: skip


def building_arrays(obstacles: Obstacles) -> tuple[Buildings, Cells]:
    """Return the buildings and their grid as named tuples of arrays for compiled loops."""
    prisms = obstacles.prisms
    buildings = Buildings(
        _contiguous(prisms.vertices_m), prisms.offset, _contiguous(prisms.base_m), _contiguous(prisms.top_m),
        _contiguous(obstacles.lower_m), _contiguous(obstacles.upper_m), prisms.is_seam,
    )  # fmt: skip
    return buildings, cells_of(obstacles.grid)


def outlines(
    boxes: Boxes,
) -> tuple[
    Float[np.ndarray, "boxes 2"],
    Float[np.ndarray, "boxes 2"],
    Float[np.ndarray, "boxes 2"],
    Float[np.ndarray, "boxes 2"],
]:
    """Return each box's half length and half width as vectors, and the lower and upper corner of its bounding rectangle."""
    half = boxes.size_m[:, :2] / 2
    cos, sin = np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad)
    along = np.stack([cos * half[:, 0], sin * half[:, 0]], axis=1)
    across = np.stack([-sin * half[:, 1], cos * half[:, 1]], axis=1)
    reach = np.abs(along) + np.abs(across)
    return along, across, boxes.center_m[:, :2] - reach, boxes.center_m[:, :2] + reach


def _contiguous(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float64)


def _cell_m(lower_m: Float[np.ndarray, "boxes 2"], upper_m: Float[np.ndarray, "boxes 2"]) -> float:
    if len(lower_m) == 0:
        return _CELL_M
    spread = upper_m.max(axis=0) - lower_m.min(axis=0)
    return float(max(_CELL_M, np.sqrt(spread.prod() / (_CELLS_PER_BOX * len(lower_m))), spread.max() / 4096))


@njit(cache=True, nogil=True)
def rows_of_column(column, ax, ay, bx, by, rows):  # type: ignore[no-untyped-def]
    """Return the first and last cell in a grid column that a segment from a to b passes.

    All coordinates are in cells, and ax <= bx must hold.
    """
    if bx - ax < _MARGIN:
        low, high = min(ay, by), max(ay, by)
    else:
        slope = (by - ay) / (bx - ax)
        enter = ay + slope * (max(column - _MARGIN, ax) - ax)
        leave = ay + slope * (min(column + 1 + _MARGIN, bx) - ax)
        low, high = min(enter, leave), max(enter, leave)
    # On a steep line, a small margin in x is a large change in y, so y is limited to the ends of the segment.
    low, high = max(low, min(ay, by)), min(high, max(ay, by))
    return max(int(np.floor(low - _MARGIN)), 0), min(int(np.floor(high + _MARGIN)), rows - 1)


@njit(cache=True, nogil=True)
def prism_blocks(ax, ay, az, bx, by, bz, vertices_m, is_seam, first, last, base_m, top_m):  # type: ignore[no-untyped-def]
    """Return whether a segment passes through a wall, the roof or the raised underside of a prism."""
    # Keep the part of the segment between the heights of base and roof.
    enter, leave = 0.0, 1.0
    rise = bz - az
    if rise == 0.0:
        if az <= base_m or az >= top_m:
            return False
    else:
        at_base, at_top = (base_m - az) / rise, (top_m - az) / rise
        enter, leave = max(enter, min(at_base, at_top)), min(leave, max(at_base, at_top))
        if enter >= leave:
            return False
    px, py = ax + enter * (bx - ax), ay + enter * (by - ay)
    qx, qy = ax + leave * (bx - ax), ay + leave * (by - ay)
    # This part lies inside the footprint if it crosses a wall or if its middle is inside.
    mx, my = 0.5 * (px + qx), 0.5 * (py + qy)
    inside = False
    ux, uy = vertices_m[last - 1, 0], vertices_m[last - 1, 1]
    for vertex in range(first, last):
        vx, vy = vertices_m[vertex, 0], vertices_m[vertex, 1]
        u_left = (qx - px) * (uy - py) - (qy - py) * (ux - px) > 0.0
        v_left = (qx - px) * (vy - py) - (qy - py) * (vx - px) > 0.0
        if u_left != v_left:
            p_left = (vx - ux) * (py - uy) - (vy - uy) * (px - ux) > 0.0
            q_left = (vx - ux) * (qy - uy) - (vy - uy) * (qx - ux) > 0.0
            if p_left != q_left and not is_seam[vertex - 1 if vertex > first else last - 1]:
                return True
        if (uy > my) != (vy > my) and mx < ux + (my - uy) * (vx - ux) / (vy - uy):
            inside = not inside
        ux, uy = vx, vy
    # A part that crosses no wall is blocked where the segment passes through the roof or the underside.
    return inside and (max(az, bz) >= top_m or min(az, bz) < base_m)


@njit(**PHASE)
def prisms_block(ax, ay, az, bx, by, bz, buildings, cells):  # type: ignore[no-untyped-def]
    """Return whether any building blocks the segment from a to b; ax <= bx must hold."""
    low_y, high_y, low_z = min(ay, by), max(ay, by), min(az, bz)
    lower_m, upper_m, top_m = buildings.lower_m, buildings.upper_m, buildings.top_m
    vertices_m, is_seam, offset, base_m = buildings.vertices_m, buildings.is_seam, buildings.offset, buildings.base_m
    cax, cay = (ax - cells.origin_x) / cells.cell_m, (ay - cells.origin_y) / cells.cell_m
    cbx, cby = (bx - cells.origin_x) / cells.cell_m, (by - cells.origin_y) / cells.cell_m
    for column in range(max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), cells.columns - 1) + 1):
        first, last = rows_of_column(column, cax, cay, cbx, cby, cells.rows)
        if first > last:
            continue
        cell = column * cells.rows
        for entry in range(cells.offset[cell + first], cells.offset[cell + last + 1]):
            p = cells.item[entry]
            # Most prisms of a cell lie outside the rectangle around the segment, or below the segment.
            if (
                lower_m[p, 0] > bx or upper_m[p, 0] < ax or lower_m[p, 1] > high_y or upper_m[p, 1] < low_y
                or top_m[p] <= low_z
            ):  # fmt: skip
                continue
            if prism_blocks(
                ax, ay, az, bx, by, bz, vertices_m, is_seam, offset[p], offset[p + 1], base_m[p], top_m[p],
            ):  # fmt: skip
                return True
    return False


@njit(**PHASE)
def box_crossing(ax, ay, bx, by, box):  # type: ignore[no-untyped-def]
    """Return the fractions (0 to 1) of a segment at which it enters and leaves a box's outline.

    If the segment does not cross the outline, the first value is not smaller than the second.
    """
    cos, sin = box[4], box[5]
    px, py = ax - box[0], ay - box[1]
    enter, leave = 0.0, 1.0
    for axis in range(2):
        if axis == 0:
            start, along = cos * px + sin * py, cos * (bx - ax) + sin * (by - ay)
        else:
            start, along = -sin * px + cos * py, -sin * (bx - ax) + cos * (by - ay)
        half = box[2 + axis]
        if abs(along) < 1e-12:
            if abs(start) >= half:
                return 1.0, 0.0
        else:
            near, far = (-half - start) / along, (half - start) / along
            enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    return enter, leave


@njit(cache=True, nogil=True)
def _states(tx_m, rx_m, tx_body, rx_body, body, body_cells, buildings, building_cells, wavelength_m):  # type: ignore[no-untyped-def]
    """Return distance, state, height of the blocking vehicle, case and obstruction of each link.

    A row of `body` has the centre x and y, half length, half width, cosine and sine of the heading, and top of a box.
    """
    links = len(tx_m)
    distance_m = np.empty(links)
    state = np.full(links, LOS, np.int8)
    height_m = np.full(links, np.nan)
    case = np.zeros(links, np.int8)
    obstruction = np.full(links, -np.inf)
    offset, item = body_cells.offset, body_cells.item
    for link in range(links):
        # The ends are sorted, so that rounding errors are the same in both directions of a link.
        a, b = tx_m[link], rx_m[link]
        if (a[0], a[1], a[2]) > (b[0], b[1], b[2]):
            a, b = b, a
        ax, ay, az, bx, by, bz = a[0], a[1], a[2], b[0], b[1], b[2]
        distance_m[link] = np.sqrt((bx - ax) ** 2 + (by - ay) ** 2 + (bz - az) ** 2)
        low_z = min(az, bz)

        blocked = prisms_block(ax, ay, az, bx, by, bz, buildings, building_cells)
        if blocked:
            state[link] = NLOSB
            obstruction[link] = np.inf
            continue

        cax, cay = (ax - body_cells.origin_x) / body_cells.cell_m, (ay - body_cells.origin_y) / body_cells.cell_m
        cbx, cby = (bx - body_cells.origin_x) / body_cells.cell_m, (by - body_cells.origin_y) / body_cells.cell_m
        highest = -np.inf
        for column in range(
            max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), body_cells.columns - 1) + 1
        ):
            first, last = rows_of_column(column, cax, cay, cbx, cby, body_cells.rows)
            if first > last:
                continue
            cell = column * body_cells.rows
            for entry in range(offset[cell + first], offset[cell + last + 1]):
                k = item[entry]
                if k == tx_body[link] or k == rx_body[link]:
                    continue
                enter, leave = box_crossing(ax, ay, bx, by, body[k])
                if enter >= leave:
                    continue
                top = body[k, 6]
                middle = 0.5 * (enter + leave)
                above = top - (az + middle * (bz - az))
                radius_m = np.sqrt(wavelength_m * middle * (1.0 - middle) * distance_m[link])
                obstruction[link] = max(obstruction[link], above / max(radius_m, 1e-9))
                if top < low_z:
                    continue
                this_case = 2 if top > max(az, bz) else 3
                if case[link] == 0 or this_case < case[link] or (this_case == case[link] and above > highest):
                    state[link] = NLOSV
                    case[link] = this_case
                    height_m[link] = top
                    highest = above
    return distance_m, state, height_m, case, obstruction
