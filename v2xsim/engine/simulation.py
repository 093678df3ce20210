"""One simulation run: its components, and the four processes that drive them."""

import sys
from collections.abc import Callable

from v2xsim.engine.channel.air import Air, IdealAir
from v2xsim.engine.channel.packet_table import PacketTable
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.clock import Clock, Order, Process
from v2xsim.engine.cooperation.answering import Answering
from v2xsim.engine.cooperation.at_once import AtOnce
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.engine.cooperation.exchange import Exchange
from v2xsim.engine.cooperation.fusing import fused
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.engine.cooperation.transfers import Transfers
from v2xsim.engine.instant import Instant
from v2xsim.engine.plausibility import Plausibility
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.recording.recording import Recording
from v2xsim.engine.stations.capture import Captures
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.hearing import SILENT_PERIODS
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.stations.stations import Stations
from v2xsim.engine.world import BegunTick, World
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.mobility.base import Mobility
from v2xsim.records import Obstacles
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.footprints import FootprintMap

# Python's switch interval during a run: a lidar thread that returns from a compiled kernel gets Python's interpreter lock
# (GIL) back within about this time, instead of the usual 5 ms.
_SWITCH_INTERVAL_S = 0.0005


class Simulation:
    """The four processes of one run, which share a simulated clock: ticks, announcements, matching and fusion."""

    def __init__(
        self,
        scenario: Scenario,
        mobility: Mobility,
        obstacles: Obstacles,
        roster: Roster,
        threads: int,
        on_tick: Callable[[int], None] | None = None,
    ) -> None:
        self.scenario, self._on_tick = scenario, on_tick
        rule, streams = scenario.cooperation, Streams(scenario.run.seed)
        self._begin_us = round(scenario.run.begin_s * 1e6)
        self._step_us = round(scenario.run.step_s * 1e6)
        # At least one: a scenario's run is no shorter than its step.
        tick_count = round(scenario.run.duration_s * 1e6 / self._step_us)
        self._end_us = self._begin_us + tick_count * self._step_us
        self._detect_us = round(rule.detect_ms * 1e3)
        self._fuse_us = round(rule.deadline_ms * 1e3)

        self.clock = Clock(self._begin_us)
        self.recording = Recording(scenario, self._begin_us)
        self.plausibility = Plausibility(scenario, obstacles)
        self._sensing = Sensing(scenario, obstacles, streams, threads)
        self._world = World(scenario, mobility, obstacles, roster, self._sensing, streams)
        # An empty world, so that no process needs a check for None before the first tick.
        self._instant = Instant.empty(self._begin_us)
        self._captures = Captures()

        # Keep all frames that wait for fusion, and the newest detected one to answer requests from.
        frames_kept = self._fuse_us // self._step_us + 2
        # This time is a multiple of the message rule's longest pause, so that stations do not count as gone only because
        # their rule sends rarely. If congestion control spaces messages further apart than that, stations do count as gone.
        forget_us = round(SILENT_PERIODS * rule.awareness_rule.longest_us)
        self.stations = Stations(frames_kept, self._detect_us, forget_us)
        self._tracks = OwnTracks(self._step_us)
        self._blind_zones = BlindZones(FootprintMap(obstacles, rule.matrix.cell_m))
        self._transfers = Transfers()
        self._air = self._channel(streams)
        answering = Answering(scenario, self.clock, self.stations, self._tracks)
        self._exchange: Exchange
        if rule.transport == "synchronous":
            self._exchange = AtOnce(scenario, self.clock, self.stations, self._transfers, answering.answer_to)
        else:
            relaying = Relaying(obstacles, rule, scenario.radio, streams, self.recording.tables["relays"])
            self._exchange = OverTheAir(
                scenario, self.clock, self._air, self.stations, self._transfers, relaying, answering.answer_to
            )
        self._cooperation = Cooperation(
            scenario, self.clock, streams, self._air, self._exchange, self.stations, self._tracks, self._blind_zones,
            self._transfers,
        )  # fmt: skip

    def run(self) -> None:
        """Run the simulation from the first tick until the last frame is fused."""
        usual_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        try:
            for process in (self._ticks(), self._announcements(), self._matches(), self._fusions()):
                self.clock.start(process)
            # The last frame also gets its full time until the fusion deadline, although no tick follows it.
            last_fusion_us = self._end_us - self._step_us + self._fuse_us
            self.clock.run_until(last_fusion_us + 1)
            # Packets that end between the last event and the end of the run count too.
            self._air.settle()
            self._air.close()
            self.recording.close(self._transfers.all())
        finally:
            sys.setswitchinterval(usual_interval_s)
            self._sensing.close()

    # Processes

    def _ticks(self) -> Process:
        """Process that advances the world tick by tick."""
        # Each tick prepares the next one; the first one is prepared here.
        moment = self._world.begin(self._begin_us, self._instant.errors)
        for time_us in self._tick_times_us():
            yield self.clock.at(time_us, Order.TICK)
            current, next_us = moment, time_us + self._step_us
            if next_us < self._end_us:
                # Other threads cast the lidars of the next tick while this thread works on messages and fusion.
                moment = self._world.begin(next_us, current.errors)
            self._enter(current)
            if self._on_tick is not None:
                self._on_tick(next_us - self._begin_us)

    def _announcements(self) -> Process:
        """Process in which stations announce themselves."""
        # Announcements start after the first detection: before it, no station has a matrix to announce.
        yield self.clock.at(self._begin_us + self._detect_us, Order.ANNOUNCE)
        while True:
            self._air.settle()
            self._cooperation.announce(self._instant.states)
            period_us = self.scenario.cooperation.awareness_rule.check_us
            # From one step after the last tick on, vehicles no longer move, so their announcements would be false.
            if self.clock.now_us + period_us >= self._end_us:
                return
            yield self.clock.after(period_us, Order.ANNOUNCE)

    def _matches(self) -> Process:
        """Process in which stations act on each frame when its detection is finished: egos ask helpers, or stations report."""
        shares = self.scenario.cooperation.fusion.shares
        for frame_us in self._tick_times_us():
            yield self.clock.at(frame_us + self._detect_us, Order.MATCH)
            if shares is not Share.NOTHING:
                self._air.settle()
                self._match(frame_us)

    def _fusions(self) -> Process:
        """Process in which egos fuse each frame, at its deadline, with the data that has arrived."""
        for frame_us in self._tick_times_us():
            yield self.clock.at(frame_us + self._fuse_us, Order.FUSE)
            # Data that arrives exactly at the deadline is in time.
            self._air.settle()
            frames = [knowledge.frame_of(frame_us) for knowledge in self.stations.egos()]
            self.recording.fused([self._fuse(ego) for ego in frames if ego is not None])

    # Steps

    def _enter(self, moment: BegunTick) -> None:
        """Make a prepared tick the present one: its links replace the old ones, and stations get their new frames."""
        instant = self._world.instant(moment, self._instant.links)
        # The channel delivers packets over the old links before `_instant` is replaced, so that stations that react to
        # them use the old state.
        self._air.tick(instant.fleet, instant.links)
        self._instant = instant
        self.stations.enter(instant.states)
        self.recording.tick(instant)
        self.plausibility.note(instant.snapshot, instant.fleet)
        boxes_are_shared = self.scenario.cooperation.fusion.shares.is_boxes
        for sensed in moment.sensed:
            frame, capture = sensed.result()
            self._captures.put(frame, capture)
            self.stations.keep_frame(frame)
            # Tracks are needed only for egos, whose tracks are scored, and where boxes are shared, which carry velocities.
            if boxes_are_shared or frame.agent in instant.states.agent[instant.states.ego]:
                self._tracks.follow(frame)

    def _match(self, frame_us: int) -> None:
        if self.scenario.cooperation.fusion.shares is Share.REPORTS:
            self._cooperation.report(self._instant.states, frame_us)
        else:
            self._cooperation.match(self._instant.states, frame_us)

    def _fuse(self, ego: Frame) -> FusedFrame:
        contributions = self._cooperation.collected(ego)
        scheme = self.scenario.cooperation.fusion
        arrived = [item.arrived for item in contributions]
        result = fused(ego, arrived, scheme, self._captures, self._sensing.detector_of)
        return FusedFrame(
            ego=ego, capture=self._captures[ego], instant=self._instant, fuse_us=self.clock.now_us, result=result,
            contributions=contributions, transfers=self._transfers.of_frame(ego.agent, ego.time_us),
            known=len(self.stations.knowledge_of(ego.agent).announced), announced=self._cooperation.announced_vehicles(ego),
            own_tracks=self._tracks.of(ego), blind_zone=self._blind_zones.of(ego),
        )  # fmt: skip

    # Setting up

    def _tick_times_us(self) -> range:
        return range(self._begin_us, self._end_us, self._step_us)

    def _channel(self, streams: Streams) -> Air:
        """Return the channel of the scenario; it passes the packets that arrive to the exchange."""
        # The exchange sends over this channel and is made after it, so the lambdas look it up only when they are called.
        radio, tables = self.scenario.radio, self.recording.tables
        if radio.access.ideal:
            return IdealAir(self.clock, lambda heard: self._exchange.receive(heard), tables["packets"])
        packets = PacketTable(tables["packets"], tables["unheard"], self.scenario.record.packet_share, streams)
        return RadioAir(
            self.clock, radio, streams, lambda heard: self._exchange.receive(heard), packets, tables["channel"],
            self._end_us,
        )  # fmt: skip
