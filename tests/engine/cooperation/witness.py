"""Keeps the inbox of each station of a run apart from the engine, and works out each decision again at its instant."""

from collections import Counter, defaultdict, deque

import numpy as np

from tests.engine.cooperation.inboxes import Inbox
from tests.engine.cooperation.own_asks import Ego, request_size
from tests.engine.cooperation.own_nearby import nearby_of
from tests.engine.cooperation.own_retelling import Teller
from tests.engine.cooperation.situations import Situation
from v2xsim.engine.channel.messages import AnswerMessage, ReportMessage, RequestMessage, RetoldMessage
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.cooperation import cooperation as steps
from v2xsim.engine.cooperation.collective import Reporting
from v2xsim.engine.cooperation.cooperation import Cooperation
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.retelling import Retelling
from v2xsim.engine.stations.contents import EVERYBODY, HeardList
from v2xsim.engine.stations.knowledge import Knowledge
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.stations import Stations
from v2xsim.records import Detections

CLOSE = 1e-9
"""Largest difference of predicted probabilities: sums in another order, and another exponential function."""


class Witness:
    """What watches a run.

    Attributes:
        compared: Number of compared decisions of each kind, and of requests that a relay forwards (`relayed`).
        differences: Decisions of the engine that do not follow from what one station knows.
    """

    def __init__(self):
        self.begin(None, float("inf"))

    def begin(self, zones, valid_us):
        """Forget everything: compiling kernels is a small run of its own before the one that is watched."""
        self.inboxes, self.egos, self.tracks, self.reporting = {}, {}, {}, {}
        self.nominated_before, self.passing = defaultdict(dict), defaultdict(set)
        self.compared, self.differences = Counter(), []
        self.request_sizes = {}
        self.zones, self.valid_us = zones, valid_us

    def inbox(self, agent):
        return self.inboxes.setdefault(agent, Inbox(agent, self.valid_us))

    def enter(self, before, after):
        # A station that comes back within the time of its memory keeps its announcements, but no measurement.
        for agent in set(after.agent.tolist()) - set(before.agent.tolist()):
            self.inbox(agent).links.clear()

    def situation(self, air, agent):
        stations, now_us = air._stations, air._clock.now_us
        own = stations.states.some(np.array([stations.states.index(agent)]))
        frame = stations.detected_frame(agent, now_us) if own.lidars[0] else None
        seen = int(own.stamp_us[0]), Detections.none()
        if frame is not None:
            seen = frame.stamp_us, self.detections(frame)
        busy_share = float(air._air.busy_share(np.array([agent]))[0])
        return Situation(self.inbox(agent), own, seen, busy_share, now_us, stations.forget_us, air._period_us)

    def detections(self, frame):
        """Return the detections of a frame with the velocities that the station's own tracks have."""
        own = self.tracks.get(frame.agent)
        return own.with_velocities(frame) if own is not None else frame.detections

    def compare(self, what, mine, theirs):
        self.compared[what] += len(mine)
        if mine != theirs:
            keys = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
            self.differences.append((what, [(key, mine.get(key), theirs.get(key)) for key in sorted(keys)[:3]]))

    def nominations(self, air):
        relaying, theirs, mine = air._relaying, {}, {}
        self.passing.clear()
        for agent in air._stations.states.agent.tolist():
            passed, chosen = self.situation(air, agent).nominations(relaying, self.nominated_before[agent])
            self.nominated_before[agent] = chosen
            mine |= {(agent, *pair): True for pair in passed}
            for _, helper in passed:
                self.passing[helper].add(agent)
        for block in relaying._nominations_table.fresh:
            keys = zip(block["station"].tolist(), block["requester"].tolist(), block["helper"].tolist(), strict=True)
            theirs |= dict.fromkeys(keys, True)
        self.compare("nominations", mine, theirs)

    def asks(self, air, frames, streams, theirs):
        """Compare the requests of egos, and the relays that they chose, with what each of them works out for itself."""
        relays, chosen_relays, alarms, raised = {}, {}, {}, {}
        for frame, requests in zip(frames, theirs, strict=True):
            if air._stations.states.index(frame.agent) < 0:
                continue
            ego = self.egos.setdefault(frame.agent, None) or Ego(air._relaying, self.zones)
            self.egos[frame.agent] = ego
            mine = ego.asks(
                self.situation(air, frame.agent), frame, streams, float(air._air.busy_share(np.array([frame.agent]))[0])
            )
            relays |= {(frame.agent, helper): relay for helper, relay in ego.relays.items()}
            alarms |= {(frame.agent, neighbour): due_us for neighbour, due_us in ego.raised.items()}
            engine = {ask.helper: ask for ask in requests}
            shown = {
                helper: (relay, cells.tobytes(), allowance) for helper, (relay, cells, _, allowance) in mine.items()
            }
            self.compare("asks", {(frame.agent, helper): what for helper, what in shown.items()}, {
                (frame.agent, helper): (ask.relay, ask.cells.tobytes(), ask.allowance_bytes) for helper, ask in engine.items()
            })  # fmt: skip
            self.requested(air, frame, requests, mine)
            for helper in mine.keys() & engine.keys():
                if abs(mine[helper][2] - engine[helper].predicted.success) > CLOSE:
                    self.differences.append(
                        ("success", frame.agent, helper, mine[helper][2], engine[helper].predicted.success)
                    )
        for block in air._relaying._relays_table.fresh:
            pairs = zip(block["requester"].tolist(), block["helper"].tolist(), strict=True)
            chosen_relays |= dict(zip(pairs, block["relay"].tolist(), strict=True))
        self.compare("relays", relays, chosen_relays)
        for block in air._relaying._foresight._table.fresh:
            links = zip(block["station"].tolist(), block["neighbour"].tolist(), strict=True)
            raised |= dict(zip(links, block["death_us"].tolist(), strict=True))
        self.compare("alarms", alarms, raised)
        self.compared["relayed"] += sum(relay >= 0 for relay in chosen_relays.values())

    def requested(self, air, frame, requests, mine):
        """Note the size that the request to each helper must have on the air."""
        coding = air._relaying._rule.request_coding
        for ask in requests:
            if ask.helper in mine:
                self.request_sizes[frame.agent, ask.helper, frame.time_us] = request_size(mine[ask.helper][1], coding)

    def receive(self, air, heard):
        """Take in a packet at each station that received it, and return who must forward it now, to whom."""
        packet, message, stations = heard.packet, heard.packet.message, air._stations
        if isinstance(message, RequestMessage):
            key = message.origin, message.destination, message.body.frame_us
            self.compare("sizes", {key: self.request_sizes.get(key)}, {key: message.size_bytes})
        there, receivers = set(stations.states.agent.tolist()), heard.receivers.tolist()
        for receiver, snr_db in zip(receivers, heard.snr_db.tolist(), strict=True):
            if receiver in there:
                self.inbox(receiver).receive(heard, snr_db, stations.forget_us)
        # What was told on is told on by retelling only.
        if packet.hop > 1 or isinstance(message, RetoldMessage):
            return {}
        if message.destination == EVERYBODY:
            return {(station, EVERYBODY): True for station in receivers if station in self.passing[message.origin]}
        is_relay = isinstance(message, RequestMessage | AnswerMessage) and packet.target != message.destination
        named = {packet.target, *message.more_relays} if is_relay else set()
        return {(station, message.destination): True for station in receivers if station in named}

    def reported(self, station, frame, announced_m, now_us, wait_us, lidars, redundancy, forget_us):
        """Return objects and numbers of the report that a station makes of its frame; None for none."""
        inbox = self.inbox(station)
        knowledge = Knowledge(station, deque(), report_copies=inbox.copies(now_us))
        nearby = None
        if redundancy.reads_matrices:
            nearby = nearby_of(inbox, frame, self.detections(frame), now_us, forget_us, self.zones.hidden_speeds)
        own = self.reporting.setdefault(station, None) or Reporting(redundancy)
        self.reporting[station] = own
        report = own.report(knowledge, frame, self.detections(frame), announced_m, now_us, wait_us, lidars, nearby)
        return None if report is None else (report.detections.boxes.center_m.tobytes(), report.number.tolist())

    def saw_nearby(self, frame, detections, theirs, now_us, forget_us):
        """Compare what the stations around a station see of its objects with what its inbox tells."""
        mine = nearby_of(self.inbox(frame.agent), frame, detections, now_us, forget_us, self.zones.hidden_speeds)
        names = ("agent", "has_matrix", "age_us", "sees", "is_itself", "hears")
        self.compare(
            "nearby", *({(frame.agent, name): getattr(one, name).tolist() for name in names} for one in (mine, theirs))
        )
        for name in ("place_m", "relevance"):
            if not np.allclose(getattr(mine, name), getattr(theirs, name), atol=1e-6):
                self.differences.append(("nearby", frame.agent, name))
        self.compared["seen"] += int(theirs.sees.sum())
        self.compared["missed"] += int((~theirs.sees & (theirs.relevance > 0.1)).sum())

    def retelling(self, air, engine, agents, slot, theirs):
        """Compare what each station tells on, which is nothing for most of them, with what it works out for itself."""
        streams, rule, interval_us = engine._streams, engine._rule, engine._interval_us
        told = {message.origin: message for message in theirs}
        if len(told) < len(theirs) or told.keys() - set(agents.tolist()):
            self.differences.append(("who tells", slot, [message.origin for message in theirs]))
        for agent in agents.tolist():
            mine = set()
            if int(streams.uniform("retelling.phase", streams.agent_key(agent)) * 10) == slot:
                teller = Teller(self.situation(air, agent), self.zones.hidden_speeds, interval_us)
                mine = teller.told_on(rule)
                self.compared["looks"] += 1
                self.compared["usable"] += len(teller.usable)
            parts = told[agent].parts if agent in told else ()
            engine_tells = [
                (report.origin, int(report.number[row]), report.frame.stamp_us, times)
                for report, rows, hops in parts for row, times in zip(rows.tolist(), hops.tolist(), strict=True)
            ]  # fmt: skip
            if len(engine_tells) > len(set(engine_tells)):
                self.differences.append(("told twice", agent, engine_tells))
            self.compare("told on", *({(agent, *one): True for one in tells} for tells in (mine, engine_tells)))
            self.compared["told on again"] += sum(one[3] > 1 for one in mine)

    def sent(self, message):
        """Note that a station sent reported objects."""
        if isinstance(message, ReportMessage | RetoldMessage):
            self.inbox(message.origin).reported.append((message, message.queued_us))

    def announced_m(self, inbox, frame, now_us, forget_us):
        """Return the positions of the vehicles that announced themselves to a station, at the instant of its frame."""
        places = [
            said.pose[:2] + np.array(said.velocity_mps) * ((frame.stamp_us - said.stamp_us) * 1e-6)
            for _, (said, _, arrived_us) in sorted(inbox.announced.items())
            if now_us - arrived_us <= forget_us and said.size_m[0] > 0.0
        ]
        return np.array(places, float).reshape(-1, 2)


