"""Nothing is told round and round, however often it may be told on: laws of a dense run with the loosest rule."""

from collections import Counter

import numpy as np
import pytest

import v2xsim
from v2xsim.engine.cooperation.retelling import Retelling
from v2xsim.engine.stations.contents import Report
from v2xsim.engine.stations.reports_heard import ReportsHeard

LOOSE = "{rule: unheard, hops: 10, oldest_ms: 1300, least_gain: 0, better: 1000}"
VALID_US, LOOKS = 1_100_000, 11


def states_in(message):
    """Return detecting station, number and time of capture of each object of a message, and how often each was told on."""
    parts = ((message, np.arange(len(message.number)), None),) if isinstance(message, Report) else message.parts
    return [
        ((report.origin, int(report.number[row]), report.frame.time_us), 0 if hops is None else int(hops[at]))
        for report, rows, hops in parts for at, row in enumerate(rows.tolist())
    ]  # fmt: skip


@pytest.fixture(scope="module")
def told():
    """What each station tells on: station, state of an object, hops, time, and the least hops with which the state had arrived there."""
    least, found = {}, []
    hear, retold = ReportsHeard.hear, Retelling.retold

    def heard(self, message, receivers, now_us):
        hear(self, message, receivers, now_us)
        for station in set(receivers.tolist()) - {message.origin}:
            for state, hops in states_in(message):
                least[station, state] = min(hops, least.get((station, state), 99))

    def tells(self, agents, slot, now_us):
        messages = retold(self, agents, slot, now_us)
        found.extend(
            (message.origin, state, hops, now_us, least[message.origin, state])
            for message in messages for state, hops in states_in(message)
        )  # fmt: skip
        return messages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReportsHeard, "hear", heard)
        patch.setattr(Retelling, "retold", tells)
        settings = [
            "cooperation.fusion=cpm",
            "cooperation.relay=none",
            "run.duration_s=1.2",
            f"cooperation.retelling={LOOSE}",
        ]
        v2xsim.run(v2xsim.load("rural_trucks", settings), threads=1)
    return found


def test_objects_are_told_on_over_many_stations(told):
    assert max(hops for _, _, hops, _, _ in told) > 4
    assert len(told) > 2000


def test_what_is_told_on_came_the_shortest_way_so_no_station_is_on_it_twice(told):
    assert [(hops, least) for _, _, hops, _, least in told if hops != least + 1] == []


def test_no_station_tells_others_of_what_it_detected_itself(told):
    assert not any(station == state[0] for station, state, *_ in told)


def test_telling_on_makes_nothing_newer_so_every_chain_ends(told):
    assert max(now_us - state[2] for _, state, _, now_us, _ in told) <= VALID_US


def test_a_station_tells_one_state_at_most_once_each_time_it_looks(told):
    times = Counter((station, state) for station, state, *_ in told)
    assert max(times.values()) <= LOOKS
    assert len({(station, state, now_us) for station, state, _, now_us, _ in told}) == len(told)
