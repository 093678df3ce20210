"""Relay rule by infrastructure: a roadside unit, or nobody."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import NEVER, RelayRule, RelayView
from v2xsim.parts import part


@part("roadside_unit")
@dataclass(frozen=True)
class RoadsideUnit(RelayRule):
    """Let only roadside units relay: of several, the one whose worse hop has the highest measured SNR, by more than 1 dB."""

    hysteresis: ClassVar[float] = 1.0

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the SNR of the worse hop in dB; `NEVER` for a vehicle, and for a unit without a measured hop."""
        is_unit = view.candidate.is_roadside & np.isfinite(view.weaker_snr_db)
        snr_db: np.ndarray = np.where(is_unit, view.weaker_snr_db, NEVER)
        return snr_db
