"""Path loss measured between cars in cities at 5.6 GHz, on clear links and behind vehicles.

References:
    Abbas et al., Int. J. of Antennas and Propagation 2015, urban.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from v2xsim.comms.channel.path_loss.model import PathLoss, Pieces
from v2xsim.comms.channel.shadowing import DECORRELATION_M, SIGMA_DB
from v2xsim.comms.channel.tr37885 import BUILDING, SHORTEST_M, line_of
from v2xsim.parts import part
from v2xsim.records import NLOSB

# Loss at 10 m, and slopes per decade up to 104 m and beyond it; clear links and links behind vehicles.
_LINES = ((63.9, 18.1, 28.5), (72.3, 19.3, 27.4))
# Distance at which the slope changes.
_BREAK_M = 104.0


@part("abbas_urban")
@dataclass(frozen=True)
class AbbasUrban(PathLoss):
    """Two slopes with a break at 104 m, measured on clear links and on links behind vehicles; no vehicle blockage model is added."""

    shadowing_sigma_db: ClassVar[tuple[float, float, float]] = (4.15, 6.67, SIGMA_DB[NLOSB])
    decorrelation_m: ClassVar[tuple[float, float, float]] = (4.25, 4.5, DECORRELATION_M[NLOSB])
    includes_vehicles: ClassVar[bool] = True

    def pieces_db(self, carrier_ghz: float) -> Pieces:
        """Return both slopes for clear links and for links behind vehicles; behind buildings the line of TR 37.885."""
        first, bend, building = np.log10(SHORTEST_M), np.log10(_BREAK_M), line_of(BUILDING, carrier_ghz)
        rows = np.empty((3, 2, 3))
        for state, (at_ten, near, far) in enumerate(_LINES):
            rows[state] = [[first, at_ten - near, near], [bend, at_ten - near + (near - far) * bend, far]]
        rows[NLOSB] = [[first, *building], [first + 99.0, *building]]
        return rows
