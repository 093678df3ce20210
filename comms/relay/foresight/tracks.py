"""The closed form: stations and vehicles keep their courses, and the models of the channel give the loss on the way.

A link dies at the first of range, building on the map and known vehicle, if the loss uses up the margin of its SNR:

    SNR(t) = budget - loss(t) + r(t) s,    r = exp(-moved / decorrelation)

where s is the present shadowing: the measured SNR minus the expected one. It fades as both ends move on, and what replaces it has
the standard deviation sigma sqrt(1 - r^2). A death is foretold if the SNR lies below the least one by `certainty` of these for
HOLD_S.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.comms.relay.foresight.model import ForesightView, LinkForecast
from v2xsim.parts import Above, AtLeast, AtMost, part
from v2xsim.records import LOS, NLOSV

# A death is one that lasts: what is usable again after this has not died.
HOLD_S = 0.3
STEP_S = 0.1
# A measured SNR that is farther than this from the expected one is no shadowing: the measurement is out of date, or the
# station does not know what is in the way.
_MOST_SIGMA = 2.0
# Links in sight of each other, with no event on straight courses within this many times the horizon, and with a margin above this
# in dB, are not looked at further: they do not die soon.
_LOOK, _SLIM_DB = 1.3, 3.0
# Beside the shadowing, in dB: rounding of announced values, and a mean over few packets.
_ERROR_DB = 0.5


@part("tracks")
@dataclass(frozen=True)
class Tracks(LinkForecast):
    """Courses of constant curvature, the map and the known vehicles; the loss by the models of the channel.

    Attributes:
        horizon_s: How far ahead deaths by buildings and by range are looked for; the farther, the less sure are they.
        body_horizon_s: How far ahead deaths by known vehicles are looked for. Vehicles brake and turn, and buildings do not.
        certainty: How many standard deviations of the shadowing the SNR must lie below the least one.
    """

    horizon_s: Annotated[
        float, Above(0), AtMost(5), "How far ahead deaths by buildings and by range are looked for"
    ] = 1.0
    body_horizon_s: Annotated[float, Above(0), AtMost(5), "How far ahead deaths by known vehicles are looked for"] = 0.5
    certainty: Annotated[
        float,
        AtLeast(0),
        AtMost(5),
        "Standard deviations of the shadowing by which the SNR must be too low; more make fewer false alarms",
    ] = 1.7

    def deaths(self, view: ForesightView) -> Float[np.ndarray, " links"]:
        """Return after how many seconds each link dies: 0 if it seems dead already, infinity if no death is in sight."""
        everyone = np.arange(len(view.group))
        snr_db, state = view.expected(everyone, 0.0)
        shadowing = self._shadowing(view, snr_db, state)
        margin_db = snr_db + shadowing * view.sigma_db[state] - view.least_snr_db
        death_s = np.where(margin_db < 0.0, 0.0, np.inf)
        may_change = (state != LOS) | (view.first_event_s(_LOOK * (self._farthest_s + HOLD_S)) < np.inf) | view.turns
        rows = np.flatnonzero((margin_db >= 0.0) & (may_change | (margin_db < _SLIM_DB)))
        # Of each link: the first instant from which on it lacks SNR, its state then, and for how many instants it surely does.
        first_s, killer, surely = death_s.copy(), state.copy(), np.zeros(len(everyone), np.int64)
        for step in range(1, round((self._farthest_s + HOLD_S) / STEP_S) + 1):
            if len(rows) == 0:
                break
            lacks_db, sigmas, state = self._lack(view, rows, step * STEP_S, shadowing[rows])
            is_first = (lacks_db > 0.0) & np.isinf(first_s[rows])
            # The death lies between this instant and the one before.
            first_s[rows] = np.where(is_first, (step - 0.5) * STEP_S, np.where(lacks_db > 0.0, first_s[rows], np.inf))
            killer[rows] = np.where(is_first, state, killer[rows])
            surely[rows] = np.where(sigmas >= self.certainty, surely[rows] + 1, 0)
            dies = surely[rows] > round(HOLD_S / STEP_S)
            death_s[rows[dies]] = first_s[rows[dies]]
            rows = rows[~dies]
        return np.where(death_s <= np.where(killer == NLOSV, self.body_horizon_s, self.horizon_s), death_s, np.inf)

    @property
    def _farthest_s(self) -> float:
        return max(self.horizon_s, self.body_horizon_s)

    @staticmethod
    def _shadowing(
        view: ForesightView, snr_db: Float[np.ndarray, " links"], state: Int8[np.ndarray, " links"]
    ) -> Float[np.ndarray, " links"]:
        """Return the present shadowing in standard deviations, because it goes on when the state of a link changes."""
        found: np.ndarray = (view.snr_db - snr_db) / np.maximum(view.sigma_db[state], _ERROR_DB)
        return np.clip(found, -_MOST_SIGMA, _MOST_SIGMA)

    @staticmethod
    def _lack(
        view: ForesightView, rows: Int64[np.ndarray, " rows"], after_s: float, shadowing: Float[np.ndarray, " rows"]
    ) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], Int8[np.ndarray, " rows"]]:
        """Return by how much the SNR of links will be too low, in dB and in standard deviations, and their states."""
        snr_db, state = view.expected(rows, after_s)
        moved_m = view.first[rows].way_m(after_s) + view.second[rows].way_m(after_s)
        kept = np.exp(-moved_m / view.decorrelation_m[state])
        sigma_db = view.sigma_db[state]
        lacks_db = view.least_snr_db - (snr_db + kept * shadowing * sigma_db)
        return lacks_db, lacks_db / np.sqrt(_ERROR_DB**2 + sigma_db**2 * (1.0 - kept**2)), state
