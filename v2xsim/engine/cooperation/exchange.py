"""The cooperation processes: announce, match, ask, answer, collect."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessView
from v2xsim.comms.messages.sizes import awareness_bytes, encoded_matrix_bytes, request_bytes
from v2xsim.engine.channel.air import Air, Heard
from v2xsim.engine.channel.messages import AWARENESS, CPM, DATA, EVERYBODY, NOBODY, REQUEST, Awareness, Message
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.answers import Answer, Request, answer
from v2xsim.engine.cooperation.collective import Collective, Report
from v2xsim.engine.cooperation.fusing import Arrived
from v2xsim.engine.cooperation.matching import Known, asks
from v2xsim.engine.cooperation.reassembly import Reassembly
from v2xsim.engine.cooperation.relaying import RelayPlan
from v2xsim.engine.stations.belief import Belief
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.hearing import SILENT_PERIODS, Hearing
from v2xsim.engine.stations.sensing import Frame
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import Detections, PerceptionMatrix
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams

# Congestion control goes by the time on the air of a typical announcement.
_TYPICAL_BYTES = 350


@dataclass
class Transfer:
    """The life of one request or answer."""

    message: Message
    frame_us: int
    capture_us: int
    detect_us: int
    fragments: int
    parts: Bool[np.ndarray, " fragments"]
    air_us: int = -1
    arrive_us: int = -1
    fuse_us: int = -1
    outcome: str = "lost"
    last_part_us: int = -1


@dataclass
class Heads:
    """What one ego holds of others.

    Attributes:
        known: Latest announcement of each station.
        via: Station that passed it on, NOBODY if heard directly.
        known_us: When it arrived.
        answers: Answers that arrived, whole or in part, by helper; newest capture last.
        asked: Requests of the frame being worked on.
    """

    known: dict[int, Awareness] = field(default_factory=dict)
    via: dict[int, int] = field(default_factory=dict)
    known_us: dict[int, int] = field(default_factory=dict)
    answers: dict[int, list[Transfer]] = field(default_factory=dict)
    asked: dict[int, list[Transfer]] = field(default_factory=dict)


class Cooperation:
    """Messages between stations, over an air that delivers them when it will."""

    def __init__(
        self, scenario: Scenario, clock: Clock, streams: Streams, latest: Callable[[int, int], Frame | None],
        detections_of: Callable[[Frame], Detections],
    ) -> None:  # fmt: skip
        self._scenario, self._clock = scenario, clock
        self._latest, self._detections_of = latest, detections_of
        self.ideal = scenario.radio.access.ideal
        rule = scenario.cooperation.awareness_rule
        self.period_us = rule.check_us
        self.collective = Collective(scenario.cooperation)
        self._announcer = Announcer(rule)
        self._streams = streams
        self.forget_us = round(SILENT_PERIODS * rule.longest_us)
        self._window_us = round(scenario.radio.selection_window_ms * 1e3)
        self.hearing = Hearing.nobody()
        self.heads: dict[int, Heads] = {}
        self.transfers: list[Transfer] = []
        self.plan = RelayPlan.none()
        self.air: Air | None = None
        self._by_message: dict[int, Transfer] = {}
        self._broadcasts = Reassembly()
        self._numbers = 0

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    @property
    def _on_air(self) -> Air:
        assert self.air is not None
        return self.air

    def announce(self, fleet: Fleet, belief: Belief, time_us: int, heights_m: Float[np.ndarray, "stations 3"]) -> None:
        """Send every station's awareness message: its state at the tick `time_us`, its latest matrix."""
        now = self._clock.now_us
        heard = self.hearing.heard(now, self.forget_us)
        due, believed = self._due(fleet, now), belief.applied_to(fleet.pose)
        for row in np.flatnonzero(due):
            agent = int(fleet.agent[row])
            frame = self._latest(agent, now) if fleet.lidars[row] else None
            body = Awareness(
                agent, time_us, time_us + int(belief.clock_offset_us[row]),
                believed[row], fleet.velocity_mps[row],
                float(fleet.antenna_m[row, 2]), heights_m[row], frame.matrix if frame else None,
                fleet.agent[np.flatnonzero(heard[row])] if len(heard) == len(fleet) else np.zeros(0, np.int64),
            )  # fmt: skip
            if self._scenario.cooperation.transport == "synchronous":
                for ego in self.heads:
                    self._learn(ego, body, agent, now)
                continue
            size = awareness_bytes(encoded_matrix_bytes(frame.matrix.code) if frame else 0, len(body.heard))
            message = Message(self._number(), AWARENESS, agent, EVERYBODY, NOBODY, size, now, body)
            urgent = agent in self.plan.forwards
            self._on_air.send(message, sender=agent, target=EVERYBODY, hop=1, window_us=self.period_us, urgent=urgent)

    def _due(self, fleet: Fleet, now_us: int) -> Bool[np.ndarray, " stations"]:
        """Return which stations announce themselves now, by rule and congestion control."""
        speed = np.hypot(fleet.velocity_mps[:, 0], fleet.velocity_mps[:, 1])
        view = AwarenessView(
            fleet.agent, fleet.pose[:, :2], fleet.pose[:, 3], speed, now_us, self._on_air.wait_us(_TYPICAL_BYTES)
        )
        return self._announcer.due(view)

    def tell(self, report: Report) -> None:
        """Broadcast a collective perception message."""
        now = self._clock.now_us
        if self._scenario.cooperation.transport == "synchronous":
            for ego in self.heads:
                self.collective.take(ego, report, now)
            return
        message = Message(self._number(), CPM, report.origin, EVERYBODY, NOBODY, report.size_bytes, now, report)
        self._on_air.send(
            message, sender=report.origin, target=EVERYBODY, hop=1, window_us=self._window_us, urgent=True
        )

    def wait_us(self) -> Float[np.ndarray, " stations"]:
        """Return what congestion control asks each station to leave between messages."""
        return self._on_air.wait_us(_TYPICAL_BYTES)

    def on_heard(self, heard: Heard) -> None:
        """Take in a packet: measure it, pass it on, put messages together."""
        packet, message = heard.packet, heard.packet.message
        if not self.ideal:
            self.hearing.note(heard.receivers, packet.sender, heard.snr_db, heard.time_us, self.forget_us)
        receivers = set(heard.receivers.tolist())
        if message.kind == AWARENESS:
            if packet.hop == 1:
                for relay in sorted(receivers.intersection(self.plan.forwards.get(message.origin, ()))):
                    self._on_air.forward(packet, sender=relay, target=EVERYBODY, window_us=self._window_us)
            for ego in sorted(receivers.intersection(self.heads)):
                if self._broadcasts.completes(packet, ego):
                    self._learn(ego, message.body, packet.sender, heard.time_us)
            return
        if message.kind == CPM:
            for ego in sorted(receivers.intersection(self.heads)):
                if self._broadcasts.completes(packet, ego):
                    self.collective.take(ego, message.body, heard.time_us)
            return
        if packet.target not in receivers:
            return
        transfer = self._by_message[message.number]
        if transfer.air_us < 0 or heard.start_us < transfer.air_us:
            transfer.air_us = heard.start_us
        if message.destination != packet.target:
            self._on_air.forward(packet, sender=packet.target, target=message.destination, window_us=self._window_us)
            return
        transfer.parts[packet.fragment] = True
        transfer.last_part_us = heard.time_us
        if transfer.parts.all():
            transfer.arrive_us = heard.time_us
            if message.kind == REQUEST:
                transfer.outcome = "answered"
                self._answer(message.body, message.relay)

    def _learn(self, ego: int, body: Awareness, sender: int, time_us: int) -> None:
        heads = self.heads[ego]
        before = heads.known.get(body.origin)
        if body.origin == ego or (before is not None and before.capture_us >= body.capture_us):
            return
        heads.known[body.origin] = body
        heads.known_us[body.origin] = time_us
        heads.via[body.origin] = NOBODY if sender == body.origin else sender

    def helpers_of(self, ego: int, fleet: Fleet, delivery: Float[np.ndarray, "stations stations"]) -> list[Known]:
        """Return the stations with a matrix that an ego knows of and can reach, directly or through a relay."""
        heads, now, rule = self.heads[ego], self._clock.now_us, self._scenario.cooperation
        row = fleet.index(ego)
        known = []
        for agent in sorted(heads.known):
            body, column = heads.known[agent], fleet.index(agent)
            if body.matrix is None or column < 0 or now - heads.known_us[agent] > self.forget_us:
                continue
            direct = 1.0 if self.ideal else float(delivery[row, column])
            relay = NOBODY
            if direct < rule.min_delivery:
                relay = self.plan.relay_of.get((ego, agent), NOBODY)
                middle = fleet.index(relay) if relay != NOBODY else -1
                if middle >= 0:
                    direct = float(delivery[row, middle] * delivery[middle, column])
                elif direct <= 0.0:
                    continue
                else:
                    relay = NOBODY
            known.append(Known(agent, body.matrix, body.pose[:2], direct, relay))
        return known

    def ask(self, ego: Frame, weight: Float[np.ndarray, "nx ny"], known: list[Known]) -> None:
        """Send the requests for an ego's frame."""
        now, size = self._clock.now_us, request_bytes(ego.matrix.code.size)
        sent = []
        for item in asks(ego, weight, known, self._scenario.cooperation, self._streams):
            request = self.request_for(ego, item.known.agent, item.cells, item.allowance_bytes)
            relay = item.known.relay
            message = Message(request.number, REQUEST, ego.agent, item.known.agent, relay, size, now, request)
            sent.append(self._dispatch(message, ego.time_us, -1, -1))
        self.heads[ego.agent].asked[ego.time_us] = sent

    def request_for(self, ego: Frame, helper: int, cells: Bool[np.ndarray, "nx ny"], allowance_bytes: int) -> Request:
        """Return a request of an ego to a helper."""
        return Request(
            self._number(), ego.agent, helper, ego.time_us, ego.matrix.lower, ego.matrix.cell_m, cells,
            ego.believed[:2], allowance_bytes,
        )  # fmt: skip

    def answer_of(self, request: Request) -> Answer | None:
        """Return the answer of a helper out of its latest frame, None without one."""
        frame = self._latest(request.helper, self._clock.now_us)
        if frame is None:
            return None
        rule, radio = self._scenario.cooperation, self._scenario.radio
        scheme, detections = rule.fusion, self._detections_of(frame)
        return answer(request, frame, detections, scheme.shares, scheme.thinned_to_m, radio.mtu_bytes)

    def _answer(self, request: Request, relay: int) -> None:
        reply = self.answer_of(request)
        if reply is None:
            return
        message = Message(
            self._number(), DATA, request.helper, request.ego, relay, reply.size_bytes, self._clock.now_us, reply
        )
        detect_us = reply.frame.time_us + round(self._scenario.cooperation.detect_ms * 1e3)
        transfer = self._dispatch(message, request.frame_us, reply.frame.time_us, detect_us)
        if request.ego in self.heads:
            self.heads[request.ego].answers.setdefault(request.helper, []).append(transfer)

    def _dispatch(self, message: Message, frame_us: int, capture_us: int, detect_us: int) -> Transfer:
        mtu = self._scenario.radio.mtu_bytes
        fragments = 1 if self.ideal else max(1, -(-message.size_bytes // mtu))
        transfer = Transfer(message, frame_us, capture_us, detect_us, fragments, np.zeros(fragments, bool))
        self._by_message[message.number] = transfer
        self.transfers.append(transfer)
        target = message.relay if message.relay != NOBODY else message.destination
        self._on_air.send(message, sender=message.origin, target=target, hop=1, window_us=self._window_us, urgent=True)
        return transfer

    def transfers_of(self, ego: int, frame_us: int) -> list[Transfer]:
        """Return the requests of an ego's frame and the answers to them."""
        found = []
        for item in reversed(self.transfers):
            if item.frame_us < frame_us - 1_000_000:
                break
            asker = item.message.origin if item.message.kind == REQUEST else item.message.destination
            if item.frame_us == frame_us and asker == ego:
                found.append(item)
        return found[::-1]

    def hand_over(self, message: Message, frame_us: int, capture_us: int, detect_us: int) -> None:
        """Give an ego an answer at once, past the air."""
        now = self._clock.now_us
        transfer = Transfer(message, frame_us, capture_us, detect_us, 1, np.ones(1, bool), now, now)
        self.transfers.append(transfer)
        self.heads[message.destination].answers.setdefault(message.origin, []).append(transfer)

    def collected(self, ego: Frame, fuse_us: int) -> list[tuple[Transfer, Arrived]]:
        """Return what an ego fuses for its frame: of each helper the newest answer captured not after the frame.

        Answers older than max_age_ms are dropped. Those that arrive later than this instant are late for this frame; they
        may still serve the next one.
        """
        if self._scenario.cooperation.fusion.shares is Share.REPORTS:
            return [
                (_as_transfer(ego, report, told_us, fuse_us), arrived)
                for report, told_us, arrived in self.collective.collected(ego)
            ]
        heads, oldest = self.heads[ego.agent], ego.time_us - round(self._scenario.cooperation.max_age_ms * 1e3)
        found = []
        for helper in sorted(heads.answers):
            usable = [t for t in heads.answers[helper] if oldest <= t.capture_us <= ego.time_us]
            heads.answers[helper] = [t for t in heads.answers[helper] if t.capture_us >= oldest]
            arrived = [t for t in usable if t.parts.any()]
            if not arrived:
                continue
            newest = max(arrived, key=lambda t: (t.capture_us, int(t.parts.sum()), t.message.number))
            reply: Answer = newest.message.body
            parts = np.ones(max(1, -(-reply.size_bytes // self._scenario.radio.mtu_bytes)), bool)
            if not self.ideal and self._scenario.cooperation.transport == "radio":
                parts = newest.parts.copy()
            moved = _on_grid(reply, ego)
            if newest.fuse_us < 0:
                newest.fuse_us = fuse_us
                newest.outcome = "used" if newest.frame_us == ego.time_us else "late"
            found.append((newest, Arrived(moved, parts)))
        return found


def _as_transfer(ego: Frame, report: Report, told_us: int, fuse_us: int) -> Transfer:
    """Return a collective perception message as what an ego counts as received."""
    message = Message(-1, DATA, report.origin, ego.agent, NOBODY, report.size_bytes, told_us, report)
    return Transfer(
        message,
        ego.time_us,
        report.frame.time_us,
        report.frame.time_us,
        1,
        np.ones(1, bool),
        told_us,
        told_us,
        fuse_us,
        "used",
    )


def _on_grid(reply: Answer, ego: Frame) -> Answer:
    """Return an answer to an earlier request on the grid of the ego's present matrix."""
    shift = ego.matrix.lower - reply.request.lower
    if not shift.any() and reply.code.shape == ego.matrix.code.shape:
        return reply
    shape = ego.matrix.code.shape
    code = shifted(PerceptionMatrix(reply.request.lower, reply.request.cell_m, reply.code), ego.matrix.lower, shape)
    part = shifted(
        PerceptionMatrix(reply.request.lower, reply.request.cell_m, reply.code_part), ego.matrix.lower, shape
    )
    return replace(reply, code=code, code_part=part)
