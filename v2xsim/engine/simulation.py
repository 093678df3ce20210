"""One simulation: the tick, and what happens between ticks."""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.channel.air import Air, IdealAir
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.messages import DATA, NOBODY, Message
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.cooperation.directory import Directory
from v2xsim.engine.cooperation.exchange import Cooperation, Heads
from v2xsim.engine.cooperation.fusing import fused
from v2xsim.engine.cooperation.matching import Known, asks
from v2xsim.engine.cooperation.relaying import plan_relays
from v2xsim.engine.recording import Recording
from v2xsim.engine.stations.belief import Belief, next_belief
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Frame, Sensing, moved_boxes
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.mobility.base import Mobility
from v2xsim.perception.matching.relevance import blind_weight
from v2xsim.perception.tracking.tracker import Tracks, velocity_of
from v2xsim.perception.tracking.tracker import step as track
from v2xsim.records import LINK_STATE_NAMES, Boxes, Detections, Obstacles, Snapshot
from v2xsim.results.tables import COLUMNS, Coded, Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.poses import inverse, pose_matrix
from v2xsim.streams import Streams
from v2xsim.world.footprints import FootprintMap

_STATES = np.array(LINK_STATE_NAMES, object)
_LOCK_PATIENCE_S = 0.0005


@dataclass(frozen=True)
class Moment:
    """The world at a tick, and what the stations are about to see of it.

    Attributes:
        snapshot: Road users.
        fleet: Stations.
        belief: Where they think they are.
        frames: Of every station with a lidar, perhaps still being worked on.
    """

    snapshot: Snapshot
    fleet: Fleet
    belief: Belief
    frames: list[Future[Frame]]


