"""Link state of every pair of stations within range; a faster form of `geometry.link_states`.

Buildings block pairs as they block links there: with walls, roofs and raised undersides. The states and cases are the
same, but the height of the blocking vehicle is not computed. The search stops at the first vehicle that reaches above
both antennas, because the highest one need not be found. Vehicles are stored in wide cells, the highest first. The
vehicle that blocked a link at the tick before probably still does, so it is tested first; this changes only the
computing time, not the result.
"""

import numpy as np
from jaxtyping import Float, Int, Int8, Int32
from numba import njit

from v2xsim.comms.channel.geometry import building_arrays, cells_of, outlines, prisms_block, rows_of_column
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes, Obstacles
from v2xsim.spatial.grid import grid_over

# Cells are wide, so that a link crosses few of them.
_CELL_M = 256.0
# Margin in cells when listing the cells that a line passes: far above rounding errors, far below any relevant length.
_MARGIN = 1e-7


def pair_states(
    antenna_m: Float[np.ndarray, "stations 3"],
    body: Int[np.ndarray, " stations"],
    first: Int[np.ndarray, " pairs"],
    second: Int[np.ndarray, " pairs"],
    boxes: Boxes,
    obstacles: Obstacles,
    suspect: Int[np.ndarray, " pairs"] | None = None,
    rear: Int[np.ndarray, " stations"] | None = None,
) -> tuple[
    Float[np.ndarray, " pairs"], Int8[np.ndarray, " pairs"], Int8[np.ndarray, " pairs"], Int32[np.ndarray, " pairs"]
]:
    """Return the distance, state and blockage case of each pair of stations, and one vehicle that blocks it.

    The module `geometry` defines states and cases.

    Args:
        antenna_m: Position of each station's antenna.
        body: Row in `boxes` of a box that does not block the station's own links: its body; -1 for none.
        first: Row of one station of each pair.
        second: Row of the other station of each pair.
        boxes: Bounding boxes of all vehicles and other bodies.
        obstacles: Buildings that may block links.
        suspect: Row of a box to test first for each pair, such as the blocker at the tick before; -1 for none.
        rear: Row of a second box that does not block them, such as the rear part of a vehicle of two parts; -1 for none.

    Returns:
        Distance in metres, state, and blockage case of each pair, and the row of a box that causes the state NLOSV; -1
        if no vehicle blocks the pair.
    """
    if suspect is None:
        suspect = np.full(len(first), -1)
    if rear is None:
        rear = np.full(len(antenna_m), -1)
    along, across, lower, upper = outlines(boxes)
    top = boxes.center_m[:, 2] + boxes.size_m[:, 2]
    order = np.argsort(-top, kind="stable")
    spread = (upper.max(axis=0) - lower.min(axis=0)).max() if len(top) else 0.0
    grid = grid_over(lower[order], upper[order], max(_CELL_M, spread / 1024))
    item = order[grid.item]
    # The eight numbers of a box are in one row, since they are read together. They are copied for each cell that the
    # box touches, so that the boxes of a cell lie side by side in memory.
    box = np.column_stack([boxes.center_m[:, :2], along, across, top, np.arange(len(top), dtype=float)])
    entry = box[item]
    buildings, building_cells = building_arrays(obstacles)
    found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] = _states(
        np.ascontiguousarray(antenna_m, np.float64), np.ascontiguousarray(body, np.float64), np.ascontiguousarray(rear, np.float64),
        np.ascontiguousarray(first, np.int32), np.ascontiguousarray(second, np.int32),
        np.ascontiguousarray(suspect, np.int32), box, np.ascontiguousarray(entry), cells_of(grid), buildings, building_cells,
    )  # fmt: skip
    return found


