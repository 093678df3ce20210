"""The decisions about relays that follow from what one station received, sensed and has on its map.

Only the relay rules themselves are those of the library; they get a view of one station.
"""

from dataclasses import dataclass

import numpy as np

from tests.engine.cooperation.own_asks import outlook_of
from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.rule import NEVER, Ends, HopQuality, RelayView
from v2xsim.records import Boxes


@dataclass
class Situation:
    """What one station knows at the instant of a decision.

    Attributes:
        own: Its own state, one row.
        seen: Time on its clock, and detections of its newest frame.
        busy_share: Busy ratio of the channel that it measured last.
        now_us, forget_us, period_us: The instant, and how long senders are remembered and may be silent.
    """

    inbox: object
    own: object
    seen: tuple
    busy_share: float
    now_us: int
    forget_us: int
    period_us: int

    def __post_init__(self):
        self.known = {
            origin: said for origin, (said, _, arrived_us) in sorted(self.inbox.announced.items())
            if self.now_us - arrived_us <= self.forget_us
        }  # fmt: skip

    @staticmethod
    def senses(said):
        """Return whether the sender of an announcement has a matrix, in the announcement or not."""
        return said.matrix is not None or said.withheld

    def seen_by(self, agent):
        """Return the matrix of a station that it knows, None for none."""
        held = self.inbox.seen_by(agent, self.now_us, self.forget_us)
        return None if held is None else held.matrix

    def place(self, agent):
        if agent == self.inbox.agent:
            return self.own.pose[0, :2]
        said = self.known[agent]
        return said.pose[:2] + np.array(said.velocity_mps) * ((self.own.stamp_us[0] - said.stamp_us) * 1e-6)

    def apart_m(self, one, other):
        gap_m = np.array(self.place(one)) - self.place(other)
        return np.hypot(*gap_m)

    def hop(self, sender, receiver):
        """Return share and SNR of the packets of one station at another one."""
        if receiver == self.inbox.agent:
            link = self.inbox.links.get(sender)
            if link is None or self.now_us - link.last_us > self.forget_us:
                return 0.0, -np.inf
            return self.inbox.share_of(sender, self.now_us, self.period_us), link.snr_db
        return self.inbox.listed(self.known[receiver]).get(sender, (0.0, -np.inf))

    def detected(self):
        """Return centre, size, yaw and velocity of the vehicles of its newest frame, where they are by now."""
        stamp_us, found = self.seen
        age_s = (self.own.stamp_us[0] - stamp_us) * 1e-6
        return [
            ([x + vx * age_s, y + vy * age_s, z], size_m, yaw, (vx, vy))
            for (x, y, z), size_m, yaw, (vx, vy) in zip(
                found.boxes.center_m, found.boxes.size_m, found.boxes.yaw_rad, found.velocity_mps, strict=True
            )
        ]

    def bodies(self):
        """Return the vehicles that it knows: announced ones, then detected ones."""
        every = [
            ([*self.place(agent), said.pose[2]], said.size_m, said.pose[3], said.velocity_mps)
            for agent, said in self.known.items() if said.size_m[0] > 0.0
        ] + self.detected()  # fmt: skip
        center, size, yaw, velocity = ([one[k] for one in every] for k in range(4))
        announced = np.arange(len(every)) < len(every) - len(self.detected())
        boxes = Boxes(np.array(center).reshape(-1, 3), np.array(size).reshape(-1, 3), np.array(yaw, float))
        return KnownBodies(np.array([0, len(every)]), boxes, np.array(velocity, float).reshape(-1, 2), announced)

    def ends(self, agents):
        """Return the states of stations as it knows them."""
        rows = []
        for agent in agents:
            if agent == self.inbox.agent:
                own = self.own
                rows.append((own.antenna_height_m[0], own.velocity_mps[0], not own.is_vehicle[0], self.busy_share))
            else:
                said = self.known[agent]
                rows.append((said.antenna_height_m, said.velocity_mps, not said.size_m[0] > 0.0, said.busy_share))
        height, velocity, roadside, busy = zip(*rows, strict=True)
        antenna = np.array([[*self.place(agent), h] for agent, h in zip(agents, height, strict=True)])
        return Ends(np.array(agents), antenna, np.array(velocity, float), np.array(roadside), np.array(busy, float))

    def relay(self, requester, helper, hops_of, relaying, before):
        """Return the relay that it prefers for one pair, -1 for none.

        Args:
            hops_of: By candidate: share and SNR of the four hops.
            relaying: Settings and map, from the engine.
            before: The relay that it preferred last time, -1 for none.
        """
        if not hops_of:
            return -1
        candidates, rule = list(hops_of), relaying._rule.relay
        hops = np.array(list(hops_of.values()))
        share, snr_db = hops[..., 0], hops[..., 1]

        def draw():
            each = np.full(len(candidates), requester), np.full(len(candidates), helper), np.array(candidates)
            return relaying._streams.uniforms("relay", *[relaying._streams.agent_keys(agent) for agent in each])[:, 0]

        view = RelayView(
            self.ends([requester]), self.ends([helper]), self.ends(candidates), np.zeros(len(candidates), np.int64),
            HopQuality(np.fmin(share[:, 0], share[:, 3]), np.fmin(snr_db[:, 0], snr_db[:, 3])),
            HopQuality(np.fmin(share[:, 1], share[:, 2]), np.fmin(snr_db[:, 1], snr_db[:, 2])),
            relaying._rule.min_delivery, np.zeros(1, np.int64), self.bodies(), relaying._obstacles, relaying._radio.carrier_ghz,
            relaying._range_m, relaying._foresight.least_snr_db,
            lambda *asked: outlook_of(self, relaying._foresight, requester, helper, candidates, *asked), draw,
        )  # fmt: skip
        score = rule.score(view)
        drawn = draw()
        best = max(range(len(candidates)), key=lambda k: (score[k], drawn[k]))
        if score[best] == NEVER:
            return -1
        if before in candidates and score[candidates.index(before)] >= score[best] - rule.hysteresis:
            best = candidates.index(before)
        return candidates[best]

    def hops_of_request(self, helper, least, dying):
        """Return the candidates for the relay of its own request, with the four hops of each."""
        own, found = self.inbox.agent, {}
        for relay in self.known:
            four = [self.hop(own, relay), self.hop(relay, helper), self.hop(helper, relay), self.hop(relay, own)]
            if relay != helper and relay not in dying and min(share for share, _ in four) >= least:
                found[relay] = four
        return found

    def nominations(self, relaying, before):
        """Return the pairs of requester and helper for which it passes on what the helper broadcasts, and all choices."""
        own, least, none = self.inbox.agent, relaying._rule.min_delivery, (np.nan, np.nan)
        passed, chosen = set(), {}
        for helper, said in self.known.items():
            if not self.senses(said) or self.hop(helper, own)[0] < least:
                continue
            for requester, asking in self.known.items():
                if (
                    requester == helper or not asking.wants_data or self.hop(own, requester)[0] < least
                    or self.apart_m(helper, requester) >= relaying._reach_m or self.hop(helper, requester)[0] >= least
                ):  # fmt: skip
                    continue
                candidates = [own] + [
                    relay for relay in self.known
                    if relay not in (helper, requester) and self.hop(relay, requester)[0] >= least and self.hop(helper, relay)[0] >= least
                ]  # fmt: skip
                hops_of = {
                    relay: [none, none, self.hop(helper, relay), self.hop(relay, requester)] for relay in candidates
                }
                pair = requester, helper
                chosen[pair] = self.relay(requester, helper, hops_of, relaying, before.get(pair, -1))
                if chosen[pair] == own:
                    passed.add(pair)
        return passed, chosen
