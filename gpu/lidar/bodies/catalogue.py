"""The shapes of road users by name, and which shape the body of each kind of road user has."""

from collections.abc import Callable
from functools import cache

from v2xsim.gpu.lidar.bodies.buses import bus, bus_front, bus_rear
from v2xsim.gpu.lidar.bodies.cars import car, van
from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.bodies.people import pedestrian
from v2xsim.gpu.lidar.bodies.shapes import Shape, Shapes, joined
from v2xsim.gpu.lidar.bodies.solids import Mesh, box, normalised
from v2xsim.gpu.lidar.bodies.trucks import semitrailer, tractor, trailer, truck
from v2xsim.gpu.lidar.bodies.two_wheelers import bicycle, motorcycle


def unit_box() -> Mesh:
    """Return a box of 1 m, for what has no shape of its own."""
    return box((-0.5, 0.5), (-0.5, 0.5), (0.0, 1.0), Material.PAINT)


_BUILDERS: dict[str, Callable[[], Mesh]] = {
    "box": unit_box,
    "car": car,
    "van": van,
    "truck": truck,
    "tractor": tractor,
    "semitrailer": semitrailer,
    "trailer": trailer,
    "bus": bus,
    "bus_front": bus_front,
    "bus_rear": bus_rear,
    "motorcycle": motorcycle,
    "bicycle": bicycle,
    "pedestrian": pedestrian,
}

SHAPE_NAMES = tuple(_BUILDERS)
"""Names of the shapes; the position in this tuple is the number in `shapes`."""

_SHAPE_OF = {
    ("passenger", "whole"): "car", ("van", "whole"): "van", ("truck", "whole"): "truck", ("bus", "whole"): "bus",
    ("motorcycle", "whole"): "motorcycle", ("bicycle", "whole"): "bicycle", ("pedestrian", "whole"): "pedestrian",
    ("truck", "front"): "tractor", ("truck", "rear"): "semitrailer", ("bus", "front"): "bus_front", ("bus", "rear"): "bus_rear",
    ("passenger", "trailer"): "trailer", ("van", "trailer"): "trailer", ("truck", "trailer"): "trailer", ("bus", "trailer"): "trailer",
}  # fmt: skip


def mesh_of_shape(name: str) -> Mesh:
    """Return the mesh of a shape in metres, at the nominal size at which it was modelled.

    Raises:
        ValueError: If there is no shape of that name.
    """
    if name not in _BUILDERS:
        raise ValueError(f"a shape must be one of {', '.join(SHAPE_NAMES)}, got {name!r}")
    return _BUILDERS[name]()


@cache
def shape(name: str) -> Shape:
    """Return a shape in the unit frame.

    Raises:
        ValueError: If there is no shape of that name.
    """
    return normalised(mesh_of_shape(name))


@cache
def shapes() -> Shapes:
    """Return all shapes, in the order of `SHAPE_NAMES`."""
    return joined([shape(name) for name in SHAPE_NAMES])


def shape_of_kind(kind: str, part: str = "whole") -> int:
    """Return the number of the shape of a road user's body, a position in `SHAPE_NAMES`.

    Args:
        kind: Kind of the road user, as in a scenario: passenger, van, truck, bus, motorcycle, bicycle or pedestrian.
        part: The whole body; or the front or the rear part of an articulated truck or bus; or the trailer on a drawbar behind a motor vehicle.

    Raises:
        ValueError: If there is no such kind, or the kind has no such part.
    """
    if (kind, part) not in _SHAPE_OF:
        known = ", ".join(f"{one} {its}" for one, its in _SHAPE_OF)
        raise ValueError(f"a body with a shape must be one of {known}, got {kind!r} {part!r}")
    return SHAPE_NAMES.index(_SHAPE_OF[kind, part])
