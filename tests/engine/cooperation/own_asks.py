"""Whom one ego asks for which cells over which relay, worked out again from what it received, its scans and its map.

The rules themselves (matching rule, link forecast, fitted weights) are those of the library; they get a view of one ego.
"""

from dataclasses import replace
from itertools import groupby

import numpy as np

from v2xsim.comms.channel.fading.decibels import faded_db
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.history import LinkHistories, Measurements, learned, still_known
from v2xsim.comms.relay.foresight.model import ForesightView, KnownVehicles, deaths_of
from v2xsim.engine.cooperation.answer_sizes import codes_bytes, predicted_bytes
from v2xsim.engine.cooperation.blind_zone import BlindZones
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.hearing import NEWEST
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.matrix import shifted
from v2xsim.perception.matching.rule import MatchingView, MatchingViews
from v2xsim.world.footprints import FootprintMap

TRUSTED, AHEAD_S, SAME_US, SAME_VEHICLE_M = 0.9, 0.2, 500_000, 1.0
CAPTURE_DB, WIDTH_DB = 6.0, 3.0


class Ego:
    """What one ego remembers from decision to decision: its cycles, its choices of relays, and the deaths that it foretold.

    Args:
        relaying: Settings and map, from the engine.
        zones: Blind zones of the engine: only their map is used.
    """

    def __init__(self, relaying, zones):
        radio, map_of = relaying._radio, zones._footprints
        self._relaying, self._rule = relaying, relaying._rule
        self.forecast = CycleForecast(radio.access.name, radio.retries, radio.mtu_bytes)
        self._zones = BlindZones(FootprintMap(map_of._obstacles, map_of._cell_m), zones.hidden_speeds)
        self._relay_before, self._death_before, self._alarms = {}, {}, {}
        self._history = LinkHistories.none()
        self.relays, self.raised = {}, {}

    def learn(self, inbox, frame_us):
        """Learn from the cycles of one frame, at its deadline."""
        self.forecast.of(0).learn(frame_us, {helper for helper, of_us in inbox.answered if of_us == frame_us})

    def dying(self, situation):
        """Return the stations whose links with it are foretold to die within a cycle."""
        foresight, own = self._relaying._foresight, situation.own
        links = [a for a in situation.known if situation.hop(a, situation.inbox.agent)[1] >= foresight.least_snr_db]
        self.raised = {}
        if not foresight._model.foresees:
            return set()
        view = self._view(situation, links, foresight) if links else None
        if links and foresight._model.learns:
            view = self._with_history(situation, links, view, foresight)
        after_s = deaths_of(foresight._model, view) if links else np.zeros(0)
        now_us, before, dying = int(own.time_us), self._death_before, set()
        self._death_before = {}
        self._alarms = {a: due_us for a, due_us in self._alarms.items() if due_us + SAME_US > now_us}
        for agent, death_s in zip(links, after_s.tolist(), strict=True):
            due_us = now_us + round(death_s * 1e6) if np.isfinite(death_s) else 0
            if death_s == 0.0 and agent in self._alarms:
                dying.add(agent)
            if death_s == 0.0 or not np.isfinite(death_s):
                continue
            self._death_before[agent] = due_us
            if foresight._model.confirms and (agent not in before or abs(due_us - before[agent]) > SAME_US):
                continue
            if agent not in self._alarms or abs(due_us - self._alarms[agent]) > SAME_US:
                self._alarms[agent] = self.raised[agent] = due_us
            if death_s <= self._rule.deadline_ms * 1e-3 + AHEAD_S:
                dying.add(agent)
        return dying

    def _with_history(self, situation, links, view, foresight):
        """Return a view with what it has learned of its links from its own packets."""
        own, known = situation.own, situation.known
        expected_db, state = view.expected(np.arange(len(links)), 0.0)
        shape = np.full(len(links), np.inf)
        if foresight._fading is not None:
            gap_m = view.first.position_m - view.second.position_m
            shape = shape_of(foresight._fading, FadingView(np.linalg.norm(gap_m, axis=1), state))
        seen = Measurements(
            np.array(links), own.time_us, view.snr_db, expected_db, state, view.first.speed_mps + view.second.speed_mps,
            *faded_db(shape),
        )  # fmt: skip
        now = learned(
            self._history, seen, foresight._sigma_db, foresight._decorrelation_m, foresight.least_snr_db, NEWEST
        )
        self._history = still_known(self._history, now, own.time_us)
        silent_s = [(own.stamp_us[0] - known[a].stamp_us) * 1e-6 for a in links]
        return replace(view, history=now, silent_s=np.array(silent_s))

    @staticmethod
    def _view(situation, links, foresight):
        own, known = situation.own, situation.known
        vehicles, cars = vehicles_of(situation)
        said, count = [known[a] for a in links], len(links)
        first = Courses(
            np.repeat([[*own.pose[0, :2], own.antenna_height_m[0]]], count, axis=0), np.repeat(own.velocity_mps, count, axis=0),
            np.repeat(own.acceleration_mps2, count), np.repeat(own.turn_radps, count),
        )  # fmt: skip
        second = Courses(
            np.array([[*situation.place(a), known[a].antenna_height_m] for a in links]), np.array([one.velocity_mps for one in said]),
            np.array([one.acceleration_mps2 for one in said]), np.array([one.turn_radps for one in said]),
        )  # fmt: skip
        return ForesightView(
            first, second, np.zeros(count, np.int64), np.full(count, -1), np.array([cars.index(a) if a in cars else -1 for a in links]),
            np.array([situation.hop(a, situation.inbox.agent)[1] for a in links]), vehicles, foresight._channel, foresight._budget_db,
            foresight.least_snr_db, foresight._sigma_db, foresight._decorrelation_m,
        )  # fmt: skip

    def candidates(self, situation):
        """Return the helpers that it can reach: relay, delivery there and back, SNR and rivals of each, by agent id."""
        own, least, rule = situation.inbox.agent, self._rule.min_delivery, self._rule.relay
        dying, before = self.dying(situation), self._relay_before
        self.relays, found = {}, {}
        for helper, said in situation.known.items():
            if not situation.senses(said):
                continue
            (there, there_db), (back, back_db) = situation.hop(own, helper), situation.hop(helper, own)
            kept, relay, snr_db = 1.0 - TRUSTED if helper in dying else 1.0, -1, min(there_db, back_db)
            is_weak = min(there, back) < least or helper in dying
            there, back = there * kept, back * kept
            if rule.repeats and is_weak and situation.apart_m(helper, own) < self._relaying._reach_m:
                there, back = 1.0 - (1.0 - there) ** 2, 1.0 - (1.0 - back) ** 2
            if self._relaying.relays and is_weak and situation.apart_m(helper, own) < self._relaying._reach_m:
                hops_of = situation.hops_of_request(helper, least, dying)
                chosen = situation.relay(own, helper, hops_of, self._relaying, before.get(helper, -1))
                self.relays[helper] = chosen
                if chosen >= 0:
                    (a, a_db), (b, b_db), (c, c_db), (d, d_db) = hops_of[chosen]
                    if (a * b) * (c * d) > there * back:
                        relay, there, back, snr_db = chosen, a * b, c * d, min(a_db, b_db, c_db, d_db)
            if there * back > 0.0:
                found[helper] = relay, there, back, snr_db, *_rivals(situation, helper, there_db, back_db)
        self._relay_before = {helper: relay for helper, relay in self.relays.items() if relay >= 0}
        return found

    def asks(self, situation, frame, streams, busy_share):
        """Return relay, cells, predicted success and allowance of the request to each helper that it asks.

        The busy ratio is the one that its own radio measured.
        """
        own, rule, found = situation.inbox.agent, self._rule, self.candidates(situation)
        self.forecast.of(0).asked[frame.time_us] = []
        if not found:
            return {}
        agent = np.array(list(found), np.int64)
        relay, there, back, snr_db, of_request, of_answer = (np.array(one) for one in zip(*found.values(), strict=True))
        count, one = len(agent), np.zeros(len(agent), np.int64)
        paths = Paths(
            one, agent, relay, np.zeros((count, 0), np.int64), there, back, snr_db, of_request, of_answer, one + 1
        )
        weight, shape = self._zones.of(frame).weight, frame.matrix.code.shape
        held = [situation.seen_by(a) for a in agent.tolist()]
        code = np.array(
            [np.zeros(shape, np.uint8) if m is None else shifted(m, frame.matrix.lower, shape) for m in held]
        )
        blind, coding = weight > 0.0, rule.request_coding
        asked_for = whole_blocks(blind) if coding == "blocks" else blind
        cost_bytes = _cost_bytes(
            (asked_for & (code != 0)).sum(axis=(1, 2)), (asked_for & (code == 2)).sum(axis=(1, 2)), rule
        )
        evidence = self.forecast.evidence(paths, np.full(len(agent), busy_share))
        predicted = self.forecast.predicted(
            paths.ego, agent, evidence, there, back, np.full(count, request_size(blind, coding)), cost_bytes
        )
        success = predicted.success
        announced_m = np.array([situation.known[a].pose[:2] for a in agent.tolist()])
        view = MatchingView(
            weight, code, agent, np.hypot(*(announced_m - frame.pose[:2]).T), success, relay >= 0, cost_bytes, rule.budget_bytes,
            rule.max_helpers, lambda: streams.uniforms("matching", streams.agent_key(own), frame.time_us, streams.agent_keys(agent))[:, 0],
            lambda: np.full(len(agent), np.nan),
        )  # fmt: skip
        choice = chosen_helpers(rule.matching, MatchingViews.only(view))
        total = cost_bytes[choice.helper].sum()
        self.forecast.of(0).asked[frame.time_us] = predicted.asked(choice.helper.tolist(), agent)
        return {
            int(agent[h]): (
                int(relay[h]),
                whole_blocks(cells) if coding == "blocks" else cells,
                float(success[h]),
                int(rule.budget_bytes * cost_bytes[h] / total),
            )
            for h, cells in zip(choice.helper, choice.cells, strict=True)
        }


