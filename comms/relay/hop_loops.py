"""Compiled loops over hops: their clearance, and the instant at which a building or a known body comes between their ends."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.comms.channel.geometry import box_crossing, prism_blocks, prisms_block, rows_of_column
from v2xsim.comms.phases import INLINED_PHASE, PHASE
from v2xsim.comms.relay.hops import Hops, KnownBodies

# A body closer than this to an end of a hop, seen from above, is the body of the station there: announced and detected
# positions of one vehicle differ by about this much.
OWN_BODY_M = 1.0
# An obstacle begins to block a hop at an instant if it blocks it this much later and did not this much earlier.
_JUST_S = 1e-4
# Cells that a hop passes nearer than this count too, in cells.
_MARGIN = 1e-7


class Tracks(NamedTuple):
    """The hops as arrays; the attributes are those of `Hops`."""

    first_m: Float[np.ndarray, "hops 3"]
    second_m: Float[np.ndarray, "hops 3"]
    first_mps: Float[np.ndarray, "hops 2"]
    second_mps: Float[np.ndarray, "hops 2"]
    group: Int64[np.ndarray, " hops"]


class BodyRows(NamedTuple):
    """The bodies as arrays.

    Attributes:
        offset: Index of the first body of each group; one entry more than groups.
        row: Centre x and y, half length, half width, cosine and sine of the heading, top, velocity x and y of each body.
    """

    offset: Int64[np.ndarray, " groups_plus_1"]
    row: Float[np.ndarray, "bodies 9"]


def tracks(hops: Hops) -> Tracks:
    """Return hops as arrays for compiled loops."""
    arrays = (
        np.ascontiguousarray(array, np.float64)
        for array in (hops.first_m, hops.second_m, hops.first_mps, hops.second_mps)
    )
    return Tracks(*arrays, np.ascontiguousarray(hops.group, np.int64))  # type: ignore[call-arg]


def body_rows(bodies: KnownBodies) -> BodyRows:
    """Return bodies as arrays for compiled loops."""
    boxes = bodies.boxes
    top_m = boxes.center_m[:, 2] + boxes.size_m[:, 2]
    row = np.column_stack([
        boxes.center_m[:, :2], 0.5 * boxes.size_m[:, :2], np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad), top_m, bodies.velocity_mps,
    ])  # fmt: skip
    return BodyRows(bodies.offset, np.ascontiguousarray(row, np.float64))


@njit(**INLINED_PHASE)
def _stands_over(x, y, body, margin_m):  # type: ignore[no-untyped-def]
    """Return whether a point lies over the outline of a body, or nearer to it than a margin."""
    px, py = x - body[0], y - body[1]
    along, across = body[4] * px + body[5] * py, -body[5] * px + body[4] * py
    return abs(along) < body[2] + margin_m and abs(across) < body[3] + margin_m


@njit(**PHASE)
def _blocked_by_prisms(ax, ay, az, bx, by, bz, buildings, cells):  # type: ignore[no-untyped-def]
    """Return whether a building blocks the segment between two points, in any order."""
    if (ax, ay, az) > (bx, by, bz):
        return prisms_block(bx, by, bz, ax, ay, az, buildings, cells)
    return prisms_block(ax, ay, az, bx, by, bz, buildings, cells)


@njit(**PHASE)
def _clearance_at(ax, ay, az, bx, by, bz, share, height_m, wavelength_m):  # type: ignore[no-untyped-def]
    """Return how far the line between two points passes above a height, at a share of its length, in radii of the first Fresnel zone."""
    distance_m = np.sqrt((bx - ax) ** 2 + (by - ay) ** 2 + (bz - az) ** 2)
    radius_m = np.sqrt(wavelength_m * share * (1.0 - share) * distance_m)
    return (az + share * (bz - az) - height_m) / max(radius_m, 1e-9)


@njit(**PHASE)
def _over_roof(ax, ay, az, bx, by, bz, buildings, p, wavelength_m):  # type: ignore[no-untyped-def]
    """Return the clearance of a hop over the edges of the roof of a building that blocks it; 0 if it only passes through the roof itself."""
    x, y, top_m = bx - ax, by - ay, buildings.top_m[p]
    first, end, worst = buildings.offset[p], buildings.offset[p + 1], 0.0
    for n in range(first, end):
        m = first if n + 1 == end else n + 1
        px, py = buildings.vertices_m[n, 0] - ax, buildings.vertices_m[n, 1] - ay
        ex, ey = buildings.vertices_m[m, 0] - ax - px, buildings.vertices_m[m, 1] - ay - py
        across = x * ey - y * ex
        if across == 0.0:
            continue
        share, along = (px * ey - py * ex) / across, (px * y - py * x) / across
        if 0.0 <= share <= 1.0 and 0.0 <= along <= 1.0:
            worst = min(worst, _clearance_at(ax, ay, az, bx, by, bz, share, top_m, wavelength_m))
    return worst


@njit(**PHASE)
def _over_roofs(ax, ay, az, bx, by, bz, buildings, cells, wavelength_m):  # type: ignore[no-untyped-def]
    """Return the least clearance of a hop over the buildings that block it; infinite if none does. ax <= bx must hold."""
    least = np.inf
    cax, cay = (ax - cells.origin_x) / cells.cell_m, (ay - cells.origin_y) / cells.cell_m
    cbx, cby = (bx - cells.origin_x) / cells.cell_m, (by - cells.origin_y) / cells.cell_m
    for column in range(max(int(np.floor(cax - _MARGIN)), 0), min(int(np.floor(cbx + _MARGIN)), cells.columns - 1) + 1):
        first, last = rows_of_column(column, cax, cay, cbx, cby, cells.rows)
        if first > last:
            continue
        for entry in range(cells.offset[column * cells.rows + first], cells.offset[column * cells.rows + last + 1]):
            p = cells.item[entry]
            if (
                buildings.lower_m[p, 0] > bx or buildings.upper_m[p, 0] < ax or buildings.lower_m[p, 1] > max(ay, by)
                or buildings.upper_m[p, 1] < min(ay, by) or buildings.top_m[p] <= min(az, bz)
            ):  # fmt: skip
                continue
            if prism_blocks(
                ax, ay, az, bx, by, bz, buildings.vertices_m, buildings.is_seam, buildings.offset[p], buildings.offset[p + 1],
                buildings.base_m[p], buildings.top_m[p],
            ):  # fmt: skip
                least = min(least, _over_roof(ax, ay, az, bx, by, bz, buildings, p, wavelength_m))
    return least


@njit(cache=True, nogil=True)
def clearances(hops, bodies, buildings, cells, wavelength_m):  # type: ignore[no-untyped-def]
    """Return the clearance of each hop over ground, bodies and buildings, in radii of the first Fresnel zone."""
    clearance = np.empty(len(hops.group))
    built = len(buildings.base_m) > 0
    for h in range(len(hops.group)):
        ax, ay, az = hops.first_m[h, 0], hops.first_m[h, 1], hops.first_m[h, 2]
        bx, by, bz = hops.second_m[h, 0], hops.second_m[h, 1], hops.second_m[h, 2]
        # The ground comes nearest, in radii, where the wave is reflected.
        clearance[h] = _clearance_at(ax, ay, az, bx, by, bz, az / max(az + bz, 1e-9), 0.0, wavelength_m)
        if built and (ax, ay, az) > (bx, by, bz):
            clearance[h] = min(clearance[h], _over_roofs(bx, by, bz, ax, ay, az, buildings, cells, wavelength_m))
        elif built:
            clearance[h] = min(clearance[h], _over_roofs(ax, ay, az, bx, by, bz, buildings, cells, wavelength_m))
        x, y = bx - ax, by - ay
        for n in range(bodies.offset[hops.group[h]], bodies.offset[hops.group[h] + 1]):
            body = bodies.row[n]
            # First whether the infinite line passes near, which is rare.
            if abs(x * (body[1] - ay) - y * (body[0] - ax)) > (body[2] + body[3]) * (abs(x) + abs(y)):
                continue
            enter, leave = box_crossing(ax, ay, bx, by, body)
            if enter >= leave or _stands_over(ax, ay, body, OWN_BODY_M) or _stands_over(bx, by, body, OWN_BODY_M):
                continue
            middle = 0.5 * (enter + leave)
            clearance[h] = min(clearance[h], _clearance_at(ax, ay, az, bx, by, bz, middle, body[6], wavelength_m))
    return clearance


@njit(**PHASE)
def _first_alignment_s(ax, ay, ux, uy, bx, by, vx, vy, after_s, until_s):  # type: ignore[no-untyped-def]
    """Return the first instant after one, and before another, at which the origin lies on the line through two moving points.

    The points are a + u t and b + v t; the origin must lie between them. Infinite if there is none.
    """
    # a(t) x b(t) = 0, a polynomial of second degree.
    c2, c1, c0 = ux * vy - uy * vx, ax * vy - ay * vx + ux * by - uy * bx, ax * by - ay * bx
    first = np.inf
    for sign in (-1.0, 1.0):
        if abs(c2) < 1e-12:
            if abs(c1) < 1e-12:
                return np.inf
            t = -c0 / c1
        else:
            square = c1 * c1 - 4.0 * c2 * c0
            if square < 0.0:
                return np.inf
            # The form of the roots that loses no digits where c2 is small.
            q = -0.5 * (c1 + np.sqrt(square) if c1 >= 0.0 else c1 - np.sqrt(square))
            if sign < 0.0:
                t = q / c2
            elif q != 0.0:
                t = c0 / q
            else:
                continue
        if after_s < t < min(until_s, first):
            px, py, qx, qy = ax + ux * t, ay + uy * t, bx + vx * t, by + vy * t
            if px * qx + py * qy < 0.0:
                first = t
    return first


@njit(**PHASE)
def _edge_s(px, py, ux, uy, x0, y0, x1, y1, until_s):  # type: ignore[no-untyped-def]
    """Return the instant before another at which the moving point p + u t crosses an edge; infinite if it does not."""
    ex, ey = x1 - x0, y1 - y0
    towards = ux * ey - uy * ex
    if towards == 0.0:
        return np.inf
    t = ((x0 - px) * ey - (y0 - py) * ex) / towards
    if not 0.0 < t < until_s:
        return np.inf
    along = (px + ux * t - x0) * ex + (py + uy * t - y0) * ey
    return t if 0.0 <= along <= ex * ex + ey * ey else np.inf


@njit(**PHASE)
def _share_at(az, bz, height_m):  # type: ignore[no-untyped-def]
    """Return the fraction of the line from one height to another at which it has a given height; -1 if it never has it."""
    if min(az, bz) < height_m < max(az, bz):
        return (height_m - az) / (bz - az)
    return -1.0


@njit(**PHASE)
def _prism_in_the_way(h, t, hops, buildings, p):  # type: ignore[no-untyped-def]
    """Return whether a building blocks a hop at an instant."""
    ax, ay = hops.first_m[h, 0] + hops.first_mps[h, 0] * t, hops.first_m[h, 1] + hops.first_mps[h, 1] * t
    bx, by = hops.second_m[h, 0] + hops.second_mps[h, 0] * t, hops.second_m[h, 1] + hops.second_mps[h, 1] * t
    return prism_blocks(
        ax, ay, hops.first_m[h, 2], bx, by, hops.second_m[h, 2], buildings.vertices_m, buildings.is_seam,
        buildings.offset[p], buildings.offset[p + 1], buildings.base_m[p], buildings.top_m[p],
    )  # fmt: skip


@njit(**PHASE)
def _building_s(h, hops, buildings, cells, until_s):  # type: ignore[no-untyped-def]
    """Return the instant at which the first building comes between the ends of a hop; `until_s` if none does before."""
    a, b, u, v = hops.first_m[h], hops.second_m[h], hops.first_mps[h], hops.second_mps[h]
    low_x = min(min(a[0], b[0]), min(a[0] + u[0] * until_s, b[0] + v[0] * until_s))
    high_x = max(max(a[0], b[0]), max(a[0] + u[0] * until_s, b[0] + v[0] * until_s))
    low_y = min(min(a[1], b[1]), min(a[1] + u[1] * until_s, b[1] + v[1] * until_s))
    high_y = max(max(a[1], b[1]), max(a[1] + u[1] * until_s, b[1] + v[1] * until_s))
    first_column = max(int(np.floor((low_x - cells.origin_x) / cells.cell_m)), 0)
    last_column = min(int(np.floor((high_x - cells.origin_x) / cells.cell_m)), cells.columns - 1)
    first_row = max(int(np.floor((low_y - cells.origin_y) / cells.cell_m)), 0)
    last_row = min(int(np.floor((high_y - cells.origin_y) / cells.cell_m)), cells.rows - 1)
    low_z = min(a[2], b[2])
    for column in range(first_column, last_column + 1):
        if first_row > last_row:
            break
        cell = column * cells.rows
        for entry in range(cells.offset[cell + first_row], cells.offset[cell + last_row + 1]):
            p = cells.item[entry]
            if (
                buildings.lower_m[p, 0] > high_x or buildings.upper_m[p, 0] < low_x or buildings.lower_m[p, 1] > high_y
                or buildings.upper_m[p, 1] < low_y or buildings.top_m[p] <= low_z
            ):  # fmt: skip
                continue
            for n in range(buildings.offset[p], buildings.offset[p + 1]):
                x, y = buildings.vertices_m[n, 0], buildings.vertices_m[n, 1]
                after_s = 0.0
                # Twice, because the line may pass a vertex a first time without beginning to cross the building.
                for _ in range(2):
                    t = _first_alignment_s(
                        a[0] - x, a[1] - y, u[0], u[1], b[0] - x, b[1] - y, v[0], v[1], after_s, until_s
                    )  # fmt: skip
                    if t == np.inf:
                        break
                    if _prism_in_the_way(h, t + _JUST_S, hops, buildings, p):
                        until_s = t
                        break
                    after_s = t
                # The line may also begin to cross the building where one of its ends drives in, and where it is just as high as
                # the building: these points of the line cross an edge.
                last = n + 1 == buildings.offset[p + 1]
                m = buildings.offset[p] if last else n + 1
                next_x, next_y = buildings.vertices_m[m, 0], buildings.vertices_m[m, 1]
                for share in (
                    0.0,
                    1.0,
                    _share_at(a[2], b[2], buildings.top_m[p]),
                    _share_at(a[2], b[2], buildings.base_m[p]),
                ):
                    if share < 0.0:
                        continue
                    t = _edge_s(
                        a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), u[0] + share * (v[0] - u[0]),
                        u[1] + share * (v[1] - u[1]), x, y, next_x, next_y, until_s,
                    )  # fmt: skip
                    if t < np.inf and _prism_in_the_way(h, t + _JUST_S, hops, buildings, p):
                        until_s = t
    return until_s


@njit(**PHASE)
def _body_in_the_way(ax, ay, az, bx, by, bz, body):  # type: ignore[no-untyped-def]
    """Return whether a part of a body reaches above the segment between two points."""
    enter, leave = box_crossing(ax, ay, bx, by, body)
    if enter >= leave:
        return False
    return body[6] > az + (enter if bz > az else leave) * (bz - az)


@njit(**PHASE)
def _corner(body, corner):  # type: ignore[no-untyped-def]
    """Return one of the corners of a body; those of rising numbers go round it."""
    along = body[2] if (corner + 1) % 4 < 2 else -body[2]
    across = body[3] if corner % 4 < 2 else -body[3]
    return body[0] + along * body[4] - across * body[5], body[1] + along * body[5] + across * body[4]


@njit(**PHASE)
def _body_s(h, hops, bodies, until_s):  # type: ignore[no-untyped-def]
    """Return the instant at which the first known body reaches above the line between the ends of a hop; `until_s` if none does before."""
    a, b = hops.first_m[h], hops.second_m[h]
    for n in range(bodies.offset[hops.group[h]], bodies.offset[hops.group[h] + 1]):
        body = bodies.row[n]
        if body[6] <= min(a[2], b[2]):
            continue
        # Seen from the body, which does not turn.
        ux, uy = hops.first_mps[h, 0] - body[7], hops.first_mps[h, 1] - body[8]
        vx, vy = hops.second_mps[h, 0] - body[7], hops.second_mps[h, 1] - body[8]
        reach_m = body[2] + body[3]
        if (
            min(min(a[0], b[0]), min(a[0] + ux * until_s, b[0] + vx * until_s)) > body[0] + reach_m
            or max(max(a[0], b[0]), max(a[0] + ux * until_s, b[0] + vx * until_s)) < body[0] - reach_m
            or min(min(a[1], b[1]), min(a[1] + uy * until_s, b[1] + vy * until_s)) > body[1] + reach_m
            or max(max(a[1], b[1]), max(a[1] + uy * until_s, b[1] + vy * until_s)) < body[1] - reach_m
            or _stands_over(a[0], a[1], body, OWN_BODY_M) or _stands_over(b[0], b[1], body, OWN_BODY_M)
        ):  # fmt: skip
            continue
        if _body_in_the_way(a[0], a[1], a[2], b[0], b[1], b[2], body):
            return 0.0
        for corner in range(4):
            x, y = _corner(body, corner)
            after_s = 0.0
            for _ in range(2):
                t = _first_alignment_s(a[0] - x, a[1] - y, ux, uy, b[0] - x, b[1] - y, vx, vy, after_s, until_s)
                if t == np.inf:
                    break
                later = t + _JUST_S
                if _body_in_the_way(
                    a[0] + ux * later, a[1] + uy * later, a[2], b[0] + vx * later, b[1] + vy * later, b[2], body
                ):  # fmt: skip
                    until_s = t
                    break
                after_s = t
            # As for buildings: an end may drive into the body, and a sloping line may be just as high as the body.
            next_x, next_y = _corner(body, corner + 1)
            for share in (0.0, 1.0, _share_at(a[2], b[2], body[6])):
                if share < 0.0:
                    continue
                t = _edge_s(
                    a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), ux + share * (vx - ux), uy + share * (vy - uy),
                    x, y, next_x, next_y, until_s,
                )  # fmt: skip
                later = t + _JUST_S
                if t < np.inf and _body_in_the_way(
                    a[0] + ux * later, a[1] + uy * later, a[2], b[0] + vx * later, b[1] + vy * later, b[2], body
                ):  # fmt: skip
                    until_s = t
    return until_s


@njit(cache=True, nogil=True)
def lifetimes(hops, bodies, buildings, cells, in_range_s, look_s):  # type: ignore[no-untyped-def]
    """Return when each hop ends: when its ends are out of range, or when a building or a known body comes between them.

    Buildings and bodies are looked for within `look_s` only.
    """
    lifetime_s = in_range_s.copy()
    built = len(buildings.base_m) > 0
    for h in range(len(in_range_s)):
        a, b = hops.first_m[h], hops.second_m[h]
        until_s = min(in_range_s[h], look_s)
        if until_s <= 0.0:
            continue
        if built and _blocked_by_prisms(a[0], a[1], a[2], b[0], b[1], b[2], buildings, cells):
            lifetime_s[h] = 0.0
            continue
        end_s = _body_s(h, hops, bodies, until_s)
        if built:
            end_s = _building_s(h, hops, buildings, cells, end_s)
        if end_s < until_s:
            lifetime_s[h] = end_s
    return lifetime_s
