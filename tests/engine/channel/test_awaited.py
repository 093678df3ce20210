"""When the radio looks for awaited packets: on a grid of instants, and no more often than a packet can arrive."""

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
    assert this.looks_us == [4_600]


def test_each_instant_is_looked_at_if_the_end_is_not_known():
    this = Looked(knows=False)
    this.at(1_100, this.send, 0, 2_900)
    this.clock.run_until(END_US)
    assert this.looks_us == [1_600, 2_100, 2_600, 3_100]


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
def test_the_grid_begins_anew_once_nobody_has_waited_at_one_of_its_instants(knows):
    this = Looked(knows)
    this.at(1_000, this.send, 0, 1_300)
    # Another part of the engine reads the results at 1,400; nobody waits at 1,500.
    this.at(1_400, this.settle)
    this.at(1_700, this.send, 1, 1_900)
    this.clock.run_until(END_US)
    assert this.seen_us[1] == 2_200


@pytest.mark.parametrize("knows", [False, True])
def test_the_grid_goes_on_if_somebody_waits_again_before_its_next_instant(knows):
    this = Looked(knows)
    this.at(1_000, this.send, 0, 1_300)
    this.at(1_400, this.settle)
    this.at(1_450, this.send, 1, 1_900)
    this.clock.run_until(END_US)
    assert this.seen_us[1] == 2_000


@pytest.mark.parametrize("knows", [False, True])
def test_a_watched_packet_is_looked_for_while_somebody_waits_for_another_one(knows):
    this = Looked(knows)
    this.send_unawaited(0, 2_300)
    this.at(1_000, this.send, 1, 5_000)
    this.at(1_300, this.awaited.watch, [0])
    this.clock.run_until(END_US)
    assert this.seen_us == {0: 2_500, 1: 5_000}


@pytest.mark.parametrize("knows", [False, True])
def test_a_watched_packet_is_not_looked_for_once_nobody_waits(knows):
    this = Looked(knows)
    this.send_unawaited(0, 2_300)
    this.at(1_000, this.send, 1, 1_200)
    this.at(1_300, this.awaited.watch, [0])
    this.clock.run_until(END_US)
    assert this.seen_us == {1: 1_500}


def polled(sent, settled_us):
    """Return when each packet is seen by a process that looks at every instant of the grid while somebody waits."""
    seen_us, on_way, grid_us = {}, [], None
    for time_us in range(END_US):
        on_grid = grid_us is not None and time_us > grid_us and (time_us - grid_us) % QUANTUM_US == 0
        if on_grid or time_us in settled_us:
            for number in [number for number in on_way if sent[number][1] <= time_us]:
                seen_us[number] = time_us
                on_way.remove(number)
        if on_grid and not any(sent[number][2] is None for number in on_way):
            grid_us = None
        new = [number for number, (sent_us, _, _) in enumerate(sent) if sent_us == time_us]
        on_way += new
        if grid_us is None and any(sent[number][2] is None for number in new):
            grid_us = time_us
    return seen_us


@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_packets_are_seen_when_a_look_at_each_instant_of_the_grid_sees_them(seed, knows):
    rng = np.random.default_rng(seed)
    # Instants on a raster of 100 us, so that many coincide with those of the grid.
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
    # The others wait for the next process that reads the results.
    assert {n: this.seen_us.get(n) for n in expected} == expected
    assert len(this.seen_us) == len(expected)
    if knows:
        assert len(this.looks_us) < len(set(expected.values())) + 5
