"""The success of a whole cycle, request and answer by the deadline, as an ego predicts it when it chooses whom to ask.

The prediction is a logistic regression on what the ego knows of the path: the shares of packets that cross it, their SNR, the
number of stations that may disturb them, and the number of fragments. Its weights were fitted once to cycles of other
runs. In a run, each ego adds two terms that it learns from the cycles that it completed itself: one for itself, and one for
each helper. So what no announcement tells, such as bursts of requests at common instants, is learned from the losses observed.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.cooperation.paths import Paths

# Fitted by tools/fit_cycle_forecast.py to runs with seeds that no test and no document uses.
PATH_WEIGHTS = np.array([-1.914, 0.608, -0.302, 0.002, -0.309, -0.233, -0.064])
SIZE_WEIGHTS = np.array([0.236, 0.234, -0.138])
# Probabilities are kept this far from 0 and 1 before their log odds are taken.
_LEAST = 0.02
# Prior precision of the term of an ego and of that of a helper, and the largest precision, which makes old cycles count less.
_EGO_PRIOR, _EGO_MOST, _HELPER_PRIOR, _HELPER_MOST = 1.0, 20.0, 6.0, 15.0
# Helpers that an ego has not asked for longer than this are forgotten.
_FORGET_US = 30_000_000


class Term(NamedTuple):
    """A term of the log odds that is learned.

    Attributes:
        value: The term.
        precision: Inverse of its variance.
        last_us: Capture time of the last frame from which it was learned.
    """

    value: float
    precision: float
    last_us: int

    def learned(self, error: float, variance: float, most: float, time_us: int) -> "Term":
        """Return the term after one more cycle.

        Args:
            error: Success of the cycle, 0 or 1, minus its predicted probability.
            variance: Variance of the success, by its predicted probability.
            most: Largest precision.
            time_us: Capture time of the frame of the cycle.
        """
        precision = min(self.precision + variance, most)
        return Term(self.value + error / precision, precision, time_us)


@dataclass
class Experience:
    """What one ego learned from its own cycles.

    Attributes:
        own: Term of the ego itself.
        of_helper: Term of each helper.
        asked: By capture time of a frame: the helpers asked for it, and the success predicted for each.
    """

    own: Term = field(default_factory=lambda: Term(0.0, _EGO_PRIOR, 0))
    of_helper: dict[int, Term] = field(default_factory=dict)
    asked: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def learn(self, frame_us: int, succeeded: set[int]) -> None:
        """Learn from the cycles of one frame, at its deadline.

        Args:
            frame_us: Capture time of the frame.
            succeeded: Agent ids of the helpers whose whole answer has arrived.
        """
        for helper, predicted in self.asked.pop(frame_us, []):
            error, variance = float(helper in succeeded) - predicted, max(predicted * (1.0 - predicted), _LEAST)
            self.own = self.own.learned(error, variance, _EGO_MOST, frame_us)
            before = self.of_helper.get(helper, Term(0.0, _HELPER_PRIOR, frame_us))
            self.of_helper[helper] = before.learned(error, variance, _HELPER_MOST, frame_us)
        if len(self.of_helper) > 64:
            self.of_helper = {h: term for h, term in self.of_helper.items() if term.last_us > frame_us - _FORGET_US}


class CycleForecast:
    """Predicts the cycles of all egos; each prediction reads the experience of its own ego only.

    Args:
        retries: Largest number of times that a packet is sent again.
        mtu_bytes: Largest payload of one fragment.
    """

    def __init__(self, retries: int, mtu_bytes: int) -> None:
        self._sends, self._mtu_bytes = 1 + retries, mtu_bytes
        self._experience: dict[int, Experience] = {}

    def of(self, ego: int) -> Experience:
        """Return what an ego learned from its own cycles."""
        return self._experience.setdefault(ego, Experience())

    def forget(self, egos: set[int]) -> None:
        """Forget the experience of all but some egos."""
        if not self._experience.keys() <= egos:
            self._experience = {ego: one for ego, one in self._experience.items() if ego in egos}

    def evidence(self, paths: Paths) -> Float[np.ndarray, " paths"]:
        """Return the part of the log odds of each path that does not depend on the size of its messages."""
        odds: Float[np.ndarray, " paths"] = (self.path_features(paths) * PATH_WEIGHTS).sum(axis=1)
        for row, (ego, helper) in enumerate(zip(paths.ego.tolist(), paths.helper.tolist(), strict=True)):
            experience = self._experience.get(ego)
            if experience is not None:
                term = experience.of_helper.get(helper)
                odds[row] += experience.own.value + (term.value if term is not None else 0.0)
        return odds

    def path_features(self, paths: Paths) -> Float[np.ndarray, "paths 7"]:
        """Return what PATH_WEIGHTS weighs: 1, SNR in tens of dB, whether a relay forwards, and the rivals in two forms each."""
        snr = np.clip(np.where(np.isfinite(paths.snr_db), paths.snr_db, 0.0), 0.0, 30.0) / 10.0
        request, answer = paths.rivals_of_request, paths.rivals_of_answer
        return np.column_stack([
            np.ones(len(snr)), snr, paths.relay >= 0, np.sqrt(request), np.sqrt(answer), request / self._sends, answer / self._sends
        ])  # fmt: skip

    def success(
        self, evidence: Float[np.ndarray, " paths"], there: Float[np.ndarray, " paths"], back: Float[np.ndarray, " paths"],
        request_bytes: int, answer_bytes: Float[np.ndarray, " paths"],
    ) -> Float[np.ndarray, " paths"]:  # fmt: skip
        """Return the predicted probability of each cycle, 0 to 1; 0 where nothing gets through.

        Args:
            evidence: What `evidence` gives; infinite for a channel that loses nothing.
            there: Probability that one packet, sent once, gets to the helper.
            back: Probability that one packet, sent once, gets back.
            request_bytes: Payload of the request.
            answer_bytes: Expected payload of each answer.
        """
        features = self.size_features(there, back, request_bytes, answer_bytes)
        odds = evidence + (features * SIZE_WEIGHTS).sum(axis=1)
        is_dead: Bool[np.ndarray, " paths"] = (there <= 0.0) | (back <= 0.0)
        return np.where(is_dead, 0.0, 1.0 / (1.0 + np.exp(-odds)))

    def size_features(
        self, there: Float[np.ndarray, " paths"], back: Float[np.ndarray, " paths"], request_bytes: int,
        answer_bytes: Float[np.ndarray, " paths"],
    ) -> Float[np.ndarray, "paths 3"]:  # fmt: skip
        """Return what SIZE_WEIGHTS weighs: log odds that all packets of request and of answer arrive, and log of the answer's packets."""
        fragments = np.maximum(1.0, np.ceil(answer_bytes / self._mtu_bytes))
        request = (1.0 - (1.0 - there) ** self._sends) ** max(1, -(-request_bytes // self._mtu_bytes))
        answer = (1.0 - (1.0 - back) ** self._sends) ** fragments
        return np.column_stack([_log_odds(request), _log_odds(answer), np.log(fragments)])


def _log_odds(probability: Float[np.ndarray, " paths"]) -> Float[np.ndarray, " paths"]:
    kept = np.clip(probability, _LEAST, 1.0 - _LEAST)
    odds: np.ndarray = np.log(kept / (1.0 - kept))
    return odds
