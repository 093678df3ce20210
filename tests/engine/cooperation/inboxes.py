"""What each station received, kept apart from the engine, and the decisions that follow from one station's share of it.

A plain second implementation: dictionaries and loops over one station at a time, so that no station can read what another one knows.
Only the relay rules and the choice of helpers themselves are those of the library; they get a view of one station.
"""

from dataclasses import dataclass, field

import numpy as np

from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.rule import Ends, HopQuality, RelayView
from v2xsim.records import Boxes

FIRST_SHARE, LEAST_WEIGHT, MOST_TRIALS, NEWEST = 0.5, 0.1, 8, 0.4


@dataclass
class Link:
    """What a station measured on the packets of one sender."""

    snr_db: float
    last_us: int
    share: float = FIRST_SHARE
    trials: int = 0
    sequence: int = -1

    def loses(self):
        self.share = np.float64(self.share) * (1.0 - max(LEAST_WEIGHT, 1.0 / (self.trials + 3.0)))
        self.trials = min(MOST_TRIALS, self.trials + 1)

    def gets(self, number):
        lost = 0 if self.sequence < 0 else (number - self.sequence - 1) % 2**15
        if lost > 2**14:
            return
        for _ in range(min(lost, 60)):
            self.loses()
        share = np.float64(self.share)
        self.share = np.float32(share + max(LEAST_WEIGHT, 1.0 / (self.trials + 3.0)) * (1.0 - share))
        self.trials, self.sequence = min(MOST_TRIALS, self.trials + 1), number


@dataclass
class Inbox:
    """What one station received: the packets that it measured, and the newest announcement of each other station."""

    agent: int
    links: dict = field(default_factory=dict)
    announced: dict = field(default_factory=dict)
    relay_before: dict = field(default_factory=dict)

    def measure(self, sender, snr_db, time_us, sequence, forget_us):
        link = self.links.get(sender)
        if link is None or time_us - link.last_us > forget_us:
            link = self.links[sender] = Link(snr_db, time_us)
        else:
            link.snr_db = (1.0 - NEWEST) * link.snr_db + NEWEST * snr_db
        link.last_us = time_us
        if sequence >= 0:
            link.gets(sequence)

    def hear(self, awareness, sent_us, arrived_us):
        before = self.announced.get(awareness.origin)
        if awareness.origin != self.agent and (before is None or before[1] < sent_us):
            self.announced[awareness.origin] = awareness, sent_us, arrived_us


