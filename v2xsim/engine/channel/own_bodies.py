"""Which boxes of its own body block the links of a station, and which never do.

An antenna on the roof has nothing of its own body in the way: its pattern is that of an antenna on such a roof. An antenna that is as
high as all parts of its vehicle has none of them in the way. So a lower part never blocks, and these do: the part that carries an
antenna which the scenario puts below the roof, and a rear part that reaches above the antenna of the front part.
"""

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import Bodies


def transparent_bodies(
    fleet: Fleet, bodies: Bodies
) -> tuple[Int64[np.ndarray, " stations"], Int64[np.ndarray, " stations"]]:
    """Return the boxes that do not block the links of each station, as rows of `bodies`; -1 for none.

    Returns:
        The part that carries the antenna, and the rear part.
    """
    if len(bodies) == 0:
        none = np.full(len(fleet), -1)
        return none, none
    top_m = bodies.boxes.center_m[:, 2] + bodies.boxes.size_m[:, 2]
    carrier = np.where(fleet.row >= 0, np.searchsorted(bodies.owner, fleet.row), -1)
    rear = np.where(carrier >= 0, np.minimum(carrier + 1, len(bodies) - 1), -1)
    is_own = (rear >= 0) & bodies.is_rear[rear] & (bodies.owner[rear] == fleet.row)
    below = fleet.antenna_m[:, 2] < top_m[rear]
    return np.where(fleet.antenna_inside, -1, carrier), np.where(is_own & ~below, rear, -1)
