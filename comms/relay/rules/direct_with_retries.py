"""No relay, but packets sent again: the baseline that spends the spectrum of a relayed path on the direct link.

Requests and answers get as many packets as over a relay. Broadcasts get fewer: a station repeats once, and only for stations that it hears itself.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import NEVER, RelayRule, RelayView
from v2xsim.parts import part


@part("direct_with_retries")
@dataclass(frozen=True)
class DirectWithRetries(RelayRule):
    """No station forwards; instead, packets are sent again over the weak direct link.

    Where a relay would be looked for, each packet of a request or an answer may be sent twice as often as radio.retries allows, until it is acknowledged. A station with a lidar sends each of its
    broadcasts twice while fewer than `cooperation.min_delivery` of them arrive at a station near it that it hears and that asks for data.
    """

    relays: ClassVar[bool] = False
    repeats: ClassVar[bool] = True

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return for all candidates that they must not relay."""
        return np.full(view.shape, NEVER)