def watched(monkeypatch):
    """Return a witness of the next run."""
    watch = Witness()
    _watch_what_arrives(monkeypatch, watch)
    _watch_what_is_decided(monkeypatch, watch)
    return watch


def _watch_what_arrives(monkeypatch, watch):
    enter, follow, receive, forward = Stations.enter, OwnTracks.follow, OverTheAir.receive, RadioAir.forward
    send = RadioAir.send
    forwarded, own_tracks = {}, set()

    def entered(self, states):
        watch.enter(self.states, states)
        enter(self, states)

    def followed(self, frames):
        follow(self, frames)
        if id(self) in own_tracks:
            return
        for frame in frames:
            if frame.agent not in watch.tracks:
                watch.tracks[frame.agent] = OwnTracks(self._params_step_us)
                own_tracks.add(id(watch.tracks[frame.agent]))
            follow(watch.tracks[frame.agent], [frame])

    def received(self, heard):
        forwarded.clear()
        receive(self, heard)
        if not self._is_ideal:
            kind = "passed on" if heard.packet.message.destination == EVERYBODY else "forwarded"
            watch.compare(kind, watch.receive(self, heard), dict(forwarded))

    def forwards(self, packet, *, sender, target):
        forwarded[sender, target] = True
        forward(self, packet, sender=sender, target=target)

    def sends(self, message, **how):
        watch.sent(message)
        send(self, message, **how)

    begin = OwnTracks.__init__

    def begun(self, step_us):
        begin(self, step_us)
        self._params_step_us = step_us

    monkeypatch.setattr(OwnTracks, "__init__", begun)
    monkeypatch.setattr(Stations, "enter", entered)
    monkeypatch.setattr(OwnTracks, "follow", followed)
    monkeypatch.setattr(OverTheAir, "receive", received)
    monkeypatch.setattr(RadioAir, "forward", forwards)
    monkeypatch.setattr(RadioAir, "send", sends)


