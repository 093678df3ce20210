"""The pair of stations to which each reception belongs, and counts of stations in range at which a packet was too weak."""

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
    """Return the index of the pair of stations of each reception, -1 if sender and receiver are no longer a pair in range.

    Args:
        receptions: Receptions of finished packets.
        near: The pairs of stations in range.
        counted: Whether each packet counts for `too_weak`: every station in range of its sender without a reception.
        state: Link state of each pair.
        distance_m: Distance between the two stations of each pair.
        bin_m: Width of a distance bin.
        too_weak: Counts by link state and distance bin, to which this call adds. The last bin takes all larger distances.
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
        # The sender of this packet has left, so it has no links.
        if by[k] < 0:
            continue
        n, end = offset[k], offset[k + 1]
        for link in range(link_offset[by[k]], link_offset[by[k] + 1]):
            # Receivers and links are both sorted by row, so one pass finds every match.
            while n < end and receiver[n] < other[link]:
                n += 1
            p = pair_of[link]
            if n < end and receiver[n] == other[link]:
                pair[n] = p
            elif counted[k]:
                too_weak[state[p], min(last, int(distance_m[p] / bin_m))] += 1
    return pair
