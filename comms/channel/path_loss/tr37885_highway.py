"""Path loss of 3GPP TR 37.885 on a highway: 32.4 + 20 log10(d / m) + 20 log10(f / GHz) dB."""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.comms.channel.path_loss.model import PathLoss, Pieces, one_line
from v2xsim.comms.channel.tr37885 import HIGHWAY, line_of
from v2xsim.parts import part


@part("tr37885_highway")
@dataclass(frozen=True)
class Tr37885Highway(PathLoss):
    """The highway formula of 3GPP TR 37.885 (V15.3.0, Table 6.2.1-1), which is that of free space."""

    urban: ClassVar[bool] = False

    def pieces_db(self, carrier_ghz: float) -> Pieces:
        """Return the straight line over log distance that the highway formula gives."""
        return one_line(*line_of(HIGHWAY, carrier_ghz), carrier_ghz)
