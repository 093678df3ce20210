"""The motorcycle and the bicycle, each with its rider.

Sizes in metres, recalled: a motorcycle without fairing is 2.1 m long on a wheelbase of 1.44 m, with tyres of 0.62 to 0.64 m and a handlebar of
0.8 m; its rider's helmet is 1.5 m above the ground. A city bicycle has wheels of 0.67 m, a wheelbase of 1.0 m and a handlebar of 0.6 m. Rays
pass between the spokes of a bicycle, which are left out; the wheels of a motorcycle are discs here.
"""

import math

import numpy as np

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.people import head, helmet, limb, shoe
from v2xsim.gpu.lidar.bodies.solids import Mesh, bicycle_tyre, box, loft, merged, stacked, tube

PAINT, DARK, METAL, RUBBER, CLOTH, LAMP, PLATE = (
    Material.PAINT, Material.DARK_PAINT, Material.METAL, Material.RUBBER, Material.CLOTH, Material.LAMP, Material.RETROREFLECTOR,
)  # fmt: skip


def _disc(x_m: float, radius_m: float, half_m: float, corners: int = 8) -> Mesh:
    """Return a wheel in the middle plane with a rim on both sides."""
    angle = 2.0 * math.pi * (np.arange(corners) + 0.5) / corners
    circle = np.column_stack([np.sin(angle), np.zeros(corners), np.cos(angle)]) / math.cos(math.pi / corners)
    rings = [
        np.array([x_m, y, radius_m]) + radius * circle
        for radius, y in ((0.68 * radius_m, -half_m), (radius_m, 0.0), (0.68 * radius_m, half_m))
    ]
    return loft(np.array(rings), RUBBER, (METAL, METAL))


def motorcycle() -> Mesh:
    """Return a motorcycle without fairing and its rider, 2.10 x 0.80 x 1.50 m."""
    fork = tube([(0.72, 0.085, 0.31), (0.44, 0.085, 0.98)], [0.035, 0.035], METAL, 3)
    swing = tube([(-0.71, 0.11, 0.32), (-0.12, 0.11, 0.42)], [0.04, 0.05], METAL, 3)
    engine = stacked(
        (0.05, 0.0), [(0.22, 0.0, 0.24, 0.13), (0.42, 0.02, 0.32, 0.20), (0.74, 0.0, 0.24, 0.13)], METAL, 6
    )
    tank = stacked((0.18, 0.0), [(0.70, 0.0, 0.27, 0.11), (0.86, 0.02, 0.32, 0.17), (1.00, 0.05, 0.17, 0.10)], PAINT, 6)
    seat = loft(
        np.array([
            [(-1.02, -0.07, 0.84), (-1.02, 0.07, 0.84), (-1.02, 0.06, 0.92), (-1.02, -0.06, 0.92)],
            [(-0.62, -0.12, 0.72), (-0.62, 0.12, 0.72), (-0.62, 0.11, 0.86), (-0.62, -0.11, 0.86)],
            [(-0.02, -0.13, 0.62), (-0.02, 0.13, 0.62), (-0.02, 0.13, 0.80), (-0.02, -0.13, 0.80)],
        ]),
        [PAINT, DARK],
    )  # fmt: skip
    torso = [
        (0.76, -0.24, 0.13, 0.175), (0.94, -0.20, 0.125, 0.16), (1.14, -0.06, 0.14, 0.205), (1.27, 0.02, 0.11, 0.20), (1.31, 0.05, 0.06, 0.08),
    ]  # fmt: skip
    sides = [
        fork, swing,
        limb((-0.18, 0.12, 0.84), (0.27, 0.24, 0.76), (-0.06, 0.20, 0.36), (0.10, 0.075, 0.055)),
        limb((0.03, 0.20, 1.25), (0.22, 0.33, 1.08), (0.44, 0.32, 1.07), (0.065, 0.052, 0.045)),
        shoe((-0.12, 0.20, 0.29), 0.28, 0.10),
    ]  # fmt: skip
    return merged([
        _disc(0.74, 0.31, 0.06), _disc(-0.71, 0.32, 0.09), engine, tank, seat, *(part.with_mirrored() for part in sides),
        tube([(0.46, -0.40, 1.06), (0.46, 0.40, 1.06)], [0.022, 0.022], DARK, 4),
        stacked((0.58, 0.0), [(0.84, 0.0, 0.06, 0.07), (0.92, 0.0, 0.10, 0.11), (1.00, -0.02, 0.06, 0.08)], LAMP, 5),
        box((-1.05, -1.00), (-0.10, 0.10), (0.60, 0.80), PLATE), box((-1.04, -1.00), (-0.06, 0.06), (0.80, 0.91), LAMP),
        stacked((0.0, 0.0), torso, CLOTH, 6), helmet(0.13, 1.23),
    ])  # fmt: skip


