"""The path from an ego to each helper, directly or through a relay, as the ego knows it, and the success that it predicts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import rows_of


@dataclass(frozen=True)
class Paths:
    """The paths of some egos to the helpers that they know.

    Attributes:
        ego: Agent id of the ego of each path, in rising order.
        helper: Agent id of the helper; those of one ego in rising order.
        relay: Agent id of the station that forwards request and answer; NOBODY for the direct link.
        more_relays: Agent ids of further stations that forward both too; NOBODY where there is none.
        there: Predicted probability that one packet gets from the ego to the helper, 0 to 1.
        back: Predicted probability that one packet gets from the helper to the ego, 0 to 1.
        snr_db: Mean SNR of the worst hop, in its worse direction; minus infinity if it is unknown.
        rivals_of_request: Number of other stations that may disturb the request, as `v2xsim.engine.cooperation.rivals` counts them.
        rivals_of_answer: Number of other stations that may disturb the answer.
        rounds: How many times the transmissions that `radio.retries` allows are used for each packet: 2 for a weak direct link whose
            packets are sent as often as a relayed path would send them (relay rule `direct_with_retries`), else 1.
    """

    ego: Int64[np.ndarray, " paths"]
    helper: Int64[np.ndarray, " paths"]
    relay: Int64[np.ndarray, " paths"]
    more_relays: Int64[np.ndarray, "paths more"]
    there: Float[np.ndarray, " paths"]
    back: Float[np.ndarray, " paths"]
    snr_db: Float[np.ndarray, " paths"]
    rivals_of_request: Float[np.ndarray, " paths"]
    rivals_of_answer: Float[np.ndarray, " paths"]
    rounds: Int64[np.ndarray, " paths"]

    @staticmethod
    def perfect(ego: Int64[np.ndarray, " paths"], helper: Int64[np.ndarray, " paths"]) -> "Paths":
        """Return direct links that lose nothing."""
        sure, none = np.ones(len(ego)), np.zeros(len(ego))
        return Paths(
            ego, helper, np.full(len(ego), NOBODY, np.int64), np.zeros((len(ego), 0), np.int64), sure, sure, np.full(len(ego), np.inf), none, none,
            np.ones(len(ego), np.int64),
        )  # fmt: skip

    @property
    def cycle(self) -> Float[np.ndarray, " paths"]:
        """Predicted probability that a request and an answer of one packet each get through, 0 to 1."""
        return self.there * self.back

    def rows_of(
        self, ego: Int64[np.ndarray, " pairs"], helper: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, " pairs"]:
        """Return the row of the path of each pair; -1 if there is none."""
        return rows_of(_keys(self.ego, self.helper), _keys(ego, helper))


@dataclass(frozen=True)
class BestWays:
    """The best way of each of some pairs of stations over the true channel, for upper bounds.

    Attributes:
        direct: Delivery of the direct link, 0 to 1; 0 if one of the two has left.
        relay: Agent id of the best relay; NOBODY if there is none.
        relayed: Product of the deliveries of its two hops; 0 without a relay.
        snr_db: Mean SNR of the direct link; minus infinity out of range.
        relayed_snr_db: Mean SNR of the worse of the two hops.
    """

    direct: Float[np.ndarray, " pairs"]
    relay: Int64[np.ndarray, " pairs"]
    relayed: Float[np.ndarray, " pairs"]
    snr_db: Float[np.ndarray, " pairs"]
    relayed_snr_db: Float[np.ndarray, " pairs"]


def _keys(ego: Int64[np.ndarray, " pairs"], helper: Int64[np.ndarray, " pairs"]) -> Int64[np.ndarray, " pairs"]:
    """Return a number for each pair that rises with ego and helper; agent ids are below 2^31."""
    return (ego << 32) | helper
