"""Relays chosen with the true channel, as upper bounds: the one module that decides and yet sees the truth.

With `cooperation.bound`, it stands in for the choice of relays from what stations know. A run with it says so in its manifest. Whom an ego
asks for what still follows from what the ego knows; only links and relays are those of the truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.bound import RelayBound, TrueChannel, usable_links
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.true_delivery import TrueDelivery
from v2xsim.engine.cooperation.paths import BestWays
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import rows_of
from v2xsim.scenario.schema_radio import Radio


@dataclass(frozen=True)
class _Square:
    """What is known of all links at one instant, by rows of stations in rising order of their agent ids."""

    agent: Int64[np.ndarray, " stations"]
    delivery: Float[np.ndarray, "stations stations"]
    snr_db: Float[np.ndarray, "stations stations"]


class TruePaths:
    """Finds the best relays with the true channel.

    Args:
        bound: The bound of the scenario.
        radio: Section `radio` of the scenario.
        links: Function that returns the link budgets from now to the deadline; only the first one if the bound does not look ahead.
    """

    def __init__(self, bound: RelayBound, radio: Radio, links: Callable[[], Sequence[LinkBudget]]) -> None:
        self._bound, self._radio, self._links = bound, radio, links
        self._newest: tuple[LinkBudget, _Square] | None = None

    @cached_property
    def _delivery(self) -> TrueDelivery:
        return TrueDelivery(self._radio)

    def between(self, one: Int64[np.ndarray, " pairs"], other: Int64[np.ndarray, " pairs"]) -> BestWays:
        """Return the best way between each of some pairs of stations, given by their agent ids.

        Raises:
            PartError: If a user's bound raises an exception or returns anything but one delivery for each pair of stations.
        """
        now = self._square()
        first, second = rows_of(now.agent, one), rows_of(now.agent, other)
        there = (first >= 0) & (second >= 0)
        if len(now.agent) == 0:
            none = np.zeros(len(one))
            return BestWays(none, np.full(len(one), NOBODY, np.int64), none, none - np.inf, none - np.inf)
        direct = np.where(there, now.delivery[first, second], 0.0)
        over = np.where(there[:, None], now.delivery[first] * now.delivery[:, second].T, 0.0)
        best = over.argmax(axis=1)
        rows = np.arange(len(one))
        relayed = over[rows, best]
        return BestWays(
            direct, np.where(relayed > 0.0, now.agent[best], NOBODY).astype(np.int64), relayed,
            np.where(there, now.snr_db[first, second], -np.inf),
            np.minimum(now.snr_db[first, best], now.snr_db[best, second]),
        )  # fmt: skip

    def _square(self) -> _Square:
        """Return what is known of all links; worked out once for each tick."""
        budgets = self._links()
        links = budgets[0]
        if self._newest is None or self._newest[0] is not links:
            squares = np.stack([_at(links.agent, one.agent, self._delivery.square(one)) for one in budgets])
            usable = usable_links(self._bound, TrueChannel(squares))
            snr_db = np.full(usable.shape, -np.inf)
            power_dbm = links.power_dbm - noise_dbm(self._radio.bandwidth_mhz, self._radio.noise_figure_db)
            snr_db[links.near.first, links.near.second] = snr_db[links.near.second, links.near.first] = power_dbm
            self._newest = links, _Square(links.agent, usable, snr_db)
        return self._newest[1]


def _at(
    wanted: Int64[np.ndarray, " stations"], agent: Int64[np.ndarray, " others"], square: Float[np.ndarray, "others others"]
) -> Float[np.ndarray, "stations stations"]:  # fmt: skip
    """Return the links between some stations, of those of a tick; 0 for a station that has left by then."""
    row = rows_of(agent, wanted)
    if len(agent) == 0:
        return np.zeros((len(wanted), len(wanted)))
    there = row >= 0
    return np.where(there[:, None] & there, square[np.ix_(row, row)], 0.0)
