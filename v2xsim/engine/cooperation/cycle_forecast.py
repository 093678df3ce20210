"""The success of a whole cycle, request and answer by the deadline, as an ego predicts it when it chooses whom to ask.

The prediction is a logistic regression in two stages. The first has weights that were fitted once to cycles of other runs, for
each access scheme: it weighs what the ego knows of the path, such as the shares of packets that cross it, their SNR, the number of
stations that may disturb them, the busy ratio that the ego measures, and the sizes of the messages. The second is learned in the
run, by each ego from its own cycles: how far it can trust the first stage, and how much better or worse each helper is. So what no
announcement tells, such as bursts of requests at common instants, is learned from the losses observed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.cooperation.cycle_weights import PATH_FEATURES, WEIGHTS
from v2xsim.engine.cooperation.gained import Gained
from v2xsim.engine.cooperation.paths import Paths

# Probabilities are kept this far from 0 and 1 before their log odds are taken.
_LEAST = 0.02
# Log odds of the first stage are limited to this, for channels that lose nothing.
_MOST_ODDS = 30.0
# The second stage before the first cycle: intercept, slope of the first stage and weight of the helper's term, and the
# variance of each.
_PRIOR_MEAN, _PRIOR_VARIANCE = (0.0, 1.0, 0.7), (0.5, 0.3, 0.3)
# Cycles of one frame are lost together, so each tells only half as much as an independent one.
_INFORMATION = 0.5
# Prior precision of the term of a helper, and the largest precision, which makes old cycles count less.
_HELPER_PRIOR, _HELPER_MOST = 6.0, 15.0
# Helpers that an ego has not asked for longer than this are forgotten.
_FORGET_US = 30_000_000


class Term(NamedTuple):
    """How much better or worse one helper is than its path promises.

    Attributes:
        value: Difference of the log odds.
        precision: Inverse of its variance.
        last_us: Capture time of the last frame from which it was learned.
    """

    value: float
    precision: float
    last_us: int

    def learned(self, error: float, variance: float, time_us: int) -> "Term":
        """Return the term after one more cycle.

        Args:
            error: Success of the cycle, 0 or 1, minus the probability by this term.
            variance: Variance of the success, by this probability.
            time_us: Capture time of the frame of the cycle.
        """
        precision = min(self.precision + variance, _HELPER_MOST)
        return Term(self.value + error / precision, precision, time_us)


_NO_TERM = Term(0.0, _HELPER_PRIOR, 0)


class Asked(NamedTuple):
    """A cycle that an ego began, as it predicted it.

    Attributes:
        helper: Agent id of the helper.
        success: Predicted probability of the whole cycle.
        odds: Log odds by the first stage.
        term: Value of the helper's term at that time.
    """

    helper: int
    success: float
    odds: float
    term: float


@dataclass
class Experience:
    """What one ego learned from its own cycles.

    Attributes:
        mean: Intercept, slope of the first stage, and weight of the helper's term.
        covariance: Their covariance.
        of_helper: Term of each helper.
        asked: By capture time of a frame: the cycles begun for it.
        gained: How much of the ego's blind zone the data of each helper filled.
    """

    mean: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.array(_PRIOR_MEAN))
    covariance: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.diag(_PRIOR_VARIANCE))
    of_helper: dict[int, Term] = field(default_factory=dict)
    asked: dict[int, list[Asked]] = field(default_factory=dict)
    gained: Gained = field(default_factory=Gained)

    def learn(self, frame_us: int, succeeded: set[int]) -> None:
        """Learn from the cycles of one frame, at its deadline.

        Args:
            frame_us: Capture time of the frame.
            succeeded: Agent ids of the helpers whose whole answer has arrived.
        """
        for helper, success, odds, value in self.asked.pop(frame_us, []):
            outcome = float(helper in succeeded)
            # The helper's term is learned as if it had its whole weight: the weight is learned beside it.
            alone = 1.0 / (1.0 + np.exp(-(self.mean[0] + self.mean[1] * odds + value)))
            self._weigh(np.array([1.0, odds, value]), outcome - success, max(success * (1.0 - success), _LEAST))
            before = self.of_helper.get(helper, _NO_TERM)
            self.of_helper[helper] = before.learned(outcome - alone, max(alone * (1.0 - alone), _LEAST), frame_us)
        if len(self.of_helper) > 64:
            self.of_helper = {h: term for h, term in self.of_helper.items() if term.last_us > frame_us - _FORGET_US}

    def _weigh(self, basis: Float[np.ndarray, " 3"], error: float, variance: float) -> None:
        """Update the second stage by one cycle: a step of an extended Kalman filter."""
        spread = self.covariance @ basis
        gain = spread / (basis @ spread + 1.0 / (_INFORMATION * variance))
        self.mean = self.mean + gain * (error / variance)
        self.covariance = self.covariance - np.outer(gain, spread)


class Predicted(NamedTuple):
    """The predictions for some possible cycles.

    Attributes:
        success: Probability of each whole cycle, 0 to 1; 0 where nothing gets through.
        odds: Log odds by the first stage.
        term: Value of the helper's term.
    """

    success: Float[np.ndarray, " paths"]
    odds: Float[np.ndarray, " paths"]
    term: Float[np.ndarray, " paths"]

    def asked(self, rows: Iterable[int], helper: Int64[np.ndarray, " paths"]) -> list[Asked]:
        """Return the cycles that are begun: some rows of the possible ones."""
        return [
            Asked(int(helper[row]), float(self.success[row]), float(self.odds[row]), float(self.term[row]))
            for row in rows
        ]


class CycleForecast:
    """Predicts the cycles of all egos; each prediction reads the experience of its own ego only.

    Args:
        access: Name of the access scheme; a scheme without weights of its own uses those fitted to all others.
        retries: Largest number of times that a packet is sent again.
        mtu_bytes: Largest payload of one fragment.
    """

    def __init__(self, access: str, retries: int, mtu_bytes: int) -> None:
        self._sends, self._mtu_bytes = 1 + retries, mtu_bytes
        name = f"{access}, sent again" if retries else access
        self._weights = np.array(WEIGHTS.get(name, WEIGHTS["any"]))
        self._experience: dict[int, Experience] = {}

    def of(self, ego: int) -> Experience:
        """Return what an ego learned from its own cycles."""
        if ego not in self._experience:
            self._experience[ego] = Experience()
        return self._experience[ego]

    def forget(self, egos: set[int]) -> None:
        """Forget the experience of all but some egos."""
        if not self._experience.keys() <= egos:
            self._experience = {ego: one for ego, one in self._experience.items() if ego in egos}

    def evidence(self, paths: Paths, busy_share: Float[np.ndarray, " paths"]) -> Float[np.ndarray, " paths"]:
        """Return the part of the log odds of each path that does not depend on the size of its messages.

        Args:
            paths: The paths.
            busy_share: Busy ratio that the ego of each path measured last, 0 to 1.
        """
        odds: Float[np.ndarray, " paths"] = self.path_features(paths, busy_share) @ self._weights[:PATH_FEATURES]
        return odds

    def path_features(
        self, paths: Paths, busy_share: Float[np.ndarray, " paths"]
    ) -> Float[np.ndarray, "paths features"]:
        """Return 1, the SNR in tens of dB, whether a relay forwards, the rivals in two forms each, and the busy ratio."""
        snr = np.clip(np.where(np.isfinite(paths.snr_db), paths.snr_db, 0.0), 0.0, 30.0) / 10.0
        request, answer = paths.rivals_of_request, paths.rivals_of_answer
        return np.column_stack([
            np.ones(len(snr)), snr, paths.relay >= 0, np.sqrt(request), np.sqrt(answer), request / self._sends, answer / self._sends,
            busy_share,
        ])  # fmt: skip

    def predicted(
        self, ego: Int64[np.ndarray, " paths"], helper: Int64[np.ndarray, " paths"], evidence: Float[np.ndarray, " paths"],
        there: Float[np.ndarray, " paths"], back: Float[np.ndarray, " paths"], request_bytes: Int64[np.ndarray, " paths"],
        answer_bytes: Float[np.ndarray, " paths"],
    ) -> Predicted:  # fmt: skip
        """Return the predictions for some possible cycles.

        Args:
            ego: Agent id of each ego; paths of one ego follow each other.
            helper: Agent id of each helper.
            evidence: What `evidence` gives; infinite for a channel that loses nothing.
            there: Probability that one packet, sent once, gets to the helper.
            back: Probability that one packet, sent once, gets back.
            request_bytes: Expected payload of each request.
            answer_bytes: Expected payload of each answer.
        """
        features = self.size_features(there, back, request_bytes, answer_bytes)
        odds = evidence + features @ self._weights[PATH_FEATURES:]
        is_sure: Bool[np.ndarray, " paths"] = np.isinf(odds)
        odds = np.clip(odds, -_MOST_ODDS, _MOST_ODDS)
        term, variance = self._terms_of(ego, helper)
        is_first = np.ones(len(ego), bool)
        is_first[1:] = ego[1:] != ego[:-1]
        own = [self._experience.get(one) or Experience() for one in ego[is_first].tolist()]
        row = np.cumsum(is_first) - 1
        mean = np.array([one.mean for one in own]).reshape(-1, 3)[row]
        covariance = np.array([one.covariance for one in own]).reshape(-1, 3, 3)[row]
        basis = np.column_stack([np.ones(len(ego)), odds, term])
        doubt = np.einsum("ni,nij,nj->n", basis, covariance, basis) + mean[:, 2] ** 2 * variance
        # The less is known, the nearer to one half (MacKay 1992, the logistic function averaged over a normal distribution).
        logit = np.where(is_sure, np.inf, (basis * mean).sum(axis=1) / np.sqrt(1.0 + np.pi / 8.0 * doubt))
        is_dead: Bool[np.ndarray, " paths"] = (there <= 0.0) | (back <= 0.0)
        return Predicted(np.where(is_dead, 0.0, 1.0 / (1.0 + np.exp(-logit))), odds, term)

    def _terms_of(
        self, ego: Int64[np.ndarray, " paths"], helper: Int64[np.ndarray, " paths"]
    ) -> tuple[Float[np.ndarray, " paths"], Float[np.ndarray, " paths"]]:
        """Return the term of each helper at its ego, and the variance of the term."""
        nothing: dict[int, Term] = {}
        experience = {one: self._experience[one].of_helper for one in set(ego.tolist()) if one in self._experience}
        terms = [
            experience.get(one, nothing).get(other, _NO_TERM)
            for one, other in zip(ego.tolist(), helper.tolist(), strict=True)
        ]
        value, precision, _ = np.array(terms, float).reshape(-1, 3).T
        return value, 1.0 / precision

    def size_features(
        self, there: Float[np.ndarray, " paths"], back: Float[np.ndarray, " paths"], request_bytes: Int64[np.ndarray, " paths"],
        answer_bytes: Float[np.ndarray, " paths"],
    ) -> Float[np.ndarray, "paths features"]:  # fmt: skip
        """Return the log odds that all packets of request and of answer arrive, and the logs of the answer's packets and bytes."""
        fragments = np.maximum(1.0, np.ceil(answer_bytes / self._mtu_bytes))
        request = (1.0 - (1.0 - there) ** self._sends) ** np.maximum(1, -(-request_bytes // self._mtu_bytes))
        answer = (1.0 - (1.0 - back) ** self._sends) ** fragments
        return np.column_stack([
            _log_odds(request), _log_odds(answer), np.log(fragments), np.log1p(answer_bytes / 200.0)
        ])  # fmt: skip


def _log_odds(probability: Float[np.ndarray, " paths"]) -> Float[np.ndarray, " paths"]:
    kept = np.clip(probability, _LEAST, 1.0 - _LEAST)
    odds: np.ndarray = np.log(kept / (1.0 - kept))
    return odds
