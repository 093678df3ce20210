"""Whether road users are faster than hidden ones are assumed to be."""

import numpy as np

from v2xsim.engine.stations.agent_set import AgentSet
from v2xsim.mobility.base import Names, counted
from v2xsim.notices import Notice
from v2xsim.world.snapshot import Snapshot

# Drivers exceed a limit a little, so a road user must be faster than this multiple of the assumed speed.
_TOLERANCE = 1.2


class AssumedSpeeds:
    """Notes the road users that are faster than the one speed that all hidden road users are assumed to have.

    Args:
        assumed_mps: The assumed speed.
    """

    def __init__(self, assumed_mps: float) -> None:
        self._assumed_mps = assumed_mps
        self._faster, self._fastest_mps, self._fastest = AgentSet(), 0.0, -1

    def note(self, snapshot: Snapshot) -> None:
        """Note the road users of a tick."""
        speed_mps = np.hypot(snapshot.velocity_mps[:, 0], snapshot.velocity_mps[:, 1])
        rows = np.flatnonzero(speed_mps > _TOLERANCE * self._assumed_mps)
        if len(rows) == 0:
            return
        self._faster.add(snapshot.agent[rows])
        row = int(rows[np.argmax(speed_mps[rows])])
        if speed_mps[row] > self._fastest_mps:
            self._fastest_mps, self._fastest = float(speed_mps[row]), int(snapshot.agent[row])

    def notice(self, names: Names) -> Notice | None:
        """Return the notice about such road users, if there are any."""
        if not self._faster:
            return None
        count = len(self._faster)
        text = (
            f"cooperation.hidden_speed_mps: hidden road users are assumed to have at most {self._assumed_mps:g} m/s everywhere, but {counted(count, 'road user')} "
            f"drove much faster, {names.name_of(self._fastest)!r} {self._fastest_mps:.3g} m/s; blind cells beside and behind such egos get too little "
            "weight, or none. Name a map with speed limits (world.roads), or set the highest limit"
        )
        return Notice("cooperation.hidden_speed", count, text)
