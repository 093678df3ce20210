"""The true world of a run: it goes on by itself, whatever stations tell each other."""

from concurrent.futures import Future
from dataclasses import dataclass

from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.instant import Instant
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
    """A tick that has been begun: who is there, while their lidars are perhaps still being cast.

    Attributes:
        snapshot: All road users.
        fleet: All stations.
        errors: Errors of what the stations believe of themselves.
        sensed: What every station with a lidar captures, in rising order of the stations.
    """

    snapshot: Snapshot
    fleet: Fleet
    errors: StationErrors
    sensed: list[Future[Sensed]]


class World:
    """Traffic, stations, their lidars, and the links between them."""

    def __init__(
        self, scenario: Scenario, mobility: Mobility, obstacles: Obstacles, roster: Roster, sensing: Sensing,
        streams: Streams,
    ) -> None:  # fmt: skip
        self._scenario, self._mobility, self._obstacles = scenario, mobility, obstacles
        self._roster, self._sensing, self._streams = roster, sensing, streams

    def begin(self, time_us: int, before: StationErrors) -> BegunTick:
        """Begin a tick: move the traffic there and start casting. Messages play no part, so this can be done ahead of time."""
        # In this order: who is there decides who is a station, and a station's error decides where its matrix lies.
        snapshot = self._mobility.snapshot(time_us)
        fleet = self._roster.update(snapshot)
        errors = next_errors(before, fleet.agent, time_us, self._scenario.errors, self._streams)
        return BegunTick(snapshot, fleet, errors, self._sensing.begin(snapshot, fleet, errors))

    def instant(self, moment: BegunTick, before: LinkBudget) -> Instant:
        """Return a begun tick with the links that hold at it, given those of the tick before."""
        links = next_budget(before, moment.fleet, moment.snapshot, self._obstacles, self._scenario.radio, self._streams)
        return Instant(moment.snapshot, moment.fleet, moment.errors, links)
