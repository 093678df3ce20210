"""The probability that links die: courses, the map and the known vehicles as in `tracks`, and many ways that the shadowing may take.

The SNR of a link at the instants ahead is

    SNR(t) = budget - loss(t) + sigma z(t),    z' = r z + sqrt(1 - r^2) n,    r = exp(-moved / decorrelation)

The present z has the mean and the variance that the station has learned from its measurements. Of the sampled ways, those count as
deaths at an instant that are too weak from it on for 0.2 s. The time foretold is one within 0.5 s of which most of them die.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64

from v2xsim.comms.relay.foresight.history import LinkHistories
from v2xsim.comms.relay.foresight.model import ForesightView, LinkForecast
from v2xsim.parts import AtLeast, AtMost, part
from v2xsim.records import NLOSB, NLOSV

STEP_S = 0.1
# Instants ahead, and how many more of them a link must be too weak for, as in the table `deaths`.
_INSTANTS, _HOLD = 16, 2
_SAMPLES = 128
# A time foretold is right if it is that of the death by this many instants.
_NEAR = 5
# The earliest and the latest time foretold, in instants; of times that are equally sure within _SLACK, that nearest to the median of the deaths is
# foretold.
_FIRST, _LAST, _SLACK = 1, 10, 0.01
# A link is looked at if it seems usable by this margin in standard deviations, and is not silent.
_MARGIN, _SILENT_S = 1.0, 0.25
# A link behind a building is looked at if it came there within this many ticks, and has a larger margin.
_JUST_TICKS, _BEHIND_MARGIN = 5, 1.5
# A link that dies this probably within _NEAR instants cannot be looked at much longer.
_SOON = 0.3
# Deaths by vehicles farther ahead than this are not foretold: vehicles brake, and buildings do not.
_BODY_AHEAD_S = 0.65


@part("sampled")
@dataclass(frozen=True)
class Sampled(LinkForecast):
    """The share of 128 sampled ways of the shadowing that end in a death; geometry by courses, map and known vehicles.

    Attributes:
        certainty: Least probability that a link dies within 0.5 s of the time foretold.
        soon_certainty: The same if it may well die within 0.5 s, so that waiting for more certainty would be too late.
        behind_certainty: The same for a link that has just come behind a building.
        body_certainty: The same for deaths by known vehicles; 1 foretells none of them.
    """

    learns: ClassVar[bool] = True
    confirms: ClassVar[bool] = False

    certainty: Annotated[
        float, AtLeast(0), AtMost(1), "Least probability that a link dies within 0.5 s of the time foretold"
    ] = 0.95
    soon_certainty: Annotated[
        float, AtLeast(0), AtMost(1), "The same if it may well die within 0.5 s, too soon to wait for more certainty"
    ] = 0.85
    behind_certainty: Annotated[
        float, AtLeast(0), AtMost(1), "The same for a link that has just come behind a building"
    ] = 0.9
    body_certainty: Annotated[
        float, AtLeast(0), AtMost(1), "The same for deaths by known vehicles; 1 foretells none of them"
    ] = 1.0

    def deaths(self, view: ForesightView) -> Float[np.ndarray, " links"]:
        """Return after how many seconds each link dies: 0 if it seems dead already, infinity if no death is in sight."""
        known = view.history
        death_s = np.full(len(view.group), np.inf)
        if len(known) == 0:
            return death_s
        death_s[known.margin < 0.0] = 0.0
        is_behind = known.state == NLOSB
        may_come = (view.first_event_s((_INSTANTS + _HOLD) * STEP_S) < np.inf) | view.turns
        rows = np.flatnonzero(
            (view.silent_s <= _SILENT_S)
            & np.where(is_behind, (known.same_ticks <= _JUST_TICKS) & (known.margin > _BEHIND_MARGIN), may_come & (known.margin > _MARGIN))
        )  # fmt: skip
        if len(rows) == 0:
            return death_s
        dies, state = self._dies(view, rows, known.at(rows))
        sure, after = _foretold(dies)
        first = dies.argmax(axis=1)
        killer = state[np.arange(len(rows)), first]
        soon = dies[:, : _NEAR + 1].sum(axis=1) > _SOON
        least = np.where(is_behind[rows], self.behind_certainty, np.where(soon, self.soon_certainty, self.certainty))
        is_foretold = ((killer == NLOSB) & (sure > least)) | (
            (killer == NLOSV) & (sure > self.body_certainty) & (after * STEP_S < _BODY_AHEAD_S)
        )
        death_s[rows[is_foretold]] = after[is_foretold] * STEP_S
        return death_s

    @staticmethod
    def _dies(
        view: ForesightView, rows: Int64[np.ndarray, " rows"], known: LinkHistories
    ) -> tuple[Float[np.ndarray, "rows instants"], Int8[np.ndarray, "rows instants"]]:
        """Return the probability that each link dies at each instant, if it lives now, and its state then."""
        noise, times_s = _noise(), STEP_S * np.arange(_INSTANTS + 1)
        snr_db, state = view.expected_at(rows, times_s.tolist())
        z = known.mean[:, None] + np.sqrt(known.variance)[:, None] * noise[0]
        lacks = np.zeros((len(rows), _SAMPLES, _INSTANTS + 1), bool)
        moved_m = np.zeros(len(rows))
        for instant, after_s in enumerate(times_s.tolist()):
            now = state[:, instant]
            way_m = view.first[rows].way_m(after_s) + view.second[rows].way_m(after_s)
            kept = np.exp(-np.maximum(way_m - moved_m, 0.0) / view.decorrelation_m[now])[:, None]
            moved_m = way_m
            if instant:
                z = kept * z + np.sqrt(1.0 - kept**2) * noise[instant]
            lacks[:, :, instant] = snr_db[:, instant, None] + view.sigma_db[now][:, None] * z < view.least_snr_db
        return _death_shares(lacks), state[:, : _INSTANTS + 1 - _HOLD]


def _death_shares(lacks: Bool[np.ndarray, "rows samples instants"]) -> Float[np.ndarray, "rows deaths"]:
    """Return the share of samples that die first at each instant, of those that are not dead at the first one."""
    count = lacks.shape[2] - _HOLD
    dead = lacks[:, :, :count].copy()
    for later in range(1, _HOLD + 1):
        dead &= lacks[:, :, later : later + count]
    first = np.where(dead.any(axis=2), dead.argmax(axis=2), count)
    shares = np.stack([(first == instant).mean(axis=1) for instant in range(count)], axis=1)
    lives = np.maximum(1.0 - shares[:, :1], 0.01)
    shares[:, 0] = 0.0
    return np.asarray(shares / lives)


def _foretold(
    dies: Float[np.ndarray, "rows instants"],
) -> tuple[Float[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Return the largest probability that a link dies within _NEAR instants of one, and of such instants that nearest to the median."""
    middles, last = np.arange(_FIRST, _LAST + 1), dies.shape[1] - 1
    until = np.cumsum(dies, axis=1)
    before = np.concatenate([np.zeros((len(dies), 1)), until], axis=1)
    near = until[:, np.minimum(middles + _NEAR, last)] - before[:, np.maximum(middles - _NEAR, 0)]
    sure, median = near.max(axis=1), (until >= 0.5 * until[:, -1:]).argmax(axis=1)
    off = np.where(near >= sure[:, None] - _SLACK, np.abs(middles - median[:, None]), len(middles))
    return sure, off.argmin(axis=1) + _FIRST


@lru_cache(maxsize=1)
def _noise() -> Float[np.ndarray, "instants samples"]:
    """Return standard normal numbers, always the same: a forecast is a function of what a station knows, without chance."""
    return np.random.default_rng(0).standard_normal((_INSTANTS + 1, _SAMPLES))