def vehicles_of(situation, *, counts_detected=True):
    """Return the vehicles that a station knows, and the agent ids of those of them that are stations, which come first."""
    known = situation.known
    cars = [a for a, said in known.items() if said.size_m[0] > 0.0]
    rows = [
        ([*situation.place(a), known[a].pose[2]], known[a].velocity_mps, known[a].acceleration_mps2, known[a].turn_radps,
         known[a].size_m, known[a].pose[3]) for a in cars
    ]  # fmt: skip
    rows += [
        (center_m, velocity_mps, 0.0, 0.0, size_m, yaw_rad)
        for center_m, size_m, yaw_rad, velocity_mps in (situation.detected() if counts_detected else [])
        if not any(_stands_on(center_m, situation.place(a), known[a]) for a in cars)
    ]
    center_m, velocity_mps, change, turn, size_m, yaw_rad = ([row[k] for row in rows] for k in range(6))
    course = Courses(
        np.array(center_m, float).reshape(-1, 3), np.array(velocity_mps, float).reshape(-1, 2), np.array(change, float),
        np.array(turn, float),
    )  # fmt: skip
    vehicles = KnownVehicles(
        course, np.array(size_m, float).reshape(-1, 3), np.array(yaw_rad, float), np.zeros(len(rows), np.int64)
    )
    return vehicles, cars


