"""Path loss of 3GPP TR 37.885 in a city, in dB with d in metres and f in GHz.

The loss is 38.77 + 16.7 log10(d) + 18.2 log10(f), and behind buildings 36.85 + 30 log10(d) + 18.9 log10(f).
"""

from dataclasses import dataclass

from v2xsim.comms.channel.path_loss.model import PathLoss, Pieces, one_line
from v2xsim.comms.channel.tr37885 import URBAN, line_of, reach_m
from v2xsim.parts import part


@part("tr37885_urban")
@dataclass(frozen=True)
class Tr37885Urban(PathLoss):
    """The urban formula of 3GPP TR 37.885 (V15.3.0, Table 6.2.1-1): 16.7 dB more for each decade of distance."""

    def pieces_db(self, carrier_ghz: float) -> Pieces:
        """Return the straight line over log distance that the urban formula gives."""
        return one_line(*line_of(URBAN, carrier_ghz), carrier_ghz)

    def reach_m(self, loss_db: float, carrier_ghz: float) -> float:
        """Return the distance in metres at which a clear link has a given loss, by the urban formula."""
        return reach_m(loss_db, carrier_ghz, "urban")
