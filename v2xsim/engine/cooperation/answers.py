"""What an ego asks a helper for, and what the helper answers: points or boxes of the cells asked for."""

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.comms.messages.sizes import (
    CPM_BASE_BYTES,
    CPM_OBJECT_BYTES,
    POINT_BYTES,
    POINTS_HEADER_BYTES,
    RAW_POINT_BYTES,
)
from v2xsim.engine.stations.contents import Answer, Request
from v2xsim.engine.stations.frame import Frame
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.gpu.lidar.points import quantised, rows_in_cells, thinned, transform
from v2xsim.perception.matching.matrix import cells_of, shifted
from v2xsim.records import OCCUPIED, UNOBSERVED, Detections
from v2xsim.spatial.poses import pose_matrix

# Returns lower than this are taken for the road; the ego casts its own. Above the range noise of a lidar on flat ground.
ROAD_M = 0.25


def predicted_bytes(occupied_cells: int, asked_cells: int, shares: Share, voxel_m: float, cell_m: float) -> float:
    """Return about how large an answer will be, from the matrices alone.

    A body shows one or two faces: in an occupied cell, points thinned to one per voxel cover a strip as long as the
    cell and about 1.5 m high. In late fusion a body covers about four cells.
    """
    if shares.is_boxes:
        return CPM_BASE_BYTES + codes_bytes(asked_cells) + CPM_OBJECT_BYTES * occupied_cells / 4.0
    points = occupied_cells * max(1.0, cell_m / voxel_m) * max(1.0, 1.5 / voxel_m)
    return POINTS_HEADER_BYTES + codes_bytes(asked_cells) + POINT_BYTES * points


def codes_bytes(cells: int) -> int:
    """Return the bytes of the codes of n cells, unobserved, free or occupied: two bits a cell."""
    return -(-cells * 2 // 8)


def answer(
    request: Request, frame: Frame, detections: Detections, shares: Share, voxel_m: float, mtu_bytes: int
) -> Answer:
    """Return a helper's answer out of its latest frame, not larger than the allowance.

    Nearest cells come first; a cell whose content no longer fits is left out whole.

    Args:
        request: What is asked for.
        frame: The helper's frame.
        detections: The helper's detections of that frame with velocities, in the world as it believes it.
        shares: What the fusion scheme has helpers send; whole frames go out whatever the allowance.
        voxel_m: Points are thinned to one per cube of this side.
        mtu_bytes: Payload of one fragment.
    """
    shape = request.cells.shape
    code = np.where(request.cells, shifted(frame.matrix, request.lower, shape), UNOBSERVED).astype(np.uint8)
    head_bytes = codes_bytes(int(request.cells.sum()))
    part = np.zeros(shape, np.int64)
    if shares.is_boxes:
        base, each = CPM_BASE_BYTES + head_bytes, CPM_OBJECT_BYTES
        rows, cell, rank = _in_cells(detections.boxes.center_m[:, :2], request)
    else:
        base, each = POINTS_HEADER_BYTES + head_bytes, float(POINT_BYTES)
        points, point_row = _shareable(frame, request, 0.0 if shares is Share.FRAMES else voxel_m)
        rows, cell, rank = _in_cells(points[:, :2], request)
        if shares is Share.FRAMES:
            return _whole(request, frame, code, points, point_row, rows, cell, mtu_bytes)
    order = np.lexsort((rows, cell, rank))
    rows, cell = rows[order], cell[order]
    room = max(0, int((request.allowance_bytes - base) / each))
    if len(rows) > room:
        # The first cell that does not fit whole goes with everything behind it.
        cut = room
        while cut > 0 and cell[cut - 1] == cell[cut]:
            cut -= 1
        dropped = np.unique(cell[cut:])
        code.reshape(-1)[dropped] = UNOBSERVED
        rows, cell = rows[:cut], cell[:cut]
    # Cells that hold something of ours but of which nothing fitted or showed are told by the code alone.
    fragment = ((base + each * np.arange(len(rows))) // mtu_bytes).astype(np.int64)
    np.maximum.at(part.reshape(-1), cell, fragment)
    size = int(np.ceil(base + each * len(rows)))
    none = np.zeros(0, np.int64)
    if shares.is_boxes:
        return Answer(request, frame, code, part, np.zeros((0, 3)), none, none, detections[rows], fragment, size)
    return Answer(request, frame, code, part, points[rows], point_row[rows], fragment, Detections.none(), none, size)


def _whole(
    request: Request, frame: Frame, code: UInt8[np.ndarray, "nx ny"], points_m: Float[np.ndarray, "points 3"],
    point_row: Int64[np.ndarray, " points"], rows: Int64[np.ndarray, " rows"], cell: Int64[np.ndarray, " rows"],
    mtu_bytes: int,
) -> Answer:  # fmt: skip
    """Return the answer that sends all returns as they were captured; the ego takes of them what it asked for."""
    base = POINTS_HEADER_BYTES
    fragment = ((base + RAW_POINT_BYTES * point_row[rows]) // mtu_bytes).astype(np.int64)
    part = np.zeros(code.shape, np.int64)
    np.maximum.at(part.reshape(-1), cell, fragment)
    size, none = base + RAW_POINT_BYTES * len(frame.points_m), np.zeros(0, np.int64)
    return Answer(request, frame, code, part, points_m[rows], point_row[rows], fragment, Detections.none(), none, size)


def _shareable(
    frame: Frame, request: Request, voxel_m: float
) -> tuple[Float[np.ndarray, "points 3"], Int64[np.ndarray, " points"]]:
    """Return the points worth sending, rounded as they are coded, and the row of each in the frame's cloud.

    Points on the road or on a building of the map are not sent: everybody has the map. Points are thinned to one per voxel if
    there is a voxel size.
    """
    world_from_station = pose_matrix(*frame.pose)
    body = rows_in_cells(
        frame.points_m, frame.on_building, world_from_station, request.lower, float(request.cell_m), request.cells, ROAD_M
    )  # fmt: skip
    kept = body[thinned(frame.points_m[body], voxel_m)] if voxel_m > 0.0 else body
    rounded = quantised(frame.points_m[kept], np.zeros(3))
    return transform(rounded, world_from_station), kept


def _in_cells(
    place_m: Float[np.ndarray, "items 2"], request: Request
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Return the items in cells asked for, the flat index of their cell, and the cell's distance from the ego."""
    shape = request.cells.shape
    ix, iy, inside = cells_of(place_m, request.lower, request.cell_m, shape)
    rows = np.flatnonzero(inside)
    rows = rows[request.cells[ix[rows], iy[rows]]]
    cx = (request.lower[0] + ix[rows] + 0.5) * request.cell_m - request.near_m[0]
    cy = (request.lower[1] + iy[rows] + 0.5) * request.cell_m - request.near_m[1]
    return rows, (ix[rows] * shape[1] + iy[rows]).astype(np.int64), np.hypot(cx, cy)


def occupied_in(
    code: UInt8[np.ndarray, "helpers nx ny"], cells: Bool[np.ndarray, "nx ny"]
) -> Int64[np.ndarray, " helpers"]:
    """Return how many of the cells each helper reports occupied."""
    return ((code == OCCUPIED) & cells).sum(axis=(1, 2)).astype(np.int64)
