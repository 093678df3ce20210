"""Which pair of stations each reception belongs to, and how many stations in range were too far to be listed."""

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.access.packets import Receptions
from v2xsim.comms.channel.neighbours import Neighbours


def pairs_of(
    receptions: Receptions,
    near: Neighbours,
    counted: Bool[np.ndarray, " packets"],
    state: Int8[np.ndarray, " pairs"],
    distance_m: Float[np.ndarray, " pairs"],
    bin_m: float,
    too_weak: Int64[np.ndarray, "states bins"],
) -> Int32[np.ndarray, " receptions"]:
    """Return the pair of each reception, -1 without one (a station that came in range meanwhile).

    Args:
        receptions: Packets that ended.
        near: The pairs in range.
        counted: Packets whose stations in range without a reception are counted into `too_weak`.
        state: Link state of each pair.
        distance_m: Distance of each pair.
        bin_m: Width of a distance bin.
        too_weak: Counts by state and bin; this call adds to them. The last bin takes all larger distances.
    """
    pair: Int32[np.ndarray, " receptions"] = _pairs_of(
        receptions.by, receptions.offset, receptions.receiver, near.offset, near.other, near.pair, counted, state, distance_m,
        float(bin_m), too_weak,
    )  # fmt: skip
    return pair


@njit(cache=True, nogil=True)
def _pairs_of(by, offset, receiver, link_offset, other, pair_of, counted, state, distance_m, bin_m, too_weak):  # type: ignore[no-untyped-def]
    pair = np.full(len(receiver), -1, np.int32)
    last = too_weak.shape[1] - 1
    for k in range(len(by)):
        # Its sender has left, and its links with it.
        if by[k] < 0:
            continue
        n, end = offset[k], offset[k + 1]
        for link in range(link_offset[by[k]], link_offset[by[k] + 1]):
            # Receivers and links both rise by row, so one pass meets every match.
            while n < end and receiver[n] < other[link]:
                n += 1
            p = pair_of[link]
            if n < end and receiver[n] == other[link]:
                pair[n] = p
            elif counted[k]:
                too_weak[state[p], min(last, int(distance_m[p] / bin_m))] += 1
    return pair