@njit(cache=True, nogil=True)
def _states(antenna_m, body, rear, firsts, seconds, suspect, box, entry, cells, buildings, building_cells):  # type: ignore[no-untyped-def]
    pairs = len(firsts)
    distance_m, state, case = np.empty(pairs), np.empty(pairs, np.int8), np.empty(pairs, np.int8)
    blocker = np.full(pairs, -1, np.int32)
    origin_x, origin_y, cell_m = cells.origin_x, cells.origin_y, cells.cell_m
    columns, rows, cell_offset, built = cells.columns, cells.rows, cells.offset, len(buildings.base_m) > 0
    for pair in range(pairs):
        i, j = np.uint64(firsts[pair]), np.uint64(seconds[pair])
        ax, ay, az = antenna_m[i, 0], antenna_m[i, 1], antenna_m[i, 2]
        bx, by, bz = antenna_m[j, 0], antenna_m[j, 1], antenna_m[j, 2]
        if ax > bx or (ax == bx and (ay > by or (ay == by and az > bz))):
            ax, ay, az, bx, by, bz = bx, by, bz, ax, ay, az
        x, y = bx - ax, by - ay
        distance_m[pair] = np.sqrt(x * x + y * y + (bz - az) ** 2)
        if built and prisms_block(ax, ay, az, bx, by, bz, buildings, building_cells):
            state[pair], case[pair] = NLOSB, 0
            continue
        low, high = min(az, bz), max(az, bz)
        own, others, own_rear, others_rear = body[i], body[j], rear[i], rear[j]
        half_x, half_y = 0.5 * x, 0.5 * y
        worst = 0
        # The test of one box appears twice in the code: a call that passes the arrays would take longer than the test.
        if suspect[pair] >= 0:
            n = np.uint64(suspect[pair])
            if box[n, 6] >= low:
                px, py = box[n, 0] - ax, box[n, 1] - ay
                sx, sy, tx, ty = box[n, 2], box[n, 3], box[n, 4], box[n, 5]
                # First whether the infinite line crosses the outline, which is rare; only then the part between the
                # antennas.
                if abs(x * py - y * px) < abs(x * sy - y * sx) + abs(x * ty - y * tx):
                    mx, my = px - half_x, py - half_y
                    if (
                        abs(mx * sx + my * sy) < sx * sx + sy * sy + abs(half_x * sx + half_y * sy)
                        and abs(mx * tx + my * ty) < tx * tx + ty * ty + abs(half_x * tx + half_y * ty)
                        and box[n, 7] != own and box[n, 7] != others
                        and box[n, 7] != own_rear and box[n, 7] != others_rear
                    ):  # fmt: skip
                        worst, blocker[pair] = (2 if box[n, 6] > high else 3), suspect[pair]
                if worst == 2:
                    state[pair], case[pair] = NLOSV, 2
                    continue
        cax, cay = (ax - origin_x) / cell_m, (ay - origin_y) / cell_m
        cbx, cby = (bx - origin_x) / cell_m, (by - origin_y) / cell_m
        for column in range(max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), columns - 1) + 1):
            if rows == 1:
                begin, end = 0, 0
            else:
                begin, end = rows_of_column(column, cax, cay, cbx, cby, rows)
            for row in range(begin, end + 1):
                cell = column * rows + row
                for n in range(np.uint64(cell_offset[cell]), np.uint64(cell_offset[cell + 1])):  # type: ignore[assignment]
                    top = entry[n, 6]
                    # Boxes are sorted by height: the remaining ones reach neither antenna, or cannot change the result.
                    if top < low or (worst == 3 and top <= high):
                        break
                    px, py = entry[n, 0] - ax, entry[n, 1] - ay
                    sx, sy, tx, ty = entry[n, 2], entry[n, 3], entry[n, 4], entry[n, 5]
                    # First whether the infinite line crosses the outline, which is rare; only then the part between
                    # the antennas.
                    if abs(x * py - y * px) < abs(x * sy - y * sx) + abs(x * ty - y * tx):
                        mx, my = px - half_x, py - half_y
                        if (
                            abs(mx * sx + my * sy) < sx * sx + sy * sy + abs(half_x * sx + half_y * sy)
                            and abs(mx * tx + my * ty) < tx * tx + ty * ty + abs(half_x * tx + half_y * ty)
                            and entry[n, 7] != own and entry[n, 7] != others
                            and entry[n, 7] != own_rear and entry[n, 7] != others_rear
                        ):  # fmt: skip
                            worst, blocker[pair] = (2 if top > high else 3), np.int32(entry[n, 7])
                            break
                if worst == 2:
                    break
            if worst == 2:
                break
        state[pair], case[pair] = (LOS if worst == 0 else NLOSV), worst
    return distance_m, state, case, blocker
