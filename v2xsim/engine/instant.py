"""The true state of a run at one tick."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.stations.belief import Belief
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.world.snapshot import Snapshot


@dataclass(frozen=True)
class Instant:
    """The world at a tick; it holds until the next one.

    Attributes:
        snapshot: All road users.
        fleet: All stations.
        belief: Errors of what the stations believe of themselves.
        links: All links between stations.
    """

    snapshot: Snapshot
    fleet: Fleet
    belief: Belief
    links: LinkBudget

    @staticmethod
    def empty(time_us: int) -> "Instant":
        """Return a world without anybody, before the first tick."""
        return Instant(Snapshot.none(time_us), Fleet.none(), Belief.none(time_us), LinkBudget.none())

    @property
    def time_us(self) -> int:
        """The tick."""
        return self.snapshot.time_us

    @cached_property
    def own(self) -> OwnStates:
        """What each station knows of itself."""
        fleet, belief, size_m = self.fleet, self.belief, np.zeros((len(self.fleet), 3))
        # A roadside unit has no body that could block or be detected.
        is_vehicle = fleet.row >= 0
        size_m[is_vehicle] = self.snapshot.boxes.size_m[fleet.row[is_vehicle]]
        return OwnStates(
            fleet.agent, self.time_us, self.time_us + belief.clock_offset_us, belief.applied_to(fleet.pose),
            fleet.pose[:, [0, 1, 3]], fleet.velocity_mps, fleet.antenna_m[:, 2], size_m, is_vehicle, fleet.lidars, fleet.ego,
        )  # fmt: skip
