"""From the name of a channel model to the numbers that the link budget works with."""

import numpy as np

from v2xsim.comms.blockage import CASE_MEAN_DB, CASE_SIGMA_DB
from v2xsim.comms.budget import Propagation
from v2xsim.comms.pathloss import BUILDING, SHORTEST_M, Environment, open_loss
from v2xsim.comms.shadowing import DECORRELATION_M, SIGMA_DB


def tr37885(environment: Environment, carrier_ghz: float, power_dbm: float, shadowing: bool) -> Propagation:
    """Return the model of 3GPP TR 37.885: clear and blocked by vehicles alike but for the blockage loss, and buildings.

    Args:
        environment: Which formula holds where no building blocks.
        carrier_ghz: Centre of the channel.
        power_dbm: Transmitted, antenna gains included.
        shadowing: Whether there is any.
    """
    rows = np.empty((3, 1, 3))
    for state, (at_one, per_decade, per_frequency_decade) in enumerate(
        (open_loss(environment), open_loss(environment), BUILDING)
    ):
        rows[state, 0] = np.log10(SHORTEST_M), at_one + per_frequency_decade * np.log10(carrier_ghz), per_decade
    sigma_db = SIGMA_DB if shadowing else np.zeros(3)
    return Propagation(rows, CASE_MEAN_DB, CASE_SIGMA_DB, sigma_db, DECORRELATION_M, power_dbm)
