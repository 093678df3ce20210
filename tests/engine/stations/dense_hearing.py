"""What stations measure of each other's packets, one pair at a time: a reference for the table of pairs."""

from dataclasses import dataclass

import numpy as np

NUMBERS = 1 << 15


@dataclass
class Pair:
    """What one station measured on the packets of one sender."""

    snr_db: float
    last_us: int
    share: float = 0.5
    trials: int = 0
    sequence: int = -1

    def counts(self, arrived):
        """Enter that one announcement arrived, or did not."""
        weight = max(0.1, 1.0 / (self.trials + 3))
        self.share += weight * (arrived - self.share)
        self.trials += 1

    def arrives(self, number):
        """Enter the arrival of an announcement and the loss of those before it."""
        lost = 0 if self.sequence < 0 else (number - self.sequence - 1) % NUMBERS
        if lost > NUMBERS // 2:
            return
        # After some sixty losses the share is nearly zero.
        for _ in range(min(lost, 60)):
            self.counts(0.0)
        self.counts(1.0)
        self.sequence = number


class DenseHearing:
    """The measurements of all stations, by receiver and sender. The methods are those of `Hearing`."""

    def __init__(self, forget_us, period_us):
        self.forget_us, self.period_us, self.agent, self.pairs = forget_us, period_us, np.zeros(0, np.int64), {}

    def enter(self, agent):
        self.pairs = {key: pair for key, pair in self.pairs.items() if key[0] in agent and key[0] in self.agent}
        self.agent = agent

    def note(self, receivers, sender, snr_db, time_us, sequence=-1):
        for receiver, level in zip(receivers.tolist(), snr_db.tolist(), strict=True):
            if receiver not in self.agent:
                continue
            pair = self.pairs.get((receiver, sender))
            if pair is None or time_us - pair.last_us > self.forget_us:
                pair = self.pairs[receiver, sender] = Pair(level, time_us)
            else:
                pair.snr_db, pair.last_us = (1.0 - 0.4) * pair.snr_db + 0.4 * level, time_us
            if sequence >= 0:
                pair.arrives(sequence)

    def heard_lately(self, agent, now_us):
        """Return sender, SNR and share of each station that a station heard lately, in rising order of senders."""
        found = []
        for (receiver, sender), pair in sorted(self.pairs.items()):
            silent_us = now_us - pair.last_us
            if receiver == agent and silent_us <= self.forget_us:
                now = Pair(pair.snr_db, pair.last_us, pair.share, pair.trials)
                for _ in range(silent_us // self.period_us - 1):
                    now.counts(0.0)
                found.append((sender, now.snr_db, now.share))
        return found
