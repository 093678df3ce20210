"""What each station received, kept apart from the engine: the packets that it measured, and the messages that arrived whole.

A plain second implementation: dictionaries and loops over one station at a time, so that no station can read what another one knows.
"""

from dataclasses import dataclass, field

import numpy as np

from v2xsim.engine.channel.messages import AnswerMessage, AwarenessMessage, ReportMessage, RetoldMessage
from v2xsim.engine.stations.contents import EVERYBODY

FIRST_SHARE, LEAST_WEIGHT, MOST_TRIALS, NEWEST = 0.5, 0.1, 8, 0.4
COPIES_US = 1_000_000


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
    """What one station received.

    Attributes:
        links: By sender: what the station measured on its packets.
        valid_us: How long after its arrival a matrix is used.
        announced: By sender: newest announcement, when it was sent, and when it arrived.
        arrivals: By sender: every announcement that arrived, in the order of arrival, with the same times.
        parts: By number of a message: its fragments that arrived.
        answered: Helper and capture time of the own frame of each answer that arrived whole.
        reports: Reports of others that arrived, each once, with the time of its first arrival.
        reported: Messages with reports, and with what others told on, that arrived or that it sent, as often as they did, with the time.
        lists: By sender: its newest announcement that was looked at, and what it lists.
    """

    agent: int
    valid_us: float = float("inf")
    links: dict = field(default_factory=dict)
    announced: dict = field(default_factory=dict)
    arrivals: dict = field(default_factory=dict)
    parts: dict = field(default_factory=dict)
    answered: set = field(default_factory=set)
    reports: list = field(default_factory=list)
    reported: list = field(default_factory=list)
    lists: dict = field(default_factory=dict)

    def receive(self, heard, snr_db, forget_us):
        """Take in one packet that this station received."""
        packet, message = heard.packet, heard.packet.message
        is_announcement = isinstance(message, AwarenessMessage)
        is_numbered = is_announcement and packet.hop == 1 and packet.fragment == 0
        self.measure(packet.sender, snr_db, heard.time_us, message.body.sequence if is_numbered else -1, forget_us)
        if message.origin == self.agent or message.destination not in (EVERYBODY, self.agent):
            return
        parts = self.parts.setdefault(message.number, set())
        parts.add(packet.fragment)
        if len(parts) < packet.fragments:
            return
        if isinstance(message, ReportMessage | RetoldMessage):
            self.reported.append((message, heard.time_us))
        if is_announcement:
            self.hear(message.body, message.queued_us, heard.time_us)
        elif isinstance(message, AnswerMessage):
            self.answered.add((message.origin, message.body.request.frame_us))
        elif isinstance(message, ReportMessage) and not any(report is message.body for report, _ in self.reports):
            self.reports.append((message.body, heard.time_us))

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
        self.arrivals.setdefault(awareness.origin, []).append((awareness, sent_us, arrived_us))
        before = self.announced.get(awareness.origin)
        if before is None or before[1] < sent_us:
            self.announced[awareness.origin] = awareness, sent_us, arrived_us

    def seen_by(self, origin, now_us, forget_us):
        """Return the announcement with the matrix of a sender that it uses now, None for none: the newest one since it last forgot the sender."""
        newest_us = last_us = most_us = -(10**18)
        held = None
        for said, sent_us, arrived_us in self.arrivals.get(origin, []):
            if sent_us > newest_us:
                held = held if arrived_us - last_us <= forget_us else None
                newest_us, last_us = sent_us, arrived_us
            if said.matrix is not None and sent_us > most_us:
                most_us, held = sent_us, (said, arrived_us)
        says_none = self.announced[origin][0].matrix is None and not self.announced[origin][0].withheld
        return None if held is None or says_none or now_us - held[1] > self.valid_us else held[0]

    def listed(self, said):
        """Return share and SNR of each sender that another station lists in its announcement."""
        before = self.lists.get(said.origin)
        if before is None or before[0] is not said:
            heard = said.heard
            rows = zip(heard.agent.tolist(), heard.share.tolist(), heard.snr_db.tolist(), strict=True)
            before = self.lists[said.origin] = said, {agent: (share, snr_db) for agent, share, snr_db in rows}
        return before[1]

    def heard_list(self, now_us, forget_us, period_us):
        """Return the senders that it heard lately, in rising order, and SNR and share of each, as it measured them."""
        senders = sorted(sender for sender, link in self.links.items() if now_us - link.last_us <= forget_us)
        return [(sender, self.links[sender].snr_db, self.share_of(sender, now_us, period_us)) for sender in senders]

    def share_of(self, sender, now_us, period_us):
        """Return the share of a sender's announcements that arrive; those that are missing by now count as lost."""
        link = self.links[sender]
        share, trials = float(link.share), link.trials
        for _ in range((now_us - link.last_us) // period_us - 1):
            share *= 1.0 - max(LEAST_WEIGHT, 1.0 / (trials + 3.0))
            trials += 1
        return share

    def copies(self, now_us):
        """Return the reports of others that arrived within the last second."""
        return [(report, at_us) for report, at_us in self.reports if now_us - at_us <= COPIES_US]
