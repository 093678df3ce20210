"""Loss added by a vehicle in the way, by TR 37.885 clause 6.2.1 or as a single knife edge by ITU-R P.526.

TR 37.885 calls the distribution of the loss log-normal and gives no interval for a new draw. Here the loss is normal in
dB, with negative values set to zero. One draw applies to a whole blockage episode (from the instant at which a vehicle
blocks the link until none does), since the same vehicle usually blocks during that time.
"""

from math import erf

import numpy as np
from jaxtyping import Float, Int

# Rows by blockage case 0 (no vehicle), 1 (both antennas above), 2 (both below), 3 (otherwise).
CASE_MEAN_DB = np.array([0.0, 0.0, 9.0, 5.0])
CASE_SIGMA_DB = np.array([0.0, 0.0, 4.5, 4.0])

# P.526 gives no loss for values of v below this limit.
CLEAR_PARAMETER = -0.78


def blockage_loss_db(
    case: Int[np.ndarray, "*links"], distance_m: Float[np.ndarray, "*links"], episode: Float[np.ndarray, "*links"]
) -> Float[np.ndarray, "*links"]:
    """Return the loss in dB that a vehicle in the way adds to each link.

    Args:
        case: Blockage case of clause 6.2.1; 0 if no vehicle blocks.
        distance_m: Distance between the antennas.
        episode: A standard normal random number for each link, drawn once per blockage episode.

    References:
        3GPP TR 37.885 V15.3.0, clause 6.2.1.
    """
    mean, sigma = _moments_db(case, distance_m)
    loss: Float[np.ndarray, "*links"] = np.maximum(0.0, mean + sigma * episode)
    return loss


def mean_blockage_loss_db(
    case: Int[np.ndarray, "*links"], distance_m: Float[np.ndarray, "*links"]
) -> Float[np.ndarray, "*links"]:
    """Return the mean in dB of `blockage_loss_db` over all draws.

    If X is normal with mean m and standard deviation s, E[max(0, X)] = m Phi(m / s) + s phi(m / s).
    """
    mean, sigma = _moments_db(case, distance_m)
    ratio = np.divide(mean, sigma, out=np.zeros_like(mean), where=sigma > 0)
    # Below 541 m the mean depends on the case alone, so there are few distinct values to compute.
    distinct, distinct_row = np.unique(ratio, return_inverse=True)
    below = np.array([0.5 * (1.0 + erf(r / np.sqrt(2.0))) for r in distinct])[distinct_row].reshape(ratio.shape)
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2.0 * np.pi)
    return np.where(sigma > 0, mean * below + sigma * density, 0.0)


def knife_edge_parameter(
    clearance_m: Float[np.ndarray, "*links"],
    first_m: Float[np.ndarray, "*links"],
    second_m: Float[np.ndarray, "*links"],
    wavelength_m: float,
) -> Float[np.ndarray, "*links"]:
    """Return the dimensionless Fresnel-Kirchhoff parameter v of one edge.

    Args:
        clearance_m: Height of the edge above the line between the antennas; negative below it.
        first_m: Distance from the first antenna to the edge.
        second_m: Distance from the edge to the second antenna.
        wavelength_m: Wavelength of the carrier.

    References:
        ITU-R P.526, clause 4.1, equation for v from h, d1, d2.
    """
    per_metre = np.sqrt(2.0 * (first_m + second_m) / (wavelength_m * first_m * second_m))
    parameter: Float[np.ndarray, "*links"] = clearance_m * per_metre
    return parameter


def knife_edge_loss_db(parameter: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
    """Return the diffraction loss J(v) in dB over one edge.

    References:
        ITU-R P.526, clause 4.1, the approximation of J(v) for v > -0.78.
    """
    shifted = np.asarray(parameter, float) - 0.1
    # At the limit the expression is 0.003 dB above zero; P.526 sets it to 0 from there on.
    loss = 6.9 + 20.0 * np.log10(np.sqrt(shifted**2 + 1.0) + shifted)
    return np.where(np.asarray(parameter) > CLEAR_PARAMETER, np.maximum(loss, 0.0), 0.0)


def _moments_db(
    case: Int[np.ndarray, "*links"], distance_m: Float[np.ndarray, "*links"]
) -> tuple[Float[np.ndarray, "*links"], Float[np.ndarray, "*links"]]:
    case = np.asarray(case)
    farther = np.maximum(0.0, 15.0 * np.log10(np.maximum(distance_m, 1.0)) - 41.0)
    return CASE_MEAN_DB[case] + np.where(case >= 2, farther, 0.0), CASE_SIGMA_DB[case]
