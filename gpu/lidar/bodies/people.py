"""The pedestrian, and the riders of two-wheelers.

Sizes in metres, recalled: an adult is 1.72 m tall, 0.5 m wide over the arms and 0.28 m deep, from the back to the toes. Limbs are tubes of two
segments, torso and head are stacks of ellipses.
"""

import numpy as np

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.solids import Mesh, loft, merged, stacked, tube

CLOTH, SKIN, RUBBER, PAINT = Material.CLOTH, Material.SKIN, Material.RUBBER, Material.PAINT

Place = tuple[float, float, float]


def limb(start_m: Place, joint_m: Place, end_m: Place, radii_m: tuple[float, float, float]) -> Mesh:
    """Return a clothed arm or leg through its joint."""
    return tube((start_m, joint_m, end_m), radii_m, CLOTH, 5)


def shoe(heel_m: Place, length_m: float = 0.27, high_m: float = 0.09) -> Mesh:
    """Return a shoe that points forward; the place is the middle of its heel, at the sole."""
    x, y, z = heel_m
    sole = [(x, -0.035), (x + length_m, -0.04), (x + length_m, 0.04), (x, 0.035)]
    upper = [(x, -0.03), (x + 0.6 * length_m, -0.03), (x + 0.6 * length_m, 0.03), (x, 0.03)]
    rings = [[(px, y + py, z + top) for px, py in ring] for ring, top in ((sole, 0.0), (upper, high_m))]
    return loft(np.array(rings), RUBBER)


def head(x_m: float, chin_m: float, cap: Material = CLOTH, corners: int = 8) -> Mesh:
    """Return a neck and a head, 0.26 m from the chin to the top; its upper half is hair or a helmet."""
    levels = [
        (chin_m - 0.08, -0.02, 0.055, 0.055), (chin_m, -0.01, 0.055, 0.055), (chin_m + 0.03, 0.01, 0.085, 0.065), (chin_m + 0.12, 0.01, 0.098, 0.078),
        (chin_m + 0.21, 0.0, 0.085, 0.068), (chin_m + 0.26, -0.01, 0.035, 0.03),
    ]  # fmt: skip
    return stacked((x_m, 0.0), levels, [SKIN, SKIN, SKIN, cap, cap], corners)


def helmet(x_m: float, chin_m: float) -> Mesh:
    """Return the full helmet of a motorcyclist, 0.27 m high."""
    levels = [
        (chin_m, -0.01, 0.085, 0.075), (chin_m + 0.08, 0.0, 0.135, 0.11), (chin_m + 0.17, 0.0, 0.14, 0.115),
        (chin_m + 0.27, -0.02, 0.07, 0.06),
    ]  # fmt: skip
    return stacked((x_m, 0.0), levels, [PAINT, Material.GLASS, PAINT], 6)


def pedestrian() -> Mesh:
    """Return a standing adult, 0.28 x 0.50 x 1.72 m."""
    torso = [
        (0.80, 0.0, 0.10, 0.165), (0.93, 0.0, 0.115, 0.172), (1.08, 0.005, 0.095, 0.145), (1.30, 0.01, 0.115, 0.18), (1.41, 0.0, 0.085, 0.185),
        (1.47, -0.01, 0.05, 0.08),
    ]  # fmt: skip
    leg = limb((0.0, 0.09, 0.90), (0.015, 0.10, 0.48), (-0.025, 0.11, 0.06), (0.09, 0.065, 0.048))
    arm = limb((-0.005, 0.195, 1.41), (-0.03, 0.208, 1.12), (0.03, 0.205, 0.87), (0.055, 0.045, 0.034))
    hand = tube([(0.03, 0.205, 0.88), (0.045, 0.20, 0.73)], [0.033, 0.036], SKIN, 5)
    sides = [part.with_mirrored() for part in (leg, arm, hand, shoe((-0.10, 0.11, 0.0)))]
    return merged([stacked((0.0, 0.0), torso, CLOTH, 8), head(0.0, 1.46), *sides])
