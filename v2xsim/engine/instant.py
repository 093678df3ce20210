"""The true state of a run at one tick."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.world.snapshot import Snapshot


@dataclass(frozen=True)
class Instant:
    """The true state of the world at a tick; the engine uses it until the next tick.

    Attributes:
        snapshot: True state of all road users.
        fleet: True state of all stations.
        errors: Errors of the stations' own pose estimates and clocks.
        links: All links between stations.
    """

    snapshot: Snapshot
    fleet: Fleet
    errors: StationErrors
    links: LinkBudget

    @staticmethod
    def empty(time_us: int) -> "Instant":
        """Return a world without road users and stations, for the time before the first tick."""
        return Instant(Snapshot.none(time_us), Fleet.none(), StationErrors.none(time_us), LinkBudget.none())

    @property
    def time_us(self) -> int:
        """Simulated time of the tick."""
        return self.snapshot.time_us

    @cached_property
    def states(self) -> OwnStates:
        """State of each station as the station itself knows it, without what it measures since the tick before."""
        fleet, errors, size_m, none = self.fleet, self.errors, np.zeros((len(self.fleet), 3)), np.zeros(len(self.fleet))
        # A roadside unit has no body that could block or be detected.
        is_vehicle = fleet.row >= 0
        size_m[is_vehicle] = self.snapshot.boxes.size_m[fleet.row[is_vehicle]]
        return OwnStates(
            agent=fleet.agent, time_us=self.time_us, stamp_us=self.time_us + errors.clock_offset_us,
            pose=errors.applied_to(fleet.pose), odometry=fleet.pose[:, [0, 1, 3]], velocity_mps=fleet.velocity_mps,
            acceleration_mps2=none, turn_radps=none, antenna_height_m=fleet.antenna_m[:, 2], size_m=size_m, is_vehicle=is_vehicle, lidars=fleet.lidars, ego=fleet.ego,
        )  # fmt: skip