@dataclass
class Situation:
    """What one station knows at the instant of a decision.

    Attributes:
        own: Its own state, one row.
        seen: Time on its clock, and detections of its newest frame.
        now_us, forget_us, period_us: The instant, and how long senders are remembered and may be silent.
    """

    inbox: Inbox
    own: object
    seen: tuple
    now_us: int
    forget_us: int
    period_us: int

    def __post_init__(self):
        self.known = {
            origin: said for origin, (said, _, arrived_us) in sorted(self.inbox.announced.items())
            if self.now_us - arrived_us <= self.forget_us
        }  # fmt: skip

    def place(self, agent):
        if agent == self.inbox.agent:
            return self.own.pose[0, :2]
        said = self.known[agent]
        return said.pose[:2] + np.array(said.velocity_mps) * ((self.own.stamp_us[0] - said.stamp_us) * 1e-6)

    def hop(self, sender, receiver):
        """Return share and SNR of the packets of one station at another one."""
        if receiver == self.inbox.agent:
            link = self.inbox.links.get(sender)
            if link is None or self.now_us - link.last_us > self.forget_us:
                return 0.0, -np.inf
            share, trials = float(link.share), link.trials
            for _ in range((self.now_us - link.last_us) // self.period_us - 1):
                share *= 1.0 - max(LEAST_WEIGHT, 1.0 / (trials + 3.0))
                trials += 1
            return share, link.snr_db
        heard = self.known[receiver].heard
        row = np.flatnonzero(heard.agent == sender)
        return (float(heard.share[row[0]]), float(heard.snr_db[row[0]])) if len(row) else (0.0, -np.inf)

    def bodies(self):
        """Return the vehicles that it knows: announced ones, then detected ones."""
        vehicles = [(agent, said) for agent, said in self.known.items() if said.size_m[0] > 0.0]
        stamp_us, found = self.seen
        age_s = (self.own.stamp_us[0] - stamp_us) * 1e-6
        center = [[*self.place(agent), said.pose[2]] for agent, said in vehicles]
        center += [
            [x + vx * age_s, y + vy * age_s, z]
            for (x, y, z), (vx, vy) in zip(found.boxes.center_m, found.velocity_mps, strict=True)
        ]
        size = [said.size_m for _, said in vehicles] + list(found.boxes.size_m)
        yaw = [said.pose[3] for _, said in vehicles] + list(found.boxes.yaw_rad)
        velocity = [said.velocity_mps for _, said in vehicles] + list(found.velocity_mps)
        boxes = Boxes(np.array(center).reshape(-1, 3), np.array(size).reshape(-1, 3), np.array(yaw, float))
        return KnownBodies(np.array([0, len(center)]), boxes, np.array(velocity, float).reshape(-1, 2))

    def ends(self, agents):
        """Return the states of stations as it knows them."""
        rows = []
        for agent in agents:
            if agent == self.inbox.agent:
                own = self.own
                rows.append((own.antenna_height_m[0], own.velocity_mps[0], not own.is_vehicle[0]))
            else:
                said = self.known[agent]
                rows.append((said.antenna_height_m, said.velocity_mps, not said.size_m[0] > 0.0))
        height, velocity, roadside = zip(*rows, strict=True)
        antenna = np.array([[*self.place(agent), h] for agent, h in zip(agents, height, strict=True)])
        return Ends(np.array(agents), antenna, np.array(velocity, float), np.array(roadside))

    def relay(self, requester, helper, candidates, hops, rule, relaying):
        """Return the relay that it prefers for one pair, -1 for none; `hops` has the four hops of each candidate."""
        key = (requester, helper)
        before = self.inbox.relay_before.get(key, -1)
        if not candidates:
            return -1
        share, snr_db = np.array(hops)[..., 0], np.array(hops)[..., 1]

        def draw():
            each = np.full(len(candidates), requester), np.full(len(candidates), helper), np.array(candidates)
            return relaying._streams.uniforms("relay", *each)[:, 0]

        view = RelayView(
            self.ends([requester]), self.ends([helper]), self.ends(candidates), np.zeros(len(candidates), np.int64),
            HopQuality(np.fmin(share[:, 0], share[:, 3]), np.fmin(snr_db[:, 0], snr_db[:, 3])),
            HopQuality(np.fmin(share[:, 1], share[:, 2]), np.fmin(snr_db[:, 1], snr_db[:, 2])),
            relaying._rule.min_delivery, np.zeros(1, np.int64), self.bodies(), relaying._obstacles, relaying._radio.carrier_ghz,
            relaying._range_m, draw,
        )  # fmt: skip
        score = rule.score(view)
        best = min(range(len(candidates)), key=lambda k: (-score[k], candidates[k]))
        if before in candidates and score[candidates.index(before)] >= score[best] - rule.hysteresis:
            best = candidates.index(before)
        return candidates[best]

    def relay_of_request(self, helper, rule, relaying):
        """Return the relay that it would choose for its own request, -1 for none or if the direct link is good; and the direct link."""
        own, least = self.inbox.agent, relaying._rule.min_delivery
        direct = self.hop(own, helper)[0], self.hop(helper, own)[0]
        apart_m = np.hypot(*(np.array(self.place(helper)) - self.place(own)))
        if min(direct) >= least or apart_m >= relaying._reach_m:
            return None, direct
        candidates, hops = [], []
        for relay in self.known:
            four = [self.hop(own, relay), self.hop(relay, helper), self.hop(helper, relay), self.hop(relay, own)]
            if relay != helper and min(share for share, _ in four) >= least:
                candidates.append(relay)
                hops.append(four)
        return self.relay(own, helper, candidates, hops, rule, relaying), direct

    def nominations(self, rule, relaying):
        """Return the pairs of requester and helper for which it passes on what the helper broadcasts."""
        own, least, none = self.inbox.agent, relaying._rule.min_delivery, (np.nan, np.nan)
        passed, chosen = set(), {}
        for helper, said in self.known.items():
            if said.matrix is None or self.hop(helper, own)[0] < least:
                continue
            for requester, asking in self.known.items():
                apart_m = np.hypot(*(np.array(self.place(helper)) - self.place(requester)))
                if (
                    requester == helper or not asking.wants_data or self.hop(own, requester)[0] < least
                    or apart_m >= relaying._reach_m or self.hop(helper, requester)[0] >= least
                ):  # fmt: skip
                    continue
                candidates = [own] + [
                    relay for relay in self.known
                    if relay not in (helper, requester) and self.hop(relay, requester)[0] >= least and self.hop(helper, relay)[0] >= least
                ]  # fmt: skip
                hops = [[none, none, self.hop(helper, relay), self.hop(relay, requester)] for relay in candidates]
                relay = self.relay(requester, helper, candidates, hops, rule, relaying)
                chosen[requester, helper] = relay
                if relay == own:
                    passed.add((requester, helper))
        return passed, chosen
