"""The pairs of stations that need a relay, and the stations that may relay for each, as one station knows them.

Two kinds of decisions need them. An ego chooses the relay of its own requests and of the answers to them (`requests`): such a
relay forwards both ways. And each station decides by itself whether it passes on what a helper broadcasts to a station that
asks for data and hardly hears the helper (`passing`): it compares itself with the other candidates that it knows.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.phases import PHASE
from v2xsim.engine.stations.vicinity import Known, place_among, share_listed, snr_listed

OWNER = -1
"""Used instead of the index of a known station where the station is the owner of the knowledge itself."""


class KnownPairs(NamedTuple):
    """Pairs of a requester and a helper, each as one station knows it.

    Attributes:
        owner: Row of the station that knows the pair.
        requester: Index of the requester among the known stations; OWNER for the owner itself.
        helper: Index of the helper among the known stations.
        there: Share of the requester's packets that arrive at the helper, 0 to 1.
        back: Share of the helper's packets that arrive at the requester, 0 to 1.
        there_db: Mean SNR of the requester's packets at the helper; minus infinity if it is unknown.
        back_db: Mean SNR of the helper's packets at the requester; minus infinity if it is unknown.
    """

    owner: Int64[np.ndarray, " pairs"]
    requester: Int64[np.ndarray, " pairs"]
    helper: Int64[np.ndarray, " pairs"]
    there: Float[np.ndarray, " pairs"]
    back: Float[np.ndarray, " pairs"]
    there_db: Float[np.ndarray, " pairs"]
    back_db: Float[np.ndarray, " pairs"]


class Candidates(NamedTuple):
    """Stations that may relay for pairs, in rising order of pairs.

    Attributes:
        pair: Row of the pair.
        relay: Index of the candidate among the known stations; OWNER for the owner itself.
        hop: Share of packets that cross requester to relay, relay to helper, helper to relay, and relay to requester; 0 to 1, NaN
            for hops over which nothing is forwarded.
        snr_db: Mean SNR on these hops.
    """

    pair: Int64[np.ndarray, " candidates"]
    relay: Int64[np.ndarray, " candidates"]
    hop: Float[np.ndarray, "candidates 4"]
    snr_db: Float[np.ndarray, "candidates 4"]


def requests(known: Known, here_m: Float[np.ndarray, "owners 2"], reach_m: float) -> KnownPairs:
    """Return the pairs of each owner and each station near it that announced that it has a matrix.

    Args:
        known: What each owner knows.
        here_m: Position of each owner as it believes it.
        reach_m: Helpers at this distance or farther are left out: their matrices do not overlap the owner's.
    """
    owner = np.repeat(np.arange(len(known.owner)), np.diff(known.offset))
    distance_m = np.hypot(known.x_m - here_m[owner, 0], known.y_m - here_m[owner, 1])
    helper = np.flatnonzero(known.has_matrix & (distance_m < reach_m))
    there, there_db = _listed_each(known, known.row[helper], known.owner[owner[helper]])
    own = np.full(len(helper), OWNER, np.int64)
    return KnownPairs(owner[helper], own, helper, there, known.share[helper], there_db, known.snr_db[helper])


def relays_of_requests(known: Known, pairs: KnownPairs, min_share: float) -> Candidates:
    """Return the stations that can relay requests and answers of owners: all four hops are at least `min_share`."""
    return Candidates(*_relays_of_requests(known, pairs.owner, pairs.helper, float(min_share)))


def passing(known: Known, is_relay: np.ndarray, reach_m: float, min_share: float) -> tuple[KnownPairs, Candidates]:
    """Return the pairs for which each owner itself can pass on what a helper broadcasts, and all candidates for them.

    In each pair, the requester asks for data and is nearer than `reach_m` to the helper, which announced a matrix, and less than
    `min_share` of the helper's packets arrive at it. The hops from the helper to the candidate and on to the requester are
    at least `min_share`.

    Args:
        known: What each owner knows.
        is_relay: Whether each owner may relay at all.
        reach_m: Largest distance between requester and helper.
        min_share: Least share of packets that must cross a usable link, 0 to 1.
    """
    pairs, candidates = _passing(known, is_relay, float(reach_m), float(min_share))
    return KnownPairs(*pairs), Candidates(*candidates)


def needing_repetition(
    known: Known, here_m: Float[np.ndarray, "owners 2"], has_data: Bool[np.ndarray, " owners"], reach_m: float, min_share: float
) -> Int64[np.ndarray, " rows"]:  # fmt: skip
    """Return the rows of the owners whose broadcasts hardly arrive at a station near them that asks for data.

    Args:
        known: What each owner knows.
        here_m: Position of each owner as it believes it.
        has_data: Whether each owner has data that another station could ask for.
        reach_m: Stations at this distance or farther do not count.
        min_share: Least share of packets that must cross a usable link, 0 to 1.
    """
    owner = np.repeat(np.arange(len(known.owner)), np.diff(known.offset))
    distance_m = np.hypot(known.x_m - here_m[owner, 0], known.y_m - here_m[owner, 1])
    asking = np.flatnonzero(known.wants_data & has_data[owner] & (distance_m < reach_m))
    arrives, _ = _listed_each(known, known.row[asking], known.owner[owner[asking]])
    rows: Int64[np.ndarray, " rows"] = np.unique(owner[asking[arrives < min_share]])
    return rows


@njit(cache=True, nogil=True)
def _listed_each(known, rows, sender):  # type: ignore[no-untyped-def]
    """Return share and SNR of each sender in the list of an announcement."""
    share, snr_db = np.empty(len(rows)), np.empty(len(rows))
    for n in range(len(rows)):
        share[n], snr_db[n] = share_listed(known, rows[n], sender[n]), snr_listed(known, rows[n], sender[n])
    return share, snr_db


@njit(**PHASE)
def _four_hops(known, o, h, k, hop):  # type: ignore[no-untyped-def]
    """Write the shares of the four hops of an owner's request through a known station; return the smallest."""
    hop[0], hop[3] = share_listed(known, known.row[k], known.owner[o]), known.share[k]
    hop[1] = share_listed(known, known.row[h], known.agent[k])
    hop[2] = share_listed(known, known.row[k], known.agent[h])
    return min(min(hop[0], hop[1]), min(hop[2], hop[3]))


