"""Clearance of a link: how far the vehicles in between stay below its first Fresnel zone, or reach into it."""

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.channel.geometry import links_and_obstruction
from v2xsim.comms.pairs import mirrored, pair_rows
from v2xsim.records import Boxes, Obstacles


def clearance_margin(
    antenna_m: Float[np.ndarray, "stations 3"],
    body: Int64[np.ndarray, " stations"],
    boxes: Boxes,
    obstacles: Obstacles,
    carrier_ghz: float,
) -> Float[np.ndarray, "stations stations"]:
    """Return the clearance of each link in radii of the first Fresnel zone, clipped to [-1, 1]; -1 behind a building.

    Args:
        antenna_m: Position of every station's antenna.
        body: Row in `boxes` of each station's body; -1 for none. A station's own body never obstructs its links.
        boxes: Bounding boxes of the known vehicles.
        obstacles: Buildings that may block links.
        carrier_ghz: Centre frequency of the channel; sets the radius of the Fresnel zone.
    """
    first, second = pair_rows(len(antenna_m))
    return mirrored(clearances(first, second, antenna_m, body, boxes, obstacles, carrier_ghz), len(antenna_m), 1.0)


def clearances(
    first: Int64[np.ndarray, " links"],
    second: Int64[np.ndarray, " links"],
    antenna_m: Float[np.ndarray, "stations 3"],
    body: Int64[np.ndarray, " stations"],
    boxes: Boxes,
    obstacles: Obstacles,
    carrier_ghz: float,
) -> Float[np.ndarray, " links"]:
    """Return the clearance of some links, given by the rows of their stations; the other arguments as in `clearance_margin`."""
    _, obstruction = links_and_obstruction(
        antenna_m[first], antenna_m[second], body[first], body[second], boxes, obstacles, carrier_ghz
    )
    # Clearance is the opposite of obstruction; infinite obstruction (a building) becomes -1.
    clearance: Float[np.ndarray, " links"] = np.clip(-obstruction, -1.0, 1.0)
    return clearance
