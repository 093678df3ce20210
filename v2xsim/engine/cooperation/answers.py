"""What a helper answers: points or boxes in the cells that it is asked for."""

from dataclasses import dataclass

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

# Returns lower than this are not sent: the ego sees the road with its own lidar. The limit exceeds the range noise of a lidar
# on flat ground.
ROAD_M = 0.25
_NO_POINTS, _NO_ROWS = np.zeros((0, 3)), np.zeros(0, np.int64)


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
    """Return a helper's answer from one of its frames, not larger than the allowance unless whole frames are shared.

    Nearest cells come first. The first cell whose items no longer fit is left out whole, and so is every farther cell that has
    items; cells without items still have their code in the answer.

    Args:
        request: What is asked for.
        frame: The helper's frame.
        detections: The helper's detections of that frame with velocities, in the world as it believes it.
        shares: What the fusion scheme has helpers send; whole frames are sent whatever the allowance.
        voxel_m: Points are thinned to one per cube of this side.
        mtu_bytes: Payload of one fragment.
    """
    code = np.where(request.cells, shifted(frame.matrix, request.lower, request.cells.shape), UNOBSERVED).astype(
        np.uint8
    )
    head_bytes = codes_bytes(int(request.cells.sum()))
    if shares is Share.FRAMES:
        return _whole_frame(request, frame, code, mtu_bytes)
    if shares.is_boxes:
        fit = _fitted(
            detections.boxes.center_m, request, code, CPM_BASE_BYTES + head_bytes, CPM_OBJECT_BYTES, mtu_bytes
        )
        return Answer(
            request, frame, fit.code, fit.code_part, _NO_POINTS, _NO_ROWS, _NO_ROWS, detections[fit.rows], fit.part,
            fit.size_bytes,
        )  # fmt: skip
    points_m, point_row = _shareable(frame, request, voxel_m)
    fit = _fitted(points_m, request, code, POINTS_HEADER_BYTES + head_bytes, POINT_BYTES, mtu_bytes)
    return Answer(
        request, frame, fit.code, fit.code_part, points_m[fit.rows], point_row[fit.rows], fit.part, Detections.none(),
        _NO_ROWS, fit.size_bytes,
    )  # fmt: skip


@dataclass(frozen=True)
class _Fitted:
    """The items that fit into an answer.

    Attributes:
        rows: Row of each item that fits, in the order in which they are sent.
        part: Fragment of each.
        code: Matrix codes; UNOBSERVED in cells whose items did not fit.
        code_part: Fragment that completes each cell's content.
        size_bytes: Payload.
    """

    rows: Int64[np.ndarray, " items"]
    part: Int64[np.ndarray, " items"]
    code: UInt8[np.ndarray, "nx ny"]
    code_part: Int64[np.ndarray, "nx ny"]
    size_bytes: int


def _fitted(
    position_m: Float[np.ndarray, "candidates 3"], request: Request, code: UInt8[np.ndarray, "nx ny"], base_bytes: int,
    item_bytes: float, mtu_bytes: int,
) -> _Fitted:  # fmt: skip
    """Return the items in the cells asked for that the allowance has room for, nearest cells first."""
    rows, cell, rank = _in_cells(position_m[:, :2], request)
    order = np.lexsort((rows, cell, rank))
    rows, cell, code = rows[order], cell[order], code.copy()
    room = max(0, int((request.allowance_bytes - base_bytes) / item_bytes))
    if len(rows) > room:
        # The first cell that does not fit whole is left out with all farther ones.
        cut = room
        while cut > 0 and cell[cut - 1] == cell[cut]:
            cut -= 1
        code.reshape(-1)[np.unique(cell[cut:])] = UNOBSERVED
        rows, cell = rows[:cut], cell[:cut]
    # A cell without items is complete with the first fragment, which has its code.
    part = ((base_bytes + item_bytes * np.arange(len(rows))) // mtu_bytes).astype(np.int64)
    code_part = np.zeros(code.shape, np.int64)
    np.maximum.at(code_part.reshape(-1), cell, part)
    return _Fitted(rows, part, code, code_part, int(np.ceil(base_bytes + item_bytes * len(rows))))


def _whole_frame(request: Request, frame: Frame, code: UInt8[np.ndarray, "nx ny"], mtu_bytes: int) -> Answer:
    """Return the answer that sends all returns as they were captured; the ego takes from them what it asked for."""
    points_m, point_row = _shareable(frame, request, 0.0)
    rows, cell, _ = _in_cells(points_m[:, :2], request)
    part = ((POINTS_HEADER_BYTES + RAW_POINT_BYTES * point_row[rows]) // mtu_bytes).astype(np.int64)
    code_part = np.zeros(code.shape, np.int64)
    np.maximum.at(code_part.reshape(-1), cell, part)
    size_bytes = POINTS_HEADER_BYTES + RAW_POINT_BYTES * len(frame.points_m)
    return Answer(
        request, frame, code, code_part, points_m[rows], point_row[rows], part, Detections.none(), _NO_ROWS, size_bytes
    )


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
