"""Materials of surfaces, and the share of the light of a lidar that each reflects.

The reflectivity is that of a diffuse (Lambertian) surface at right angles to the ray, at 905 nm, the wavelength of most
automotive lidars. A mirror or a pane sends nearly all light elsewhere, so its diffuse reflectivity is small. A retroreflector sends
light back to where it came from: its value is relative to a white diffuse surface, so it is greater than 1.
"""

from dataclasses import dataclass
from enum import IntEnum


class Material(IntEnum):
    """What a surface is made of; the value is the code in `Shape.material`."""

    PAINT = 0
    DARK_PAINT = 1
    GLASS = 2
    RUBBER = 3
    METAL = 4
    CLOTH = 5
    SKIN = 6
    RETROREFLECTOR = 7
    LAMP = 8
    GROUND = 9
    WALL = 10


@dataclass(frozen=True)
class Reflectivity:
    """How much light of 905 nm a material reflects.

    Attributes:
        name: Name of the material.
        reflectivity: Share of the light that is reflected diffusely, at right angles; above 1 for retroreflectors.
        source: Where the value is from; "recalled" if it was not looked up.
    """

    name: str
    reflectivity: float
    source: str


MATERIALS = (
    Reflectivity("paint", 0.5, "recalled: light car paint"),
    Reflectivity("dark paint", 0.07, "recalled: black paint and black plastic"),
    Reflectivity("glass", 0.04, "recalled: panes transmit, and reflect like a mirror"),
    Reflectivity("rubber", 0.05, "recalled: tyres hold soot"),
    Reflectivity("metal", 0.4, "recalled: painted or rough aluminium and steel"),
    Reflectivity("cloth", 0.4, "recalled: most dyes are light in the near infrared"),
    Reflectivity("skin", 0.5, "recalled"),
    Reflectivity("retroreflector", 5.0, "recalled: limited here; real plates exceed it"),
    Reflectivity("lamp", 0.3, "recalled: a clear cover over reflectors and prisms"),
    Reflectivity("ground", 0.17, "recalled: worn asphalt"),
    Reflectivity("wall", 0.35, "recalled: concrete and brick"),
)
"""The material of each code of `Material`, in its order."""
