"""The content of a helper's answer: lidar points or detected boxes in the cells that the ego asked for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8

from v2xsim.comms.messages.sizes import (
    CPM_BASE_BYTES,
    CPM_OBJECT_BYTES,
    POINT_BYTES,
    POINTS_HEADER_BYTES,
    RAW_POINT_BYTES,
)
from v2xsim.engine.cooperation.answer_sizes import codes_bytes
from v2xsim.engine.stations.contents import Answer, Request
from v2xsim.engine.stations.frame import Frame
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.gpu.lidar.points import quantised, thinned, transform
from v2xsim.perception.matching.matrix import cells_of, shifted
from v2xsim.records import UNOBSERVED, Detections
from v2xsim.spatial.poses import pose_matrix

# Lidar returns lower than this height are not sent, because they are road. The limit is larger than the range noise of a
# lidar on flat ground.
ROAD_M = 0.25
_NO_POINTS, _NO_ROWS = np.zeros((0, 3)), np.zeros(0, np.int64)


def answer(
    request: Request, frame: Frame, detections: Detections, shares: Share, voxel_m: float, mtu_bytes: int
) -> Answer:
    """Return a helper's answer from one of its frames.

    Header and codes are always sent; points or boxes fill up to the request's allowance, and a fusion scheme of whole
    frames ignores the allowance. The cells nearest to the ego come first. The first cell whose points or boxes do not all
    fit is left out, and so is every farther cell with points or boxes.

    Args:
        request: The ego's request.
        frame: The helper's frame.
        detections: The helper's detections of that frame with velocities, placed by the pose that the helper believes.
        shares: Kind of data that the fusion scheme sends: points, boxes or whole frames.
        voxel_m: Side of the cubes to which points are thinned: one point remains in each cube.
        mtu_bytes: Largest payload of one fragment.
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
    """The items (points or boxes) that fit into an answer.

    Attributes:
        rows: Row of each item that fits, in the order in which they are sent.
        part: Number of the fragment that carries each item.
        code: Matrix codes; UNOBSERVED in cells whose items did not fit.
        code_part: Number of the fragment with which the content of each cell is complete.
        size_bytes: Size of the payload.
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
    """Return the items in the requested cells that fit into the allowance, nearest cells first."""
    rows, cell, rank = _in_cells(position_m[:, :2], request)
    order = np.lexsort((rows, cell, rank))
    rows, cell, code = rows[order], cell[order], code.copy()
    room = max(0, int((request.allowance_bytes - base_bytes) / item_bytes))
    if len(rows) > room:
        # The first cell whose items do not all fit is left out, with all farther cells.
        cut = room
        while cut > 0 and cell[cut - 1] == cell[cut]:
            cut -= 1
        code.reshape(-1)[np.unique(cell[cut:])] = UNOBSERVED
        rows, cell = rows[:cut], cell[:cut]
    # A cell without items is complete with the first fragment, which carries all codes.
    part = ((base_bytes + item_bytes * np.arange(len(rows))) // mtu_bytes).astype(np.int64)
    code_part = np.zeros(code.shape, np.int64)
    np.maximum.at(code_part.reshape(-1), cell, part)
    return _Fitted(rows, part, code, code_part, int(np.ceil(base_bytes + item_bytes * len(rows))))


def _whole_frame(request: Request, frame: Frame, code: UInt8[np.ndarray, "nx ny"], mtu_bytes: int) -> Answer:
    """Return the answer of a helper that sends all its lidar returns.

    Its size counts all returns; the answer holds only those in requested cells, because the ego uses no others.
    """
    points_m, point_row = _shareable(frame, request, 0.0)
    rows, cell, _ = _in_cells(points_m[:, :2], request)
    part = ((POINTS_HEADER_BYTES + RAW_POINT_BYTES * point_row[rows]) // mtu_bytes).astype(np.int64)
    code_part = np.zeros(code.shape, np.int64)
    np.maximum.at(code_part.reshape(-1), cell, part)
    size_bytes = POINTS_HEADER_BYTES + RAW_POINT_BYTES * len(frame.returns)
    return Answer(
        request, frame, code, code_part, points_m[rows], point_row[rows], part, Detections.none(), _NO_ROWS, size_bytes
    )


def _shareable(
    frame: Frame, request: Request, voxel_m: float
) -> tuple[Float[np.ndarray, "points 3"], Int64[np.ndarray, " points"]]:
    """Return the points of a frame to send, rounded to the resolution of the message, and the row of each in the cloud.

    Points on the road or on a building of the map are not sent, because every station has the map. If `voxel_m` is above
    0, points are thinned to one per voxel.
    """
    rows, points_m = frame.returns.in_cells(
        pose_matrix(*frame.pose), request.lower, float(request.cell_m), request.cells, ROAD_M
    )
    if voxel_m > 0.0:
        kept = thinned(points_m, voxel_m)
        rows, points_m = rows[kept], points_m[kept]
    return sent_points(points_m, frame.pose), rows


def sent_points(
    points_m: Float[np.ndarray, "points 3"], pose: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return the world positions of points that a station sends: rounded to the resolution of the message.

    Args:
        points_m: Lidar returns in the station's own frame.
        pose: x, y, z and yaw that the station believes.
    """
    return transform(quantised(points_m, np.zeros(3)), pose_matrix(*pose))


def _in_cells(
    place_m: Float[np.ndarray, "items 2"], request: Request
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Return the rows of the items in requested cells, the flat index of each one's cell, and that cell's distance to the ego."""
    shape = request.cells.shape
    ix, iy, inside = cells_of(place_m, request.lower, request.cell_m, shape)
    rows = np.flatnonzero(inside)
    rows = rows[request.cells[ix[rows], iy[rows]]]
    cx = (request.lower[0] + ix[rows] + 0.5) * request.cell_m - request.near_m[0]
    cy = (request.lower[1] + iy[rows] + 0.5) * request.cell_m - request.near_m[1]
    return rows, (ix[rows] * shape[1] + iy[rows]).astype(np.int64), np.hypot(cx, cy)
