"""Choice of the relay of each pair: the best candidate under a relay rule, unless the present relay is nearly as good."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.relay.rule import NEVER, RelayRule, RelayView
from v2xsim.part_answers import array_from
from v2xsim.plugins import ask

# The tables have scores with 32 bits, and more would be infinite there.
_MOST_SCORE = 1e38


@dataclass(frozen=True)
class RelayChoice:
    """The relay chosen for each pair, with its scores; the scores are NaN if the pair has no relay.

    Attributes:
        candidate: Row of the candidate that relays; -1 if there is none.
        relay: Agent id of the station that relays; -1 if there is none.
        height: Height term of the relay, -1 to 1 (`RelayView.height`).
        mobility: Mobility term of the relay, -1 to 1 (`RelayView.mobility`).
        score: Score of the relay under the relay rule.
        others: Rows of further candidates that forward too, the best first, if the rule lets several do so; -1 where there is none.
    """

    candidate: Int64[np.ndarray, " pairs"]
    relay: Int64[np.ndarray, " pairs"]
    height: Float[np.ndarray, " pairs"]
    mobility: Float[np.ndarray, " pairs"]
    score: Float[np.ndarray, " pairs"]
    others: Int64[np.ndarray, "pairs more"]


def scores_of(rule: RelayRule, view: RelayView) -> Float[np.ndarray, " candidates"]:
    """Return the score of each candidate under a rule; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one score per candidate.
    """
    scores = ask(rule, "score", view)
    checked = np.where(scores == NEVER, 0.0, scores) if type(scores) is np.ndarray and scores.dtype == float else scores
    array_from(rule, "score", checked, {"candidates": len(view.pair)}, least=-_MOST_SCORE, most=_MOST_SCORE)
    allowed_or_never: np.ndarray = scores
    return allowed_or_never


def chosen_relays(rule: RelayRule, view: RelayView, previous: Int64[np.ndarray, " pairs"]) -> RelayChoice:
    """Return the best relay of each pair under a rule.

    Args:
        rule: The relay rule.
        view: The pairs, and what is known about the candidates.
        previous: Agent id of each pair's present relay, -1 for none. The present relay stays as long as it qualifies, unless
            another station scores better by more than the rule's `hysteresis`.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one score per candidate.
    """
    pairs, chosen = len(view.requester), np.full(len(view.requester), -1, np.int64)
    none, others = np.full(pairs, np.nan), np.full((pairs, rule.copies - 1), -1, np.int64)
    if len(view.pair) == 0 or not rule.relays:
        return RelayChoice(chosen, chosen, none, none, none, others)
    score, agent = scores_of(rule, view), view.candidate.agent
    allowed = np.flatnonzero(score != NEVER)
    # The candidates of each pair, the best first. Of equal scores, chance decides: with identities, one station would relay for all.
    order = allowed[np.lexsort((-view.uniform[allowed], -score[allowed], view.pair[allowed]))]
    first = order[np.flatnonzero(np.diff(view.pair[order], prepend=-1))]
    chosen[view.pair[first]] = first
    stays = allowed[agent[allowed] == previous[view.pair[allowed]]]
    stays = stays[score[stays] >= score[chosen[view.pair[stays]]] - rule.hysteresis]
    chosen[view.pair[stays]] = stays
    rest = order[order != chosen[view.pair[order]]]
    place = np.arange(len(rest)) - np.searchsorted(view.pair[rest], view.pair[rest])
    is_named = place < others.shape[1]
    others[view.pair[rest[is_named]], place[is_named]] = rest[is_named]
    has_relay = chosen >= 0
    return RelayChoice(
        chosen,
        np.where(has_relay, agent[chosen], -1).astype(np.int64),
        np.where(has_relay, view.height[chosen], np.nan),
        np.where(has_relay, view.mobility[chosen], np.nan),
        np.where(has_relay, score[chosen], np.nan),
        others,
    )
