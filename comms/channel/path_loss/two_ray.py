"""The two-ray model: the direct wave plus the wave reflected by the ground, added with their phases."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView
from v2xsim.comms.channel.tr37885 import SHORTEST_M
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.parts import AtLeast, AtMost, part
from v2xsim.records import NLOSB


def two_ray_loss_db(
    distance_m: Float[np.ndarray, "*links"],
    carrier_ghz: float,
    tx_height_m: Float[np.ndarray, "*links"] | float,
    rx_height_m: Float[np.ndarray, "*links"] | float,
    permittivity: float = 1.003,
) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB of a clear link over flat ground.

    Args:
        distance_m: Distance between the antennas, in three dimensions; shorter than 1 m counts as 1 m.
        carrier_ghz: Centre frequency of the channel.
        tx_height_m: Height of one antenna above ground.
        rx_height_m: Height of the other antenna above ground.
        permittivity: Effective relative permittivity of the ground, at least 1, for vertical polarisation. GEMV2 fitted
            1.003 to measurements between cars; with 1 the ground reflects nothing, which gives free space.

    References:
        Boban, Barros, Tonguz, IEEE TVT 2014 (two rays with a reflection coefficient from permittivity).
    """
    direct = np.maximum(np.asarray(distance_m, float), SHORTEST_M)
    along = np.sqrt(np.maximum(direct**2 - (np.asarray(tx_height_m) - rx_height_m) ** 2, 1e-6))
    sum_m = np.asarray(tx_height_m) + rx_height_m
    reflected = np.sqrt(along**2 + sum_m**2)
    sine, cosine = sum_m / reflected, along / reflected
    root = np.sqrt(np.maximum(permittivity - cosine**2, 0.0))
    bounce = (permittivity * sine - root) / (permittivity * sine + root)
    wavelength = SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9)
    phase = 2.0 * np.pi * (reflected - direct) / wavelength
    field = 1.0 / direct + bounce / reflected * np.exp(-1j * phase)
    loss: Float[np.ndarray, "*links"] = -20.0 * np.log10(wavelength / (4.0 * np.pi) * np.maximum(np.abs(field), 1e-12))
    return loss


@part("two_ray")
@dataclass(frozen=True)
class TwoRay(PathLoss):
    """Two-ray ground reflection on links without a building in the way; behind buildings the loss of TR 37.885, if it is larger.

    Attributes:
        permittivity: Relative permittivity of the ground, at least 1; with 1 the ground reflects nothing, which gives
            free space.
    """

    permittivity: Annotated[
        float,
        AtLeast(1),
        AtMost(100),
        "Relative permittivity of the ground; at 1 the ground reflects nothing and the loss is that of free space",
    ] = 1.003

    def loss_db(self, view: PathLossView) -> Float[np.ndarray, " links"]:
        """Return the loss in dB of each link, from its distance and antenna heights."""
        clear = two_ray_loss_db(
            view.distance_m, view.carrier_ghz, view.first_height_m, view.second_height_m, self.permittivity
        )
        return np.where(view.state == NLOSB, np.maximum(clear, view.behind_buildings_db), clear)
