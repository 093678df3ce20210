"""The true world of a run; messages between stations have no influence on it."""

from concurrent.futures import Future
from dataclasses import dataclass

from v2xsim.comms.channel.detours import CornerMap
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.instant import Instant
from v2xsim.engine.lockstep import Lockstep
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Sensed, Sensing
from v2xsim.engine.stations.station_errors import StationErrors, next_errors
from v2xsim.mobility.base import Mobility
from v2xsim.records import Obstacles
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot


@dataclass(frozen=True)
class BegunTick:
    """A tick whose computation has started: the road users are known, but lidars may still be being cast.

    Attributes:
        snapshot: True state of all road users.
        fleet: True state of all stations.
        errors: Errors of the pose and the clock that each station believes.
        sensed: Future of the captures of all stations with a lidar, in rising order of the stations' agent ids.
    """

    snapshot: Snapshot
    fleet: Fleet
    errors: StationErrors
    sensed: Future[list[Sensed]]


class World:
    """The traffic, the stations with their lidars, and the links between stations.

    Several runs in lockstep get the same records, so nobody may write into them.
    """

    def __init__(
        self, scenario: Scenario, mobility: Mobility, obstacles: Obstacles, roster: Roster, sensing: Sensing,
        streams: Streams, stages: Stages | None = None, corners: CornerMap | None = None, lockstep: Lockstep | None = None,
    ) -> None:  # fmt: skip
        self._scenario, self._mobility, self._obstacles = scenario, mobility, obstacles
        self._roster, self._sensing, self._streams = roster, sensing, streams
        self._stages, self._corners = stages or Stages(), corners or CornerMap.none()
        self._lockstep = lockstep

    def begin(self, time_us: int, before: StationErrors) -> BegunTick:
        """Start the computation of a tick: move the traffic and start to cast the lidars.

        Messages have no influence on it, so it can run before the messages of the previous tick are processed.

        Args:
            time_us: Simulated time of the tick.
            before: Errors of the stations at the tick before.
        """
        if self._lockstep is None:
            return self._begin(time_us, before)
        begun: BegunTick = self._lockstep.begun.at(time_us, lambda: self._begin(time_us, before))
        return begun

    def _begin(self, time_us: int, before: StationErrors) -> BegunTick:
        # The order matters: the vehicles determine the stations, and the error of a station determines the place of its
        # matrix.
        with self._stages.traffic:
            snapshot = self._mobility.snapshot(time_us)
        with self._stages.stations:
            fleet = self._roster.update(snapshot)
            errors = next_errors(before, fleet.agent, time_us, self._scenario.errors, self._streams)
        with self._stages.scans:
            return BegunTick(snapshot, fleet, errors, self._sensing.begin(snapshot, fleet, errors))

    def instant(self, moment: BegunTick, before: LinkBudget) -> Instant:
        """Return the world at a tick, with its links.

        Args:
            moment: The tick, whose computation `begin` has started.
            before: Links of the tick before.
        """
        if self._lockstep is None:
            return self._instant(moment, before)
        instant: Instant = self._lockstep.instants.at(moment.snapshot.time_us, lambda: self._instant(moment, before))
        return instant

    def _instant(self, moment: BegunTick, before: LinkBudget) -> Instant:
        with self._stages.links:
            links = next_budget(
                before,
                moment.fleet,
                moment.snapshot,
                self._obstacles,
                self._scenario.radio,
                self._streams,
                self._corners,
            )
        return Instant(moment.snapshot, moment.fleet, moment.errors, links)
