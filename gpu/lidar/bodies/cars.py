"""The passenger car and the van.

Dimensions are in metres at the nominal size. They are recalled from common models, not measured: a saloon of the middle class is about
4.7 m long, 1.83 m wide without mirrors, and 1.46 m high, on a wheelbase of 2.8 m, with tyres of 0.66 m and 0.15 m of clearance.
"""

import math

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.side_view import Point, Strip, side_view_mesh
from v2xsim.gpu.lidar.bodies.solids import Mesh, axle, box, merged

PAINT, DARK, GLASS, LAMP, PLATE = (
    Material.PAINT, Material.DARK_PAINT, Material.GLASS, Material.LAMP, Material.RETROREFLECTOR,
)  # fmt: skip

ARCH_DEG = (-23.0, 20.0, 65.0, 115.0, 160.0, 203.0)
"""Corners of a wheel arch, from its front foot over the top to its rear foot."""


def arch(name: str, x_m: float, axle_m: float, radius_m: float, half_m: float) -> dict[str, Point]:
    """Return the points name0 to name5 of a wheel arch, from its front foot over its top to its rear foot."""
    return {
        f"{name}{n}": Point(
            x_m + radius_m * math.cos(math.radians(angle)), axle_m + radius_m * math.sin(math.radians(angle)), half_m
        )
        for n, angle in enumerate(ARCH_DEG)
    }


def car() -> Mesh:
    """Return a saloon of 4.70 x 1.85 x 1.46 m; its tyres stand out by 1 cm on each side."""
    points = {
        # The front, from below: lip, number plate, grille, lamps, edge of the bonnet.
        "lip": Point(2.27, 0.19, 0.70),
        "low": Point(2.35, 0.42, 0.70, (0.26,)),
        "plate": Point(2.35, 0.53, 0.70, (0.26,)),
        "grille": Point(2.32, 0.60, 0.71, (0.40,)),
        "nose": Point(2.20, 0.74, 0.73, (0.42,)),
        "cowl": Point(0.98, 0.95, 0.76, (0.68,)),
        "screen": Point(0.28, 1.40, 0.57, (0.51,)),
        "roof": Point(-0.35, 1.46, 0.58),
        "back": Point(-0.98, 1.40, 0.56, (0.50,)),
        "shelf": Point(-1.68, 1.04, 0.66, (0.58,)),
        "boot": Point(-2.26, 1.01, 0.70, (0.42,)),
        "tail": Point(-2.33, 0.78, 0.72, (0.44,)),
        "tag": Point(-2.35, 0.67, 0.72, (0.26,)),
        "bumper": Point(-2.35, 0.56, 0.72, (0.26,)),
        "apron": Point(-2.26, 0.22, 0.70),
        # The side: shoulder above the wheels, window line, pillars.
        "fender": Point(1.98, 0.66, 0.84),
        "wing": Point(1.42, 0.80, 0.90),
        "hinge": Point(0.86, 0.88, 0.90),
        "door": Point(-0.32, 0.90, 0.905),
        "hip": Point(-1.38, 0.90, 0.90),
        "flank": Point(-2.02, 0.74, 0.84),
        "sill_front": Point(0.86, 0.34, 0.915),
        "sill_rear": Point(-0.82, 0.34, 0.915),
        "a": Point(0.80, 0.95, 0.80),
        "a_top": Point(0.18, 1.35, 0.61),
        "b": Point(-0.22, 0.96, 0.82),
        "b_top": Point(-0.20, 1.37, 0.61),
        "b_back": Point(-0.32, 0.96, 0.82),
        "b_back_top": Point(-0.28, 1.37, 0.61),
        "c": Point(-1.28, 0.99, 0.80),
        "c_top": Point(-0.92, 1.34, 0.61),
        **arch("f", 1.42, 0.33, 0.375, 0.905),
        **arch("r", -1.38, 0.33, 0.375, 0.905),
    }
    glazed = Strip(GLASS, ((0.54, PAINT),))
    outline: list[tuple[str, Strip | Material]] = [
        ("lip", DARK), ("low", Strip(PLATE, ((0.26, DARK),))), ("plate", DARK), ("grille", Strip(DARK, ((0.41, LAMP),))),
        ("nose", PAINT), ("cowl", glazed), ("screen", PAINT), ("roof", PAINT), ("back", Strip(GLASS, ((0.56, PAINT),))), ("shelf", PAINT),
        ("boot", Strip(PAINT, ((0.43, LAMP),))), ("tail", PAINT), ("tag", Strip(PLATE, ((0.26, PAINT),))), ("bumper", DARK),
        ("apron", DARK), *((f"r{n}", DARK) for n in range(5, -1, -1)), *((f"f{n}", DARK) for n in range(5, -1, -1)),
    ]  # fmt: skip
    panels = [
        (DARK, "lip low plate grille f0"), (LAMP, "grille nose fender"), (PAINT, "grille fender f1 f0"), (PAINT, "nose cowl hinge wing fender"),
        (PAINT, "fender wing f3 f2 f1"), (PAINT, "wing hinge sill_front f5 f4 f3"), (DARK, "f5 sill_front sill_rear r0"),
        (PAINT, "hinge door sill_rear sill_front"), (PAINT, "door hip r2 r1 r0 sill_rear"), (PAINT, "hip flank r4 r3 r2"),
        (PAINT, "flank tag bumper r5 r4"), (DARK, "bumper apron r5"), (LAMP, "boot tail flank"), (PAINT, "tail tag flank"),
        (PAINT, "hip shelf boot flank"), (PAINT, "cowl a hinge"), (PAINT, "hinge a b b_back door"), (PAINT, "door b_back c hip"), (PAINT, "hip c shelf"),
        (PAINT, "cowl screen a_top a"), (GLASS, "a a_top b_top b"), (DARK, "b b_top b_back_top b_back"), (GLASS, "b_back b_back_top c_top c"),
        (PAINT, "c c_top back shelf"), (PAINT, "screen roof back c_top b_back_top b_top a_top"),
    ]  # fmt: skip
    wheels = [axle(x, 0.925, 0.225, 0.33) for x in (1.42, -1.38)]
    return merged(
        [side_view_mesh(points, outline, panels), *wheels, box((-1.8, 1.85), (-0.68, 0.68), (0.18, 0.71), DARK)]
    )


