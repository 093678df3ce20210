"""Relay rule by measured link quality: the station whose worse hop has the highest mean SNR."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import NEVER, RelayRule, RelayView
from v2xsim.parts import part


@part("best_snr")
@dataclass(frozen=True)
class BestSnr(RelayRule):
    """Prefer the candidate whose worse hop has the highest measured SNR, by more than 1 dB over the present relay's.

    SNRs are announced in steps of 0.5 dB, and fading moves the mean of the last packets by some dB, so a smaller difference means little.
    """

    hysteresis: ClassVar[float] = 1.0

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the SNR of the worse hop in dB; `NEVER` if one of the two is unknown."""
        snr_db: np.ndarray = np.where(np.isfinite(view.weaker_snr_db), view.weaker_snr_db, NEVER)
        return snr_db
