"""The links between stations near enough to matter, tick by tick: geometry, path loss, blockage, shadowing, power."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.blockage import blockage_loss_db
from v2xsim.comms.geometry import link_states
from v2xsim.comms.packets import Field
from v2xsim.comms.pairs import kept_rows, pairs_within
from v2xsim.comms.pathloss import Environment, tr37885_loss_db
from v2xsim.comms.shadowing import DECORRELATION_M, SIGMA_DB
from v2xsim.engine.fleet import Fleet
from v2xsim.records import NLOSV, Links, Obstacles, Snapshot
from v2xsim.scenario.schema import Radio
from v2xsim.streams import Streams


@dataclass(frozen=True)
class LinkBudget:
    """All links at one tick: one entry per unordered pair of stations within `radio.range_m`, by row of the first.

    Attributes:
        agent: Stations.
        antenna_m: Where their antennas are.
        first: Row of one station of each pair.
        second: Row of the other; above the first.
        links: Geometry of each pair.
        loss_db: Path loss with blockage.
        shadowing_db: Added to the loss.
        power_dbm: Received over the link.
        unit_shadow: The unit-variance shadowing process.
        blockage_draw: Standard normal of the blockage episode going on.
    """

    agent: Int64[np.ndarray, " stations"]
    antenna_m: Float[np.ndarray, "stations 3"]
    first: Int64[np.ndarray, " pairs"]
    second: Int64[np.ndarray, " pairs"]
    links: Links
    loss_db: Float[np.ndarray, " pairs"]
    shadowing_db: Float[np.ndarray, " pairs"]
    power_dbm: Float[np.ndarray, " pairs"]
    unit_shadow: Float[np.ndarray, " pairs"]
    blockage_draw: Float[np.ndarray, " pairs"]

    @cached_property
    def _rows(
        self,
    ) -> tuple[Int64[np.ndarray, " stations_plus_1"], Int64[np.ndarray, " links"], Int64[np.ndarray, " links"]]:
        """Where the links of each station begin, the other end of each, and its pair."""
        here = np.concatenate([self.first, self.second])
        other = np.concatenate([self.second, self.first])
        order = np.lexsort((other, here))
        offset = np.searchsorted(here[order], np.arange(len(self.agent) + 1))
        return offset.astype(np.int64), other[order], (order % max(1, len(self.first))).astype(np.int64)

    @cached_property
    def field(self) -> Field:
        """The same links as an access layer takes them."""
        offset, other, pair = self._rows
        return Field(offset, other, self.power_dbm[pair], np.full(len(pair), np.inf))

    def of(self, row: int) -> tuple[Int64[np.ndarray, " links"], Int64[np.ndarray, " links"]]:
        """Return the stations linked with one, rising, and the pair of each link."""
        offset, other, pair = self._rows
        return other[offset[row] : offset[row + 1]], pair[offset[row] : offset[row + 1]]

    def pair(self, row: int, others: Int64[np.ndarray, " others"]) -> Int64[np.ndarray, " others"]:
        """Return the pairs of a station with others; -1 for those out of range."""
        known, pair = self.of(row)
        if len(known) == 0:
            return np.full(len(others), -1, np.int64)
        place = np.minimum(np.searchsorted(known, others), len(known) - 1)
        return np.where(known[place] == others, pair[place], -1)


def next_budget(
    before: LinkBudget | None, fleet: Fleet, snapshot: Snapshot, obstacles: Obstacles, radio: Radio, streams: Streams
) -> LinkBudget:
    """Return the links at the tick of a snapshot.

    A blockage episode begins when a link becomes NLOSv; its loss is drawn once and held until the link is clear or
    behind a building (TR 37.885 gives no redraw interval).
    """
    time_us = snapshot.time_us
    first, second = pairs_within(fleet.antenna_m[:, :2], radio.range_m)
    links = link_states(
        fleet.antenna_m[first], fleet.antenna_m[second], fleet.row[first], fleet.row[second], snapshot.boxes, obstacles
    )
    a, b = fleet.agent[first], fleet.agent[second]
    unit = streams.normals("shadowing", a, b, time_us)[:, 0]
    draw = streams.normals("blockage", a, b, time_us)[:, 0]
    if before is not None and len(before.first) and len(a):
        old = _old_pair(before, fleet.agent, first, second)
        known = old >= 0
        held = known & (before.links.state[old] == NLOSV) & (links.state == NLOSV)
        draw = np.where(held, before.blockage_draw[old], draw)
        moved = _moved_m(before, fleet)
        kept = np.exp(-(moved[first] + moved[second]) / DECORRELATION_M[links.state])
        unit = np.where(known, kept * before.unit_shadow[old] + np.sqrt(1.0 - kept**2) * unit, unit)
    environment: Environment = "urban" if radio.channel == "tr37885_urban" else "highway"
    loss = tr37885_loss_db(links.state, links.distance_m, radio.carrier_ghz, environment)
    loss_db = loss + blockage_loss_db(links.case, links.distance_m, draw)
    shadowing_db = SIGMA_DB[links.state] * unit if radio.shadowing else np.zeros(len(unit))
    power = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi - loss_db - shadowing_db
    return LinkBudget(fleet.agent, fleet.antenna_m, first, second, links, loss_db, shadowing_db, power, unit, draw)


def _old_pair(
    before: LinkBudget,
    agent: Int64[np.ndarray, " stations"],
    first: Int64[np.ndarray, " pairs"],
    second: Int64[np.ndarray, " pairs"],
) -> Int64[np.ndarray, " pairs"]:
    """Return where each pair was in the budget before; -1 for new ones. Stations rise by agent at every tick."""
    row = kept_rows(before.agent, agent)
    count = max(1, len(before.agent))
    old_key = before.first * count + before.second
    key = np.where((row[first] >= 0) & (row[second] >= 0), row[first] * count + row[second], -1)
    place = np.minimum(np.searchsorted(old_key, key), len(old_key) - 1)
    return np.where(old_key[place] == key, place, -1)


def _moved_m(before: LinkBudget, fleet: Fleet) -> Float[np.ndarray, " stations"]:
    """Return how far each station's antenna travelled since the tick before; 0 for newcomers."""
    row = kept_rows(before.agent, fleet.agent)
    return np.where(row >= 0, np.linalg.norm(fleet.antenna_m - before.antenna_m[row], axis=1), 0.0)