def van() -> Mesh:
    """Return a panel van of 5.50 x 2.00 x 2.30 m with windows in its cab and its rear doors."""
    points = {
        "lip": Point(2.66, 0.22, 0.80),
        "low": Point(2.75, 0.42, 0.80, (0.26,)),
        "plate": Point(2.75, 0.53, 0.80, (0.26,)),
        "grille": Point(2.73, 0.68, 0.82, (0.50,)),
        "nose": Point(2.64, 0.93, 0.84, (0.52,)),
        "cowl": Point(2.02, 1.18, 0.84, (0.78,)),
        "screen": Point(1.20, 2.10, 0.76, (0.70,)),
        "roof_front": Point(0.85, 2.24, 0.78),
        "roof": Point(-0.90, 2.30, 0.80),
        "roof_rear": Point(-2.55, 2.26, 0.80),
        "back": Point(-2.68, 2.12, 0.84, (0.06, 0.74)),
        "back_top": Point(-2.69, 2.00, 0.86, (0.06, 0.74)),
        "back_low": Point(-2.72, 1.38, 0.93, (0.06, 0.78)),
        "tail": Point(-2.74, 0.95, 0.94, (0.80,)),
        "tag": Point(-2.75, 0.74, 0.94, (0.26,)),
        "bumper": Point(-2.75, 0.62, 0.94, (0.26,)),
        "apron": Point(-2.70, 0.28, 0.90),
        "fender": Point(2.42, 0.84, 0.93),
        "wing": Point(1.80, 0.94, 0.975),
        "hinge": Point(1.28, 0.96, 0.98),
        "door": Point(0.20, 0.97, 0.985),
        "hip": Point(-1.55, 0.97, 0.985),
        "flank": Point(-2.56, 0.96, 0.97),
        "sill_front": Point(1.28, 0.40, 0.99),
        "sill_rear": Point(-0.98, 0.40, 0.99),
        "a": Point(1.76, 1.22, 0.90),
        "a_top": Point(1.08, 1.96, 0.80),
        "b": Point(0.34, 1.22, 0.94),
        "b_top": Point(0.34, 1.98, 0.84),
        "p": Point(0.20, 1.22, 0.96),
        "p_top": Point(0.20, 2.02, 0.87),
        "c": Point(-2.58, 1.38, 0.95),
        "c_top": Point(-2.56, 2.02, 0.88),
        **arch("f", 1.80, 0.34, 0.39, 0.985),
        **arch("r", -1.55, 0.34, 0.39, 0.985),
    }
    doors = Strip(PAINT, ((0.06, GLASS), (0.76, PAINT)))
    outline: list[tuple[str, Strip | Material]] = [
        ("lip", DARK), ("low", Strip(PLATE, ((0.26, DARK),))), ("plate", DARK), ("grille", Strip(DARK, ((0.51, LAMP),))), ("nose", PAINT),
        ("cowl", Strip(GLASS, ((0.75, PAINT),))), ("screen", PAINT), ("roof_front", PAINT), ("roof", PAINT), ("roof_rear", PAINT), ("back", PAINT),
        ("back_top", doors), ("back_low", Strip(PAINT, ((0.79, LAMP),))), ("tail", PAINT), ("tag", Strip(PLATE, ((0.26, PAINT),))), ("bumper", DARK),
        ("apron", DARK), *((f"r{n}", DARK) for n in range(5, -1, -1)), *((f"f{n}", DARK) for n in range(5, -1, -1)),
    ]  # fmt: skip
    panels = [
        (DARK, "lip low plate grille f0"), (LAMP, "grille nose fender"), (PAINT, "grille fender f1 f0"), (PAINT, "nose cowl a hinge wing fender"),
        (PAINT, "fender wing f3 f2 f1"), (PAINT, "wing hinge sill_front f5 f4 f3"), (DARK, "f5 sill_front sill_rear r0"),
        (PAINT, "hinge door sill_rear sill_front"), (PAINT, "door hip r2 r1 r0 sill_rear"), (PAINT, "hip flank r4 r3 r2"),
        (PAINT, "flank tail tag bumper r5 r4"), (DARK, "bumper apron r5"), (PAINT, "hinge a b p door"), (GLASS, "a a_top b_top b"),
        (PAINT, "cowl screen a_top a"), (PAINT, "b b_top p_top p"), (PAINT, "door p c flank hip"), (PAINT, "p p_top c_top c"),
        (PAINT, "screen roof_front p_top b_top a_top"), (PAINT, "roof_front roof roof_rear c_top p_top"), (PAINT, "roof_rear back back_top c_top"),
        (PAINT, "back_top back_low c c_top"), (LAMP, "back_low tail flank c"),
    ]  # fmt: skip
    wheels = [axle(x, 1.0, 0.235, 0.34) for x in (1.80, -1.55)]
    return merged(
        [side_view_mesh(points, outline, panels), *wheels, box((-2.0, 2.25), (-0.74, 0.74), (0.21, 0.74), DARK)]
    )
