"""A channel for the tests of the engine that delivers nothing."""

from dataclasses import dataclass, field

import numpy as np

from v2xsim.engine.channel.air import Air


@dataclass
class SilentAir(Air):
    """A channel that takes notes of what it is given and delivers nothing."""

    wait: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sent: list = field(default_factory=list)
    periods_us: list = field(default_factory=list)
    awaited: list = field(default_factory=list)
    forwarded: list = field(default_factory=list)
    asked_bytes: list = field(default_factory=list)
    phases_us: dict = field(default_factory=dict)

    def phase_us(self, agent, period_us):
        """Return the phase that a test has set, otherwise 0."""
        return self.phases_us.get(agent, 0)

    def send(self, message, *, period_us=0, awaited=True, repeated=False):
        """Note a message."""
        self.sent.append(message)
        self.periods_us.append(period_us)
        self.awaited.append(awaited)

    def forward(self, packet, *, sender, target):
        """Note a packet that a relay passes on."""
        self.forwarded.append((packet, sender, target))

    def wait_us(self, size_bytes):
        """Note the size, and return what congestion control asks for."""
        self.asked_bytes.append(size_bytes)
        return self.wait

    def busy_share(self, agents):
        """Return a channel that nobody uses."""
        return np.zeros(len(agents))

    def tick(self, fleet, links):
        """Take no links: nothing is delivered."""

    def settle(self):
        """Deliver nothing."""

    def close(self):
        """Write nothing."""