@njit(cache=True, nogil=True)
def _relays_of_requests(known, owner, helper, min_share):  # type: ignore[no-untyped-def]
    count, hop = 0, np.empty(4)
    # Counted first: the rows are few compared with the stations that are looked at.
    for p in range(len(owner)):
        o, h = owner[p], helper[p]
        for k in range(known.offset[o], known.offset[o + 1]):
            if k != h and known.share[k] >= min_share:
                count += _four_hops(known, o, h, k, hop) >= min_share
    pair, relay = np.empty(count, np.int64), np.empty(count, np.int64)
    hops, snr_db = np.empty((count, 4)), np.empty((count, 4))
    count = 0
    for p in range(len(owner)):
        o, h = owner[p], helper[p]
        for k in range(known.offset[o], known.offset[o + 1]):
            if k == h or known.share[k] < min_share or _four_hops(known, o, h, k, hop) < min_share:
                continue
            pair[count], relay[count], hops[count] = p, k, hop
            snr_db[count, 0], snr_db[count, 3] = snr_listed(known, known.row[k], known.owner[o]), known.snr_db[k]
            snr_db[count, 1] = snr_listed(known, known.row[h], known.agent[k])
            snr_db[count, 2] = snr_listed(known, known.row[k], known.agent[h])
            count += 1
    return pair, relay, hops, snr_db


@njit(**PHASE)
def _needs_passing(known, o, e, h, reach_m, min_share):  # type: ignore[no-untyped-def]
    """Return whether a known station that asks for data is near a helper and hardly hears it."""
    if e == h or np.hypot(known.x_m[e] - known.x_m[h], known.y_m[e] - known.y_m[h]) >= reach_m:
        return False
    return share_listed(known, known.row[e], known.agent[h]) < min_share


