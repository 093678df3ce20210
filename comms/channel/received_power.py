"""Received power between every pair of stations at one tick of the simulation, from path loss, blockage and shadowing.

From tick to tick, each pair keeps its shadowing and the draw of the present blockage episode. An episode begins when a
link becomes NLOSv (a vehicle in the way). The loss of an episode is drawn once and applies until the link is clear or
behind a building, because TR 37.885 gives no interval for a new draw.

Links have parts of their draws in common. A share of the variance of the shadowing belongs to the two stations, half to each:
two links that share an end then correlate by half of the share. Of a blockage draw, the same share belongs to the
vehicle in the way: two links that it blocks correlate by the share. The part of a station decays with the distance that this
station travels, and a vehicle keeps its part for the whole run.

References:
    Agrawal, Patwari, IEEE TWC 8(8), 2009: measured correlations of the shadowing of links in one network reach 0.33, and
    independent shadowing underestimates the failures of routes by a factor of two or more. Read in the abstract; the split
    into parts of stations is ours.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt64
from numba import njit

from v2xsim.comms.channel.neighbours import Neighbours
from v2xsim.comms.draws import hashed, normal
from v2xsim.records import NLOSV

# Natural logarithm of a ratio of one decibel: computing an exponential is faster than a power of ten.
_NEPER = math.log(10.0) / 10.0
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Propagation:
    """Parameters of the link budget: path loss, blockage, shadowing and transmit power.

    Attributes:
        loss_rows: Path loss by state (LOS, NLOSV, NLOSB) and piece. A piece has three numbers: log10 of the distance in
            metres from which it applies, its loss at one metre in dB, and its slope in dB per decade. Distances below
            the start of the first piece count as that start.
        blockage_mean_db: Mean blockage loss by blockage case; beyond 541 m, 15 log10(d) - 41 is added.
        blockage_sigma_db: Standard deviation of the blockage loss by blockage case.
        shadowing_sigma_db: Standard deviation of the shadowing by state.
        decorrelation_m: Travelled distance after which the correlation of the shadowing has fallen to 1/e, by state.
        power_dbm: Transmit power of every station.
    """

    loss_rows: Float[np.ndarray, "3 pieces 3"]
    blockage_mean_db: Float[np.ndarray, " 4"]
    blockage_sigma_db: Float[np.ndarray, " 4"]
    shadowing_sigma_db: Float[np.ndarray, " 3"]
    decorrelation_m: Float[np.ndarray, " 3"]
    power_dbm: float


@dataclass(frozen=True)
class Carried:
    """Random state of the pairs that is kept from one tick to the next.

    Attributes:
        unit_shadow: Part of the shadowing of each pair that is its own, with unit variance.
        blockage_draw: Standard normal random number of each pair's present blockage episode; 0 if there is none.
        station_shadow: Part of the shadowing of all its links that belongs to each station, with unit variance; empty if
            links share nothing.
    """

    unit_shadow: Float[np.ndarray, " pairs"]
    blockage_draw: Float[np.ndarray, " pairs"]
    station_shadow: Float[np.ndarray, " stations_or_none"] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Common:
    """What the draws of links have in common at one tick.

    Attributes:
        share: Share of the variance that belongs to what links share, 0 to 1.
        station_row: Row of each station at the tick before; -1 for newcomers.
        blocker: Row of the box that blocks each pair; -1 for none.
        blocker_key: Random key of the vehicle to which each box belongs.
    """

    share: float
    station_row: Int64[np.ndarray, " stations"]
    blocker: Int32[np.ndarray, " pairs"]
    blocker_key: UInt64[np.ndarray, " boxes"]


def same_pairs(before: Neighbours, now: Neighbours, row: Int64[np.ndarray, " stations"]) -> Int32[np.ndarray, " pairs"]:
    """Return the index that each present pair had at the tick before; -1 for new pairs.

    Args:
        before: Pairs of neighbours at the tick before.
        now: Pairs of neighbours at this tick.
        row: Row of each present station at the tick before; -1 for newcomers. Without the entries of -1, the rows must be in rising order.
    """
    old_pair: Int32[np.ndarray, " pairs"] = _matched(
        before.second, before.pair_offset, now.second, now.pair_offset, np.ascontiguousarray(row, np.int64)
    )
    return old_pair


@njit(cache=True, nogil=True)
def _matched(old_second, old_offset, second, offset, row):  # type: ignore[no-untyped-def]
    old_pair = np.full(len(second), -1, np.int32)
    for i in range(len(row)):
        if row[i] < 0:
            continue
        at, end = old_offset[row[i]], old_offset[row[i] + 1]
        for n in range(offset[i], offset[i + 1]):
            j = row[second[n]]
            if j < 0:
                continue
            while at < end and old_second[at] < j:
                at += 1
            if at < end and old_second[at] == j:
                old_pair[n] = at
    return old_pair


@dataclass(frozen=True)
class PairStates:
    """The pairs of stations at one tick, with their distances and link states.

    Attributes:
        near: Which stations form each pair.
        distance_m: Distance between the antennas of each pair, in three dimensions.
        state: Link state of each pair, which is LOS, NLOSV (a vehicle in the way) or NLOSB (a building in the way).
        case: Blockage case of each pair (TR 37.885): 1 to 3 if the state is NLOSV, else 0.
    """

    near: Neighbours
    distance_m: Float[np.ndarray, " pairs"]
    state: Int8[np.ndarray, " pairs"]
    case: Int8[np.ndarray, " pairs"]


@dataclass(frozen=True)
class Before:
    """State of the pairs at the tick before, from which the present pairs continue.

    Attributes:
        row: Index of each present pair in the arrays of the tick before; -1 for new pairs.
        state: Link state of the pairs of the tick before.
        carried: Shadowing and blockage draws of the pairs of the tick before.
    """

    row: Int32[np.ndarray, " pairs"]
    state: Int8[np.ndarray, " old"]
    carried: Carried

    @staticmethod
    def nothing(pairs: int) -> "Before":
        """Return a record in which all pairs are new."""
        none = np.zeros(0)
        return Before(np.full(pairs, -1, np.int32), np.zeros(0, np.int8), Carried(none, none))


def powers(
    pairs: PairStates,
    moved_m: Float[np.ndarray, " stations"],
    station_key: UInt64[np.ndarray, " stations"],
    tick_key: int,
    before: Before,
    model: Propagation,
    clear_db: Float[np.ndarray, " pairs_or_none"] = _NOTHING,
    more_db: Float[np.ndarray, " more_pairs_or_none"] = _NOTHING,
    gain_db: Float[np.ndarray, " stations"] | Float[np.ndarray, " 0"] = _NOTHING,
    common: Common | None = None,
) -> tuple[Carried, Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"], Float[np.ndarray, " links"]]:
    """Return the received power of every link, with the losses that lead to it and the new random state of the pairs.

    Args:
        pairs: Pairs of stations at this tick.
        moved_m: Distance that each station travelled since the tick before; 0 for newcomers.
        station_key: Random key of each station.
        tick_key: Random key of this tick of the simulation.
        before: State of the pairs at the tick before.
        model: Parameters of path loss, blockage and shadowing.
        clear_db: Path loss of each pair that replaces the loss from `model.loss_rows`; empty to use `loss_rows`.
        more_db: Additional loss of each pair; empty for none.
        gain_db: Antenna gain of each station; empty for 0 dB.
        common: What the draws of links have in common; None for nothing.

    Returns:
        The new random state, the path loss with blockage in dB by pair, the shadowing in dB by pair, and the received
        power in mW by link.
    """
    near, old = pairs.near, before.carried
    decay = np.exp(-moved_m[:, None] / model.decorrelation_m[None, :])
    shares = common is not None and common.share > 0.0
    station, own_weight, end_weight, vehicle_weight = np.zeros(0), 1.0, 0.0, 0.0
    blocker, blocker_key = np.zeros(0, np.int32), np.zeros(0, np.uint64)
    if common is not None and shares:
        own_weight, end_weight = math.sqrt(1.0 - common.share), math.sqrt(0.5 * common.share)
        vehicle_weight, blocker, blocker_key = math.sqrt(common.share), common.blocker, common.blocker_key
        # Of the three states, the part of a station takes the decorrelation distance of a clear link.
        station = _station_parts(
            station_key,
            np.uint64(tick_key),
            decay[:, 0].copy(),
            np.ascontiguousarray(common.station_row, np.int64),
            old.station_shadow,
        )
    unit, draw, loss_db, shadow_db, power_mw = _powers(
        near.first, near.second, near.pair, pairs.distance_m, pairs.state, pairs.case, decay, station_key,
        np.uint64(tick_key), before.row, before.state, old.unit_shadow, old.blockage_draw, np.ascontiguousarray(model.loss_rows), model.blockage_mean_db,
        model.blockage_sigma_db, model.shadowing_sigma_db, float(model.power_dbm), clear_db, more_db, gain_db,
        station, own_weight, end_weight, vehicle_weight, blocker, blocker_key,
    )  # fmt: skip
    return Carried(unit, draw, station), loss_db, shadow_db, power_mw


@njit(cache=True, nogil=True)
def _station_parts(station_key, tick_key, decay, old_row, old_part):  # type: ignore[no-untyped-def]
    """Return the part of each station at this tick: a process of unit variance over the distance that it travelled."""
    part = np.empty(len(station_key))
    for i in range(len(part)):
        part[i] = normal(hashed(tick_key ^ station_key[i], station_key[i], 2))
        if old_row[i] >= 0 and old_row[i] < len(old_part):
            part[i] = decay[i] * old_part[old_row[i]] + math.sqrt(1.0 - decay[i] * decay[i]) * part[i]
    return part


@njit(cache=True, nogil=True)
def _powers(  # type: ignore[no-untyped-def]
    first, second, pair_of, distance_m, state, case, decay, station_key, tick_key, old_pair, old_state, old_unit, old_draw,
    loss_rows, blockage_mean_db, blockage_sigma_db, sigma_db, power_dbm, clear_db, more_db, gain_db,
    station, own_weight, end_weight, vehicle_weight, blocker, blocker_key,
):  # fmt: skip
    pairs, pieces = len(first), loss_rows.shape[1]
    unit, draw = np.empty(pairs), np.zeros(pairs)
    loss_db, shadow_db, pair_mw = np.empty(pairs), np.empty(pairs), np.empty(pairs)
    given, added, gains = len(clear_db) > 0, len(more_db) > 0, len(gain_db) > 0
    shares = len(station) > 0
    shadows = sigma_db[0] > 0.0 or sigma_db[1] > 0.0 or sigma_db[2] > 0.0
    for p in range(pairs):
        i, j, s, c = np.uint64(first[p]), np.uint64(second[p]), np.uint64(state[p]), np.uint64(case[p])
        old = old_pair[p]
        fresh = 0.0
        # The draw depends on the keys of the tick and of the two stations, so additional pairs do not change it.
        if shadows:
            fresh = normal(hashed(tick_key ^ station_key[i], station_key[j], 0))
            if old >= 0:
                # Both ends move, so their decays multiply; the weight of the new part keeps the variance at 1.
                kept = decay[i, s] * decay[j, s]
                fresh = kept * old_unit[old] + math.sqrt(1.0 - kept * kept) * fresh
        unit[p] = fresh
        # 0.434... is log10(e); below the shortest distance of the model, the loss is constant.
        decades = 0.4342944819032518 * math.log(distance_m[p]) if distance_m[p] > 0.0 else -12.0
        decades = max(decades, loss_rows[s, 0, 0])
        piece = 0
        while piece + 1 < pieces and decades >= loss_rows[s, piece + 1, 0]:
            piece += 1
        loss = loss_rows[s, piece, 1] + loss_rows[s, piece, 2] * decades
        if given:
            loss = clear_db[p]
        if added:
            loss += more_db[p]
        if s == NLOSV:
            if old >= 0 and old_state[old] == NLOSV:
                draw[p] = old_draw[old]  # The episode continues: one draw per episode.
            else:
                draw[p] = normal(hashed(tick_key ^ station_key[i], station_key[j], 1))
                if shares and blocker[p] >= 0:
                    # The same number in all episodes that this vehicle causes.
                    of_vehicle = normal(hashed(blocker_key[blocker[p]], np.uint64(0), 3))
                    draw[p] = own_weight * draw[p] + vehicle_weight * of_vehicle
            if blockage_mean_db[c] > 0.0:
                # The distance term of TR 37.885 clause 6.2.1: it is above 0 from 541 m on.
                mean = blockage_mean_db[c] + max(0.0, 15.0 * decades - 41.0)
                loss += max(0.0, mean + blockage_sigma_db[c] * draw[p])
        if shares and shadows:
            fresh = own_weight * fresh + end_weight * (station[i] + station[j])
        loss_db[p], shadow_db[p] = loss, sigma_db[s] * fresh
        gain = gain_db[i] + gain_db[j] if gains else 0.0
        pair_mw[p] = math.exp(_NEPER * (power_dbm + gain - loss - shadow_db[p]))
    power_mw = np.empty(len(pair_of))
    for link in range(len(pair_of)):
        power_mw[link] = pair_mw[np.uint64(pair_of[link])]
    return unit, draw, loss_db, shadow_db, power_mw
