"""Clearance of a hop: how far the known bodies in between stay below its first Fresnel zone, or reach into it."""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.records import Obstacles


def clearances(hops: Hops, bodies: KnownBodies, obstacles: Obstacles, carrier_ghz: float) -> Float[np.ndarray, " hops"]:
    """Return the clearance of each hop in radii of the first Fresnel zone, clipped to [-1, 1]; -1 behind a building.

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
