"""Materials of surfaces, and the share of the light of a lidar that each reflects.

The reflectivity is that of a diffuse (Lambertian) surface at right angles to the ray, at 905 nm, the wavelength of most
automotive lidars. A mirror or a pane sends nearly all light elsewhere, so its diffuse reflectivity is small. A retroreflector sends
light back to where it came from: its value is relative to a white diffuse surface, so it is greater than 1.

Most values are recalled, not looked up; `Reflectivity.source` tells which. What was read:
- SICK LRS4000 operating instructions, 8026338, 2022-02-15, table 3 "Typical remissions of frequently used materials" (a lidar sensor).
- ISPRS, XVIIIth Congress (1996), part B7, tables 11 to 13, coefficients of BRDFs (goobi.tib.eu/viewer/fulltext/1667450433/523): the first
  coefficient at 850 nm times pi, 0.052 for concrete and 0.104 for roofing tile.
- Abstracts only: Lim et al. 2022, doi 10.1007/s13233-022-0037-5; Decker, PPG, dsctfocus.org; Herold and Roberts, Mapping asphalt road
  conditions with hyperspectral remote sensing.
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
    Reflectivity(
        "paint",
        0.5,
        "recalled: light and metallic car paint; a dark paint made for lidars has over 0.6 (Lim et al. 2022)",
    ),
    Reflectivity("dark paint", 0.05, "recalled: carbon black absorbs nearly all (Decker, PPG); also black plastic"),
    Reflectivity("glass", 0.04, "recalled: a pane transmits, and reflects like a mirror"),
    Reflectivity("rubber", 0.02, "SICK LRS4000, table 3: black vulcanised tyres"),
    Reflectivity(
        "metal", 0.4, "recalled: dull and dirty; bright metal has 1.1 to 2 at right angles (SICK) and little elsewhere"
    ),
    Reflectivity(
        "cloth", 0.4, "recalled: most dyes are light in the near infrared; cloth with carbon black is below 0.1"
    ),
    Reflectivity("skin", 0.5, "recalled"),
    Reflectivity("retroreflector", 10.0, "SICK LRS4000, table 3: reflector, more than 10"),
    Reflectivity("lamp", 0.3, "recalled: a clear cover over reflectors and prisms"),
    Reflectivity("ground", 0.17, "recalled: worn asphalt; new asphalt is darker (Herold and Roberts)"),
    Reflectivity(
        "wall", 0.3, "recalled: brick and plaster; concrete has 0.16 and roofing tile 0.33 at 850 nm (ISPRS 1996)"
    ),
)
"""The material of each code of `Material`, in its order."""