class Simulation:
    """The processes of one run, coupled through a clock."""

    def __init__(
        self,
        scenario: Scenario,
        mobility: Mobility,
        obstacles: Obstacles,
        roster: Roster,
        threads: int,
        on_tick: Callable[[int], None] | None = None,
    ) -> None:
        self.scenario, self.mobility, self.obstacles = scenario, mobility, obstacles
        self.streams = Streams(scenario.run.seed)
        self.roster, self._on_tick = roster, on_tick
        self.begin_us = round(scenario.run.begin_s * 1e6)
        self.step_us = round(scenario.run.step_s * 1e6)
        self.ticks = max(1, round(scenario.run.duration_s * 1e6 / self.step_us))
        rule = scenario.cooperation
        self.detect_us = round(rule.detect_ms * 1e3)
        self.fuse_us = round(rule.deadline_ms * 1e3)
        # A frame is needed until it is fused, and the newest detected one to answer requests.
        self._frames_kept = self.fuse_us // self.step_us + 2
        self.clock = Clock(self.begin_us)
        self.tables = {name: Columns(name) for name in COLUMNS if name != "metrics"}
        self.sensing = Sensing(scenario, obstacles, self.streams, threads)
        self.footprints = FootprintMap(obstacles, rule.matrix.cell_m)
        self.cooperation = Cooperation(scenario, self.clock, self.streams, self.latest, self._shared_detections)
        self.air: Air = (
            IdealAir(self.clock, self.cooperation.on_heard, self.tables["packets"])
            if scenario.radio.access.ideal
            else RadioAir(
                self.clock, scenario.radio, self.streams, self.cooperation.on_heard,
                self.tables["packets"], self.tables["channel"], self.tables["unheard"],
                self.begin_us + self.ticks * self.step_us, scenario.record.packet_share,
            )
        )  # fmt: skip
        self.cooperation.air = self.air
        self.directory = Directory(rule.shortlist) if rule.shortlist else None
        self.recording = Recording(scenario, self.tables, self.begin_us)
        self.frames: dict[int, deque[Frame]] = {}
        self.tracks: dict[tuple[int, int], Tracks] = {}
        self.velocities: dict[tuple[int, int], Float[np.ndarray, "detections 2"]] = {}
        self.grounds: dict[tuple[int, int], tuple[Bool[np.ndarray, "nx ny"], Float[np.ndarray, "nx ny"]]] = {}
        self.fleet: Fleet | None = None
        self.belief: Belief | None = None
        self.budget: LinkBudget | None = None
        self.snapshot: Snapshot | None = None
        self.seen_stations: dict[int, tuple[int, bool]] = {}
        self._next: Moment | None = None

    def run(self) -> None:
        """Run from the first tick until the last frame is fused."""
        clock = self.clock
        # Kernels run without the interpreter's lock; asking for it back takes this long while other code holds it.
        patience_s = sys.getswitchinterval()
        sys.setswitchinterval(_LOCK_PATIENCE_S)
        try:
            for number in range(self.ticks):
                clock.at(self.begin_us + number * self.step_us, Order.TICK, partial(self._tick, number))
            clock.at(self.begin_us + self.detect_us, Order.ANNOUNCE, self._announce)
            clock.run_until(self.begin_us + (self.ticks - 1) * self.step_us + self.fuse_us + 1)
            self.air.settle()
            self.air.close()
            self.recording.close(self.cooperation.transfers)
        finally:
            sys.setswitchinterval(patience_s)
            self.sensing.close()

    def latest(self, agent: int, now_us: int) -> Frame | None:
        """Return a station's newest frame that is detected by now."""
        for frame in reversed(self.frames.get(agent, ())):
            if frame.time_us + self.detect_us <= now_us:
                return frame
        return None

    def _shared_detections(self, frame: Frame) -> Detections:
        own = frame.detections
        velocity = self.velocities.get((frame.agent, frame.time_us), own.velocity_mps)
        return Detections(own.boxes, velocity, own.score, own.truth)

    def _moment(self, before: Belief | None, time_us: int) -> Moment:
        """Return the world at a tick. It hangs on nothing that is said over the radio, so it can be had ahead of time."""
        snapshot = self.mobility.snapshot(time_us)
        fleet = self.roster.update(snapshot)
        belief = next_belief(before, fleet.agent, time_us, self.scenario.errors, self.streams)
        return Moment(snapshot, fleet, belief, self.sensing.begin(snapshot, fleet, belief))

    def _tick(self, number: int) -> None:
        time_us = self.clock.now_us
        moment = self._next or self._moment(self.belief, time_us)
        self.belief = moment.belief
        # The lidars of the next tick are cast on other threads while this one works on messages and fusion.
        self._next = self._moment(self.belief, time_us + self.step_us) if number + 1 < self.ticks else None
        snapshot, fleet = moment.snapshot, moment.fleet
        budget = next_budget(self.budget, fleet, snapshot, self.obstacles, self.scenario.radio, self.streams)
        self.air.tick(fleet, budget)
        self.cooperation.hearing = self.cooperation.hearing.over(fleet.agent)
        self.fleet, self.snapshot, self.budget = fleet, snapshot, budget
        for row in range(len(fleet)):
            agent = int(fleet.agent[row])
            lidars, ego = self.seen_stations.get(agent, (0, False))
            self.seen_stations[agent] = (max(lidars, int(fleet.lidars[row])), ego or bool(fleet.ego[row]))
            if fleet.ego[row]:
                self.cooperation.heads.setdefault(agent, Heads())
        self._record_links(time_us, budget)
        self.recording.note_agents(snapshot)
        self._sense(moment)
        self.clock.at(time_us + self.detect_us, Order.MATCH, lambda: self._match(time_us))
        self.clock.at(time_us + self.fuse_us, Order.FUSE, lambda: self._fuse(time_us))
        if self._on_tick is not None:
            self._on_tick(time_us + self.step_us - self.begin_us)

    def _record_links(self, time_us: int, budget: LinkBudget) -> None:
        first, second = budget.near.first, budget.near.second
        every, number = self.scenario.record.link_ticks, (time_us - self.begin_us) // self.step_us
        if len(first) and every and number % every == 0:
            self.tables["links"].add(
                time_us=time_us, a=budget.agent[first], b=budget.agent[second], distance_m=budget.distance_m,
                state=Coded(budget.state, LINK_STATE_NAMES), case=budget.case,
                blocker_height_m=budget.blocker_height_m, loss_db=budget.loss_db,
                shadowing_db=budget.shadowing_db, power_dbm=budget.power_dbm,
            )  # fmt: skip

    def _sense(self, moment: Moment) -> None:
        late = self.scenario.cooperation.fusion.shares.is_boxes
        egos = {int(a) for a in moment.fleet.agent[moment.fleet.ego]}
        for pending in moment.frames:
            frame = pending.result()
            agent = frame.agent
            self.frames.setdefault(agent, deque(maxlen=self._frames_kept)).append(frame)
            if late or agent in egos:
                before = self.tracks.get((agent, frame.time_us - self.step_us), Tracks.none(frame.time_us))
                self.tracks[agent, frame.time_us] = track(before, frame.detections, frame.time_us)
            if late:
                self.velocities[agent, frame.time_us] = velocity_of(self.tracks[agent, frame.time_us], frame.detections)
        horizon = moment.snapshot.time_us - self._frames_kept * self.step_us
        self.velocities = {key: value for key, value in self.velocities.items() if key[1] >= horizon}
        self.tracks = {key: value for key, value in self.tracks.items() if key[1] >= horizon}
        self.grounds = {key: value for key, value in self.grounds.items() if key[1] >= horizon}

    def _announce(self) -> None:
        self.air.settle()
        fleet, belief, snapshot = self.fleet, self.belief, self.snapshot
        assert fleet is not None
        assert belief is not None
        assert snapshot is not None
        sizes = (
            np.where(fleet.row[:, None] >= 0, snapshot.boxes.size_m[fleet.row], 0.0)
            if len(snapshot)
            else np.zeros((len(fleet), 3))
        )
        self.cooperation.announce(fleet, belief, snapshot.time_us, sizes)
        # What is said after the last tick would be said by vehicles that no longer move.
        following_us = self.clock.now_us + self.cooperation.period_us
        if following_us < self.begin_us + self.ticks * self.step_us:
            self.clock.at(following_us, Order.ANNOUNCE, self._announce)

    def _believed_poses(self) -> Float[np.ndarray, "stations 4"]:
        assert self.fleet is not None
        assert self.belief is not None
        return self.belief.applied_to(self.fleet.pose)

    def _match(self, time_us: int) -> None:
        fleet, snapshot, rule = self.fleet, self.snapshot, self.scenario.cooperation
        if fleet is None or snapshot is None or rule.fusion.shares is Share.NOTHING:
            return
        self.air.settle()
        cooperation, now = self.cooperation, self.clock.now_us
        synchronous = rule.transport == "synchronous"
        if rule.fusion.shares is Share.REPORTS:
            self._tell(time_us)
            return
        delivery = np.ones((len(fleet), len(fleet)))
        if not synchronous and not cooperation.ideal:
            delivery = cooperation.hearing.delivery(now, cooperation.forget_us, self.scenario.radio)
            self._plan_relays(delivery, time_us)
        newest = [self.latest(int(agent), now) for agent in fleet.agent[fleet.ego]]
        egos = [(ego, self._ground_of(ego)[1]) for ego in newest if ego is not None and ego.time_us == time_us]
        if synchronous:
            self._exchange(egos)
            return
        for ego, weight in egos:
            cooperation.ask(ego, weight, cooperation.helpers_of(ego.agent, fleet, delivery))

    def _tell(self, time_us: int) -> None:
        """Let every station with a lidar broadcast what it perceives, as the rules of collective perception say."""
        fleet, cooperation, now = self.fleet, self.cooperation, self.clock.now_us
        assert fleet is not None
        wait_us = cooperation.wait_us()
        for row in np.flatnonzero(fleet.lidars > 0):
            frame = self.latest(int(fleet.agent[row]), now)
            if frame is None or frame.time_us != time_us:
                continue
            announced = np.zeros((0, 2))
            if frame.agent in cooperation.heads:
                announced = self._announced_stations(frame, now).boxes.center_m[:, :2]
            report = cooperation.collective.report(
                frame, self._shared_detections(frame), announced, now, float(wait_us[row]), int(fleet.lidars[row])
            )
            if report is not None:
                cooperation.tell(report)

    def _plan_relays(self, delivery: Float[np.ndarray, "stations stations"], time_us: int) -> None:
        fleet, snapshot = self.fleet, self.snapshot
        assert fleet is not None
        assert snapshot is not None
        believed = self._believed_poses()
        antenna = np.column_stack([believed[:, :2], fleet.antenna_m[:, 2]])
        vehicles = np.flatnonzero(fleet.row >= 0)
        announced = Boxes(believed[vehicles, :3], snapshot.boxes.size_m[fleet.row[vehicles]], believed[vehicles, 3])
        body = np.full(len(fleet), -1, np.int64)
        body[vehicles] = np.arange(len(vehicles))
        plan = plan_relays(
            self.cooperation.plan, fleet, antenna, delivery, announced, body, self.obstacles,
            self.scenario.cooperation, self.scenario.radio, self.streams,
        )  # fmt: skip
        self.cooperation.plan = plan
        if plan.relay_of:
            keys = list(plan.relay_of)
            self.tables["relays"].add(
                time_us=time_us, requester=np.array([k[0] for k in keys]), helper=np.array([k[1] for k in keys]),
                relay=np.array([plan.relay_of[k] for k in keys]), height=np.array([plan.height[k] for k in keys]),
                mobility=np.array([plan.mobility[k] for k in keys]), score=np.array([plan.score[k] for k in keys]),
            )  # fmt: skip

    def _exchange(self, egos: Sequence[tuple[Frame, Float[np.ndarray, "nx ny"]]]) -> None:
        """Hand answers over without messages: what a channel without delay and loss comes to."""
        fleet, now = self.fleet, self.clock.now_us
        assert fleet is not None
        newest = [self.latest(int(agent), now) for agent in fleet.agent[fleet.lidars > 0]]
        frames = [frame for frame in newest if frame is not None]
        known = [Known(frame.agent, frame.matrix, frame.believed[:2], 1.0, NOBODY) for frame in frames]
        listed: Sequence[set[int] | None] = [None] * len(egos)
        if self.directory is not None:
            self.directory.learn(frames)
            listed = self.directory.worth(egos)
        for (ego, weight), short in zip(egos, listed, strict=True):
            wanted = [item for item in known if item.agent != ego.agent and (short is None or item.agent in short)]
            self._hand_answers(ego, weight, wanted)

    def _hand_answers(self, ego: Frame, weight: Float[np.ndarray, "nx ny"], known: list[Known]) -> None:
        now = self.clock.now_us
        for item in asks(ego, weight, known, self.scenario.cooperation, self.streams):
            request = self.cooperation.request_for(ego, item.known.agent, item.cells, item.allowance_bytes)
            reply = self.cooperation.answer_of(request)
            if reply is not None:
                message = Message(request.number, DATA, request.helper, ego.agent, NOBODY, reply.size_bytes, now, reply)
                self.cooperation.hand_over(
                    message, ego.time_us, reply.frame.time_us, reply.frame.time_us + self.detect_us
                )

    def _fuse(self, time_us: int) -> None:
        self.air.settle()
        rule, now = self.scenario.cooperation, self.clock.now_us
        for agent in sorted(self.cooperation.heads):
            ego = next((f for f in self.frames.get(agent, ()) if f.time_us == time_us), None)
            if ego is None:
                continue
            cooperating = rule.fusion.shares is not Share.NOTHING
            collected = self.cooperation.collected(ego, now) if cooperating else []
            result = fused(ego, [item for _, item in collected], rule.fusion, self.sensing.detector_of)
            ground, weight = self._ground_of(ego)
            self.recording.frame(
                ego, result, [t for t, _ in collected], self.cooperation, self.tracks[agent, time_us],
                self._announced_stations(ego, now), now, self.detect_us, ground, weight,
                self._context(ego),
            )  # fmt: skip
        self.recording.keep_frames(self.cooperation)

    def _ground_of(self, ego: Frame) -> tuple[Bool[np.ndarray, "nx ny"], Float[np.ndarray, "nx ny"]]:
        """Return where around an ego no building stands, and how much its blind cells matter; worked out once a frame."""
        key = (ego.agent, ego.time_us)
        if key not in self.grounds:
            ground = self.footprints.open_ground(ego.matrix.lower, ego.matrix.code.shape)
            self.grounds[key] = (ground, blind_weight(ego.matrix, ground, ego.believed[:2], ego.velocity_mps))
        return self.grounds[key]

    def _announced_stations(self, ego: Frame, now_us: int) -> Detections:
        """Return the stations that an ego knows of by their own word, moved on to the instant of its frame."""
        heads, parts = self.cooperation.heads[ego.agent], []
        for agent in sorted(heads.known):
            body = heads.known[agent]
            if body.size_m[0] <= 0 or now_us - heads.known_us[agent] > self.cooperation.forget_us:
                continue
            age_s = (ego.stamp_us - body.stamp_us) * 1e-6
            center = body.pose[:3].copy()
            center[:2] += body.velocity_mps * age_s
            boxes = Boxes(center[None], body.size_m[None], body.pose[3:4])
            parts.append(Detections(boxes, body.velocity_mps[None], np.ones(1), np.array([agent])))
        return Detections.joined(parts)

    def _context(self, ego: Frame) -> tuple[Boxes, Fleet, LinkBudget]:
        """Return true bodies as the ego would place them, and the stations and links of now, for pictures."""
        assert self.fleet is not None
        assert self.budget is not None
        turn = pose_matrix(*ego.believed) @ inverse(pose_matrix(*ego.pose))
        return moved_boxes(ego.snapshot.boxes, turn), self.fleet, self.budget