def bicycle() -> Mesh:
    """Return a city bicycle and its rider, 1.70 x 0.60 x 1.70 m; one foot is down and the other is up."""
    crank = (0.0, 0.0, 0.28)
    frame = [
        tube([crank, (-0.19, 0.0, 0.88)], [0.022, 0.018], PAINT, 3),
        tube([crank, (0.33, 0.0, 0.76)], [0.024, 0.024], PAINT, 3),
        tube([(-0.15, 0.0, 0.74), (0.31, 0.0, 0.84)], [0.02, 0.02], PAINT, 3),
        tube([(0.498, 0.0, 0.335), (0.33, 0.0, 0.80), (0.28, 0.0, 1.03)], [0.02, 0.028, 0.018], PAINT, 3),
        tube([(-0.498, 0.045, 0.335), crank], [0.012, 0.018], PAINT, 3).with_mirrored(),
        tube([(-0.498, 0.045, 0.335), (-0.16, 0.0, 0.78)], [0.012, 0.014], PAINT, 3).with_mirrored(),
        tube([(0.28, -0.30, 1.05), (0.28, 0.30, 1.05)], [0.016, 0.016], METAL, 4),
        box((-0.34, -0.08), (-0.07, 0.07), (0.88, 0.95), DARK),
        box((-0.29, -0.26), (-0.04, 0.04), (0.78, 0.85), PLATE),
        tube([(-0.015, -0.11, 0.28), (-0.015, 0.11, 0.28)], [0.06, 0.06], METAL, 3),
        box((0.36, 0.42), (-0.03, 0.03), (0.82, 0.90), LAMP),
    ]  # fmt: skip
    torso = [
        (0.92, -0.21, 0.115, 0.165),
        (1.08, -0.17, 0.11, 0.145),
        (1.28, -0.06, 0.12, 0.185),
        (1.39, 0.0, 0.09, 0.185),
        (1.44, 0.02, 0.05, 0.07),
    ]
    low = [
        limb((-0.18, 0.09, 0.98), (0.17, 0.11, 0.66), (-0.03, 0.12, 0.22), (0.095, 0.065, 0.05)),
        shoe((-0.09, 0.12, 0.10)),
    ]
    high = [
        limb((-0.18, -0.09, 0.98), (0.23, -0.11, 0.94), (0.0, -0.12, 0.53), (0.095, 0.065, 0.05)),
        shoe((-0.07, -0.12, 0.43)),
    ]
    arm = limb((0.0, 0.185, 1.38), (0.10, 0.25, 1.16), (0.27, 0.25, 1.07), (0.055, 0.045, 0.036))
    return merged([
        *(bicycle_tyre(x, 0.335, 0.045, 0.02) for x in (0.498, -0.498)), *frame, stacked((0.0, 0.0), torso, CLOTH, 6), *low, *high,
        arm.with_mirrored(), head(0.05, 1.44, PAINT, 6),
    ])  # fmt: skip