def _watch_what_is_decided(monkeypatch, watch):
    plan, candidates, asks = OverTheAir.plan_passing, OverTheAir.candidates, steps.asks
    begin, collected, report, announce = (
        Cooperation.__init__,
        Cooperation.collected,
        Reporting.report,
        steps.announcements,
    )
    run, retold = {}, Retelling.retold

    def begun(self, scenario, clock, streams, air, exchange, stations, tracks, zones, *others):
        begin(self, scenario, clock, streams, air, exchange, stations, tracks, zones, *others)
        run.update(air=exchange, rule=scenario.cooperation)
        interval_ms = scenario.cooperation.matrix.interval_ms
        watch.begin(zones, (interval_ms + 1000.0) * 1e3 if interval_ms else float("inf"))

    def with_blocks(table, call):
        """Call a function, and keep what it added to a table apart."""
        count = len(table.blocks)
        result = call()
        table.fresh = table.blocks[count:] if len(table.blocks) >= count else table.blocks
        return result

    def planned(self, frame_us):
        with_blocks(self._relaying._nominations_table, lambda: plan(self, frame_us))
        if self._relaying.relays and not self._is_ideal:
            watch.nominations(self)

    def chosen(self, states, frame_us, egos):
        def call():
            return with_blocks(self._relaying._relays_table, lambda: candidates(self, states, frame_us, egos))

        return with_blocks(self._relaying._foresight._table, call)

    def asked(egos, weight, known, rule, streams, forecast):
        requests = asks(egos, weight, known, rule, streams, forecast)
        watch.asks(run["air"], egos, streams, requests)
        return requests

    def collects(self, ego):
        if watch.egos.get(ego.agent) is not None:
            watch.egos[ego.agent].learn(watch.inbox(ego.agent), ego.time_us)
        return collected(self, ego)

    def reports(self, knowledge, frame, detections, announced_m, now_us, wait_us, lidars, nearby=None):
        result = report(self, knowledge, frame, detections, announced_m, now_us, wait_us, lidars, nearby)
        if self in watch.reporting.values():
            return result
        forget_us = run["air"]._stations.forget_us
        if nearby is not None:
            watch.saw_nearby(frame, detections, nearby, now_us, forget_us)
        known_m = watch.announced_m(watch.inbox(frame.agent), frame, now_us, forget_us)
        mine = watch.reported(frame.agent, frame, known_m, now_us, wait_us, lidars, run["rule"].redundancy, forget_us)
        theirs = None if result is None else (result.detections.boxes.center_m.tobytes(), result.number.tolist())
        watch.compare("reports", {frame.agent: mine}, {frame.agent: theirs})
        return result

    def retells(self, agents, slot, now_us):
        result = retold(self, agents, slot, now_us)
        watch.retelling(run["air"], self, agents, slot, result)
        return result

    def announces(states, rows, frames, heard, sequence, busy_share, contains_matrix):
        now_us, air = run["air"]._clock.now_us, run["air"]
        for agent, theirs in zip(states.agent[rows].tolist(), heard, strict=True):
            listed = watch.inbox(agent).heard_list(now_us, air._stations.forget_us, air._period_us)
            mine = HeardList.of(
                *(np.array([one[k] for one in listed], t) for k, t in enumerate((np.int64, float, float)))
            )
            shown = [
                {agent: tuple(getattr(one, name).tobytes() for name in ("agent", "snr_db", "share"))}
                for one in (mine, theirs)
            ]
            watch.compare("announcements", *shown)
        return announce(states, rows, frames, heard, sequence, busy_share, contains_matrix)

    for place, name, function in (
        (Cooperation, "__init__", begun), (OverTheAir, "plan_passing", planned), (OverTheAir, "candidates", chosen),
        (steps, "asks", asked), (Cooperation, "collected", collects), (Reporting, "report", reports), (Retelling, "retold", retells), (steps, "announcements", announces),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, function)