def outlook_of(situation, foresight, requester, helper, candidates, times_s, counts_detected):
    """Return the SNR of the hops of each candidate to requester and helper after some times, as a station expects it."""
    vehicles, cars = vehicles_of(situation, counts_detected=counts_detected)

    def ends(agents):
        rows = []
        for agent in agents:
            if agent == situation.inbox.agent:
                own = situation.own
                rows.append((own.antenna_height_m[0], own.velocity_mps[0], own.acceleration_mps2[0], own.turn_radps[0]))
            else:
                said = situation.known[agent]
                rows.append((said.antenna_height_m, said.velocity_mps, said.acceleration_mps2, said.turn_radps))
        height_m, velocity_mps, change, turn = zip(*rows, strict=True)
        place_m = np.array([[*situation.place(agent), z] for agent, z in zip(agents, height_m, strict=True)])
        course = Courses(place_m, np.array(velocity_mps, float), np.array(change, float), np.array(turn, float))
        return course, np.array([cars.index(agent) if agent in cars else -1 for agent in agents])

    relays, count = ends(candidates), len(candidates)
    hops = [
        foresight.hops(relays[0], other[0], np.zeros(count, np.int64), relays[1], other[1], vehicles)
        for other in (ends([requester] * count), ends([helper] * count))
    ]
    return np.stack([hop.expected_at(np.arange(count), times_s)[0].T for hop in hops], axis=2)


