"""Choice of the relay of each pair: the best station under a relay rule, unless the present relay is nearly as good."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.part_answers import array_from
from v2xsim.plugins import ask


@dataclass(frozen=True)
class RelayChoice:
    """The relay chosen for each pair, with its scores; the scores are NaN if the pair has no relay.

    Attributes:
        relay: Row of the station that relays; -1 if there is none.
        height: Height term of the relay, which is the Fresnel clearance of its worse hop, -1 to 1.
        mobility: Mobility term of the relay, which is the link lifetime of its shorter-lived hop, scaled to 0 to 1.
        score: Score of the relay under the relay rule.
    """

    relay: Int64[np.ndarray, " pairs"]
    height: Float[np.ndarray, " pairs"]
    mobility: Float[np.ndarray, " pairs"]
    score: Float[np.ndarray, " pairs"]


def usable_stations(
    requester: Int64[np.ndarray, " pairs"],
    helper: Int64[np.ndarray, " pairs"],
    links: LinkDelivery,
    min_delivery: float,
) -> Bool[np.ndarray, "pairs stations"]:
    """Return which stations can relay for each pair.

    The delivery probability of both hops must be at least `min_delivery`, and the station must not be one of the pair.
    """
    usable: np.ndarray = links.weaker(requester, helper) >= min_delivery
    rows = np.arange(len(requester))
    usable[rows, requester] = usable[rows, helper] = False
    return usable


def scores_of(rule: RelayRule, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
    """Return the score of each pair and station under a rule; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one score per pair and station.
    """
    pairs, stations = view.shape
    return array_from(rule, "score", ask(rule, "score", view), {"pairs": pairs, "stations": stations})


def chosen_relays(rule: RelayRule, view: RelayView, previous: Int64[np.ndarray, " pairs"]) -> RelayChoice:
    """Return the best relay of each pair under a rule.

    Args:
        rule: The relay rule.
        view: The pairs, and what is known about the stations.
        previous: Row of each pair's present relay, -1 for none. The present relay stays unless another station scores
            better by more than the rule's `hysteresis`.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one score per pair and station.
    """
    pairs, stations = view.shape
    none = np.full(pairs, np.nan)
    if pairs == 0 or stations == 0 or not rule.relays:
        return RelayChoice(np.full(pairs, -1, np.int64), none, none, none)
    score = scores_of(rule, view)
    rows = np.arange(pairs)
    ranked = np.where(view.usable, score, -np.inf)
    best = np.argmax(ranked, axis=1)  # Of equal scores, the lowest row wins.
    # A relay that is no longer usable never stays, whatever its score. The maximum only avoids -1 as an index.
    stays = (previous >= 0) & view.usable[rows, np.maximum(previous, 0)]
    # If no station qualifies, this compares minus infinity with itself, which is true; the test above excludes that.
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
