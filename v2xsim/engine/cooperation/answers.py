"""The content of a helper's answer: lidar points or detected boxes in the cells that the ego asked for."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numba import njit

from v2xsim.comms.messages.sizes import (
    CPM_BASE_BYTES,
    CPM_OBJECT_BYTES,
    POINT_BYTES,
    POINTS_HEADER_BYTES,
    RAW_POINT_BYTES,
)
from v2xsim.engine.cooperation.answer_sizes import codes_bytes
from v2xsim.engine.cooperation.bodies_in_cells import placed_in
from v2xsim.engine.stations.contents import Answer, Request
from v2xsim.engine.stations.frame import Frame
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.gpu.lidar.points import as_sent, thinned, transform
from v2xsim.records import UNOBSERVED, Boxes, Detections, Obstacles
from v2xsim.spatial.poses import pose_matrix
from v2xsim.world.on_buildings import on_buildings

# Lidar returns lower than this height are not sent, because they are road. The limit is larger than the range noise of a
# lidar on flat ground.
ROAD_M = 0.25
_NO_POINTS, _NO_ROWS = np.zeros((0, 3)), np.zeros(0, np.int64)


def answer(
    request: Request, frame: Frame, detections: Detections, shares: Share, voxel_m: float, mtu_bytes: int,
    obstacles: Obstacles, by_body: bool = False,
) -> Answer:  # fmt: skip
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
        obstacles: Buildings of the map.
        by_body: Whether a box is sent if its body reaches into a requested cell; otherwise its centre must lie in one.
    """
    code, asked = _codes(request.cells, request.lower, frame.matrix.code, frame.matrix.lower)
    head_bytes = codes_bytes(asked)
    if shares is Share.FRAMES:
        return _whole_frame(request, frame, code, mtu_bytes, obstacles)
    if shares.is_boxes:
        place_m = in_asked_cells(detections.boxes, request) if by_body else detections.boxes.center_m
        fit = _fitted(place_m, request, code, CPM_BASE_BYTES + head_bytes, CPM_OBJECT_BYTES, mtu_bytes)
        return Answer(
            request, frame, fit.code, fit.code_part, _NO_POINTS, _NO_ROWS, _NO_ROWS, detections[fit.rows], fit.part,
            fit.size_bytes,
        )  # fmt: skip
    points_m, point_row = _shareable(frame, request, voxel_m, obstacles)
    fit = _fitted(points_m, request, code, POINTS_HEADER_BYTES + head_bytes, POINT_BYTES, mtu_bytes)
    return Answer(
        request, frame, fit.code, fit.code_part, points_m[fit.rows], point_row[fit.rows], fit.part, Detections.none(),
        _NO_ROWS, fit.size_bytes,
    )  # fmt: skip


