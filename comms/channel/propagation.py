"""Parameters of the compiled link budget, taken from the path-loss and blockage models of a scenario."""

import numpy as np

from v2xsim.comms.channel.blockage.model import VehicleBlockage, moments_of
from v2xsim.comms.channel.path_loss.model import PathLoss, one_line, pieces_of
from v2xsim.comms.channel.received_power import Propagation


def propagation(
    path_loss: PathLoss,
    carrier_ghz: float,
    power_dbm: float,
    blockage: VehicleBlockage | None = None,
    shadowing: bool = True,
    sigma_db: float | None = None,
    decorrelation_m: float | None = None,
) -> Propagation:
    """Return the parameters of the compiled link budget.

    Args:
        path_loss: The path-loss model. If the model computes the loss of each link, the caller must pass the losses to
            `received_power.powers`.
        carrier_ghz: Centre frequency of the channel.
        power_dbm: Transmit power of every station.
        blockage: The blockage model (None adds no loss). The blockage model is ignored if the path-loss model already
            includes vehicles.
        shadowing: Whether shadowing is simulated (False sets its standard deviation to 0).
        sigma_db: Standard deviation of the shadowing in all states (None uses the path-loss model's own).
        decorrelation_m: Decorrelation distance of the shadowing in all states (None uses the path-loss model's own).
    """
    pieces = pieces_of(path_loss, carrier_ghz)
    moments = None if blockage is None or path_loss.includes_vehicles else moments_of(blockage)
    mean_db, deviation_db = (np.zeros(4), np.zeros(4)) if moments is None else moments
    sigma = np.array(path_loss.shadowing_sigma_db, float) if sigma_db is None else np.full(3, sigma_db)
    if not shadowing:
        sigma = np.zeros(3)
    decorrelation = (
        np.array(path_loss.decorrelation_m, float) if decorrelation_m is None else np.full(3, decorrelation_m)
    )
    return Propagation(
        one_line(0.0, 0.0, carrier_ghz) if pieces is None else pieces,
        mean_db,
        deviation_db,
        sigma,
        decorrelation,
        power_dbm,
    )
