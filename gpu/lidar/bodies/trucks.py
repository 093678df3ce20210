"""The rigid truck, the tractor and its semi-trailer, and the trailer on a drawbar.

Sizes in metres. The largest in the EU are 2.55 m in width and 4.0 m in height (Directive 96/53/EC, annex I, as in `two_parts`). Recalled: tyres of
1.0 m, a loading floor at 1.1 to 1.25 m, a frame at 0.8 to 1.0 m, cabs over the engine of 2.2 to 2.4 m in length.

The simulator gives an articulated truck two boxes: the cab, up to the circle on which the front of the trailer turns, and the semi-trailer. What
lies below the front of the trailer, the frame of the tractor and its driven axle, is part of the semi-trailer here and turns with it. Its place is
right, since the trailer turns about the kingpin, which is over that axle.
"""

from v2xsim.gpu.lidar.bodies.cars import arch
from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.side_view import Point, Strip, side_view_mesh
from v2xsim.gpu.lidar.bodies.solids import Mesh, axle, box, merged

PAINT, DARK, GLASS, METAL, LAMP, PLATE = (
    Material.PAINT, Material.DARK_PAINT, Material.GLASS, Material.METAL, Material.LAMP, Material.RETROREFLECTOR,
)  # fmt: skip


def _cab(front_m: float, length_m: float, roof_m: float, axle_m: float) -> Mesh:
    """Return a cab over the engine.

    Args:
        front_m: Where its front is.
        length_m: Its length.
        roof_m: Height of its roof.
        axle_m: Where the front axle is.
    """
    x, back = front_m, front_m - length_m
    top = min(2.75, roof_m - 0.25)
    points = {
        "lip": Point(x - 0.10, 0.30, 1.12),
        "low": Point(x, 0.45, 1.14, (0.26,)),
        "plate": Point(x, 0.56, 1.14, (0.26,)),
        "lamps": Point(x, 0.62, 1.15, (0.72,)),
        "grille": Point(x, 0.92, 1.16, (0.72,)),
        "nose": Point(x - 0.02, 1.10, 1.16, (0.80,)),
        "cowl": Point(x - 0.05, 1.62, 1.17, (0.80, 1.08)),
        "screen": Point(x - 0.24, top, 1.13, (1.05,)),
        "visor": Point(x - 0.30, top + 0.12, 1.10),
        "roof": Point(x - 0.75, roof_m, 1.05),
        "roof_back": Point(back + 0.06, roof_m, 1.05),
        "back": Point(back, 0.60, 1.20),
        "corner": Point(x - 0.24, 1.10, 1.25),
        "a": Point(x - 0.28, 1.62, 1.25),
        "a_top": Point(x - 0.46, top - 0.12, 1.20),
        "b": Point(x - 1.20, 1.62, 1.25),
        "b_top": Point(x - 1.20, top - 0.12, 1.20),
        "shoulder": Point(back + 0.05, 1.62, 1.25),
        "gutter": Point(back + 0.12, top + 0.05, 1.20),
        **arch("f", axle_m, 0.50, 0.58, 1.25),
    }
    # The cab ends behind the front axle, so the rear foot of the arch is at its back.
    points["f5"] = Point(max(points["f5"].x_m, back + 0.05), 0.60, 1.25)
    points["f0"] = Point(points["f0"].x_m, 0.32, 1.24)
    outline: list[tuple[str, Strip | Material]] = [
        ("lip", DARK), ("low", Strip(PLATE, ((0.26, DARK),))), ("plate", DARK), ("lamps", Strip(DARK, ((0.73, LAMP),))), ("grille", DARK),
        ("nose", Strip(DARK, ((0.80, PAINT),))), ("cowl", Strip(GLASS, ((1.06, PAINT),))), ("screen", PAINT), ("visor", PAINT), ("roof", PAINT),
        ("roof_back", DARK), ("back", DARK), *((f"f{n}", DARK) for n in range(5, -1, -1)),
    ]  # fmt: skip
    panels = [
        (DARK, "lip low plate lamps f1 f0"), (PAINT, "lamps grille nose corner f2 f1"), (PAINT, "nose cowl a corner"), (PAINT, "corner a b f3 f2"),
        (PAINT, "b shoulder back f5 f4 f3"), (GLASS, "a a_top b_top b"), (PAINT, "cowl screen a_top a"), (PAINT, "b b_top gutter shoulder"),
        (PAINT, "screen visor roof roof_back gutter b_top a_top"), (DARK, "roof_back back shoulder gutter"),
    ]  # fmt: skip
    return merged(
        [side_view_mesh(points, outline, panels), box((back + 0.05, x - 0.12), (-0.85, 0.85), (0.40, 1.12), DARK)]
    )