def in_asked_cells(boxes: Boxes, request: Request) -> Float[np.ndarray, "boxes 3"]:
    """Return a place of each box in a requested cell: the middle of the cell nearest to its centre into which its body reaches.

    The place of a box whose own cell is requested, or that reaches into none, is its centre.
    """
    return placed_in(
        request.cells, request.lower, float(request.cell_m), np.ascontiguousarray(boxes.center_m, np.float64),
        np.ascontiguousarray(boxes.size_m, np.float64), np.ascontiguousarray(boxes.yaw_rad, np.float64),
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
    room = max(0, int((request.allowance_bytes - base_bytes) / item_bytes))
    rows, part, code_part = _fit(
        np.ascontiguousarray(position_m, np.float64), request.lower, float(request.cell_m), request.cells, request.near_m,
        room, float(base_bytes), float(item_bytes), float(mtu_bytes), code,
    )  # fmt: skip
    return _Fitted(rows, part, code, code_part, math.ceil(base_bytes + item_bytes * len(rows)))


def _whole_frame(
    request: Request, frame: Frame, code: UInt8[np.ndarray, "nx ny"], mtu_bytes: int, obstacles: Obstacles
) -> Answer:
    """Return the answer of a helper that sends all its lidar returns.

    Its size counts all returns; the answer holds only those in requested cells, because the ego uses no others.
    """
    points_m, point_row = _shareable(frame, request, 0.0, obstacles)
    cell = _cells(points_m, request.lower, float(request.cell_m), request.cells)
    rows = np.flatnonzero(cell >= 0)
    part = ((POINTS_HEADER_BYTES + RAW_POINT_BYTES * point_row[rows]) // mtu_bytes).astype(np.int64)
    size_bytes = POINTS_HEADER_BYTES + RAW_POINT_BYTES * len(frame.returns)
    return Answer(
        request, frame, code, _code_part(cell[rows], part, request.cells), points_m[rows], point_row[rows], part,
        Detections.none(), _NO_ROWS, size_bytes,
    )  # fmt: skip


def _shareable(
    frame: Frame, request: Request, voxel_m: float, obstacles: Obstacles
) -> tuple[Float[np.ndarray, "points 3"], Int64[np.ndarray, " points"]]:
    """Return the points of a frame to send, rounded to the resolution of the message, and the row of each in the cloud.

    Points on the road or on a building of the map are not sent, because every station has the map. The station compares the map with the
    places at which it believes the points to be. If `voxel_m` is above 0, points are thinned to one per voxel.
    """
    world_from_station = pose_matrix(*frame.pose.tolist())
    rows, points_m = frame.returns.in_cells(
        world_from_station, request.lower, float(request.cell_m), request.cells, ROAD_M
    )
    kept = np.flatnonzero(~on_buildings(transform(points_m, world_from_station), obstacles))
    rows, points_m = rows[kept], points_m[kept]
    if voxel_m > 0.0:
        kept = thinned(points_m, voxel_m)
        rows, points_m = rows[kept], points_m[kept]
    return as_sent(points_m, world_from_station), rows


def sent_points(
    points_m: Float[np.ndarray, "points 3"], pose: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return the world positions of points that a station sends: rounded to the resolution of the message.

    Args:
        points_m: Lidar returns in the station's own frame.
        pose: x, y, z and yaw that the station believes.
    """
    return as_sent(points_m, pose_matrix(*pose))


@njit(cache=True, nogil=True, error_model="numpy")
def _codes(cells, lower, own_code, own_lower):  # type: ignore[no-untyped-def]
    """Return a station's codes of the requested cells, UNOBSERVED elsewhere, and the number of requested cells."""
    code, count = np.zeros(cells.shape, np.uint8), 0
    x, y = lower[0] - own_lower[0], lower[1] - own_lower[1]
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            if cells[i, j]:
                count += 1
                if 0 <= i + x < own_code.shape[0] and 0 <= j + y < own_code.shape[1]:
                    code[i, j] = own_code[i + x, j + y]
    return code, count


@njit(cache=True, nogil=True, error_model="numpy")
def _cells(position_m, lower, cell_m, cells):  # type: ignore[no-untyped-def]
    """Return the flat index of the requested cell in which each item lies, -1 if it lies in none."""
    cell = np.full(len(position_m), -1, np.int64)
    for n in range(len(position_m)):
        i, j = int(np.floor(position_m[n, 0] / cell_m)) - lower[0], int(np.floor(position_m[n, 1] / cell_m)) - lower[1]
        if 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] and cells[i, j]:
            cell[n] = i * cells.shape[1] + j
    return cell


@njit(cache=True, nogil=True, error_model="numpy")
def _code_part(cell, part, cells):  # type: ignore[no-untyped-def]
    """Return the number of the fragment with which the items of each cell are complete."""
    code_part = np.zeros(cells.size, np.int64)
    for n in range(len(cell)):
        code_part[cell[n]] = max(code_part[cell[n]], part[n])
    return code_part.reshape(cells.shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(position_m, lower, cell_m, cells, near_m, room, base_bytes, item_bytes, mtu_bytes, code):  # type: ignore[no-untyped-def]
    """Return rows and fragments of the items that fit, and the fragment with which each cell is complete; change `code`.

    Items of one cell stay together, in the order of their rows. Of cells at one distance, the first in the grid comes first.
    """
    cell = _cells(position_m, lower, cell_m, cells)
    count = np.zeros(cells.size, np.int64)
    for c in cell:
        if c >= 0:
            count[c] += 1
    filled = np.flatnonzero(count)
    distance_m = np.empty(len(filled))
    for n in range(len(filled)):
        i, j = filled[n] // cells.shape[1], filled[n] % cells.shape[1]
        distance_m[n] = math.hypot((lower[0] + i + 0.5) * cell_m - near_m[0], (lower[1] + j + 0.5) * cell_m - near_m[1])
    # For each cell: where its next item goes, -1 for a cell that is left out.
    place = np.full(cells.size, -1, np.int64)
    used, fits = 0, True
    for n in np.argsort(distance_m, kind="mergesort"):
        c = filled[n]
        fits = fits and used + count[c] <= room
        if fits:
            place[c] = used
            used += count[c]
        else:
            code[c // cells.shape[1], c % cells.shape[1]] = UNOBSERVED
    rows, part = np.empty(used, np.int64), np.empty(used, np.int64)
    for n in range(len(cell)):
        if cell[n] >= 0 and place[cell[n]] >= 0:
            rows[place[cell[n]]] = n
            place[cell[n]] += 1
    for n in range(used):
        part[n] = int((base_bytes + item_bytes * n) // mtu_bytes)
    # A cell without items is complete with the first fragment, which carries all codes.
    return rows, part, _code_part(cell[rows], part, cells)
