"""Clearance of a hop: how far it passes above the ground, the known bodies and the buildings in between, in radii of its first Fresnel zone."""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.records import Obstacles


def clearances(hops: Hops, bodies: KnownBodies, obstacles: Obstacles, carrier_ghz: float) -> Float[np.ndarray, " hops"]:
    """Return the clearance of each hop over whatever reaches highest, in radii of the first Fresnel zone there; below 0 if it is blocked.

    The ground comes nearest where it reflects the wave: 2 sqrt(h1 h2 / (wavelength d)) radii, for antennas h1 and h2 high at a distance
    d. That is 1 at the distance 4 h1 h2 / wavelength, the break point of the two-ray model. Of a building, the edges of the roof
    count where the hop crosses them, if the building blocks it; of a body, the middle of the crossing.

    Args:
        hops: The hops.
        bodies: The bodies that the station that decides knows.
        obstacles: Buildings of the map.
        carrier_ghz: Centre frequency of the channel; sets the radius of the Fresnel zone.
    """
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.comms.channel.geometry import building_arrays
    from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
    from v2xsim.comms.relay import hop_loops

    clearance: Float[np.ndarray, " hops"] = hop_loops.clearances(
        hop_loops.tracks(hops), hop_loops.body_rows(bodies), *building_arrays(obstacles), SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9)
    )  # fmt: skip
    return clearance
