"""Road users where stations placed them at their captures, for many stations in one compiled call."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.engine.stations.capture import Capture, believed_from_true_of
from v2xsim.spatial.poses import move_point


def located_each(
    wanted: Int64[np.ndarray, " objects"], captures: Sequence[Capture]
) -> tuple[Float[np.ndarray, "captures objects 3"], Bool[np.ndarray, "captures objects"]]:
    """Return where stations placed road users at their captures, and which of them were present then.

    Args:
        wanted: Agent ids of the road users, in rising order.
        captures: Captures of the stations, of any ticks.
    """
    snapshots = {id(capture.snapshot): capture.snapshot for capture in captures}
    number = {key: n for n, key in enumerate(snapshots)}
    located_m = np.zeros((len(captures), len(wanted), 3))
    present = np.zeros((len(captures), len(wanted)), np.bool_)
    if captures:
        there = [one.agent for one in snapshots.values()]
        _locate(
            wanted, np.cumsum([0, *(len(agent) for agent in there)]), np.concatenate(there),
            np.concatenate([one.boxes.center_m for one in snapshots.values()]),
            np.array([number[id(capture.snapshot)] for capture in captures]), believed_from_true_of(captures), located_m, present,
        )  # fmt: skip
    return located_m, present


@njit(cache=True, nogil=True)
def _locate(wanted, first, there, center_m, snapshot, believed_from_true, located_m, present):  # type: ignore[no-untyped-def]
    """Write the positions of the wanted road users, as far as they are in the snapshot of each capture."""
    for n in range(len(snapshot)):
        row, end = first[snapshot[n]], first[snapshot[n] + 1]
        last = end - 1
        for w in range(len(wanted)):
            while row < end and there[row] < wanted[w]:
                row += 1
            present[n, w] = row < end and there[row] == wanted[w]
            if last >= first[snapshot[n]]:
                # The position of another one, if this one was not present.
                move_point(center_m[min(row, last)], believed_from_true[n], len(wanted) == 1, located_m[n, w])
