"""Power between every pair of stations at a tick: path loss, blockage and correlated shadowing in one compiled pass.

The state of a pair between ticks is its shadowing, the draw of the present blockage episode, and the vehicle that was
in the way. An episode begins when a link becomes NLOSv. Its loss is drawn once and holds until the link is clear or
behind a building (TR 37.885 gives no interval for a new draw).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt64
from numba import njit

from v2xsim.comms.channel.neighbours import Neighbours
from v2xsim.comms.draws import hashed, normal
from v2xsim.records import NLOSV

# Natural logarithm of one decibel: an exponential is faster than a power of ten.
_NEPER = math.log(10.0) / 10.0
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Propagation:
    """Parameters of the link budget.

    Attributes:
        loss_rows: By state (LOS, NLOSV, NLOSB) and piece: log10 of the distance from which the piece holds, its loss
            at one metre, its slope per decade. The first piece of each state begins at the shortest distance that
            counts.
        blockage_mean_db: Mean blockage loss by blockage case; beyond a threshold distance more is added (`blockage`).
        blockage_sigma_db: Standard deviation of the blockage loss by blockage case.
        shadowing_sigma_db: Standard deviation of the shadowing by state.
        decorrelation_m: Decorrelation distance of the shadowing by state.
        power_dbm: Power of every transmitter.
    """

    loss_rows: Float[np.ndarray, "3 pieces 3"]
    blockage_mean_db: Float[np.ndarray, " 4"]
    blockage_sigma_db: Float[np.ndarray, " 4"]
    shadowing_sigma_db: Float[np.ndarray, " 3"]
    decorrelation_m: Float[np.ndarray, " 3"]
    power_dbm: float


@dataclass(frozen=True)
class Carried:
    """State of the pairs from one tick to the next.

    Attributes:
        unit_shadow: Shadowing of each pair as a process of unit variance.
        blockage_draw: Standard normal draw of each pair's present blockage episode.
    """

    unit_shadow: Float[np.ndarray, " pairs"]
    blockage_draw: Float[np.ndarray, " pairs"]


def same_pairs(before: Neighbours, now: Neighbours, row: Int64[np.ndarray, " stations"]) -> Int32[np.ndarray, " pairs"]:
    """Return the row of each pair at the tick before; -1 for new pairs.

    Args:
        before: Pairs at the tick before.
        now: Pairs at this tick.
        row: Row of each station at the tick before, -1 for newcomers; the known ones must rise.
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
    """The pairs at one tick, and what stands between them.

    Attributes:
        near: The pairs.
        distance_m: Distance of each pair, in three dimensions.
        state: Link state of each pair: LOS, NLOSV or NLOSB.
        case: Blockage case of each pair.
    """

    near: Neighbours
    distance_m: Float[np.ndarray, " pairs"]
    state: Int8[np.ndarray, " pairs"]
    case: Int8[np.ndarray, " pairs"]


@dataclass(frozen=True)
class Before:
    """What the pairs of a tick continue from the tick before.

    Attributes:
        row: Row of each present pair in the tick before; -1 for new pairs.
        state: Link state of the pairs of the tick before.
        carried: Shadowing and blockage draws of the pairs of the tick before.
    """

    row: Int32[np.ndarray, " pairs"]
    state: Int8[np.ndarray, " old"]
    carried: Carried

    @staticmethod
    def nothing(pairs: int) -> "Before":
        """Return that all pairs are new."""
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
) -> tuple[Carried, Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"], Float[np.ndarray, " links"]]:
    """Return the new state of the pairs, the path loss with blockage, the shadowing added to it, and the power in mW by link.

    Args:
        pairs: Pairs at this tick.
        moved_m: Distance that each station travelled since the tick before; 0 for newcomers.
        station_key: Random key of each station.
        tick_key: Random key of the tick.
        before: What the pairs continue from the tick before.
        model: Parameters of path loss, blockage and shadowing.
        clear_db: Path loss of each pair instead of the model's; empty to use the model's.
        more_db: Additional loss of each pair; empty for none.
        gain_db: Antenna gain of each station; empty for 0 dB.
    """
    near, old = pairs.near, before.carried
    decay = np.exp(-moved_m[:, None] / model.decorrelation_m[None, :])
    unit, draw, loss_db, shadow_db, power_mw = _powers(
        near.first, near.second, near.pair, pairs.distance_m, pairs.state, pairs.case, decay, station_key,
        np.uint64(tick_key), before.row, before.state, old.unit_shadow, old.blockage_draw, np.ascontiguousarray(model.loss_rows), model.blockage_mean_db,
        model.blockage_sigma_db, model.shadowing_sigma_db, float(model.power_dbm), clear_db, more_db, gain_db,
    )  # fmt: skip
    return Carried(unit, draw), loss_db, shadow_db, power_mw


@njit(cache=True, nogil=True)
def _powers(  # type: ignore[no-untyped-def]
    first, second, pair_of, distance_m, state, case, decay, station_key, tick_key, old_pair, old_state, old_unit, old_draw,
    loss_rows, blockage_mean_db, blockage_sigma_db, sigma_db, power_dbm, clear_db, more_db, gain_db,
):  # fmt: skip
    pairs, pieces = len(first), loss_rows.shape[1]
    unit, draw = np.empty(pairs), np.zeros(pairs)
    loss_db, shadow_db, pair_mw = np.empty(pairs), np.empty(pairs), np.empty(pairs)
    given, added, gains = len(clear_db) > 0, len(more_db) > 0, len(gain_db) > 0
    shadows = sigma_db[0] > 0.0 or sigma_db[1] > 0.0 or sigma_db[2] > 0.0
    for p in range(pairs):
        i, j, s, c = np.uint64(first[p]), np.uint64(second[p]), np.uint64(state[p]), np.uint64(case[p])
        old = old_pair[p]
        fresh = 0.0
        # The draw is keyed by tick and stations, so another pair never changes it.
        if shadows:
            fresh = normal(hashed(tick_key ^ station_key[i], station_key[j], 0))
            if old >= 0:
                # Both ends move, so their decays multiply; the new part keeps the variance at 1.
                kept = decay[i, s] * decay[j, s]
                fresh = kept * old_unit[old] + math.sqrt(1.0 - kept * kept) * fresh
        unit[p] = fresh
        # 0.434... is log10(e); below the shortest distance of the model, the loss stays constant.
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
            if blockage_mean_db[c] > 0.0:
                # The distance term of TR 37.885 clause 6.2.1: it is above 0 from 541 m on.
                mean = blockage_mean_db[c] + max(0.0, 15.0 * decades - 41.0)
                loss += max(0.0, mean + blockage_sigma_db[c] * draw[p])
        loss_db[p], shadow_db[p] = loss, sigma_db[s] * fresh
        gain = gain_db[i] + gain_db[j] if gains else 0.0
        pair_mw[p] = math.exp(_NEPER * (power_dbm + gain - loss - shadow_db[p]))
    power_mw = np.empty(len(pair_of))
    for link in range(len(pair_of)):
        power_mw[link] = pair_mw[np.uint64(pair_of[link])]
    return unit, draw, loss_db, shadow_db, power_mw
