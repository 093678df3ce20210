"""Whether road users are faster than hidden ones are assumed to be."""

import numpy as np
from jaxtyping import Float, Int64
from scipy.spatial import cKDTree

from v2xsim.engine.stations.agent_set import AgentSet
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.mobility.base import Names, counted
from v2xsim.notices import Notice
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.snapshot import Snapshot

# A road user must be faster than this multiple of the assumed speed: one that holds everywhere is a round number, and drivers exceed
# the limit of a road by up to a third (SUMO's drivers hardly ever by more than 0.3).
_OF_ONE, _OF_LIMIT = 1.2, 1.5


class AssumedSpeeds:
    """Notes the road users that are faster than hidden road users are assumed to be where they are.

    Args:
        speeds: The assumed speeds.
        reach_m: Distance from an ego, along x or y, up to which it has cells. Where speeds follow from the roads, only road users near
            an ego count, because the map is drawn only there.
    """

    def __init__(self, speeds: HiddenSpeeds, reach_m: float) -> None:
        self._speeds, self._reach_m = speeds, reach_m
        self._faster = AgentSet()
        # Of the road user that exceeds what is assumed most: speed, assumed speed, agent id.
        self._most = 0.0, 1.0, -1

    def note(self, snapshot: Snapshot, fleet: Fleet) -> None:
        """Note the road users of a tick."""
        tolerance = _OF_LIMIT if self._speeds.everywhere_mps is None else _OF_ONE
        speed_mps = np.hypot(snapshot.velocity_mps[:, 0], snapshot.velocity_mps[:, 1])
        rows = np.flatnonzero(speed_mps > tolerance * self._speeds.speed_mps.min())
        if self._speeds.everywhere_mps is None:
            rows = self._near_egos(snapshot, fleet, rows)
        assumed_mps = self._speeds.at(snapshot.boxes.center_m[rows, :2])
        is_faster = speed_mps[rows] > tolerance * assumed_mps
        rows, assumed_mps = rows[is_faster], assumed_mps[is_faster]
        if len(rows) == 0:
            return
        self._faster.add(snapshot.agent[rows])
        worst = int(np.argmax(speed_mps[rows] / assumed_mps))
        if speed_mps[rows[worst]] * self._most[1] > self._most[0] * assumed_mps[worst]:
            self._most = float(speed_mps[rows[worst]]), float(assumed_mps[worst]), int(snapshot.agent[rows[worst]])

    def _near_egos(
        self, snapshot: Snapshot, fleet: Fleet, rows: Int64[np.ndarray, " rows"]
    ) -> Int64[np.ndarray, " near"]:
        """Return those of some road users that an ego has in its matrix."""
        ego_m: Float[np.ndarray, "egos 2"] = fleet.pose[fleet.ego, :2]
        if len(ego_m) == 0 or len(rows) == 0:
            return rows[:0]
        place_m = snapshot.boxes.center_m[rows, :2]
        away_m, _ = cKDTree(ego_m).query(place_m, p=np.inf, distance_upper_bound=self._reach_m)
        return rows[np.isfinite(away_m)]

    def notice(self, names: Names) -> Notice | None:
        """Return the notice about such road users, if there are any."""
        if not self._faster:
            return None
        count, (most_mps, assumed_mps, agent) = len(self._faster), self._most
        consequence = "blind cells beside and behind such egos get too little weight, or none"
        name = names.name_of(agent)
        if self._speeds.everywhere_mps is not None:
            text = (
                f"cooperation.hidden_speed_mps: hidden road users are assumed to have at most {self._speeds.everywhere_mps:g} m/s everywhere, but "
                f"{counted(count, 'road user')} drove much faster, {name!r} {most_mps:.3g} m/s; {consequence}. Name a map with speed limits "
                "(world.roads), or set the highest limit"
            )
        else:
            text = (
                "cooperation.hidden_speed_mps: hidden road users are assumed to keep to the speed limits of the roads (world.roads), and to be slow beside "
                f"them, but {counted(count, 'road user')} near egos drove more than {_OF_LIMIT:g} times as fast, {name!r} {most_mps:.3g} m/s where "
                f"{assumed_mps:.3g} m/s are assumed; {consequence}. Give the roads their limits (speed_kmh is 50 if it is not given) and list all of them, "
                "or set one speed for all"
            )
        return Notice("cooperation.hidden_speed", count, text)
