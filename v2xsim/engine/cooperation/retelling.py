"""Retelling: stations tell on what others reported, as far as a station around them has not heard of it.

All of it follows from what the station received (reports, positions, matrices and lists of heard stations) and from its map.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Int64

from v2xsim.comms.messages.redundancy.rule import SAME_M
from v2xsim.comms.messages.retelling.rule import RetellingView, told_on_by
from v2xsim.comms.messages.sizes import retold_bytes
from v2xsim.engine.cooperation.matrix_sight import Bodies, Matrices, shown, stacked
from v2xsim.engine.cooperation.retelling_loops import Around, Usable, compared, usable
from v2xsim.engine.stations.contents import HeardList, Report, Retold
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.engine.stations.own_state import rows_of
from v2xsim.engine.stations.reports_heard import ReportedRows, ReportsHeard
from v2xsim.engine.stations.stations import Stations
from v2xsim.engine.stations.vicinity import Vicinities
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
        # Objects told on so far, and messages with them.
        self._told = self._messages = 0

    def retold(self, agents: Int64[np.ndarray, " agents"], slot: int, now_us: int) -> list[Retold]:
        """Return the messages that stations send now; a station that has nothing to tell on sends none.

        Args:
            agents: Agent ids of all stations that are present, in rising order.
            slot: Number of the instant in the period, 0 to RETELLING_SLOTS - 1: those whose phase it is look at what they hold.
            now_us: Present simulated time.
        """
        phase = [self._streams.uniform("retelling.phase", self._streams.agent_key(agent)) for agent in agents.tolist()]
        agents = agents[(np.array(phase) * RETELLING_SLOTS).astype(np.int64) == slot]
        self.heard.forget(now_us)
        held = self.heard.held_by(agents)
        if not any(len(messages) for messages in held):
            return []
        rows, sources = self.heard.rows()
        vicinities = self._stations.vicinities(agents, now_us)
        sight = self._sight(agents, now_us)
        found = []
        for a, messages in enumerate(held):
            around = _around(vicinities, a, now_us)
            one = usable(rows, messages, around.own, around.stamp_us, self._interval_us, SAME_M)
            if len(one.offered) == 0:
                continue
            chosen = np.sort(one.offered[told_on_by(self._rule, self._view(rows, one, around, sight, a))])
            if len(chosen):
                found.append(_message(around.own, [sources[row] for row in chosen.tolist()], rows.hops[chosen] + 1))
        self._told += sum(len(rows) for message in found for _, rows, _ in message.parts)
        self._messages += len(found)
        return found

    def notices(self) -> tuple[Notice, ...]:
        """Return how many objects were told on so far, and how often this was the first that an ego heard of them; nothing if none was."""
        if self._told == 0:
            return ()
        text = (
            f"cooperation.retelling {self._rule.name} told on {self._told:,} objects in {self._messages:,} messages; {self.heard.news:,} times, one of them arrived "
            "at an ego before anything as new about it"
        )
        return (Notice("cooperation.told_on", self._told, text),)

    def _sight(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> tuple[AnnouncedMatrices, Matrices] | None:
        """Return the matrices that each station knows; None for a rule that reads none."""
        if not self._rule.reads_matrices:
            return None
        announced = self._stations.neighbours.matrices(agents.tolist(), now_us)
        return announced, stacked(announced)

    def _view(
        self, rows: ReportedRows, one: Usable, around: Around, sight: tuple[AnnouncedMatrices, Matrices] | None, a: int
    ) -> RetellingView:  # fmt: skip
        """Return what the rule is shown of one station, the one at index `a` of those that decide now."""
        offered, wants = one.offered, around.wants
        speed_mps = np.hypot(*rows.velocity_mps[offered].T)
        # What drives faster than is usual at its place may go on doing so.
        top_mps = np.maximum(self._hidden_speeds.at(one.offered_m), speed_mps)
        bodies = Bodies(one.offered_m, rows.velocity_mps[offered], rows.size_m[offered], rows.yaw_rad[offered])
        told, is_itself, hears, relevance, better, reached = compared(
            rows, one, bodies, top_mps, around, SAME_M, ATTENTION_S
        )
        if sight is None:
            sees = np.zeros(told.shape, bool)
        else:
            announced, matrices = sight
            theirs = slice(announced.offset[a], announced.offset[a + 1])
            row = rows_of(announced.agent[theirs], around.agent[wants])
            matrix = np.where(row >= 0, announced.matrix[theirs][row], -1)
            age_s = (around.stamp_us - announced.stamp_us[theirs][row]) * 1e-6
            sees = shown(bodies, matrices, matrix, age_s)
        return RetellingView(
            one.offered_m, speed_mps, around.stamp_us - rows.stamp_us[offered], rows.hops[offered], rows.origin[offered],
            around.agent[wants], around.place_m[wants], reached, told, sees, is_itself, hears, relevance, better,
        )  # fmt: skip


def _around(vicinities: Vicinities, a: int, now_us: int) -> Around:
    """Return what one station knows of the stations around it now."""
    own, said = vicinities.own, vicinities.announced
    # Rounded as in announcements: else each of two stations that hear all would count the other one as placed better, and nobody would tell.
    measured = vicinities.measured
    share = HeardList.of(measured.sender, measured.snr_db, measured.share).share
    known, heard = slice(said.offset[a], said.offset[a + 1]), slice(measured.offset[a], measured.offset[a + 1])
    at = said.row[known]
    # By the clocks of both, as for announced vehicles.
    stamp_us = int(own.stamp_us[a]) + now_us - own.time_us
    age_s = (stamp_us - said.stamp_us[at]) * 1e-6
    velocity_mps = said.velocity_mps[at]
    return Around(
        int(own.agent[a]), stamp_us, own.pose[a, :2].copy(), said.agent[known], said.pose[at, :2] + velocity_mps * age_s[:, None],
        velocity_mps, said.is_vehicle[at], said.wants_data[at], at, said.listed, said.heard_agent, said.heard_share,
        measured.sender[heard], share[heard],
    )  # fmt: skip


def _message(origin: int, sources: Sequence[tuple[Report, int]], hops: Int64[np.ndarray, " objects"]) -> Retold:
    """Return the message with some objects of the reports that they come from."""
    row = np.array([row for _, row in sources], np.int64)
    begin = [k for k in range(len(sources)) if k == 0 or sources[k][0] is not sources[k - 1][0]]
    parts = tuple(
        (sources[first][0], row[first:end], hops[first:end])
        for first, end in pairwise([*begin, len(sources)])
    )  # fmt: skip
    return Retold(origin, parts, retold_bytes(len(sources)))
