"""A run holds no more after twice the time: nothing in the engine outlives its use, over each channel and with each kind of fusion.

Each car crosses the region of stations once, so stations come and go all the time, and about five are there at any time after the first seconds.
"""

import gc
from collections import Counter
from types import FunctionType, ModuleType

import pytest

from v2xsim.engine.channel.messages import Message, Packet
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.instant import Instant
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.contents import EVERYBODY, Answer, Awareness, Report, Request, Retold
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.inbox import Arrival
from v2xsim.engine.stations.knowledge import Knowledge, ReceivedAnswer, ReportedObject
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections, Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

# The run is looked at after both times. By the first one, the first stations have been away for longer than anything is kept of them.
SOON_S, LATE_S, STEP_S = 5.0, 10.0, 0.2
EVERY_S, CROSSING_S = 0.5, 2.5

DROPPED = (
    Frame, Capture, Instant, FusedFrame, Message, Packet, Transfer, Request, Answer, Awareness, Report, Retold, ReceivedAnswer, ReportedObject,
    Arrival, Knowledge, Tracks, Detections,
)  # fmt: skip
"""Kinds of objects of which a run must hold about as many at any time."""


def crossing_cars(**sections):
    """Return a run in which a car enters the region twice a second, drives through it and never comes back."""
    cars = [
        {
            "id": f"car{n}",
            "waypoints": [[EVERY_S * n, -60, 4.0 * (n % 5)], [EVERY_S * n + CROSSING_S, 60, 4.0 * (n % 5)]],
        }
        for n in range(round(LATE_S / EVERY_S))
    ]
    scenario = Scenario.model_validate({
        "run": {"duration_s": LATE_S + STEP_S, "step_s": STEP_S}, "traffic": {"script": cars},
        "stations": {"penetration": 1.0, "region": [-59, -59, 59, 59]},
        "lidars": {"model": {"beams": 6, "columns": 90, "lowest_deg": -15.0, "highest_deg": 3.0, "range_m": 60.0}},
        "record": {"clouds_every_s": 1.0}, **sections,
    })  # fmt: skip
    names, streams = Names(), Streams(1)
    roster = Roster(scenario, streams, names.register, names.name_of)
    mobility = ScriptMobility(scenario.traffic.script, names)
    return Simulation(scenario, mobility, indexed(Prisms.none()), roster, 1, names=names)


def held_by(run):
    """Return how many objects of each type a run holds, without its tables; tables are written to disk while a run goes on."""
    gc.collect()
    held, unseen, seen = Counter(), [run], set()
    while unseen:
        one = unseen.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | Columns):
            continue
        seen.add(id(one))
        held[type(one)] += 1
        # A function leads to all of its module.
        unseen += one.__closure__ or () if isinstance(one, FunctionType) else gc.get_referents(one)
    return held


def at_two_times(run, act=lambda run: None):
    """Step a run, and return what it holds after both times."""
    held = []
    for tick in range(1, round(LATE_S / STEP_S) + 1):
        run.step()
        act(run)
        if tick in (round(SOON_S / STEP_S), round(LATE_S / STEP_S)):
            held.append(held_by(run))
    run.close()
    return held


def send_two(run):
    """Let a program send a message to all, and one to a single station, both in several fragments."""
    everyone = run.instant.fleet.agent.tolist()
    if len(everyone) > 1:
        run.send(everyone[0], EVERYBODY, b"x" * 3000, None, None)
        run.send(everyone[0], everyone[1], b"x" * 3000, None, None)


CASES = {
    "slots": {},
    "11p": {"radio": {"access": "ieee80211p", "retries": 2}, "cooperation": {"fusion": "late"}},
    "full_queues": {"radio": {"access": "ieee80211p", "queue_packets": 2}, "cooperation": {"fusion": "raw"}},
    "nr": {"radio": {"access": "nr_mode2", "mtu_bytes": 700, "dcc": "reactive"}},
    "reports": {"cooperation": {"fusion": "cpm", "redundancy": "frequency"}},
    "rare_matrices": {
        "radio": {"access": "ieee80211p"},
        "cooperation": {"fusion": "cpm", "redundancy": "missed", "matrix": {"interval_ms": 500}},
    },
    "retelling": {"radio": {"access": "ieee80211p"}, "cooperation": {"fusion": "cpm", "retelling": {"rule": "unheard", "least_gain": 0, "oldest_ms": 1300, "better": 1000}}},
    "ideal": {"radio": {"access": "ideal"}},
    "synchronous": {"cooperation": {"transport": "synchronous"}},
    "synchronous_reports": {"cooperation": {"transport": "synchronous", "fusion": "cpm", "redundancy": "frequency"}},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_run_holds_no_more_after_twice_the_time(name):
    soon, late = at_two_times(crossing_cars(**CASES[name]), send_two)
    for kind in DROPPED:
        counts = [sum(number for held, number in one.items() if issubclass(held, kind)) for one in (soon, late)]
        assert counts[1] <= 1.4 * counts[0] + 12, f"{kind.__name__}: {counts[0]} and {counts[1]}"
    grown = (late - soon).most_common(5)
    assert late.total() <= 1.2 * soon.total(), f"{soon.total():,} and {late.total():,} objects, {grown}"
