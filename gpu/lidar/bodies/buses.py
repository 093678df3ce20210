"""The bus, and the front and the rear part of an articulated bus.

Sizes in metres. A city bus with a low floor is 12 m long, 2.55 m wide (Directive 96/53/EC) and 3.0 m high; recalled: overhangs of 2.7 m and 3.4 m,
tyres of 0.96 m, windows from 1.0 to 2.4 m above the ground. An articulated bus of 18 m turns at 10.62 m (`v2xsim.mobility.two_parts`).
"""

from v2xsim.gpu.lidar.bodies.cars import arch
from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.side_view import Point, Strip, side_view_mesh
from v2xsim.gpu.lidar.bodies.solids import Mesh, axle, box, merged

PAINT, DARK, GLASS, LAMP, PLATE = (
    Material.PAINT, Material.DARK_PAINT, Material.GLASS, Material.LAMP, Material.RETROREFLECTOR,
)  # fmt: skip

_RADIUS_M, _SKIRT_M, _WAIST_M, _GUTTER_M, _ROOF_M = 0.48, 0.32, 1.02, 2.42, 2.86


def _front(x: float) -> tuple[dict[str, Point], list[tuple[str, Strip | Material]]]:
    """Return the points of a bus's front at x, and the outline there from below."""
    points = {
        "lip": Point(x - 0.06, _SKIRT_M, 1.17),
        "low": Point(x, 0.52, 1.18, (0.26,)),
        "plate": Point(x, 0.63, 1.18, (0.26,)),
        "grille": Point(x, 0.72, 1.18, (0.78,)),
        "nose": Point(x - 0.01, 0.92, 1.18, (0.78,)),
        "cowl": Point(x - 0.02, 1.06, 1.19, (1.08,)),
        "screen": Point(x - 0.14, 2.40, 1.16, (1.06,)),
        "sign": Point(x - 0.20, 2.72, 1.12, (0.70,)),
        "roof_front": Point(x - 0.42, _ROOF_M, 1.02, (0.70,)),
        "front_waist": Point(x - 0.26, _WAIST_M, 1.26),
        "front_gutter": Point(x - 0.36, _GUTTER_M, 1.22),
        "front_skirt": Point(x - 0.34, _SKIRT_M, 1.25),
    }
    outline: list[tuple[str, Strip | Material]] = [
        ("front_skirt", DARK), ("lip", DARK), ("low", Strip(PLATE, ((0.26, DARK),))), ("plate", PAINT), ("grille", Strip(DARK, ((0.78, LAMP),))),
        ("nose", PAINT), ("cowl", Strip(GLASS, ((1.08, PAINT),))), ("screen", Strip(DARK, ((0.80, PAINT),))), ("sign", PAINT), ("roof_front", PAINT),
    ]  # fmt: skip
    return points, outline


_FRONT_PANELS = [
    (PAINT, "front_skirt lip low plate grille nose cowl front_waist"), (GLASS, "cowl screen front_gutter front_waist"),
    (PAINT, "screen sign roof_front front_gutter"),
]  # fmt: skip


def _rear(x: float) -> tuple[dict[str, Point], list[tuple[str, Strip | Material]]]:
    """Return the points of a bus's rear at x, and the outline there from above."""
    points = {
        "roof_rear": Point(x + 0.30, _ROOF_M, 1.02),
        "back": Point(x + 0.09, 2.62, 1.12, (1.00,)),
        "back_top": Point(x + 0.08, 2.36, 1.14, (1.00,)),
        "back_low": Point(x + 0.03, 1.60, 1.17, (1.00,)),
        "tail": Point(x + 0.01, 1.02, 1.18, (0.96,)),
        "tag": Point(x, 0.86, 1.18, (0.26,)),
        "bumper": Point(x, 0.74, 1.18, (0.26,)),
        "apron": Point(x + 0.06, _SKIRT_M, 1.16),
        "rear_waist": Point(x + 0.16, _WAIST_M, 1.26),
        "rear_gutter": Point(x + 0.22, _GUTTER_M, 1.22),
        "rear_skirt": Point(x + 0.24, _SKIRT_M, 1.25),
    }
    outline: list[tuple[str, Strip | Material]] = [
        ("roof_rear", PAINT), ("back", PAINT), ("back_top", Strip(GLASS, ((1.00, PAINT),))), ("back_low", Strip(DARK, ((0.97, LAMP),))),
        ("tail", PAINT), ("tag", Strip(PLATE, ((0.26, PAINT),))), ("bumper", DARK), ("apron", DARK), ("rear_skirt", DARK),
    ]  # fmt: skip
    return points, outline


_REAR_PANELS = [
    (PAINT, "rear_skirt apron bumper tag tail back_low rear_waist"), (PAINT, "back_low back_top rear_gutter rear_waist"),
    (PAINT, "back_top back roof_rear rear_gutter"),
]  # fmt: skip


