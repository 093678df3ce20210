"""Retelling: stations tell on what others reported, as far as a station around them has not heard of it.

All of it follows from what the station received (reports, positions, matrices and lists of heard stations) and from its map.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.messages.redundancy.rule import SAME_M
from v2xsim.comms.messages.retelling.rule import RetellingView, told_on_by
from v2xsim.comms.messages.sizes import retold_bytes
from v2xsim.engine.cooperation.matrix_sight import NO_MATRICES, Bodies, Matrices, stacked
from v2xsim.engine.cooperation.retelling_loops import Around, Usable, compared, told_before, usable
from v2xsim.engine.stations.contents import HeardList, Retold
from v2xsim.engine.stations.reports_heard import ReportedRows, ReportsHeard
from v2xsim.engine.stations.stations import Stations
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.notices import Notice
from v2xsim.perception.matching.relevance import ATTENTION_S
from v2xsim.scenario.schema import Cooperation, Scenario
from v2xsim.streams import Streams
from v2xsim.world.hidden_speeds import HiddenSpeeds

RETELLING_SLOTS = 10
"""Number of instants in a period of reports at which stations tell on; each station has one of them, drawn for the run."""


def is_retelling(scenario: Scenario) -> bool:
    """Return whether stations of a scenario tell on what others reported: by radio, a report may miss some of them."""
    rule, sends_reports = scenario.cooperation, scenario.cooperation.fusion.shares is Share.REPORTS
    return rule.retelling.retells and sends_reports and rule.transport == "radio" and not scenario.radio.access.ideal


class Retelling:
    """Decides what each station tells on of what others reported.

    Args:
        rule: Section `cooperation` of the scenario.
        stations: All stations.
        hidden_speeds: Highest speed that a road user at each place is assumed to have, from the map, as for blind cells.
        streams: Random streams, for the phases of stations.
    """

    def __init__(self, rule: Cooperation, stations: Stations, hidden_speeds: HiddenSpeeds, streams: Streams) -> None:
        self._rule, self._stations, self._hidden_speeds = rule.retelling, stations, hidden_speeds
        self._streams, self._interval_us = streams, round(rule.report_interval_ms * 1e3)
        self.heard = ReportsHeard()
        # Stations that were present last, and the instant of the period that is the phase of each.
        self._agents = self._slots = np.zeros(0, np.int64)
        # Looks so far at something that might be told on, objects told on, and messages with them.
        self._looks = self._told = self._messages = 0

    def retold(self, agents: Int64[np.ndarray, " agents"], slot: int, now_us: int) -> list[Retold]:
        """Return the messages that stations send now; a station that has nothing to tell on sends none.

        Args:
            agents: Agent ids of all stations that are present, in rising order.
            slot: Number of the instant in the period, 0 to RETELLING_SLOTS - 1: those whose phase it is look at what they hold.
            now_us: Present simulated time.
        """
        self.heard.forget(now_us)
        agents = self._due(agents, slot)
        rows, states = self.heard.rows(), self._stations.states
        stamp_us = states.stamp_us[np.searchsorted(states.agent, agents)] + now_us - states.time_us
        one = usable(rows, self.heard.held_by(agents, now_us), agents, stamp_us, self._interval_us, SAME_M)
        # Most stations have nothing to tell on at most times, and only of the others is it of use what they know of those around them.
        tellers = np.flatnonzero(np.diff(one.offset))
        self._looks += len(tellers)
        if len(tellers) == 0:
            return []
        one, agents, stamp_us = _of_some(one, tellers), agents[tellers], stamp_us[tellers]
        found = []
        for o, view in enumerate(self._views(rows, one, agents, stamp_us, now_us)):
            chosen = np.sort(one.offered[one.offset[o] : one.offset[o + 1]][told_on_by(self._rule, view)])
            if len(chosen):
                found.append(self._message(int(agents[o]), rows, chosen))
        self._told += sum(len(told) for message in found for _, told, _ in message.parts)
        self._messages += len(found)
        return found

    def _due(self, agents: Int64[np.ndarray, " agents"], slot: int) -> Int64[np.ndarray, " due"]:
        """Return the stations whose phase an instant is."""
        if not np.array_equal(agents, self._agents):
            before = dict(zip(self._agents.tolist(), self._slots.tolist(), strict=True))
            self._slots = np.array(
                [before[agent] if agent in before else self._slot_of(agent) for agent in agents.tolist()], np.int64
            )
            self._agents = agents
        return agents[self._slots == slot]

    def _slot_of(self, agent: int) -> int:
        return int(self._streams.uniform("retelling.phase", self._streams.agent_key(agent)) * RETELLING_SLOTS)

    def notices(self) -> tuple[Notice, ...]:
        """Return how many objects were told on so far, and how often this was the first that an ego heard of them; or why none was."""
        rule = f"cooperation.retelling {self._rule.name}"
        if self._told == 0:
            why = (
                f"{self._looks:,} times a station held something that may be told on, and the rule chose none of it; v2xsim parts retelling lists its parameters"
                if self._looks
                else "no station ever held a report of another one that it may tell on (docs/models.md)"
            )
            return (Notice("cooperation.nothing_told_on", 1, f"{rule} told nothing on: {why}"),)
        text = (
            f"{rule} told on {self._told:,} objects in {self._messages:,} messages; {self.heard.news:,} times, one of them arrived "
            "at an ego before anything as new about it"
        )
        return (Notice("cooperation.told_on", self._told, text),)

    def _views(
        self, rows: ReportedRows, one: Usable, agents: Int64[np.ndarray, " tellers"], stamp_us: Int64[np.ndarray, " tellers"], now_us: int
    ) -> Iterator[RetellingView]:  # fmt: skip
        """Yield what the rule is shown of each of some stations.

        Args:
            rows: Objects of all messages.
            one: What each station may use.
            agents: Agent ids of the stations.
            stamp_us: The present on the clock of each.
            now_us: Present simulated time.
        """
        around, matrices = self._around(agents, stamp_us, now_us)
        offered = one.offered
        bodies = Bodies(one.offered_m, rows.velocity_mps[offered], rows.size_m[offered], rows.yaw_rad[offered])
        speed_mps = np.hypot(*bodies.velocity_mps.T)
        # What drives faster than is usual at its place may go on doing so.
        top_mps = np.maximum(self._hidden_speeds.at(one.offered_m), speed_mps)
        found = compared(rows, one, bodies, top_mps, around, matrices, SAME_M, ATTENTION_S)
        is_mine, tellings = told_before(rows, one, agents, SAME_M)
        uniform = self._draws(rows, one, agents)
        age_us = np.repeat(stamp_us, np.diff(one.offset)) - rows.stamp_us[offered]
        hops, origin, wanting, wanting_m = (
            rows.hops[offered],
            rows.origin[offered],
            around.agent[around.wants],
            around.place_m[around.wants],
        )
        bounds = zip(
            pairwise(one.offset.tolist()), pairwise(found.wanting.tolist()), pairwise(found.pairs.tolist()), strict=True
        )
        for (begin, end), (first, last), (pair, pairs_end) in bounds:
            things, stations, pairs, shape = (
                slice(begin, end),
                slice(first, last),
                slice(pair, pairs_end),
                (end - begin, last - first),
            )
            told, sees, is_itself, hears, relevance, better = (column[pairs].reshape(shape) for column in found[1:7])
            yield RetellingView(
                one.offered_m[things], speed_mps[things], age_us[things], hops[things], origin[things], is_mine[things],
                tellings[things], uniform[things], wanting[stations],
                wanting_m[stations], found.reached[stations], told, sees, is_itself, hears, relevance, better,
            )  # fmt: skip

    def _draws(
        self, rows: ReportedRows, one: Usable, agents: Int64[np.ndarray, " tellers"]
    ) -> Float[np.ndarray, " offered"]:
        """Return a random number for each object that a station may tell on, the same at each look; zeros for a rule that does not draw."""
        if not self._rule.draws:
            return np.zeros(len(one.offered))
        owner, offered = np.repeat(agents, np.diff(one.offset)), one.offered
        owner_key, origin_key = (
            np.array([self._streams.agent_key(agent) for agent in of.tolist()], np.int64)
            for of in (owner, rows.origin[offered])
        )
        keys = owner_key, origin_key, rows.number[offered], rows.stamp_us[offered]
        return self._streams.uniforms("retelling.draw", *keys)[:, 0]

    def _around(
        self, agents: Int64[np.ndarray, " tellers"], stamp_us: Int64[np.ndarray, " tellers"], now_us: int
    ) -> tuple[Around, Matrices]:
        """Return what some stations know of the stations around them now, with matrices only for a rule that reads them."""
        vicinities = self._stations.vicinities(agents, now_us)
        own, said, measured = vicinities.own, vicinities.announced, vicinities.measured
        # Rounded as in announcements: else each of two stations that hear all would count the other one as placed better, and nobody would tell.
        share = HeardList.of(measured.sender, measured.snr_db, measured.share).share
        row = said.row
        stamp_us = np.repeat(stamp_us, np.diff(said.offset))
        # By the clocks of both, as for announced vehicles.
        age_s, velocity_mps = (stamp_us - said.stamp_us[row]) * 1e-6, said.velocity_mps[row]
        matrix, matrix_age_s, matrices = np.full(len(row), -1, np.int64), np.zeros(len(row)), NO_MATRICES
        if self._rule.reads_matrices:
            announced, has_matrix = self._stations.neighbours.matrices(agents.tolist(), now_us), said.has_matrix[row]
            # Both lists are of the same stations, in the same order. A matrix may have come with an earlier state.
            matrix[has_matrix], matrices = announced.matrix, stacked(announced)
            matrix_age_s[has_matrix] = (stamp_us[has_matrix] - announced.stamp_us) * 1e-6
        return Around(
            agents, own.pose[:, :2].copy(), said.offset, said.agent, said.pose[row, :2] + velocity_mps * age_s[:, None], velocity_mps,
            said.is_vehicle[row], said.wants_data[row], matrix, matrix_age_s, row, said.listed, said.heard_agent, said.heard_share,
            measured.offset, measured.sender, share,
        ), matrices  # fmt: skip

    def _message(self, origin: int, rows: ReportedRows, chosen: Int64[np.ndarray, " objects"]) -> Retold:
        """Return the message with some objects of the reports that they come from."""
        sources, row, hops = (
            [self.heard.source(k) for k in chosen.tolist()],
            rows.report_row[chosen],
            rows.hops[chosen] + 1,
        )
        begin = [k for k in range(len(sources)) if k == 0 or sources[k] is not sources[k - 1]]
        parts = tuple(
            (sources[first], row[first:end], hops[first:end]) for first, end in pairwise([*begin, len(sources)])
        )
        return Retold(origin, parts, retold_bytes(len(sources)))


def _of_some(one: Usable, stations: Int64[np.ndarray, " some"]) -> Usable:
    """Return what some stations may use, given by their rows; the others have nothing to offer, so they have no entries."""
    current_offset, offset = (np.append(0, offset[1:][stations]) for offset in (one.current_offset, one.offset))
    return one._replace(current_offset=current_offset, offset=offset)
