"""Choice of relays: egos choose those of their requests, and stations decide by themselves whether they pass on broadcasts.

Each decision reads what one station knows (`v2xsim.engine.stations.vicinity`). So two stations may both pass on the same
announcement, or none, because each believes that another one is better placed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.channel.path_loss.model import range_of
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.choice import RelayChoice, chosen_relays
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.rule import Ends, HopQuality, RelayView
from v2xsim.engine.cooperation.foresight import Foresight, known_vehicles
from v2xsim.engine.cooperation.known_bodies import known_bodies
from v2xsim.engine.cooperation.paths import BestWays, Paths
from v2xsim.engine.cooperation.relay_candidates import (
    OWNER,
    Candidates,
    KnownPairs,
    needing_repetition,
    passing,
    relays_of_requests,
    requests,
)
from v2xsim.engine.cooperation.rivals import rivals_of
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.vicinity import Vicinities
from v2xsim.records import Detections, Obstacles
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Cooperation
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams

TRUSTED = 0.9
"""How far an ego trusts an alarm: the share of alarms that are right, about (docs/models.md, "Foresight")."""
AHEAD_S = 0.2
"""A link that is foretold to die no later than this after the deadline of a cycle counts as weak: foretold times are no surer."""


class Bound(Protocol):
    """What chooses relays with the true channel."""

    def between(self, one: Int64[np.ndarray, " pairs"], other: Int64[np.ndarray, " pairs"]) -> BestWays:
        """Return the best way between each of some pairs of stations, given by their agent ids."""


@dataclass(frozen=True)
class RelaysBefore:
    """The relay that each station chose last for each pair, for the hysteresis of relay rules.

    Attributes:
        pair: Agent ids of station, requester and helper of each pair, as rows in rising order.
        relay: Agent id of the relay.
    """

    pair: Int64[np.ndarray, "pairs 3"] = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    relay: Int64[np.ndarray, " pairs"] = field(default_factory=lambda: np.zeros(0, np.int64))

    def of(self, pair: Int64[np.ndarray, "wanted 3"]) -> Int64[np.ndarray, " wanted"]:
        """Return the relay of each of some pairs; NOBODY for a pair without one."""
        station, requester, helper = np.concatenate([self.pair, pair]).T
        # Agent ids are below 2^31, so two fit into one number; sorting numbers is much faster than sorting rows.
        _, first_two = np.unique((station << 32) | requester, return_inverse=True)
        _, index = np.unique((first_two << 32) | helper, return_inverse=True)
        relay = np.full(index.max(initial=-1) + 1, NOBODY, np.int64)
        relay[index[: len(self.pair)]] = self.relay
        return relay[index[len(self.pair) :]]


class Relaying:
    """Keeps the relays in use, and chooses them again each time before egos send requests or stations send reports.

    Args:
        obstacles: Buildings of the map.
        rule: Section `cooperation` of the scenario.
        radio: Section `radio` of the scenario.
        streams: Random streams, for relay rules that draw.
        relays: Table of the relays that egos choose.
        nominations: Table of the decisions of stations to pass on what helpers broadcast.
        foresight: What egos foresee of their links.
        bound: Chooses relays with the true channel instead, in a run that shows an upper bound.

    Attributes:
        passing: Agent ids of the stations that pass on what a helper broadcasts, by helper.
        repeating: Agent ids of the stations that send their own broadcasts twice, with a rule that repeats packets.
    """

    def __init__(
        self,
        obstacles: Obstacles,
        rule: Cooperation,
        radio: Radio,
        streams: Streams,
        relays: Columns,
        nominations: Columns,
        foresight: Foresight,
        bound: Bound | None = None,
    ) -> None:
        self._obstacles, self._rule, self._radio, self._streams = obstacles, rule, radio, streams
        self._relays_table, self._nominations_table, self._foresight = relays, nominations, foresight
        self._bound = bound
        self._cycle_s = rule.deadline_ms * 1e-3 + AHEAD_S
        self._reach_m = 2.0 * rule.matrix.extent_m
        self._range_m = usable_range_m(rule, radio) if rule.relay.relays else 0.0
        self._of_requests, self._of_passing = RelaysBefore(), RelaysBefore()
        self.passing: dict[int, set[int]] = {}
        self.repeating: set[int] = set()

    @property
    def relays(self) -> bool:
        """Whether relays are chosen at all, by the relay rule or with the true channel."""
        return self._rule.relay.relays or self._bound is not None

    @property
    def repeats(self) -> bool:
        """Whether packets are sent again over weak direct links, instead of over relays."""
        return self._rule.relay.repeats and self._bound is None

    def plan_passing(self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]], frame_us: int) -> None:
        """Let each station decide whether it passes on what helpers broadcast, from now on, or sends again what itself broadcasts.

        Args:
            vicinities: What each station knows.
            detected: Capture time and detections of the newest frame of each station, as for `known_bodies`.
            frame_us: Capture time of the present frames, recorded with each decision to pass on.
        """
        known = vicinities.known
        self.passing = {}
        if self._bound is not None:
            self._pass_by_truth(vicinities.own, self._bound)
            return
        if self.repeats:
            own = vicinities.own
            repeating = needing_repetition(
                known, own.pose[:, :2], own.lidars > 0, self._reach_m, self._rule.min_delivery
            )
            self.repeating = set(known.owner[repeating].tolist())
            return
        pairs, candidates = passing(known, np.ones(len(known.owner), bool), self._reach_m, self._rule.min_delivery)
        choice, self._of_passing = self._chosen(vicinities, detected, pairs, candidates, self._of_passing)
        own = known.owner[pairs.owner]
        forwarders = np.column_stack([choice.candidate, choice.others])
        passes = np.flatnonzero(((forwarders >= 0) & (candidates.relay[forwarders] == OWNER)).any(axis=1))
        helper = known.agent[pairs.helper]
        for origin, station in zip(helper[passes].tolist(), own[passes].tolist(), strict=True):
            self.passing.setdefault(origin, set()).add(station)
        if len(passes):
            self._nominations_table.add(
                time_us=frame_us, station=own[passes], requester=known.agent[pairs.requester[passes]], helper=helper[passes],
                height=choice.height[passes], mobility=choice.mobility[passes], score=choice.score[passes],
                delivery=pairs.back[passes],
            )  # fmt: skip

    def paths(self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]], frame_us: int) -> Paths:
        """Return the path of each ego to each helper that it knows: directly, or through a relay that the ego chooses.

        A relay is used if the direct link is too weak, or foretold to die within this cycle, and the relayed path is predicted to be
        better. No relay is used whose link with the ego is foretold to die.

        Args:
            vicinities: What each ego knows.
            detected: Capture time and detections of the newest frame of each ego, as for `known_bodies`.
            frame_us: Capture time of the frames for which egos ask, recorded with the choice.
        """
        known, least = vicinities.known, self._rule.min_delivery
        dies = self._foresight.of_links(vicinities, detected, frame_us).after_s <= self._cycle_s
        every = requests(known, vicinities.own.pose[:, :2], np.inf)
        relay = np.full(len(every.owner), NOBODY, np.int64)
        kept = np.where(dies[every.helper], 1.0 - TRUSTED, 1.0)
        there, back = every.there * kept, every.back * kept
        snr_db = np.minimum(every.there_db, every.back_db)
        rivals = rivals_of(known, every)
        rounds = np.ones(len(relay), np.int64)
        more = np.full((len(relay), self._rule.relay.copies - 1), NOBODY, np.int64)
        paths = Paths(
            known.owner[every.owner], known.agent[every.helper], relay, more, there, back, snr_db, *rivals, rounds
        )
        if self._bound is not None:
            near = requests(known, vicinities.own.pose[:, :2], self._reach_m)
            return self._by_truth(paths, self._bound, np.isin(every.helper, near.helper), frame_us)
        if not self.relays and not self._rule.relay.repeats:
            return paths
        near = requests(known, vicinities.own.pose[:, :2], self._reach_m)
        is_weak = (np.minimum(near.there, near.back) < least) | dies[near.helper]
        weak = KnownPairs(*(column[is_weak] for column in near))
        if self._rule.relay.repeats:
            # Both lists are in the order of the known stations.
            row = np.searchsorted(every.helper, weak.helper)
            rounds[row] = 2
            there[row], back[row] = 1.0 - (1.0 - there[row]) ** 2, 1.0 - (1.0 - back[row]) ** 2
            return paths
        if len(weak.owner) == 0:
            # As below: what an ego remembers must not depend on whether another one has a weak link now.
            self._of_requests = RelaysBefore()
            return paths
        candidates = relays_of_requests(known, weak, least)
        candidates = Candidates(*(column[~dies[candidates.relay]] for column in candidates))
        choice, self._of_requests = self._chosen(vicinities, detected, weak, candidates, self._of_requests)
        self._relays_table.add(
            time_us=frame_us, requester=known.owner[weak.owner], helper=known.agent[weak.helper], relay=choice.relay,
            height=choice.height, mobility=choice.mobility, score=choice.score, delivery=np.minimum(weak.there, weak.back),
        )  # fmt: skip
        has_relay = np.flatnonzero(choice.relay >= 0)
        # Both lists are in the order of the known stations.
        row = np.searchsorted(every.helper, weak.helper[has_relay])
        forwarders = np.column_stack([choice.candidate, choice.others])[has_relay]
        relayed_there, relayed_back = _over_any(candidates, forwarders)
        is_better = relayed_there * relayed_back > there[row] * back[row]
        row = row[is_better]
        relay[row] = choice.relay[has_relay][is_better]
        others = choice.others[has_relay[is_better]]
        more[row] = np.where(others >= 0, known.agent[candidates.relay[others]], NOBODY)
        there[row], back[row] = relayed_there[is_better], relayed_back[is_better]
        snr_db[row] = candidates.snr_db[choice.candidate[has_relay[is_better]]].min(axis=1)
        return paths

    def _by_truth(self, paths: Paths, bound: Bound, is_near: Bool[np.ndarray, " paths"], frame_us: int) -> Paths:
        """Return the paths of egos with true links, and with the best relay where the direct link to a helper near by is too weak."""
        true = bound.between(paths.ego, paths.helper)
        is_weak = is_near & (true.direct < self._rule.min_delivery)
        is_better = is_weak & (true.relayed > true.direct)
        relay = np.where(is_better, true.relay, NOBODY)
        none = np.full(np.count_nonzero(is_weak), np.nan)
        self._relays_table.add(
            time_us=frame_us, requester=paths.ego[is_weak], helper=paths.helper[is_weak], relay=relay[is_weak], height=none,
            mobility=none, score=np.where(is_better, true.relayed, np.nan)[is_weak], delivery=true.direct[is_weak],
        )  # fmt: skip
        delivery = np.where(is_better, true.relayed, true.direct)
        snr_db = np.where(is_better, true.relayed_snr_db, true.snr_db)
        return replace(paths, relay=relay, there=delivery, back=delivery.copy(), snr_db=snr_db)

    def _pass_by_truth(self, own: OwnStates, bound: Bound) -> None:
        """Let the best station pass on what each helper broadcasts, for each ego near it whose link with it is too weak."""
        ego, helper = np.flatnonzero(own.ego), np.flatnonzero(own.lidars > 0)
        apart_m = np.linalg.norm(own.pose[ego, None, :2] - own.pose[helper, :2], axis=2)
        one, other = np.nonzero((apart_m < self._reach_m) & (ego[:, None] != helper))
        wants, gives = own.agent[ego[one]], own.agent[helper[other]]
        true = bound.between(gives, wants)
        passes = (true.direct < self._rule.min_delivery) & (true.relayed > true.direct)
        for origin, station in zip(gives[passes].tolist(), true.relay[passes].tolist(), strict=True):
            self.passing.setdefault(origin, set()).add(station)

    def _chosen(
        self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]], pairs: KnownPairs, candidates: Candidates,
        before: RelaysBefore,
    ) -> tuple[RelayChoice, RelaysBefore]:  # fmt: skip
        """Return the relay that the owner of each pair prefers, and the choices for the hysteresis of the next time."""
        known = vicinities.known
        requester, helper = (
            _ends(vicinities, pairs.owner, pairs.requester),
            _ends(vicinities, pairs.owner, pairs.helper),
        )
        candidate = _ends(vicinities, pairs.owner[candidates.pair], candidates.relay)
        hop, snr_db = candidates.hop, candidates.snr_db

        def draw() -> Float[np.ndarray, " candidates"]:
            ends = (requester.agent[candidates.pair], helper.agent[candidates.pair], candidate.agent)
            return self._streams.uniforms("relay", *[self._streams.agent_keys(agent) for agent in ends])[:, 0]

        def outlook(times_s: Sequence[float], counts_detected: bool) -> Float[np.ndarray, "times candidates 2"]:
            return self._outlook(vicinities, detected if counts_detected else None, pairs, candidates, times_s)

        # In most ticks of most runs nobody needs a relay, and the bodies of hundreds of vehicles take time.
        bodies = known_bodies(vicinities, detected) if len(candidates.pair) else KnownBodies.none(len(known.owner))
        view = RelayView(
            requester, helper, candidate, candidates.pair,
            HopQuality(np.fmin(hop[:, 0], hop[:, 3]), np.fmin(snr_db[:, 0], snr_db[:, 3])),
            HopQuality(np.fmin(hop[:, 1], hop[:, 2]), np.fmin(snr_db[:, 1], snr_db[:, 2])),
            self._rule.min_delivery, pairs.owner, bodies, self._obstacles, self._radio.carrier_ghz,
            self._range_m, self._foresight.least_snr_db, outlook, draw,
        )  # fmt: skip
        key = np.column_stack([known.owner[pairs.owner], requester.agent, helper.agent])
        choice = chosen_relays(self._rule.relay, view, before.of(key))
        has_relay = choice.relay >= 0
        return choice, RelaysBefore(key[has_relay], choice.relay[has_relay])

    def _outlook(
        self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]] | None, pairs: KnownPairs, candidates: Candidates,
        times_s: Sequence[float],
    ) -> Float[np.ndarray, "times candidates 2"]:  # fmt: skip
        """Return the SNR of the two hops of each candidate after some times, as the owner of its pair expects it.

        `detected` is None for owners that count only vehicles that announced themselves.
        """
        owner, pair = pairs.owner[candidates.pair], candidates.pair
        nothing = [(0, Detections.none())] * len(vicinities.own)
        vehicles, body = known_vehicles(vicinities, nothing if detected is None else detected)
        expected_db = []
        for end in (pairs.requester[pair], pairs.helper[pair]):
            # Many pairs of one owner have a hop in common.
            (group, relay, other), row = np.unique(
                np.stack([owner, candidates.relay, end]), axis=1, return_inverse=True
            )
            first, second = (_courses(vicinities, group, index) for index in (relay, other))
            # An owner's own body is not among the vehicles that it knows.
            first_body, second_body = (np.where(index < 0, -1, body[index]) for index in (relay, other))
            hops = self._foresight.hops(first, second, group, first_body, second_body, vehicles)
            expected_db.append(hops.expected_at(np.arange(len(group)), times_s)[0].T[:, row.ravel()])
        return np.stack(expected_db, axis=2)


def _ends(vicinities: Vicinities, owner: Int64[np.ndarray, " stations"], index: Int64[np.ndarray, " stations"]) -> Ends:
    """Return the state of stations as their owners know it, given by their indices among the known stations."""
    own, said, known = vicinities.own, vicinities.announced, vicinities.known
    is_own, row, course = index < 0, said.row[index], _courses(vicinities, owner, index)
    return Ends(
        np.where(is_own, known.owner[owner], known.agent[index]), course.position_m, course.velocity_mps,
        np.where(is_own, ~own.is_vehicle[owner], ~said.is_vehicle[row]),
        np.where(is_own, vicinities.busy_share[owner], said.busy_share[row]),
    )  # fmt: skip


def _courses(
    vicinities: Vicinities, owner: Int64[np.ndarray, " stations"], index: Int64[np.ndarray, " stations"]
) -> Courses:
    """Return the antennas of stations and their motion as their owners know them, given by their indices among the known stations."""
    own, said = vicinities.own, vicinities.announced
    is_own, row = index < 0, said.row[index]
    place_m = np.where(is_own[:, None], own.pose[owner, :2], vicinities.position_m[index])
    return Courses(
        np.column_stack([place_m, np.where(is_own, own.antenna_height_m[owner], said.antenna_m[row])]),
        np.where(is_own[:, None], own.velocity_mps[owner], said.velocity_mps[row]),
        np.where(is_own, own.acceleration_mps2[owner], said.acceleration_mps2[row]),
        np.where(is_own, own.turn_radps[owner], said.turn_radps[row]),
    )


def _over_any(
    candidates: Candidates, forwarders: Int64[np.ndarray, "pairs copies"]
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Return the probability that a packet gets over at least one of some forwarders, there and back; -1 stands for no forwarder."""
    hop = np.where((forwarders >= 0)[..., None], candidates.hop[forwarders], 0.0)
    there = 1.0 - np.prod(1.0 - hop[..., 0] * hop[..., 1], axis=1)
    back = 1.0 - np.prod(1.0 - hop[..., 2] * hop[..., 3], axis=1)
    return there, back


def usable_range_m(rule: Cooperation, radio: Radio) -> float:
    """Return the distance up to which a link without obstacles reaches the required delivery."""
    # For a required delivery of exactly 1, the range from the error curve would be zero.
    weakest_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db) + snr_needed_db(
        min(rule.min_delivery, 0.99), error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
    )
    eirp_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi
    return range_of(radio.channel, eirp_dbm - weakest_dbm, radio.carrier_ghz)
