"""Every decision about helpers and relays follows from what one station received, sensed and has on its map."""

from collections import defaultdict

import numpy as np
import pytest

import v2xsim
from tests.engine.cooperation.inboxes import Inbox, Situation
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.stations.neighbours import Neighbours
from v2xsim.engine.stations.stations import Stations
from v2xsim.records import Detections


class Witness:
    """Keeps the inbox of each station of a run, and works out each decision again at its instant."""

    def __init__(self):
        self.inboxes = {}
        self.passing_before = defaultdict(dict)
        self.compared = {"relays": 0, "nominations": 0, "relayed": 0}
        self.differences = []

    def inbox(self, agent):
        return self.inboxes.setdefault(agent, Inbox(agent))

    def enter(self, stations, states):
        # A station that comes back within the time of its memory keeps its announcements, but no measurement.
        for agent in set(states.agent.tolist()) - set(stations.states.agent.tolist()):
            self.inbox(agent).links.clear()

    def situation(self, air, agent, now_us):
        stations = air._stations
        row = stations.states.index(agent)
        own = stations.states.some(np.array([row]))
        frame = stations.detected_frame(agent, now_us) if own.lidars[0] else None
        seen = (
            (int(own.stamp_us[0]), Detections.none())
            if frame is None
            else (frame.stamp_us, air._tracks.with_velocities(frame))
        )
        return Situation(self.inbox(agent), own, seen, now_us, stations.forget_us, air._period_us)

    def compare(self, what, mine, theirs):
        self.compared[what] += len(mine)
        if mine != theirs:
            self.differences.append((what, sorted(set(mine.items()) ^ set(theirs.items()))))

    def passing(self, air):
        """Compare who passes on what with what each station works out from its own inbox."""
        relaying, now_us, theirs, mine = air._relaying, air._clock.now_us, {}, {}
        for agent in air._stations.states.agent.tolist():
            situation = self.situation(air, agent, now_us)
            situation.inbox.relay_before = self.passing_before[agent]
            passed, chosen = situation.nominations(relaying._rule.relay, relaying)
            self.passing_before[agent] = chosen
            mine |= {(agent, *pair): True for pair in passed}
        for block in self.blocks(relaying._nominations_table):
            keys = zip(block["station"].tolist(), block["requester"].tolist(), block["helper"].tolist(), strict=True)
            theirs |= dict.fromkeys(keys, True)
        self.compare("nominations", mine, theirs)

    def relays(self, air, egos):
        relaying, now_us, theirs, mine = air._relaying, air._clock.now_us, {}, {}
        for agent in sorted(egos):
            situation = self.situation(air, agent, now_us)
            situation.inbox.relay_before = self.inbox(agent).__dict__.setdefault("own_relays", {})
            chosen = {}
            for helper, said in situation.known.items():
                if said.matrix is not None:
                    relay, _ = situation.relay_of_request(helper, relaying._rule.relay, relaying)
                    if relay is not None:
                        mine[agent, helper] = chosen[agent, helper] = relay
            self.inbox(agent).own_relays = chosen
        for block in self.blocks(relaying._relays_table):
            pairs = zip(block["requester"].tolist(), block["helper"].tolist(), strict=True)
            theirs |= dict(zip(pairs, block["relay"].tolist(), strict=True))
        self.compare("relays", mine, theirs)
        self.compared["relayed"] += sum(relay >= 0 for relay in theirs.values())

    @staticmethod
    def blocks(table):
        return table.fresh


@pytest.fixture
def witness(monkeypatch):
    """Return what watches the inboxes of the next run."""
    watch = Witness()
    enter, measure, hear = Stations.enter, Stations.measure, Neighbours.hear

    def entered(self, states):
        watch.enter(self, states)
        enter(self, states)

    def measured(self, receivers, sender, snr_db, time_us, sequence=-1):
        there = set(self.states.agent.tolist())
        for receiver, level_db in zip(receivers.tolist(), snr_db.tolist(), strict=True):
            if receiver in there:
                watch.inbox(receiver).measure(sender, level_db, time_us, sequence, self.forget_us)
        measure(self, receivers, sender, snr_db, time_us, sequence)

    def heard(self, awareness, sent_us, receivers, arrived_us):
        for receiver in receivers.tolist():
            watch.inbox(receiver).hear(awareness, sent_us, arrived_us)
        hear(self, awareness, sent_us, receivers, arrived_us)

    def with_blocks(table, call):
        """Call a function, and keep what it added to a table apart."""
        count = len(table.blocks)
        result = call()
        table.fresh = table.blocks[count:] if len(table.blocks) >= count else table.blocks
        return result

    plan, candidates = OverTheAir.plan_passing, OverTheAir.candidates

    def planned(self, frame_us):
        with_blocks(self._relaying._nominations_table, lambda: plan(self, frame_us))
        watch.passing(self)

    def chosen(self, states, frame_us, egos):
        result = with_blocks(self._relaying._relays_table, lambda: candidates(self, states, frame_us, egos))
        watch.relays(self, [ego.agent for ego, _ in egos if states.index(ego.agent) >= 0])
        return result

    monkeypatch.setattr(Stations, "enter", entered)
    monkeypatch.setattr(Stations, "measure", measured)
    monkeypatch.setattr(Neighbours, "hear", heard)
    monkeypatch.setattr(OverTheAir, "plan_passing", planned)
    monkeypatch.setattr(OverTheAir, "candidates", chosen)
    return watch


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["hybrid", "random_qualified", "tallest_antenna"])
def test_each_decision_of_a_run_in_a_street_grid_follows_from_one_inbox(witness, rule):
    settings = [
        "stations.count=40",
        "lidars.count=8",
        "radio.tx_power_dbm=8",
        "radio.range_m=600",
        "run.duration_s=3.0",
        "cooperation.min_delivery=0.5",
        f"cooperation.relay={rule}",
    ]
    v2xsim.run(v2xsim.load("urban_grid", settings))
    assert not witness.differences, witness.differences[:3]
    assert witness.compared["relayed"] > 20
    assert witness.compared["nominations"] > 20
