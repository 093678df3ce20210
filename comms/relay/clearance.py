"""How far the vehicles on the way of a link stay below, or reach into, its first Fresnel zone."""

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
    """Return the clearance of each link in radii of the first Fresnel zone, held to [-1, 1]; -1 behind a building.

    Args:
        antenna_m: Of every station.
        body: Row of `boxes` of each station, -1 for none: its own body does not stand in its way.
        boxes: Known bodies.
        obstacles: Buildings.
        carrier_ghz: Sets the radius of the Fresnel zone.
    """
    first, second = pair_rows(len(antenna_m))
    _, obstruction = links_and_obstruction(
        antenna_m[first], antenna_m[second], body[first], body[second], boxes, obstacles, carrier_ghz
    )
    return mirrored(np.clip(-obstruction, -1.0, 1.0), len(antenna_m), 1.0)