def whole_blocks(cells):
    """Return all cells of the blocks of 4 x 4 cells in which some cells lie."""
    grown = np.zeros_like(cells)
    for i in range(0, cells.shape[0], 4):
        for j in range(0, cells.shape[1], 4):
            grown[i : i + 4, j : j + 4] = cells[i : i + 4, j : j + 4].any()
    return grown


def request_size(cells, coding):
    """Return the size of a request for some cells: 22 B of header, and the shorter of bits and runs of up to 128 bits."""
    if coding == "bits":
        return 22 + -(-cells.size // 8)
    bits = whole_blocks(cells)[::4, ::4] if coding == "blocks" else cells
    runs = sum(-(-len(list(run)) // 128) for _, run in groupby(bits.ravel().tolist()))
    return 22 + 1 + min(runs, -(-bits.size // 8))


def _stands_on(center_m, place_m, said):
    """Return whether a point lies on an announced vehicle, seen from above."""
    x, y = np.array(center_m[:2]) - place_m
    cos, sin = np.cos(said.pose[3]), np.sin(said.pose[3])
    length, width = 0.5 * said.size_m[:2] + SAME_VEHICLE_M
    return abs(x * cos + y * sin) < length and abs(y * cos - x * sin) < width


def _rivals(situation, helper, there_db, back_db):
    """Return how many stations that it knows may disturb its request to a helper, and the answer."""
    own, known, heard = situation.inbox.agent, situation.known, situation.known[helper].heard
    of_request, of_answer = 0.0, 0.0
    for sender, snr_db in zip(heard.agent.tolist(), heard.snr_db.tolist(), strict=True):
        if sender in known and known[sender].wants_data:
            of_request += _strength(snr_db, there_db)
    for agent, said in known.items():
        share, snr_db = situation.hop(agent, own)
        if agent != helper and (situation.senses(said) or said.wants_data) and share > 0.0:
            of_answer += _strength(snr_db, back_db)
    return of_request, of_answer


def _strength(rival_db, wanted_db):
    if wanted_db == -np.inf:
        return 1.0
    return float(1.0 / (1.0 + np.exp(-(rival_db - wanted_db + CAPTURE_DB) / WIDTH_DB)))


def _cost_bytes(asked, occupied, rule):
    """Return the predicted size of each helper's answer, limited to an equal share of the budget."""
    scheme, share = rule.fusion, rule.budget_bytes / min(rule.max_helpers, len(asked))
    if scheme.shares.name == "FRAMES":
        return np.full(len(asked), rule.budget_bytes / rule.max_helpers)
    predicted = predicted_bytes(occupied, asked, scheme.shares, scheme.thinned_to_m, rule.matrix.cell_m)
    return np.maximum(np.minimum(predicted, share), np.minimum(codes_bytes(asked) + 64.0, rule.budget_bytes))