def _joint(x: float, end: str) -> tuple[dict[str, Point], list[tuple[str, Strip | Material]]]:
    """Return the points of a flat end at a joint, and its outline; `end` is front or rear."""
    points = {
        f"roof_{end}": Point(x, _ROOF_M, 1.02),
        f"{end}_gutter": Point(x, _GUTTER_M, 1.22),
        f"{end}_waist": Point(x, _WAIST_M, 1.26),
        f"{end}_skirt": Point(x, _SKIRT_M, 1.25),
    }
    around = ["skirt", "waist", "gutter"] if end == "front" else ["gutter", "waist", "skirt"]
    names = (
        [*(f"{end}_{name}" for name in around), "roof_front"]
        if end == "front"
        else ["roof_rear", *(f"{end}_{name}" for name in around)]
    )
    return points, [(name, PAINT if name == "roof_front" else DARK) for name in names]


def _bus(
    front_m: float, rear_m: float, axles_m: tuple[float, ...], posts_m: tuple[float, ...], joints: tuple[bool, bool]
) -> Mesh:
    """Return the body of a bus between its front and its rear.

    Args:
        front_m: Where its front is, or its front joint.
        rear_m: Where its rear is, or its rear joint.
        axles_m: Where its axles are, from the front.
        posts_m: Where windows begin and end, from the front: beginning and end in turn.
        joints: Whether there is a joint at the front, and at the rear.
    """
    front, from_below = _joint(front_m, "front") if joints[0] else _front(front_m)
    rear, from_above = _joint(rear_m, "rear") if joints[1] else _rear(rear_m)
    points = {**front, **rear}
    for number, x in enumerate(posts_m):
        points[f"w{number}"] = Point(x, _WAIST_M, 1.26)
        points[f"g{number}"] = Point(x, _GUTTER_M, 1.22)
    arches = []
    for number, x in enumerate(axles_m):
        points |= arch(f"arch{number}_", x, _RADIUS_M, 0.56, 1.26)
        for foot in (0, 5):
            points[f"arch{number}_{foot}"] = Point(points[f"arch{number}_{foot}"].x_m, _SKIRT_M, 1.25)
        arches += [f"arch{number}_{corner}" for corner in range(6)]
    waist, gutter = [f"w{n}" for n in range(len(posts_m))], [f"g{n}" for n in range(len(posts_m))]
    outline = [*from_below, *from_above, *((name, DARK) for name in reversed(arches))]
    panels = [
        *([] if joints[0] else _FRONT_PANELS),
        *([] if joints[1] else _REAR_PANELS),
        (PAINT, " ".join(["front_skirt", "front_waist", *waist, "rear_waist", "rear_skirt", *reversed(arches)])),
        (PAINT, " ".join(["front_gutter", "roof_front", "roof_rear", "rear_gutter", *reversed(gutter)])),
        (PAINT, "front_waist front_gutter g0 w0"),
        (PAINT, f"{waist[-1]} {gutter[-1]} rear_gutter rear_waist"),
        *((GLASS if n % 2 == 0 else DARK, f"w{n} g{n} g{n + 1} w{n + 1}") for n in range(len(posts_m) - 1)),
    ]
    floor = box((rear_m + 0.30, front_m - 0.40), (-0.66, 0.66), (_SKIRT_M, 1.10), DARK)
    wheels = [axle(x, 1.275, 0.30 if n == 0 and not joints[0] else 0.55, _RADIUS_M) for n, x in enumerate(axles_m)]
    return merged([side_view_mesh(points, outline, panels), floor, *wheels])


def bus() -> Mesh:
    """Return a city bus of 12.00 x 2.55 x 3.00 m; it has no doors, so both sides are the same."""
    posts = (5.30, 3.95, 3.83, 2.20, 2.08, 0.45, 0.33, -1.30, -1.42, -3.05, -3.17, -4.90)
    return merged([
        _bus(6.0, -6.0, (3.30, -2.60), posts, (False, False)), box((-1.60, 1.40), (-0.80, 0.80), (2.80, 3.00), PAINT),
    ])  # fmt: skip


def bus_front() -> Mesh:
    """Return the front part of an articulated bus, 10.62 x 2.55 x 3.00 m, with half of the bellows at its rear."""
    posts = (4.61, 3.26, 3.14, 1.51, 1.39, -0.24, -0.36, -1.99, -2.11, -3.90)
    return merged([
        _bus(5.31, -4.71, (2.61, -3.41), posts, (False, True)), box((-1.60, 1.40), (-0.80, 0.80), (2.80, 3.00), PAINT),
        box((-5.31, -4.71), (-1.10, 1.10), (0.40, 2.78), DARK),
    ])  # fmt: skip


def bus_rear() -> Mesh:
    """Return the rear part of an articulated bus, 7.38 x 2.55 x 3.00 m, with half of the bellows at its front."""
    posts = (2.65, 1.18, 1.06, -0.70, -0.82, -2.50)
    return merged([
        _bus(3.09, -3.69, (-0.37,), posts, (True, False)), box((-1.60, 0.60), (-0.80, 0.80), (2.80, 3.00), PAINT),
        box((3.09, 3.69), (-1.10, 1.10), (0.40, 2.78), DARK),
    ])  # fmt: skip
