"""Deaths of the links of egos: the instants from which on the true power is too low for data packets, each with its cause.

A link is usable while a data packet that nothing disturbs is delivered with `cooperation.min_delivery` at the mean of its fading.
It dies at the first tick at which this ends, if it stays so for HOLD_US, and lives again when it has been usable for LIVES_US without a
break. So a link whose power flickers about the limit, as the shadowing has it, dies once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8, Int64

from v2xsim.comms.relay.usable import least_dbm
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import rows_of
from v2xsim.records import LINK_STATE_NAMES, NLOSB, NLOSV
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema import Scenario

HOLD_US = 200_000
"""A link that is usable again earlier than this has not died."""
LIVES_US = 500_000
"""A link that has died lives again when it has been usable for this long; a shorter recovery is a flicker, which dies no second time."""
CAME_US = 1_000_000
"""A building or a vehicle causes a death if it came between the two stations no longer before it than this."""
CAUSES = ("building", "body", "other", "gone")
"""Causes of deaths; `gone` is none: the link was alive when a station left its range or the run, or when the run ended."""
_BUILDING, _BODY, _OTHER, _GONE = range(4)


@dataclass(frozen=True)
class _Links:
    """Links of egos at one tick, in rising order of `key`; the two directions of a link between two egos count twice.

    Attributes:
        key: Number that stands for ego and neighbour.
        alive: Whether each is usable.
        living: Whether each lives: it may do so for HOLD_US although it is not usable.
        up_us: Time since which it has been usable; meaningless for one that is not.
        state: LOS, NLOSV or NLOSB.
        blocker: Agent id of the vehicle that blocks it; NOBODY for none.
        since_us: Time since which the same state has lasted, with the same blocker; the distant past for links that began with it.
        dying_us: Time at which it ceased to be usable, if this may still become a death; _NO_TIME otherwise.
        cause: Number of the cause of this death.
        at_death: State at that time.
        killer: Vehicle that blocked it at that time; NOBODY for none.
        known: Whether the ego knew that vehicle.
    """

    key: Int64[np.ndarray, " links"]
    alive: Bool[np.ndarray, " links"]
    living: Bool[np.ndarray, " links"]
    up_us: Int64[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    blocker: Int64[np.ndarray, " links"]
    since_us: Int64[np.ndarray, " links"]
    dying_us: Int64[np.ndarray, " links"]
    cause: Int64[np.ndarray, " links"]
    at_death: Int8[np.ndarray, " links"]
    killer: Int64[np.ndarray, " links"]
    known: Bool[np.ndarray, " links"]

    @staticmethod
    def none() -> "_Links":
        """Return no links, for the time before the first tick."""
        none = np.zeros(0, np.int64)
        flags, states = np.zeros(0, bool), np.zeros(0, np.int8)
        return _Links(none, flags, flags, none, states, none, none, none, none, states, none, flags)


# Nothing came between the stations of a link that was so when it was first seen.
_LONG_AGO_US = -(2**62)
_NO_TIME = -(2**62)
# Agent ids are below this.
_AGENTS = 1 << 31


class LinkDeaths:
    """Follows the links of egos from tick to tick, and writes the table `deaths`.

    Args:
        table: The table.
        scenario: Scenario of the run.
        knows: Function that returns whether an ego knows a vehicle, given the agent ids of both.
    """

    def __init__(self, table: Columns, scenario: Scenario, knows: Callable[[int, int], bool]) -> None:
        radio = scenario.radio
        self._table, self._knows = table, knows
        # An ideal channel loses nothing, so no link dies.
        self._is_on = not radio.access.ideal and scenario.cooperation.transport == "radio"
        self._least_dbm = least_dbm(
            radio.access, radio.mcs, radio.bandwidth_mhz, radio.noise_figure_db, radio.sensitivity_dbm,
            scenario.cooperation.min_delivery,
        )  # fmt: skip
        self._before, self._time_us = _Links.none(), 0

    def tick(self, links: LinkBudget, egos: Int64[np.ndarray, " egos"], time_us: int) -> None:
        """Follow the links of some stations, the egos, given by rising agent ids, at a tick."""
        if not self._is_on:
            return
        old, now = self._before, self._links_of(links, egos)
        row = rows_of(old.key, now.key)
        kept, at = np.flatnonzero(row >= 0), row[row >= 0]
        state, blocker = now.state[kept], now.blocker[kept]
        is_same = (state == old.state[at]) & ((state != NLOSV) | (blocker == old.blocker[at]))
        now.since_us[kept] = np.where(is_same, old.since_us[at], time_us)
        now.up_us[kept] = np.where(old.alive[at], old.up_us[at], time_us)
        now.living[kept] = old.living[at] | (now.alive[kept] & (time_us - now.up_us[kept] >= LIVES_US))
        dies = old.living[at] & old.alive[at] & ~now.alive[kept]
        came = time_us - now.since_us[kept] <= CAME_US
        cause = np.where(came & (state == NLOSB), _BUILDING, np.where(came & (state == NLOSV), _BODY, _OTHER))
        now.dying_us[kept] = np.where(now.alive[kept], _NO_TIME, np.where(dies, time_us, old.dying_us[at]))
        for column, fresh in (("cause", cause), ("at_death", state), ("killer", blocker)):
            getattr(now, column)[kept] = np.where(dies, fresh, getattr(old, column)[at])
        now.known[kept] = old.known[at]
        for link in kept[dies & (cause == _BODY)].tolist():
            now.known[link] = self._knows(int(now.key[link]) // _AGENTS, int(now.killer[link]))
        is_over = (now.dying_us != _NO_TIME) & (time_us - now.dying_us >= HOLD_US)
        self._write(now, np.flatnonzero(is_over), now.dying_us)
        now.living[is_over], now.dying_us[is_over] = False, _NO_TIME
        is_gone = np.ones(len(old.key), bool)
        is_gone[at] = False
        self._write_gone(np.flatnonzero(is_gone))
        self._before, self._time_us = now, time_us

    def finish(self) -> None:
        """Write the links that are alive at the end of the run."""
        self._write_gone(np.arange(len(self._before.key)))
        self._before = _Links.none()

    def _links_of(self, links: LinkBudget, egos: Int64[np.ndarray, " egos"]) -> _Links:
        """Return the links of egos at a tick, without what depends on the ticks before."""
        is_ego, ends = rows_of(egos, links.agent) >= 0, links.near
        out, back = np.flatnonzero(is_ego[ends.first]), np.flatnonzero(is_ego[ends.second])
        ego = links.agent[np.concatenate([ends.first[out], ends.second[back]])]
        key = ego * _AGENTS + links.agent[np.concatenate([ends.second[out], ends.first[back]])]
        order = np.argsort(key)
        pair, count = np.concatenate([out, back])[order], len(order)
        blocker, alive = links.blocker[pair], links.power_dbm[pair] >= self._least_dbm
        killer = np.full(count, NOBODY, np.int64)
        is_blocked = blocker >= 0
        killer[is_blocked] = links.body_agent[blocker[is_blocked]]
        return _Links(
            key[order], alive, alive.copy(), np.full(count, _LONG_AGO_US), links.state[pair], killer,
            np.full(count, _LONG_AGO_US), np.full(count, _NO_TIME), np.full(count, _OTHER), np.zeros(count, np.int8),
            np.full(count, NOBODY, np.int64), np.zeros(count, bool),
        )  # fmt: skip

    def _write(self, links: _Links, rows: Int64[np.ndarray, " rows"], time_us: Int64[np.ndarray, " links"]) -> None:
        if len(rows) == 0:
            return
        cause = links.cause[rows]
        self._table.add(
            time_us=time_us[rows], station=links.key[rows] // _AGENTS, neighbour=links.key[rows] % _AGENTS,
            cause=Coded(cause.astype(np.int8), CAUSES), state=Coded(links.at_death[rows], LINK_STATE_NAMES),
            blocker=np.where(cause == _BODY, links.killer[rows], NOBODY), known=links.known[rows] | (cause == _BUILDING),
        )  # fmt: skip

    def _write_gone(self, rows: Int64[np.ndarray, " rows"]) -> None:
        """Write links of the last tick that exist no more, if they were alive, or may have been about to recover."""
        old = self._before
        rows = rows[old.living[rows]]
        old.cause[rows], old.at_death[rows], old.known[rows] = _GONE, old.state[rows], False
        self._write(old, rows, np.full(len(old.key), self._time_us))