@njit(cache=True, nogil=True)
def _others(known, o, e, h, min_share, relay):  # type: ignore[no-untyped-def]
    """Write the other candidates for a pair that an owner knows, and return their number."""
    count, n = 0, known.offset[o]
    # Only stations that the requester hears can be candidates.
    for m in range(known.listed[known.row[e]], known.listed[known.row[e] + 1]):
        if known.heard_share[m] < min_share:
            continue
        k = place_among(known.agent, n, known.offset[o + 1], known.heard_agent[m])
        if k >= 0 and k != h and share_listed(known, known.row[k], known.agent[h]) >= min_share:
            relay[count] = k
            count += 1
    return count


@njit(cache=True, nogil=True)
def _passing(known, is_relay, reach_m, min_share):  # type: ignore[no-untyped-def]
    most = 0
    for o in range(len(known.owner)):
        most = max(most, known.offset[o + 1] - known.offset[o])
    others, asking = np.empty(most, np.int64), np.empty(most, np.int64)
    pairs, candidates, capacity, room = 0, 0, 256, 1024
    owner, requester, helper, back, back_db = (
        np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity), np.empty(capacity),
    )  # fmt: skip
    pair, relay = np.empty(room, np.int64), np.empty(room, np.int64)
    hop, snr_db = np.full((room, 4), np.nan), np.full((room, 4), np.nan)
    for o in range(len(known.owner)):
        if not is_relay[o]:
            continue
        # The stations that ask for data and hear the owner well enough.
        count_asking = 0
        for e in range(known.offset[o], known.offset[o + 1]):
            if known.wants_data[e] and share_listed(known, known.row[e], known.owner[o]) >= min_share:
                asking[count_asking] = e
                count_asking += 1
        if count_asking == 0:
            continue
        for h in range(known.offset[o], known.offset[o + 1]):
            if not known.has_matrix[h] or known.share[h] < min_share:
                continue
            for e in asking[:count_asking]:
                if not _needs_passing(known, o, e, h, reach_m, min_share):
                    continue
                count = _others(known, o, e, h, min_share, others)
                if pairs == capacity:
                    capacity *= 2
                    owner, requester, helper, back, back_db = (
                        _longer(owner, capacity), _longer(requester, capacity), _longer(helper, capacity), _longer(back, capacity), _longer(back_db, capacity),
                    )  # fmt: skip
                while candidates + count + 1 > room:
                    room *= 2
                    pair, relay = _longer(pair, room), _longer(relay, room)
                    hop, snr_db = _taller(hop, room), _taller(snr_db, room)
                owner[pairs], requester[pairs], helper[pairs] = o, e, h
                back[pairs] = share_listed(known, known.row[e], known.agent[h])
                back_db[pairs] = snr_listed(known, known.row[e], known.agent[h])
                pair[candidates], relay[candidates] = pairs, OWNER
                hop[candidates, 2], snr_db[candidates, 2] = known.share[h], known.snr_db[h]
                hop[candidates, 3] = share_listed(known, known.row[e], known.owner[o])
                snr_db[candidates, 3] = snr_listed(known, known.row[e], known.owner[o])
                candidates += 1
                for k in others[:count]:
                    pair[candidates], relay[candidates] = pairs, k
                    hop[candidates, 2] = share_listed(known, known.row[k], known.agent[h])
                    snr_db[candidates, 2] = snr_listed(known, known.row[k], known.agent[h])
                    hop[candidates, 3] = share_listed(known, known.row[e], known.agent[k])
                    snr_db[candidates, 3] = snr_listed(known, known.row[e], known.agent[k])
                    candidates += 1
                pairs += 1
    # Nothing is sent from requester to helper.
    none = np.full(pairs, np.nan)
    return (
        (
            owner[:pairs].copy(),
            requester[:pairs].copy(),
            helper[:pairs].copy(),
            none,
            back[:pairs].copy(),
            none,
            back_db[:pairs].copy(),
        ),
        (pair[:candidates].copy(), relay[:candidates].copy(), hop[:candidates].copy(), snr_db[:candidates].copy()),
    )


@njit(cache=True, nogil=True)
def _longer(array, length):  # type: ignore[no-untyped-def]
    longer = np.empty(length, array.dtype)
    longer[: len(array)] = array
    return longer


@njit(cache=True, nogil=True)
def _taller(array, length):  # type: ignore[no-untyped-def]
    taller = np.full((length, array.shape[1]), np.nan)
    taller[: len(array)] = array
    return taller
