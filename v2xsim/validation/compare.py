"""Comparison of a simulated curve with a published one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.packets import OUTCOME_NAMES


@dataclass(frozen=True)
class Reference:
    """A published curve.

    Attributes:
        name: Name of the published configuration.
        distance_m: Distance between sender and receiver at each point of the curve.
        share: Share of each outcome at each point, 0 to 1, for the outcomes that the source reports: delivered,
            half_duplex, sensing, receiver_busy, propagation, collision.
        limit_pp: Largest mean absolute deviation that counts as agreement, in percentage points; NaN gives no verdict.
        busy_share: Mean channel busy ratio, 0 to 1; NaN if the source gives none.
        source: Publication that contains the curve.
        assumes: Assumptions of ours that the publication does not state.
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
        """Edges of distance bins around the points of the curve."""
        middle = 0.5 * (self.distance_m[1:] + self.distance_m[:-1])
        last = self.distance_m[-1] + (self.distance_m[-1] - middle[-1])
        return np.concatenate([[0.0], middle, [last]])


@dataclass(frozen=True)
class Comparison:
    """The results of a simulation at the points of a published curve.

    Attributes:
        reference: The published curve.
        share: Simulated share of each outcome of `OUTCOME_NAMES` at each point, 0 to 1; NaN if nothing was sent.
        busy_share: Simulated mean channel busy ratio, 0 to 1.
        gap_ms: Mean inter-packet gap at each point.
        sent: Number of packets sent to receivers in the distance bin of each point, received or not.
    """

    reference: Reference
    share: Float[np.ndarray, "outcomes points"]
    busy_share: float
    gap_ms: Float[np.ndarray, " points"]
    sent: Float[np.ndarray, " points"]

    def deviation_pp(self, outcome: str) -> float:
        """Return the mean absolute deviation of one outcome's share over all distances, in percentage points."""
        simulated = self.share[OUTCOME_NAMES.index(outcome)]
        gap = np.abs(simulated - self.reference.share[outcome])
        return float(100.0 * np.nanmean(gap)) if np.isfinite(gap).any() else float("nan")

    @property
    def agrees(self) -> bool | None:
        """Whether the deviations of delivery and of every cause of loss are within the limit; None if there is no limit."""
        if not np.isfinite(self.reference.limit_pp):
            return None
        return all(self.deviation_pp(name) <= self.reference.limit_pp for name in self.reference.share)

    @property
    def row(self) -> dict[str, object]:
        """The comparison as data for JSON; values that were not measured are null."""
        causes = {name: _rounded(self.deviation_pp(name)) for name in self.reference.share if name != "delivered"}
        return {
            "name": self.reference.name, "mad_pp": _rounded(self.deviation_pp("delivered")),
            "limit_pp": _rounded(self.reference.limit_pp), "cause_mad_pp": causes,
            "cbr": _rounded(self.busy_share), "cbr_reference": _rounded(self.reference.busy_share),
        }  # fmt: skip


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
