"""Ways of links round corners in a run: the corner points of the map, and how many blocked links found none."""

import numpy as np

from v2xsim.comms.channel.corners import corner_map
from v2xsim.comms.channel.detours import CornerMap
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.notices import Notice
from v2xsim.records import Obstacles
from v2xsim.scenario.schema import Scenario
from v2xsim.world.corner_notices import corner_notices
from v2xsim.world.corner_points import corner_points
from v2xsim.world.roads import Roads


class BlockedLinks:
    """The corners of the map, and counts of the links behind buildings by their way round them.

    Args:
        scenario: Scenario of the run.
        obstacles: Buildings of the world.
        roads: Roads of the world. Without buildings, no link needs a corner, and none is searched for.
    """

    def __init__(self, scenario: Scenario, obstacles: Obstacles, roads: Roads) -> None:
        self._scenario, self._roads, self._buildings = scenario, roads, len(obstacles.prisms)
        self.corners = corner_map(corner_points(roads), obstacles) if self._buildings else CornerMap.none()
        # Links of all ticks without a way, round one corner, and round two.
        self._counts = np.zeros(3, np.int64)

    def note(self, links: LinkBudget) -> None:
        """Count the links of a tick."""
        if len(links.corners):
            self._counts += np.bincount(links.corners[links.corners >= 0], minlength=3)

    def notices(self) -> tuple[Notice, ...]:
        """Return what was reported so far: a map without corners, or links that found no way."""
        missing = corner_notices(self._scenario, self._roads, len(self.corners), self._buildings)
        none, one, two = self._counts.tolist()
        if missing or none == 0:
            return missing
        whole = none + one + two
        reason = (
            "no two corners in sight of each other join them"
            if self._scenario.radio.propagation.states == "geometry"
            else "radio.propagation.states are drawn from curves, so no corner belongs to them"
        )
        text = (
            f"radio.propagation.building_loss: of {whole:,} links behind buildings (pairs of stations, all ticks), {one / whole:.0%} go round one "
            f"corner, {two / whole:.0%} round two, and {none / whole:.0%} have no way round a corner: {reason}. They lose as much as round "
            "two right angles with three equal legs, and at least the loss over the direct distance"
        )
        return (Notice("radio.no_corner", none, text),)
