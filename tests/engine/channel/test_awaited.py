"""When the radio looks for awaited packets: at whole QUANTUM_US, and no more often than a packet can arrive."""

import numpy as np
import pytest

from v2xsim.engine.channel.awaited import QUANTUM_US, Awaited
from v2xsim.engine.clock import Clock, Order

END_US = 60_000


class Looked:
    """Awaited packets whose ends are written down beforehand; `knows` says whether the access layer knows them."""

    def __init__(self, knows=True):
        self.clock, self.knows = Clock(0), knows
        self.awaited = Awaited(self.clock, self.submit, self.look)
        self.end_us, self.new, self.looks_us, self.seen_us = {}, [], [], {}

    def send(self, number, end_us):
        self.end_us[number] = end_us
        self.new.append(number)
        self.awaited.add(number)

    def send_unawaited(self, number, end_us):
        self.end_us[number] = end_us
        self.new.append(number)

    def submit(self):
        self.awaited.submitted(self.new, np.array([self.end_us[n] for n in self.new], np.int64) if self.knows else None)
        self.new = []

    def settle(self):
        """Let the packets arrive that have ended, as a process does that reads the results."""
        self.submit()
        arrived = [n for n, end_us in self.end_us.items() if end_us <= self.clock.now_us and n not in self.seen_us]
        self.awaited.remove(arrived)
        self.seen_us |= dict.fromkeys(arrived, self.clock.now_us)
        return arrived

    def look(self):
        self.looks_us.append(self.clock.now_us)
        self.settle()

    def at(self, time_us, action, *arguments):
        self.clock.call(time_us, Order.TICK, lambda: action(*arguments))


def test_the_instants_before_a_packet_ends_are_skipped_if_its_end_is_known():
    this = Looked()
    this.at(1_100, this.send, 0, 4_300)
    this.clock.run_until(END_US)
    assert this.looks_us == [4_500]


def test_each_instant_is_looked_at_if_the_end_is_not_known():
    this = Looked(knows=False)
    this.at(1_100, this.send, 0, 2_900)
    this.clock.run_until(END_US)
    assert this.looks_us == [1_500, 2_000, 2_500, 3_000]


def test_a_packet_that_ends_earlier_than_those_before_it_is_looked_for_earlier():
    this = Looked()
    this.at(1_000, this.send, 0, 9_000)
    this.at(1_200, this.send, 1, 3_000)
    this.clock.run_until(END_US)
    assert this.looks_us == [3_000, 9_000]


def test_a_packet_that_never_arrives_is_not_looked_for_after_its_end():
    this = Looked()
    this.at(1_000, this.send, 0, 3_000)
    this.at(1_100, this.seen_us.update, {0: 1_100})
    this.clock.run_until(END_US)
    assert this.looks_us == [3_000]


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("other_us", [None, 700, 1_450])
def test_a_packet_is_seen_at_the_same_instant_whoever_else_waits(knows, other_us):
    this = Looked(knows)
    if other_us is not None:
        this.at(other_us, this.send, 1, other_us + 3_300)
    this.at(1_700, this.send, 0, 1_900)
    this.clock.run_until(END_US)
    assert this.seen_us[0] == 2_000


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("others", [0, 1])
def test_a_watched_packet_is_looked_for_whether_or_not_somebody_waits_for_another_one(knows, others):
    this = Looked(knows)
    this.send_unawaited(0, 2_300)
    if others:
        this.at(1_000, this.send, 1, 5_000)
    this.at(1_300, this.awaited.watch, [0])
    this.clock.run_until(END_US)
    assert this.seen_us == {0: 2_500, **({1: 5_000} if others else {})}


def polled(sent, settled_us):
    """Return when each packet that somebody awaits or watches is seen by a process that looks at every whole QUANTUM_US."""
    seen_us = {}
    for number, (_, end_us, watched_us) in enumerate(sent):
        settled = [time_us for time_us in settled_us if time_us >= max(end_us, sent[number][0])]
        if watched_us is not None and any(time_us <= watched_us for time_us in settled):
            seen_us[number] = min(settled)
            continue
        waits_us = sent[number][0] if watched_us is None else watched_us
        look_us = max(waits_us // QUANTUM_US + 1, -(-end_us // QUANTUM_US)) * QUANTUM_US
        seen_us[number] = min([*settled, look_us])
    return seen_us


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_packets_are_seen_when_a_look_at_each_instant_sees_them(seed, knows):
    rng = np.random.default_rng(seed)
    # Instants on a raster of 100 us, so that many coincide with those of the looks.
    sent_us = (np.sort(rng.integers(0, 400, 90)) * 100).tolist()
    # Time at which each packet is sent, its end, and when it is watched; None for an awaited one.
    sent = [
        (time_us, time_us + int(rng.integers(1, 40)) * 50, [None, None, time_us, time_us + 300][rng.integers(4)])
        for time_us in sent_us
    ]
    # Who watches a packet has read the results before.
    settled_us = set((rng.integers(0, 500, 80) * 100).tolist()) | {
        watched_us for _, _, watched_us in sent if watched_us
    }
    this = Looked(knows)
    for time_us in settled_us:
        this.at(time_us, this.settle)
    for number, (time_us, end_us, watched_us) in enumerate(sent):
        if watched_us is None:
            this.at(time_us, this.send, number, end_us)
        else:
            this.at(time_us, this.send_unawaited, number, end_us)
            this.at(watched_us, this.awaited.watch, [number])
    this.clock.run_until(END_US)
    expected = polled(sent, settled_us)
    # Looks for others may see a watched packet that has ended earlier, before somebody watches it.
    late = {n for n, (_, end_us, watched_us) in enumerate(sent) if watched_us is not None and end_us < watched_us}
    assert {n: at for n, at in this.seen_us.items() if n not in late} == {
        n: at for n, at in expected.items() if n not in late
    }
    assert len(this.seen_us) == len(sent)
    if knows:
        assert len(this.looks_us) < len(set(expected.values())) + 5
