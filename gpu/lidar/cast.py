"""Exact ranges of a rotating lidar over boxes, building prisms and flat ground, on the CPU.

The kernel loops over objects, not over rays: each object within range is compared only with the rays of its window
(v2xsim.gpu.lidar.window), and the nearest hit of each ray is kept, as in a depth buffer. The geometry is exact for any
orientation of the sensor. Bodies may be meshes (`mesh_rays`). Beam divergence (`effects`) and the motion of the sensor while it turns (`turn`) are left to others.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64
from numba import njit

from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes, mesh_rays
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import rays_of, turning
from v2xsim.gpu.lidar.window import rays_at
from v2xsim.records import BUILDING, GROUND, NOTHING, Boxes, Obstacles

# Walls are enlarged by this much, so that no ray passes between two walls or between a wall and its roof.
SEAM_M = 1e-6
# Boxes on the ground are extended below it, so that a ray to the common plane of a bottom and the ground hits the ground.
FOUNDATION_M = 1.0

# glibc gives freed memory back to the system as soon as more than twice the largest block that was ever freed is free at the end of the heap. A scan
# frees more than that, so each new one waits for pages, and takes up to four times as long. After a large block was freed, it keeps 32 MB.
np.empty(1 << 24, np.uint8)

NO_FACES = np.zeros((0, 0), np.int32)
"""For `cast_rays`, without meshes."""


@dataclass(frozen=True)
class Scan:
    """What each ray of one lidar hits.

    Attributes:
        range_m: Distance along each ray to the first hit; infinite if nothing is in range.
        object_id: What each ray hits: an agent id, GROUND, BUILDING or NOTHING.
        triangle: Number of the triangle within its shape, where a ray hits a mesh, and any number elsewhere; no item if all bodies are boxes.
    """

    range_m: Float32[np.ndarray, "beams columns"]
    object_id: Int64[np.ndarray, "beams columns"]
    triangle: Int32[np.ndarray, "rows_or_none columns_or_none"] = field(default_factory=lambda: NO_FACES)


def plain(obstacles: Obstacles) -> tuple[np.ndarray | float | int, ...]:
    """Return the buildings as the last arguments of `cast_rays`."""
    prisms, grid = obstacles.prisms, obstacles.grid
    return (
        prisms.vertices_m, prisms.is_seam, prisms.offset, prisms.base_m, prisms.top_m,
        grid.origin_m, float(grid.cell_m), grid.shape[0], grid.shape[1], grid.offset, grid.item,
        obstacles.lower_m, obstacles.upper_m,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _box_rays(depth, object_id, cos_el, sin_el, px, py, pz, qx, qy, qz, near, far, name):  # type: ignore[no-untyped-def]
    """Intersect the rays of a window with a box: the slab test (Kay, Kajiya, SIGGRAPH 1986) in the box's own frame.

    The direction of a ray is cos_el * p + sin_el * q; near and far are two opposite corners of the box relative to the
    sensor. A sensor inside the box sees its walls from within.
    """
    nx, ny, nz = near
    fx, fy, fz = far
    for b in range(len(cos_el)):
        ce = cos_el[b]
        sx, sy, sz = sin_el[b] * qx, sin_el[b] * qy, sin_el[b] * qz
        depth_row = depth[b]
        id_row = object_id[b]
        for i in range(len(px)):
            ix = 1.0 / (ce * px[i] + sx)
            iy = 1.0 / (ce * py[i] + sy)
            iz = 1.0 / (ce * pz[i] + sz)
            x0, x1 = nx * ix, fx * ix
            y0, y1 = ny * iy, fy * iy
            z0, z1 = nz * iz, fz * iz
            xa = x0 if x0 < x1 else x1
            xb = x1 if x0 < x1 else x0
            ya = y0 if y0 < y1 else y1
            yb = y1 if y0 < y1 else y0
            za = z0 if z0 < z1 else z1
            zb = z1 if z0 < z1 else z0
            enter = xa if xa > ya else ya
            enter = enter if enter > za else za
            leave = xb if xb < yb else yb
            leave = leave if leave < zb else zb
            t = enter if enter > 0.0 else leave
            old = depth_row[i]
            hit = (enter <= leave) & (t > 0.0) & (t < old)
            depth_row[i] = t if hit else old
            id_row[i] = name if hit else id_row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _wall_rays(depth, object_id, cos_el, sin_el, pn, pe, pz, qn, qe, qz, across, start, end, low, high):  # type: ignore[no-untyped-def]
    """Intersect the rays of a window with an upright rectangle.

    The direction of a ray is cos_el * p + sin_el * q, with components along the wall's normal (n), along its foot in
    units of its length (e), and upwards (z). All positions are relative to the sensor. `across` is the distance
    of the wall along its normal. `start` and `end` are the positions along e, in lengths of the wall, at which its foot begins
    and ends. `low` and `high` are the heights of its lower and upper edge.
    """
    for b in range(len(cos_el)):
        ce = cos_el[b]
        sn, se, sz = sin_el[b] * qn, sin_el[b] * qe, sin_el[b] * qz
        depth_row = depth[b]
        id_row = object_id[b]
        for i in range(len(pn)):
            t = across / (ce * pn[i] + sn)
            along = t * (ce * pe[i] + se)
            up = t * (ce * pz[i] + sz)
            old = depth_row[i]
            hit = (along >= start) & (along <= end) & (up >= low) & (up <= high) & (t > 0.0) & (t < old)
            depth_row[i] = t if hit else old
            id_row[i] = BUILDING if hit else id_row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _covers(corner, x, y):  # type: ignore[no-untyped-def]
    """Return whether a point lies inside a simple polygon: whether an odd number of edges lies east of it."""
    inside = False
    count = len(corner)
    j = count - 1
    for i in range(count):
        if (corner[i, 1] > y) != (corner[j, 1] > y):
            slope = (corner[j, 0] - corner[i, 0]) / (corner[j, 1] - corner[i, 1])
            if x < corner[i, 0] + slope * (y - corner[i, 1]):
                inside = not inside
        j = i
    return inside


@njit(cache=True, nogil=True, error_model="numpy")
def off_the_walls(corner, seam, x, y):  # type: ignore[no-untyped-def]
    """Return a position that is a little outside a polygon, for one that lies on its outline; any other position as it is.

    A sensor on a facade looks outward, as an antenna there does (`v2xsim.comms.channel.geometry`). At a corner, the position moves
    away from both walls.
    """
    east, north = 0.0, 0.0
    for v in range(len(corner)):
        w = v + 1 if v + 1 < len(corner) else 0
        ex, ey = corner[w, 0] - corner[v, 0], corner[w, 1] - corner[v, 1]
        length = math.hypot(ex, ey)
        if seam[v] or length < 1e-9:
            continue
        ux, uy = ex / length, ey / length
        ax, ay = x - corner[v, 0], y - corner[v, 1]
        along = ux * ax + uy * ay
        if abs(uy * ax - ux * ay) <= SEAM_M and -SEAM_M <= along <= length + SEAM_M:
            east += uy
            north -= ux
    scale = math.hypot(east, north)
    if scale < 1e-9:
        return x, y
    return x + 2.0 * SEAM_M * east / scale, y + 2.0 * SEAM_M * north / scale


@njit(cache=True, nogil=True, error_model="numpy")
def _flat_rays(depth, object_id, cos_el, sin_el, px, py, pz, qx, qy, qz, up, corner, work, odd):  # type: ignore[no-untyped-def]
    """Intersect the rays of a window with a horizontal polygon: a roof, or the bottom of a raised part.

    The direction of a ray is cos_el * p + sin_el * q along the world's axes; the corners and the height `up` are
    relative to the sensor. The outer loop goes over the edges, the inner loop over the rays, counting the crossings of
    each ray; `work` and `odd` are working space.
    """
    count = len(px)
    last = len(corner) - 1
    t, x, y = work[0], work[1], work[2]
    for b in range(len(cos_el)):
        ce = cos_el[b]
        sx, sy, sz = sin_el[b] * qx, sin_el[b] * qy, sin_el[b] * qz
        for i in range(count):
            t[i] = up / (ce * pz[i] + sz)
            x[i] = t[i] * (ce * px[i] + sx)
            y[i] = t[i] * (ce * py[i] + sy)
            odd[i] = 0
        for v in range(last + 1):
            w = v + 1 if v < last else 0
            ax, ay, by = corner[v, 0], corner[v, 1], corner[w, 1]
            slope = (corner[w, 0] - ax) / (by - ay)
            if ay == by:
                continue
            for i in range(count):
                odd[i] ^= ((ay > y[i]) != (by > y[i])) & (x[i] < ax + slope * (y[i] - ay))
        depth_row = depth[b]
        id_row = object_id[b]
        for i in range(count):
            hit = (odd[i] != 0) & (t[i] > 0.0) & (t[i] < depth_row[i])
            depth_row[i] = t[i] if hit else depth_row[i]
            id_row[i] = BUILDING if hit else id_row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _project(p, axes, cos_az, sin_az, first, count):  # type: ignore[no-untyped-def]
    """Write the horizontal part (in the sensor's frame) of the directions of some columns, along three given axes."""
    for j in range(3):
        for i in range(count):
            p[j, i] = axes[j, 0] * cos_az[first + i] + axes[j, 1] * sin_az[first + i]


@njit(cache=True, nogil=True, error_model="numpy")
def _prisms_near(origin_x, origin_y, reach, grid_origin, cell, nx, ny, offset, item, lower, upper):  # type: ignore[no-untyped-def]
    """Return the prisms whose bounding rectangle is within reach, without repetitions."""
    x0 = max(0, math.floor((origin_x - reach - grid_origin[0]) / cell))
    y0 = max(0, math.floor((origin_y - reach - grid_origin[1]) / cell))
    x1 = min(nx - 1, math.floor((origin_x + reach - grid_origin[0]) / cell))
    y1 = min(ny - 1, math.floor((origin_y + reach - grid_origin[1]) / cell))
    seen = np.zeros(len(lower), np.bool_)
    near_bodies = np.empty(len(lower), np.int64)
    count = 0
    for ix in range(x0, x1 + 1):
        for iy in range(y0, y1 + 1):
            for entry in range(offset[ix * ny + iy], offset[ix * ny + iy + 1]):
                p = item[entry]
                if seen[p]:
                    continue
                seen[p] = True
                dx = max(lower[p, 0] - origin_x, 0.0, origin_x - upper[p, 0])
                dy = max(lower[p, 1] - origin_y, 0.0, origin_y - upper[p, 1])
                if dx * dx + dy * dy <= reach * reach:
                    near_bodies[count] = p
                    count += 1
    return near_bodies[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def _ground_rays(depth, object_id, cos_el, sin_el, cos_az, sin_az, down, height, reach):  # type: ignore[no-untyped-def]
    """Initialise the depth buffer with the ground plane z = 0, or the sensor's reach where the ground is farther."""
    for b in range(len(cos_el)):
        cx, cy, sz = cos_el[b] * down[0], cos_el[b] * down[1], sin_el[b] * down[2]
        depth_row = depth[b]
        id_row = object_id[b]
        for i in range(len(cos_az)):
            t = -height / (cx * cos_az[i] + cy * sin_az[i] + sz)
            hit = (t > 0.0) & (t < reach)
            depth_row[i] = t if hit else reach
            id_row[i] = GROUND if hit else NOTHING


# The outer loop of a scan stays one function: split into a phase for boxes, one for walls and one for levels, over named tuples,
# a scan of 64 x 1,800 rays costs 9 % more without buildings and 22 % more with 60 of them.
# LLVM then probably no longer knows that depths, ids and scratch are distinct arrays.
@njit(cache=True, nogil=True, error_model="numpy")
def cast_rays(  # type: ignore[no-untyped-def]
    elevation, cos_el, sin_el, cos_az, sin_az, range_m, view, meshes, faces, pose, center, size, yaw, box_id, skip,
    vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny, offset, item, lower, upper,
):  # fmt: skip
    """Return the distance to the first hit of each ray, and what it hits: the row of a box, GROUND, BUILDING or NOTHING.

    The distance of a ray that hits nothing is a little more than the range. The arguments are the plain arrays of `Rays` and
    of `cast`. `faces` has a number for each ray, or no item without meshes; where a mesh is hit, that of the triangle within its shape is
    written. The two results are allocated here and not by the caller: as LLVM then knows that they are distinct arrays, a
    scan of 64 x 1,800 rays costs a third.
    """
    columns = len(cos_az)
    far_m = view.far_m
    turn = pose[:3, :3].copy()
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    # A hit at exactly the reach still counts.
    reach = np.nextafter(range_m, math.inf)
    depth = np.empty((len(elevation), columns))
    row = np.empty((len(elevation), columns), np.int32)
    _ground_rays(depth, row, cos_el, sin_el, cos_az, sin_az, turn[2], oz, reach)
    p = np.empty((3, columns))
    axes = np.empty((3, 3))
    work = np.empty((3, columns))
    odd = np.empty(columns, np.int64)
    near_prisms = _prisms_near(ox, oy, far_m, grid_origin, cell, nx, ny, offset, item, lower, upper)
    most = 8
    for b in near_prisms:
        most = max(most, first_vertex[b + 1] - first_vertex[b])
    corner = np.empty((most, 3))
    local = np.empty((most, 2))

    has_meshes = len(meshes.shape) > 0
    for n in range(len(yaw)):
        if box_id[n] == skip or (has_meshes and meshes.shape[n] >= 0):
            continue
        half_l, half_w, high = 0.5 * size[n, 0], 0.5 * size[n, 1], size[n, 2]
        dx, dy, dz = ox - center[n, 0], oy - center[n, 1], oz - center[n, 2]
        apart_m = far_m + math.sqrt(half_l * half_l + half_w * half_w)
        if dx * dx + dy * dy > apart_m * apart_m:
            continue
        c, s = math.cos(yaw[n]), math.sin(yaw[n])
        for j in range(3):
            axes[0, j] = c * turn[0, j] + s * turn[1, j]
            axes[1, j] = c * turn[1, j] - s * turn[0, j]
            axes[2, j] = turn[2, j]
        bx, by = c * dx + s * dy, c * dy - s * dx
        near = (-half_l - bx, -half_w - by, -dz)
        far = (half_l - bx, half_w - by, high - dz)
        for i in range(8):
            x = far[0] if i & 1 else near[0]
            y = far[1] if i & 2 else near[1]
            z = far[2] if i & 4 else near[2]
            for j in range(3):
                corner[i, j] = axes[0, j] * x + axes[1, j] * y + axes[2, j] * z
        if center[n, 2] <= 0.0:
            near = (near[0], near[1], near[2] - FOUNDATION_M)
        # The side that faces the sensor most gives the tightest bound of the distance.
        side = 0 if abs(bx) - half_l > abs(by) - half_w else 1
        scale = 1.0 / max(1e-12, math.hypot(axes[side, 0], axes[side, 1]))
        first, width, low, end = rays_at(
            view, corner, 8, axes[side, 0] * scale, axes[side, 1] * scale, elevation, sin_az
        )
        first %= columns
        while width > 0 and end > low:
            part = min(width, columns - first)
            _project(p, axes, cos_az, sin_az, first, part)
            _box_rays(
                depth[low:end, first : first + part], row[low:end, first : first + part],
                cos_el[low:end], sin_el[low:end], p[0, :part], p[1, :part], p[2, :part],
                axes[0, 2], axes[1, 2], axes[2, 2], near, far, n,
            )  # fmt: skip
            width -= part
            first = 0

    for b in near_prisms:
        foot = vertex[first_vertex[b] : first_vertex[b + 1]]
        count = len(foot)
        bottom, roof = base[b] - oz, top[b] - oz
        if abs(roof) < SEAM_M:
            roof = -SEAM_M  # a sensor at the height of a roof counts as standing on it
        # Where the sensor is for this prism.
        sx, sy = ox, oy
        if lower[b, 0] - SEAM_M <= ox <= upper[b, 0] + SEAM_M and lower[b, 1] - SEAM_M <= oy <= upper[b, 1] + SEAM_M:
            sx, sy = off_the_walls(foot, seam[first_vertex[b] : first_vertex[b + 1]], ox, oy)
        over = _covers(foot, sx, sy)
        inside = over and bottom < 0.0 and roof > 0.0
        for v in range(count):
            if seam[first_vertex[b] + v]:
                continue
            w = v + 1 if v + 1 < count else 0
            ax, ay = foot[v, 0] - sx, foot[v, 1] - sy
            ex, ey = foot[w, 0] - foot[v, 0], foot[w, 1] - foot[v, 1]
            length = math.hypot(ex, ey)
            if length < 1e-9:
                continue
            ux, uy = ex / length, ey / length
            across = uy * ax - ux * ay
            # From outside, the first hit is on a wall that faces the sensor; from inside, on a wall seen from its back.
            if (across < 0.0) == inside or abs(across) > far_m:
                continue
            start = (ux * ax + uy * ay) / length
            beside = max(0.0, start * length, -(start + 1.0) * length)
            if across * across + beside * beside > far_m * far_m:
                continue
            for j in range(3):
                axes[0, j] = uy * turn[0, j] - ux * turn[1, j]
                axes[1, j] = (ux * turn[0, j] + uy * turn[1, j]) / length
                axes[2, j] = turn[2, j]
            for i in range(4):
                x = ax + ex if i & 1 else ax
                y = ay + ey if i & 1 else ay
                z = roof if i & 2 else bottom
                for j in range(3):
                    corner[i, j] = turn[0, j] * x + turn[1, j] * y + turn[2, j] * z
            scale = 1.0 / max(1e-12, math.hypot(axes[0, 0], axes[0, 1]))
            first, width, low, end = rays_at(view, corner, 4, axes[0, 0] * scale, axes[0, 1] * scale, elevation, sin_az)
            first %= columns
            while width > 0 and end > low:
                part = min(width, columns - first)
                _project(p, axes, cos_az, sin_az, first, part)
                _wall_rays(
                    depth[low:end, first : first + part], row[low:end, first : first + part],
                    cos_el[low:end], sin_el[low:end], p[0, :part], p[1, :part], p[2, :part],
                    axes[0, 2], axes[1, 2], axes[2, 2], across, start - SEAM_M / length, start + 1.0 + SEAM_M / length,
                    bottom - SEAM_M, roof + SEAM_M,
                )  # fmt: skip
                width -= part
                first = 0

        # A sensor above or inside the prism sees its roof; a sensor below or inside sees a raised bottom.
        roof_shows = inside or roof < 0.0
        bottom_shows = base[b] > 0.0 and (inside or bottom > 0.0)
        for level, shows in ((roof, roof_shows), (bottom, bottom_shows)):
            if not shows:
                continue
            for v in range(count):
                local[v, 0], local[v, 1] = foot[v, 0] - sx, foot[v, 1] - sy
                for j in range(3):
                    corner[v, j] = turn[0, j] * local[v, 0] + turn[1, j] * local[v, 1] + turn[2, j] * level
            first, width, low, end = rays_at(view, corner, count, 0.0, 0.0, elevation, sin_az)
            first %= columns
            while width > 0 and end > low:
                part = min(width, columns - first)
                _project(p, turn, cos_az, sin_az, first, part)
                _flat_rays(
                    depth[low:end, first : first + part], row[low:end, first : first + part],
                    cos_el[low:end], sin_el[low:end], p[0, :part], p[1, :part], p[2, :part],
                    turn[0, 2], turn[1, 2], turn[2, 2], level, local[:count], work, odd,
                )  # fmt: skip
                width -= part
                first = 0
    # Last, since most of them are hidden by buildings and by nearer bodies.
    if has_meshes:
        mesh_rays(
            depth,
            row,
            faces,
            elevation,
            cos_el,
            sin_el,
            cos_az,
            sin_az,
            view,
            turn,
            ox,
            oy,
            oz,
            center,
            size,
            yaw,
            box_id,
            skip,
            meshes,
        )
    return depth, row


@njit(cache=True, nogil=True, error_model="numpy")
def _in_words(depth, row, box_id):  # type: ignore[no-untyped-def]
    """Return range and hit object of each ray from what `cast_rays` wrote."""
    range_m = np.empty(depth.shape, np.float32)
    object_id = np.empty(depth.shape, np.int64)
    for b in range(depth.shape[0]):
        for i in range(depth.shape[1]):
            range_m[b, i] = depth[b, i] if row[b, i] != NOTHING else np.inf
            object_id[b, i] = box_id[row[b, i]] if row[b, i] >= 0 else row[b, i]
    return range_m, object_id


def scan_of(
    depth: Float[np.ndarray, "beams columns"],
    row: Int32[np.ndarray, "beams columns"],
    box_id: Int64[np.ndarray, " boxes"],
    faces: Int32[np.ndarray, "rows_or_none columns_or_none"] = NO_FACES,
) -> Scan:
    """Return what `cast_rays` wrote as a scan."""
    range_m, object_id = _in_words(depth, row, box_id)
    return Scan(range_m, object_id, faces)


def cast(
    beams: Beams,
    world_from_sensor: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    skip_id: int = -1,
    meshes: Meshes = NO_MESHES,
) -> Scan:
    """Return what each ray of one lidar hits first.

    Args:
        beams: Beam pattern of the lidar.
        world_from_sensor: Pose of the lidar in the world, in any orientation.
        boxes: Bounding boxes of the road users.
        box_id: Agent id of each box.
        obstacles: Buildings. A building whose base is above ground has a bottom face, too. The inside of a building is
            open, as it is for links (`v2xsim.comms.channel.geometry`).
        skip_id: Identity of the agent whose body the rays ignore: the vehicle with the lidar.
        meshes: Shapes of the bodies; without any, all are boxes.
    """
    rays = rays_of(beams)
    faces = np.empty((len(rays.elevation), beams.columns), np.int32) if len(meshes.shape) else NO_FACES
    depth, row = cast_rays(
        *rays, turning(rays.range_m, beams.columns), meshes, faces, np.ascontiguousarray(world_from_sensor, np.float64), boxes.center_m, boxes.size_m, boxes.yaw_rad,
        box_id, skip_id, *plain(obstacles),
    )  # fmt: skip
    return scan_of(depth, row, box_id, faces)


def as_cast(
    scan: Scan, box_id: Int64[np.ndarray, " boxes"]
) -> tuple[Float[np.ndarray, "beams columns"], Int32[np.ndarray, "beams columns"]]:
    """Return a scan in the form of the results of `cast_rays`; the agent ids `box_id` must be in rising order."""
    row = np.where(scan.object_id >= 0, np.searchsorted(box_id, scan.object_id), scan.object_id)
    return scan.range_m.astype(np.float64), row.astype(np.int32)
