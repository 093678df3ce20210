"""Packets to one station in a field of a few, and the transmissions that they cause: what the tests of acknowledgements share."""

from typing import NamedTuple

import numpy as np

from tests.comms.access.groups import keys
from v2xsim.comms.access.packets import ALL_OUTCOME_NAMES, Packets, field_of
from v2xsim.comms.access.scheme import RadioSettings, layer_of

END_US = 400_000


class Sent(NamedTuple):
    """A transmission; `outcome` has the name of the outcome at each receiver that has one."""

    number: int
    repeat: int
    is_ack: bool
    sender: int
    began_us: int
    ended_us: int
    outcome: dict[int, str]


def unicasts(*rows, retries=3, size_bytes=300, mcs=2):
    """Return packets from rows of sender, target (-1 for everybody) and time; their numbers are their places."""
    sender, target, ready = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    count = len(rows)
    number = np.arange(count)
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return Packets(
        number, sender, target, ready, np.full(count, size_bytes), np.full(count, mcs), np.zeros(count, np.int64), key,
        np.where(target >= 0, retries, 0),
    )  # fmt: skip


class Run(NamedTuple):
    """All transmissions of a run, the packets that are over, and the busy time of each station."""

    sent: list[Sent]
    finished: list[int]
    busy_us: list[int]

    def acks(self, number=None):
        return [t for t in self.sent if t.is_ack and number in (None, t.number)]

    def data(self, number=None):
        return [t for t in self.sent if not t.is_ack and number in (None, t.number)]

    def got(self, target_of):
        """Return the number of transmissions of packets that arrived at their targets."""
        return sum(
            t.outcome.get(int(target_of[t.number])) == "delivered" for t in self.data() if target_of[t.number] >= 0
        )


def played(scheme, packets, power_dbm, until_us=END_US, pieces=1, **settings):
    """Return what comes of packets with received powers by sender and receiver, in one call of the layer or in several."""
    field = field_of(np.array(power_dbm, float), -150.0)
    layer = layer_of(scheme, RadioSettings(**settings), 0, keys(field.stations))
    sent, finished, busy_us = [], [], np.zeros(field.stations, np.int64)
    # As in a run, each packet is submitted when it is ready.
    stops = {until_us * piece // pieces for piece in range(1, pieces + 1)} | set(packets.ready_us.tolist())
    for stop_us in sorted(stops):
        found, more_us = layer.advance(stop_us, field)
        layer.submit(packets[packets.ready_us == stop_us])
        busy_us = busy_us + more_us
        finished += found.finished.tolist()
        for k in range(len(found.number)):
            own = slice(int(found.offset[k]), int(found.offset[k + 1]))
            receivers = zip(found.receiver[own].tolist(), found.outcome[own].tolist(), strict=True)
            outcome = {r: ALL_OUTCOME_NAMES[o] for r, o in receivers}
            columns = (found.number, found.repeat, found.is_ack, found.by, found.began_us, found.ended_us)
            sent.append(Sent(*(column[k].item() for column in columns), outcome))
    return Run(sent, finished, busy_us.tolist())
