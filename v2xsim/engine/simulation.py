"""One simulation run: its components, and the four processes that drive them."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from threadpoolctl import ThreadpoolController

from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.messages.cpm import CHECK_US
from v2xsim.engine.channel.air import Air, Heard, IdealAir
from v2xsim.engine.channel.blocked_links import BlockedLinks
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import ApplicationMessage, Message
from v2xsim.engine.channel.packet_table import PacketTable
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.clock import Clock, Order, Process
from v2xsim.engine.cooperation.announcing import all_keep_announcements, matrix_valid_us
from v2xsim.engine.cooperation.answering import Answering
from v2xsim.engine.cooperation.at_once import AtOnce
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast
from v2xsim.engine.cooperation.exchange import Exchange
from v2xsim.engine.cooperation.foresight import Foresight
from v2xsim.engine.cooperation.fusing import Due, fused_each
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.own_messages import OnArrival, OnLoss, OwnMessages
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.engine.cooperation.retelling import RETELLING_SLOTS, Retelling, is_retelling
from v2xsim.engine.cooperation.told import telling
from v2xsim.engine.cooperation.transfers import Transfers
from v2xsim.engine.cooperation.true_paths import TruePaths
from v2xsim.engine.instant import Instant
from v2xsim.engine.lockstep import Lockstep
from v2xsim.engine.plausibility import Plausibility
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.recording.link_deaths import LinkDeaths
from v2xsim.engine.recording.recording import Recording
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.capture import Captures
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.engine.stations.hearing import SILENT_PERIODS
from v2xsim.engine.stations.inbox import Inboxes
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.stations.stations import Stations
from v2xsim.engine.world import BegunTick, World
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.mobility.base import Mobility, Names
from v2xsim.notices import Notice
from v2xsim.records import Obstacles
from v2xsim.results.store import Store
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.footprints import FootprintMap
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.roads import Roads

# Python's switch interval during a run: a lidar thread that returns from a compiled kernel gets Python's interpreter lock
# (GIL) back within about this time, instead of the usual 5 ms.
_SWITCH_INTERVAL_S = 0.0005
# Number of new objects after which Python looks for unreachable ones that refer to each other, instead of the usual 700. A tick makes
# thousands of objects, and hardly any of them is such a one: with this number, a run takes 3 % less time.
_COLLECTED_AFTER = 10_000


@contextmanager
def _interpreter_of_a_run() -> Iterator[None]:
    """Set how often Python's threads take turns, and how rarely it looks for unreachable objects, for the duration of a `with` block."""
    usual_interval_s, usual_thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # A program that has switched this off has 0.
    gc.set_threshold(max(usual_thresholds[0], _COLLECTED_AFTER) if usual_thresholds[0] else 0, *usual_thresholds[1:])
    try:
        yield
    finally:
        sys.setswitchinterval(usual_interval_s)
        gc.set_threshold(*usual_thresholds)