def _tail(rear_m: float, half_m: float) -> list[Mesh]:
    """Return the bar of a rear underrun protection with lamps and the number plate; its rear is at `rear_m`."""
    lamp = box((rear_m, rear_m + 0.08), (half_m - 0.62, half_m - 0.10), (0.62, 0.76), LAMP)
    return [
        box((rear_m + 0.02, rear_m + 0.14), (0.10 - half_m, half_m - 0.10), (0.46, 0.72), METAL),
        lamp, lamp.mirrored(),
        box((rear_m, rear_m + 0.05), (-0.26, 0.26), (0.62, 0.74), PLATE),
    ]  # fmt: skip


def _guard(x_m: tuple[float, float], half_m: float) -> Mesh:
    """Return the side guards between two axles."""
    return box(x_m, (half_m - 0.06, half_m), (0.45, 0.92), METAL).with_mirrored()


def truck() -> Mesh:
    """Return a rigid truck of 12.00 x 2.55 x 3.20 m with a box body and three axles.

    Trucks of this length are mostly 3.5 to 4 m high; 3GPP TR 37.885 has 3 m, and the height here is between them.
    """
    half = 1.275
    return merged([
        _cab(6.0, 2.15, 2.75, 4.62),
        box((-5.92, 3.72), (-half, half), (1.08, 3.20), PAINT),
        box((-5.90, 3.90), (-0.43, 0.43), (0.70, 1.08), DARK),
        _guard((-2.20, 2.90), half - 0.03),
        axle(4.62, half - 0.01, 0.32, 0.50), axle(-2.75, half - 0.01, 0.58, 0.50), axle(-4.10, half - 0.01, 0.32, 0.50),
        *_tail(-6.0, half),
    ])  # fmt: skip


def tractor() -> Mesh:
    """Return the cab of a tractor of 2.45 x 2.55 x 4.00 m, with a roof as high as its trailer."""
    half = 1.275
    return merged([
        _cab(1.225, 2.36, 3.90, -0.16),
        box((-1.10, 0.30), (-0.98, 0.98), (3.80, 4.00), PAINT),
        box((-1.225, -0.60), (-0.43, 0.43), (0.70, 1.00), DARK),
        axle(-0.16, half, 0.32, 0.50),
    ])  # fmt: skip


def semitrailer() -> Mesh:
    """Return a semi-trailer of 13.60 x 2.55 x 4.00 m on three axles, with the frame and the driven axle of its tractor below its front."""
    half, front = 1.275, 6.8
    kingpin = front - 1.6
    return merged([
        box((-6.76, front), (-half, half), (1.22, 4.00), PAINT),
        box((-3.40, front - 0.30), (-0.50, 0.50), (1.02, 1.22), DARK),
        box((-6.70, -3.40), (-0.50, 0.50), (0.70, 1.22), DARK),
        # Of the tractor: frame, tank and driven axle.
        box((kingpin - 0.75, front + 0.0), (-0.43, 0.43), (0.70, 1.02), DARK),
        axle(kingpin, half - 0.03, 0.58, 0.50),
        # Its legs, guards and axles.
        box((kingpin - 2.55, kingpin - 2.35), (0.75, 0.95), (0.35, 1.22), METAL).with_mirrored(),
        _guard((-1.40, kingpin - 2.70), half - 0.03),
        *(axle(kingpin - 7.7 + d, half - 0.01, 0.385, 0.50) for d in (1.31, 0.0, -1.31)),
        *_tail(-6.8, half),
    ])  # fmt: skip


def trailer() -> Mesh:
    """Return a trailer on a drawbar of 7.00 x 2.55 x 3.60 m with two axles in its middle; also the trailer of a van or a car, scaled down."""
    half = 1.275
    return merged([
        box((-3.42, 2.30), (-half, half), (1.08, 3.60), PAINT),
        box((-3.40, 2.20), (-0.50, 0.50), (0.70, 1.08), DARK),
        box((2.10, 3.50), (-0.08, 0.08), (0.55, 0.75), METAL),
        axle(0.10, half - 0.01, 0.385, 0.50), axle(-1.25, half - 0.01, 0.385, 0.50),
        *_tail(-3.5, half),
    ])  # fmt: skip
