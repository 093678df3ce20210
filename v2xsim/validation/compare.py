"""A simulated curve beside a published one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.packets import OUTCOME_NAMES


@dataclass(frozen=True)
class Reference:
    """A published curve.

    Attributes:
        name: Of the configuration.
        distance_m: Where it has points.
        share: By outcome as far as the source splits them: delivered, half_duplex, sensing, receiver_busy,
            propagation, collision; each over distance, between 0 and 1.
        limit_pp: Mean absolute deviation that counts as agreement, in percentage points; NaN for a report without verdict.
        busy_share: Mean channel busy ratio, NaN where the source gives none.
        source: Who published it.
        assumes: What had to be assumed beyond the source.
    """

    name: str
    distance_m: Float[np.ndarray, " points"]
    share: dict[str, Float[np.ndarray, " points"]]
    limit_pp: float
    busy_share: float
    source: str
    assumes: str = ""

    @property
    def edge_m(self) -> Float[np.ndarray, " points_plus_1"]:
        """Edges of bins round the points."""
        middle = 0.5 * (self.distance_m[1:] + self.distance_m[:-1])
        last = self.distance_m[-1] + (self.distance_m[-1] - middle[-1])
        return np.concatenate([[0.0], middle, [last]])


@dataclass(frozen=True)
class Comparison:
    """What a simulation gave at the points of a reference.

    Attributes:
        reference: The published curve.
        share: By outcome of `OUTCOME_NAMES`, over the same points; NaN where nothing was sent.
        busy_share: Mean channel busy ratio.
        gap_ms: Mean inter-packet gap over the points.
        sent: Receptions counted at each point.
    """

    reference: Reference
    share: Float[np.ndarray, "outcomes points"]
    busy_share: float
    gap_ms: Float[np.ndarray, " points"]
    sent: Float[np.ndarray, " points"]

    def deviation_pp(self, outcome: str) -> float:
        """Return the mean absolute deviation of one outcome over distance, in percentage points."""
        found = self.share[OUTCOME_NAMES.index(outcome)]
        gap = np.abs(found - self.reference.share[outcome])
        return float(100.0 * np.nanmean(gap)) if np.isfinite(gap).any() else float("nan")

    @property
    def agrees(self) -> bool | None:
        """Whether delivery and every cause are within the limit; None without a verdict."""
        if not np.isfinite(self.reference.limit_pp):
            return None
        return all(self.deviation_pp(name) <= self.reference.limit_pp for name in self.reference.share)

    @property
    def row(self) -> dict[str, object]:
        """The comparison as data for JSON; what was not measured is null."""
        causes = {name: _rounded(self.deviation_pp(name)) for name in self.reference.share if name != "delivered"}
        return {
            "name": self.reference.name, "mad_pp": _rounded(self.deviation_pp("delivered")),
            "limit_pp": _rounded(self.reference.limit_pp), "cause_mad_pp": causes,
            "cbr": _rounded(self.busy_share), "cbr_reference": _rounded(self.reference.busy_share),
        }  # fmt: skip


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