class Simulation:
    """The four processes of one run, which share a simulated clock: ticks, announcements, matching and fusion.

    `finish` runs it to its end; `step` runs it to the next tick and stops there, so that own code can look at it and act.
    Both give the same results, if own code does not act. After the end, or if it is no longer needed, `close` it.
    """

    def __init__(
        self,
        scenario: Scenario,
        mobility: Mobility,
        obstacles: Obstacles,
        roster: Roster,
        threads: int,
        on_tick: Callable[[int], None] | None = None,
        on_frame: Callable[[FusedFrame], None] | None = None,
        names: Names | None = None,
        store: Store | None = None,
        roads: Roads | None = None,
        lockstep: Lockstep | None = None,
    ) -> None:
        self._is_alone, lockstep = lockstep is None, lockstep or Lockstep(threads)
        self.scenario, self._on_tick, self._on_frame = scenario, on_tick, on_frame
        rule, streams = scenario.cooperation, Streams(scenario.run.seed, mobility.names.keys)
        self._begin_us = round(scenario.run.begin_s * 1e6)
        self._step_us = round(scenario.run.step_s * 1e6)
        # At least one: a scenario's run is no shorter than its step.
        tick_count = round(scenario.run.duration_s * 1e6 / self._step_us)
        self._end_us = self._begin_us + tick_count * self._step_us
        self._detect_us = round(rule.detect_ms * 1e3)
        self._fuse_us = round(rule.deadline_ms * 1e3)

        self.clock, self.stages, self._workers = Clock(self._begin_us), Stages(), lockstep.workers
        # After the first products of matrices, the threads of the library that computes them wait busily: they would take the processor
        # from the threads of the run.
        self._libraries = ThreadpoolController()
        self.recording = Recording(
            scenario, self._begin_us, obstacles.prisms, names, store, self.stages, self._workers, lockstep.runs
        )
        hidden_speeds = lockstep.once(
            ("hidden speeds", rule.hidden_speed_mps),
            lambda: HiddenSpeeds(roads or Roads.none(), rule.matrix.cell_m, rule.hidden_speed_mps),
        )
        self.plausibility = Plausibility(scenario, obstacles, hidden_speeds)
        self._blocked_links = BlockedLinks(scenario, obstacles, roads or Roads.none())
        self.sensing = lockstep.once("sensing", lambda: Sensing(scenario, obstacles, streams, self._workers))
        # No station reads what an ego has after fusion. A user's scheme may read what other parts of the same file change.
        self._may_fuse_later = self._workers.count > 0 and rule.fusion.file is None
        self._told = telling(rule, obstacles, roads or Roads.none())
        self._world = World(
            scenario, mobility, obstacles, roster, self.sensing, streams, self.stages, self.corners, lockstep
        )
        # An empty world, so that no process needs a check for None before the first tick.
        self.instant = Instant.empty(self._begin_us)
        # The tick whose computation has begun, and the world at it if a bound has looked ahead.
        self._ahead: BegunTick | None = None
        self._foreseen: Instant | None = None
        # What each station had measured on the packets of others at the last tick.
        self.heard = Measured.nothing()
        self._captures = Captures()

        # Keep all frames that wait for fusion, and the newest detected one to answer requests from.
        frames_kept = self._fuse_us // self._step_us + 2
        # This time is a multiple of the message rule's longest pause, so that stations do not count as gone only because
        # their rule sends rarely. If congestion control spaces messages further apart than that, stations do count as gone.
        forget_us = round(SILENT_PERIODS * rule.awareness_rule.longest_us)
        max_age_us = round(rule.max_age_ms * 1e3)
        retells = is_retelling(scenario)
        all_listen = all_keep_announcements(scenario) or retells
        longest_us = round(rule.awareness_rule.longest_us)
        self.stations = Stations(
            frames_kept, self._detect_us, forget_us, max_age_us, longest_us, all_listen, matrix_valid_us(rule)
        )
        self._link_deaths = LinkDeaths(self.recording.tables["deaths"], scenario, self.stations.knows)
        # Whose tracks are followed depends on whether boxes are shared.
        self.tracks = lockstep.once(("tracks", rule.fusion.shares.is_boxes), lambda: OwnTracks(self._step_us))
        self._blind_zones = lockstep.once(
            ("blind zones", rule.hidden_speed_mps),
            lambda: BlindZones(FootprintMap(obstacles, rule.matrix.cell_m), hidden_speeds),
        )
        self._transfers = Transfers(self.recording.tables["transfers"], max_age_us, self.recording.tables["cycles"])
        self.inboxes = Inboxes()
        self.own_messages = OwnMessages(
            self.clock, self.stations, self.inboxes, rule.transport == "synchronous", not scenario.radio.access.ideal,
            lambda agent: self.instant.fleet.index(agent) >= 0,
        )  # fmt: skip
        # Latest fused frame of each ego, kept only for a program that steps the run.
        self.latest_fused: dict[int, FusedFrame] = {}
        self._air = self._channel(streams)
        answering = Answering(scenario, self.clock, self.stations, self.tracks, obstacles)
        self._forecast = CycleForecast(scenario.radio.access.name, scenario.radio.retries, scenario.radio.mtu_bytes)
        retelling = Retelling(rule, self.stations, hidden_speeds, streams) if retells else None
        self._exchange: Exchange
        if rule.transport == "synchronous":
            self._exchange = AtOnce(scenario, self.clock, self.stations, self._transfers, answering.answer_to)
        else:
            tables = self.recording.tables
            foresight = Foresight(scenario.radio, rule, obstacles, self.corners, tables["foretold"])
            sees_truth = rule.bound.sees and not scenario.radio.access.ideal
            bound = TruePaths(rule.bound, scenario.radio, self._links_to_the_deadline) if sees_truth else None
            relaying = Relaying(
                obstacles, rule, scenario.radio, streams, tables["relays"], tables["nominations"], foresight, bound
            )
            self._exchange = OverTheAir(
                scenario, self.clock, self._air, self.stations, self.tracks, self._transfers, relaying, self._forecast,
                answering.answer_to, retelling.heard if retelling is not None else None,
            )  # fmt: skip
        self._cooperation = Cooperation(
            scenario, self.clock, streams, self._air, self._exchange, self.stations, self.tracks, self._blind_zones,
            self._transfers, self._forecast, self.stages, retelling,
        )  # fmt: skip

        # How far `step` has come; the tick process waits for `_go_on` while own code is at work.
        self._next_us, self._is_stepped, self.is_over = self._begin_us, False, False
        self._go_on = self.clock.event()
        processes = [self._ticks(), self._announcements(), self._matches(), self._fusions()]
        if retells:
            processes.append(self._retellings())
        for process in processes:
            self.clock.start(process)

    @property
    def corners(self) -> CornerMap:
        """Corner points of the map, which every station knows; none if the world has no buildings."""
        return self._blocked_links.corners

    def notices(self, names: Names) -> tuple[Notice, ...]:
        """Return what looked wrong in the ticks so far, which links found no way round a corner, and what was left out of reports."""
        bound = self.scenario.cooperation.bound
        text = f"cooperation.bound {bound.name}: relays are chosen with the true channel, as no station can; an upper bound, for comparison only"
        bounds = (Notice("relay.bound", 1, text),) if bound.sees else ()
        return (
            *bounds,
            *self.plausibility.notices(names),
            *self._blocked_links.notices(),
            *self._cooperation.notices(),
            *(self.sensing.air.notices() if self.sensing.air is not None else ()),
        )

    @property
    def has_begun(self) -> bool:
        """Whether the first tick has been reached."""
        return self._next_us > self._begin_us

    def run(self) -> None:
        """Run the simulation from the first tick until the last frame is fused, and close it."""
        try:
            self.finish()
        finally:
            self.close()

    def step(self) -> bool:
        """Run to the next tick, with all that happens at its instant; after the last tick, finish and return False."""
        if self._next_us >= self._end_us:
            self.finish()
            return False
        self._is_stepped = True
        self.inboxes.clear()
        self._leave_tick()
        with self._at_work():
            self.clock.run_through(self._next_us)
        self._next_us += self._step_us
        return True

    def advance(self) -> bool:
        """Run through the next tick and all that happens before the one after it; return whether there is a further tick.

        For runs that advance in turn. Unlike after `step`, own code cannot act, since the tick after it has begun.
        """
        if self._next_us < self._end_us:
            self._next_us += self._step_us
            with self._at_work():
                self.clock.run_until(self._next_us)
        return self._next_us < self._end_us

    def finish(self) -> None:
        """Run until the last frame is fused; a second call does nothing."""
        if self.is_over:
            return
        self._is_stepped, self._next_us = False, self._end_us
        self._leave_tick()
        with self._at_work():
            # The last frame also gets its full time until the fusion deadline, although no tick follows it.
            self.clock.run_until(self._end_us - self._step_us + self._fuse_us + 1)
            # Packets that end between the last event and the end of the run count too.
            self._air.settle()
            self.own_messages.close()
            self._air.close()
            self._transfers.close()
            self._link_deaths.finish()
            self.recording.finish()
        self.is_over = True

    def close(self) -> None:
        """Stop all threads; a second call does nothing."""
        self.recording.close()
        if self._is_alone:
            self._workers.close()

    def send(
        self, origin: int, destination: int, payload: bytes, on_arrival: OnArrival | None, on_loss: OnLoss | None
    ) -> int:
        """Send a message of the program from a station; arguments as in `OwnMessages.send`."""
        everyone = self.instant.fleet.agent
        return self.own_messages.send(self._air, everyone, origin, destination, payload, on_arrival, on_loss)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with _interpreter_of_a_run(), self._libraries.limit(limits=1, user_api="blas"), self.stages.counted():
            yield

    def _leave_tick(self) -> None:
        """Let the tick process go on, if it waits for own code."""
        if not self._go_on.triggered:
            self._go_on.succeed()

    # Processes

    def _ticks(self) -> Process:
        """Process that advances the world tick by tick."""
        # Each tick prepares the next one; the first one is prepared here.
        moment = self._world.begin(self._begin_us, self.instant.errors)
        for time_us in self._tick_times_us():
            yield self.clock.at(time_us, Order.TICK)
            current, next_us = moment, time_us + self._step_us
            stops_here = self._is_stepped
            if stops_here:
                self._enter(current)
                # Own code may change the traffic before the next tick is prepared.
                self._go_on = self.clock.event()
                yield self._go_on
            # Other threads cast the lidars of the next tick while this thread works on messages and fusion.
            self._ahead = None
            if next_us < self._end_us:
                self._ahead = moment = self._world.begin(next_us, current.errors)
            if not stops_here:
                self._enter(current)
            if self._on_tick is not None:
                with self.stages.program:
                    self._on_tick(next_us - self._begin_us)

    def _announcements(self) -> Process:
        """Process in which stations announce themselves."""
        # Announcements start after the first detection: before it, no station has a matrix to announce.
        yield self.clock.at(self._begin_us + self._detect_us, Order.ANNOUNCE)
        while True:
            self._air.settle()
            self._cooperation.announce(self.instant.states)
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

    def _retellings(self) -> Process:
        """Process in which stations tell on what others reported, each at its own phase of the period of reports."""
        slot_us = CHECK_US // RETELLING_SLOTS
        yield self.clock.at(self._begin_us + self._detect_us, Order.MATCH)
        slot = 0
        while self.clock.now_us + slot_us < self._end_us:
            self._air.settle()
            self._cooperation.retell(self.instant.states.agent, slot)
            slot = (slot + 1) % RETELLING_SLOTS
            yield self.clock.after(slot_us, Order.MATCH)

    def _fusions(self) -> Process:
        """Process in which egos fuse each frame, at its deadline, with the data that has arrived."""
        for frame_us in self._tick_times_us():
            yield self.clock.at(frame_us + self._fuse_us, Order.FUSE)
            # Data that arrives exactly at the deadline is in time.
            self._air.settle()
            frames = [knowledge.frame_of(frame_us) for knowledge in self.stations.egos()]
            is_watched = self.inboxes.is_open or self._on_frame is not None
            fuses_later = self._may_fuse_later and not is_watched
            with self.stages.fusion:
                fuse = self._collected([ego for ego in frames if ego is not None])
                fused_frames = [] if fuses_later else fuse()
            with self.stages.evaluation:
                self.recording.fused(fuse if fuses_later else fused_frames)
            for frame in fused_frames:
                if self.inboxes.is_open:
                    self.latest_fused[frame.ego.agent] = frame
                if self._on_frame is not None:
                    with self.stages.program:
                        self._on_frame(frame)
            self._forget(frame_us + self._step_us)

    # Steps

    def _enter(self, moment: BegunTick) -> None:
        """Make a prepared tick the present one: its links replace the old ones, and stations get their new frames."""
        if not self._is_stepped and self.inboxes.is_open:
            self.inboxes.clear()
        instant, self._foreseen = self._foreseen or self._world.instant(moment, self.instant.links), None
        # The channel delivers packets over the old links before `_instant` is replaced, so that stations that react to
        # them use the old state.
        self._air.tick(instant.fleet, instant.links)
        self.instant = instant
        self.stations.enter(instant.states)
        self.heard = self.stations.measured(instant.time_us)
        with self.stages.recording:
            self.recording.tick(instant, self.heard)
            self.plausibility.note(instant.snapshot, instant.fleet)
            self._blocked_links.note(instant.links)
            self._link_deaths.tick(instant.links, instant.fleet.agent[instant.fleet.ego], instant.time_us)
        boxes_are_shared = self.scenario.cooperation.fusion.shares.is_boxes
        egos = set(instant.states.agent[instant.states.ego].tolist())
        with self.stages.scans:
            captured = self._workers.result(moment.sensed)
        for frame, capture in captured:
            self._captures.put(frame, capture)
            self.stations.keep_frame(frame)
        with self.stages.recording:
            self.recording.captured(captured)
        # Tracks are needed only for egos, whose tracks are scored, and where boxes are shared, which carry velocities.
        with self.stages.tracking:
            self.tracks.follow([frame for frame, _ in captured if boxes_are_shared or frame.agent in egos])

    def _match(self, frame_us: int) -> None:
        if self.scenario.cooperation.fusion.shares is Share.REPORTS:
            with self.stages.messages:
                self._cooperation.report(self.instant.states, frame_us)
        else:
            with self.stages.matching:
                self._cooperation.match(self.instant.states, frame_us)

    def _collected(self, egos: list[Frame]) -> Callable[[], list[FusedFrame]]:
        """Collect what has arrived for frames of egos, all of one tick; return a function that fuses it, now or later."""
        dues, unfused, now_us = [], [], self.clock.now_us
        held = self.stations.neighbours.matrices([ego.agent for ego in egos], now_us)
        for row, (ego, vehicles) in enumerate(zip(egos, self._cooperation.announced_vehicles(egos), strict=True)):
            contributions, capture = self._cooperation.collected(ego), self._captures[ego]
            arrived = [item.arrived for item in contributions]
            dues.append(Due(ego, capture, arrived, [self._captures[item.frame] for item in arrived]))
            unfused.append(partial(
                FusedFrame, ego=ego, capture=capture, fuse_us=now_us, contributions=contributions,
                transfers=self._transfers.of_frame(ego.agent, ego.time_us),
                known=self.stations.neighbours.heard(ego.agent), announced=vehicles, tracks_at=self.tracks.place_of(ego),
                blind_zone=self._blind_zones.of(ego), held_at=(held, row),
            ))  # fmt: skip
        return partial(self._fused, dues, unfused, held)

    def _fused(self, dues: list[Due], unfused: list[partial[FusedFrame]], held: AnnouncedMatrices) -> list[FusedFrame]:
        """Return frames of egos after fusion; nothing that it reads changes while the run goes on."""
        told = self._told([due.ego for due in dues], [frame.keywords["announced"] for frame in unfused], held)
        results = fused_each(dues, self.scenario.cooperation.fusion, self.sensing, told)
        return [frame(result=result) for frame, result in zip(unfused, results, strict=True)]

    def _links_to_the_deadline(self) -> list[LinkBudget]:
        """Return the links now and, for a bound that looks ahead, at the next tick if it is before the deadline."""
        rule, links = self.scenario.cooperation, [self.instant.links]
        if rule.bound.looks_ahead and self._step_us < self._fuse_us and self._ahead is not None:
            self._foreseen = self._foreseen or self._world.instant(self._ahead, self.instant.links)
            links.append(self._foreseen.links)
        return links

    def _forget(self, next_frame_us: int) -> None:
        """Forget what nothing needs any more, after all frames captured before a time are fused."""
        self._transfers.fused_before(next_frame_us, self.clock.now_us)
        self._forecast.forget(self.stations.ego_agents)
        self.stations.tidy(next_frame_us, self.clock.now_us, self._air.oldest_us())
        for agent in [agent for agent in self.latest_fused if agent not in self.stations.ego_agents]:
            del self.latest_fused[agent]

    def _receive(self, heard: Heard) -> None:
        """Pass a packet that at least one station received to what processes its kind of message."""
        if isinstance(heard.packet.message, ApplicationMessage):
            self.own_messages.receive(heard)
        else:
            self._exchange.receive(heard)
            self.own_messages.note(heard)

    def _over(self, message: Message) -> None:
        """Pass on that no packet of a message can arrive any more."""
        if not isinstance(message, ApplicationMessage):
            self._exchange.over(message)
        self.own_messages.over(message)

    # Setting up

    def _tick_times_us(self) -> range:
        return range(self._begin_us, self._end_us, self._step_us)

    def _channel(self, streams: Streams) -> Air:
        """Return the channel of the scenario; it passes the packets that arrive to the exchange."""
        radio, tables = self.scenario.radio, self.recording.tables
        if radio.access.ideal:
            return IdealAir(
                self.clock, self._receive, tables["packets"], self.own_messages.ended, self._over, self.stages
            )
        packets = PacketTable(tables["packets"], tables["unheard"], self.scenario.record.packet_share, streams)
        return RadioAir(
            self.clock, radio, streams, self._receive, packets, tables["channel"],
            self._end_us, self.own_messages.ended, self._over, self.stages,
        )  # fmt: skip
