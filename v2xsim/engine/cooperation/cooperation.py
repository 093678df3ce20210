"""The steps of cooperation: stations announce themselves, egos choose and ask helpers, stations report, egos collect data."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.channel.air import Air
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.cooperation.announcing import Announcing, announcements, matrix_interval_us
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.collecting import (
    Arrived,
    answered_whole,
    arrived_of,
    arrived_reports,
    filled_by,
    newest_answers,
)
from v2xsim.engine.cooperation.collective import Reporting, reported_to
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast
from v2xsim.engine.cooperation.exchange import Exchange
from v2xsim.engine.cooperation.matching import asks
from v2xsim.engine.cooperation.retelling import Retelling
from v2xsim.engine.cooperation.seeking import Seeking
from v2xsim.engine.cooperation.sought import sought_weight
from v2xsim.engine.cooperation.transfers import Transfers
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates, rows_of
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.stations import Stations
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.notices import Notice
from v2xsim.records import Detections
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams

# Message size from which congestion control computes the waiting time of a station, for announcements and for reports.
_TYPICAL_BYTES = 350


@dataclass(frozen=True)
class Contribution:
    """The data that one helper contributes to an ego's frame.

    Attributes:
        helper: Agent id of the helper.
        relay: Agent id of the relay over which the ego asked, NOBODY for a direct request; for reports, as `came_by`.
        capture_us: Time at which the data was captured.
        is_for_this_frame: Whether the data answers a request for this frame, not for an earlier one; always true for
            reports.
        received_bytes: Size of the payload that arrived; for reports, the size of the newest report.
        arrived: The data that arrived.
        path_us: Time at which the path was chosen: when the ego asked; for reports, when the newest one was sent, or when another station told it on.
        came_by: Agent id of the relay that brought some of the data, or passed on or told on the newest report; NOBODY if all of it came from the
            helper itself. An ego may overhear an answer that is on its way to the relay.
    """

    helper: int
    relay: int
    capture_us: int
    is_for_this_frame: bool
    received_bytes: int
    arrived: Arrived
    path_us: int
    came_by: int = NOBODY


class Cooperation:
    """The steps of cooperation; the simulation's processes call each at its time."""

    def __init__(
        self, scenario: Scenario, clock: Clock, streams: Streams, air: Air, exchange: Exchange, stations: Stations,
        tracks: OwnTracks, blind_zones: BlindZones, transfers: Transfers, forecast: CycleForecast,
        stages: Stages | None = None, retelling: Retelling | None = None,
    ) -> None:  # fmt: skip
        rule = scenario.cooperation
        self._rule, self._mtu_bytes, self._max_age_us = rule, scenario.radio.mtu_bytes, round(rule.max_age_ms * 1e3)
        self._detect_us, self._report_us = round(rule.detect_ms * 1e3), round(rule.report_interval_ms * 1e3)
        self._clock, self._streams, self._air, self._exchange = clock, streams, air, exchange
        self._stations, self._tracks, self._blind_zones, self._transfers = stations, tracks, blind_zones, transfers
        self._forecast, self._stages = forecast, stages or Stages()
        self._announcing = Announcing(rule.awareness_rule, matrix_interval_us(rule))
        self._reporting = Reporting(rule.redundancy, self._report_us)
        self._seeking = Seeking(stations.neighbours, blind_zones.hidden_speeds)
        self._retelling = retelling

    def announce(self, states: OwnStates) -> None:
        """Let each station whose announcement is due by the message rule make and send it at its own phase of the period."""
        with self._stages.messages:
            now_us = self._clock.now_us
            due = states.agent[self._announcing.due(states, self._air.wait_us(_TYPICAL_BYTES), now_us)]
            phase_us = np.array([self._exchange.announcement_phase_us(agent) for agent in due.tolist()], np.int64)
            later = phase_us > 0
            for agent, wait_us in zip(due[later, None], phase_us[later].tolist(), strict=True):
                self._clock.call(now_us + wait_us, Order.ANNOUNCE, partial(self._announce, agent))
            self._announce(due[~later])

    def _announce(self, agents: Int64[np.ndarray, " agents"]) -> None:
        """Send the announcements of stations now: their states at the last tick and their newest matrices."""
        states, now_us = self._stations.states, self._clock.now_us
        rows = rows_of(states.agent, agents)
        # A station may have left since its announcement was due.
        agents, rows = agents[rows >= 0], rows[rows >= 0]
        with self._stages.messages:
            frames = [
                self._stations.detected_frame(agent, now_us) if lidars else None
                for agent, lidars in zip(agents.tolist(), states.lidars[rows].tolist(), strict=True)
            ]
            heard, sequence = self._stations.heard_lately(agents, now_us), self._announcing.numbered(agents)
            has_matrix = np.array([frame is not None for frame in frames], bool)
            shown = self._announcing.contains_matrix(agents, has_matrix, now_us).tolist()
            for said in announcements(states, rows, frames, heard, sequence, self._air.busy_share(agents), shown):
                self._exchange.announce(said)

    def match(self, states: OwnStates, frame_us: int) -> None:
        """Let every ego whose newest frame was captured at `frame_us` ask helpers for its blind cells, unless the fusion scheme asks for nothing."""
        if not self._rule.fusion.shares.asked_for:
            # Announcements with matrices are passed on as under other schemes.
            self._exchange.plan_passing(frame_us)
            return
        now_us = self._clock.now_us
        newest = [self._stations.detected_frame(agent, now_us) for agent in states.agent[states.ego].tolist()]
        egos = [ego for ego in newest if ego is not None and ego.time_us == frame_us]
        zones = self._blind_zones.of_all(egos)
        self._exchange.plan_passing(frame_us)
        known = self._exchange.candidates(states, frame_us, list(zip(egos, zones, strict=True)))
        if not egos:
            return
        weight = np.stack([zone.weight for zone in zones])
        seeks_bodies = self._rule.matching.seeks_bodies
        sought = sought_weight(weight, egos, self.announced_vehicles(egos)) if seeks_bodies else weight
        requests = asks(egos, sought, known, self._rule, self._streams, self._forecast)
        self._transfers.cycles.wanted(now_us, egos, weight, known, requests)
        for ego, of_ego in zip(egos, requests, strict=True):
            self._forecast.of(ego.agent).asked[frame_us] = [ask.predicted for ask in of_ego]
            self._exchange.ask(ego, of_ego)

    def report(self, states: OwnStates, frame_us: int) -> None:
        """Let every station with a lidar broadcast its detections by the rules of collective perception."""
        self._exchange.plan_passing(frame_us)
        now_us, wait_us = self._clock.now_us, self._air.wait_us(_TYPICAL_BYTES)
        rows = np.flatnonzero(states.lidars > 0).tolist()
        newest = [self._stations.detected_frame(agent, now_us) for agent in states.agent[rows].tolist()]
        # A station without a new frame has nothing new to report.
        new = [
            (row, frame)
            for row, frame in zip(rows, newest, strict=True)
            if frame is not None and frame.time_us == frame_us
        ]
        frames = [frame for _, frame in new]
        announced, detections = (
            self.announced_vehicles(frames),
            [self._tracks.with_velocities(frame) for frame in frames],
        )
        reads_matrices = self._rule.redundancy.reads_matrices
        nearby = self._seeking.nearby(frames, detections, now_us) if reads_matrices else [None] * len(new)
        for (row, frame), vehicles, seen, others in zip(new, announced, detections, nearby, strict=True):
            report = self._reporting.report(
                self._stations.knowledge_of(frame.agent), frame, seen, vehicles.boxes.center_m[:, :2], now_us,
                float(wait_us[row]), int(states.lidars[row]), others,
            )  # fmt: skip
            if report is not None:
                self._exchange.report(report)

    def retell(self, agents: Int64[np.ndarray, " agents"], slot: int) -> None:
        """Let those stations whose phase is a slot of the period tell on what others reported."""
        if self._retelling is not None:
            with self._stages.messages:
                for retold in self._retelling.retold(agents, slot, self._clock.now_us):
                    self._exchange.retell(retold)

    def notices(self) -> tuple[Notice, ...]:
        """Return what a run has to say about its cooperation: what the redundancy rule left out, and what was told on."""
        told_on = self._retelling.notices() if self._retelling is not None else ()
        return (*self._reporting.notices(), *told_on)

    def announced_vehicles(self, frames: Sequence[Frame]) -> Sequence[Detections]:
        """Return the vehicles that stations know from their announcements, extrapolated to the instant of each station's frame."""
        return self._stations.neighbours.vehicles(frames, self._clock.now_us)

    def collected(self, ego: Frame) -> list[Contribution]:
        """Return the data that an ego fuses now for its frame: one item for each helper, in rising order of their agent ids."""
        knowledge, shares = self._stations.knowledge_of(ego.agent), self._rule.fusion.shares
        if shares.sends_nothing:
            return []
        if shares is Share.REPORTS:
            return [
                Contribution(
                    newest.report.origin, newest.relay, newest.report.frame.time_us, True, newest.report.size_bytes,
                    arrived_reports(newest.report.frame, detections, ego),
                    newest.report.frame.time_us + self._detect_us if newest.told_us < 0 else newest.told_us, newest.relay,
                )
                for newest, detections in reported_to(knowledge, ego, self._report_us)
            ]  # fmt: skip
        experience = self._forecast.of(ego.agent)
        asked = [cycle.helper for cycle in experience.asked.get(ego.time_us, [])]
        experience.learn(ego.time_us, answered_whole(knowledge, ego.time_us))
        contributions: list[Contribution] = []
        for received in newest_answers(knowledge, ego, self._max_age_us):
            transfer, size_bytes = self._transfers.of_message(received.number), received.answer.size_bytes
            transfer.fused(self._clock.now_us, ego.time_us)
            parts = received.parts
            contributions.append(Contribution(
                transfer.helper, transfer.relay, received.answer.frame.time_us,
                received.answer.request.frame_us == ego.time_us,
                size_bytes if parts.all() else min(size_bytes, int(parts.sum()) * self._mtu_bytes),
                arrived_of(received, ego), received.answer.request.frame_us + self._detect_us,
                transfer.relay if transfer.by_relay else NOBODY,
            ))  # fmt: skip
        filled = filled_by([item.arrived for item in contributions], self._blind_zones.of(ego).weight)
        experience.gained.learn(
            ego.time_us, asked, {item.helper: share for item, share in zip(contributions, filled, strict=True)}
        )
        return contributions
