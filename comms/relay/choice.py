"""Which station relays for each pair: the best one under a relay rule, unless the present relay is nearly as good."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.part_answers import array_from
from v2xsim.plugins import ask


@dataclass(frozen=True)
class RelayChoice:
    """The relay of each pair, -1 for none, and its scores (NaN for none).

    Attributes:
        relay: Row of the station that relays.
        height: Height term of the choice, -1 to 1.
        mobility: Mobility term of the choice, 0 to 1.
        score: Score under the relay rule.
    """

    relay: Int64[np.ndarray, " pairs"]
    height: Float[np.ndarray, " pairs"]
    mobility: Float[np.ndarray, " pairs"]
    score: Float[np.ndarray, " pairs"]


def usable_stations(
    requester: Int64[np.ndarray, " pairs"],
    helper: Int64[np.ndarray, " pairs"],
    delivery: Float[np.ndarray, "stations stations"],
    min_delivery: float,
) -> Bool[np.ndarray, "pairs stations"]:
    """Return which stations qualify as relays: both hops reach the least delivery, and it is neither end of the pair."""
    usable: np.ndarray = np.minimum(delivery[requester], delivery[helper]) >= min_delivery
    rows = np.arange(len(requester))
    usable[rows, requester] = usable[rows, helper] = False
    return usable


def scores_of(rule: RelayRule, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
    """Return the scores under a rule; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one score per pair and station.
    """
    pairs, stations = view.shape
    return array_from(rule, "score", ask(rule, "score", view), {"pairs": pairs, "stations": stations})


def chosen_relays(rule: RelayRule, view: RelayView, previous: Int64[np.ndarray, " pairs"]) -> RelayChoice:
    """Return the best relay of each pair under a rule.

    Args:
        rule: The relay rule.
        view: The pairs, and what is known of the stations.
        previous: Row of each pair's present relay, -1 for none. It stays unless another station scores better by more
            than the rule's `hysteresis`.

    Raises:
        PartError: If a user's rule raises an exception or returns something else than scores.
    """
    pairs, stations = view.shape
    none = np.full(pairs, np.nan)
    if pairs == 0 or stations == 0 or not rule.relays:
        return RelayChoice(np.full(pairs, -1, np.int64), none, none, none)
    score = scores_of(rule, view)
    rows = np.arange(pairs)
    ranked = np.where(view.usable, score, -np.inf)
    best = np.argmax(ranked, axis=1)  # Of equal scores the first: the lowest row.
    # A relay that is no longer usable never stays, whatever its score. The maximum only keeps -1 from being an index.
    stays = (previous >= 0) & view.usable[rows, np.maximum(previous, 0)]
    # The order of these tests matters: where no station qualifies, the difference would be infinity minus infinity.
    stays &= ranked[rows, np.maximum(previous, 0)] >= ranked[rows, best] - rule.hysteresis
    best = np.where(stays, previous, best)
    # Where no station is usable, argmax returned row 0.
    has_relay = view.usable[rows, best]
    return RelayChoice(
        np.where(has_relay, best, -1).astype(np.int64),
        np.where(has_relay, view.height[rows, best], np.nan),
        np.where(has_relay, view.mobility[rows, best], np.nan),
        np.where(has_relay, score[rows, best], np.nan),
    )
