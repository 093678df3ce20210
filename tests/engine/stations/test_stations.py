"""The knowledge of all stations."""

import numpy as np
import pytest

from tests.engine.small_world import awareness, fleet_in, frame, snapshot
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.instant import Instant
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.stations.stations import Stations


def own(agents, egos=(), time_us=0):
    """What stations know of themselves; some of them are egos."""
    world = snapshot(agents, [(10.0 * a, 0.0) for a in agents], time_us=time_us)
    stations = fleet_in(world, egos=egos)
    count = len(agents)
    errors = StationErrors(stations.agent, time_us, np.zeros((count, 3)), np.zeros(count, np.int64))
    return Instant(world, stations, errors, LinkBudget.none()).states


def stations(frames_kept=3, detect_us=50, forget_us=1000, max_age_us=500):
    return Stations(frames_kept, detect_us, forget_us, max_age_us)


def heard_lately(all_of, agents, now_us):
    """Return the stations that each of some stations has heard lately."""
    return [heard.agent.tolist() for heard in all_of.heard_lately(np.array(agents), now_us)]


def test_only_so_many_frames_are_kept():
    all_of = stations(frames_kept=2)
    for time_us in (0, 100, 200):
        all_of.keep_frame(frame(4, time_us))
    assert [f.time_us for f in all_of.knowledge_of(4).frames] == [100, 200]


def test_a_detected_frame_is_one_whose_detection_is_finished():
    all_of = stations(detect_us=50)
    all_of.keep_frame(frame(4, 100))
    assert all_of.detected_frame(4, 149) is None
    assert all_of.detected_frame(4, 150).time_us == 100
    assert all_of.detected_frame(5, 150) is None


def test_a_station_that_comes_back_shows_no_frame_from_before():
    all_of = stations(detect_us=50)
    for agents, time_us in (([4, 5], 100), ([5], 200), ([4, 5], 300)):
        all_of.enter(own(agents, time_us=time_us))
        for agent in agents:
            all_of.keep_frame(frame(agent, time_us))
        if time_us == 300:
            assert all_of.detected_frame(4, 340) is None
            assert all_of.detected_frame(5, 340).time_us == 200
    assert all_of.detected_frame(4, 350).time_us == 300
    # The frame from before still waits for its fusion.
    assert all_of.knowledge_of(4).frame_of(100).time_us == 100


def test_an_ego_remains_one_after_it_has_left():
    all_of = stations()
    # A set of 8 and 1 does not come in rising order.
    all_of.enter(own([2, 8], egos=[8]))
    all_of.enter(own([1, 2], egos=[1]))
    assert all_of.ego_agents == {1, 8}
    assert [knowledge.agent for knowledge in all_of.egos()] == [1, 8]


def test_what_was_heard_is_forgotten_in_time():
    all_of = stations(forget_us=1000)
    all_of.enter(own([2, 5]))
    all_of.measure(np.array([2]), 5, np.array([20.0]), 100)
    assert heard_lately(all_of, [2, 5], 1100) == [[5], []]
    assert heard_lately(all_of, [2], 1101) == [[]]


def test_only_egos_keep_announcements_unless_all_stations_may_relay():
    for all_listen, knowing in ((False, [5]), (True, [2, 5])):
        all_of = Stations(3, 50, 1000, 500, 100, all_listen)
        all_of.enter(own([2, 5, 7], egos=[5]))
        all_of.neighbours.hear(awareness(7), 0, np.array([2, 5]), 0)
        assert [agent for agent in (2, 5) if all_of.neighbours.known_by(agent)] == knowing


def test_a_station_that_listens_forgets_what_it_heard_when_it_has_been_away_for_long():
    all_of = Stations(3, 50, 1000, 500, 100, True)
    all_of.enter(own([2, 7], time_us=0))
    all_of.neighbours.hear(awareness(7), 0, np.array([2]), 0)
    all_of.enter(own([7], time_us=100))
    all_of.tidy(20_000_000, 20_000_000, 19_000_000)
    all_of.enter(own([2, 7], time_us=20_000_000))
    assert all_of.neighbours.known_by(2) == []
    all_of.neighbours.hear(awareness(7, 20_000_000), 20_000_000, np.array([2]), 20_000_000)
    assert [item.awareness.origin for item in all_of.neighbours.known_by(2)] == [7]


def test_a_station_knows_snr_and_share_of_those_that_it_heard_lately():
    all_of = stations(forget_us=1000)
    all_of.enter(own([2, 5]))
    all_of.measure(np.array([2]), 5, np.array([30.0]), 100, 0)
    assert all_of.heard_by(2, 150) == {5: (30.0, pytest.approx(2 / 3))}
    assert list(all_of.heard_by(2, 1100)) == [5]
    assert all_of.heard_by(2, 1101) == {}


def test_who_stays_remembers_whom_it_heard_when_others_come():
    all_of = stations()
    all_of.enter(own([2, 5]))
    all_of.measure(np.array([2]), 5, np.array([20.0]), 100)
    all_of.enter(own([1, 2, 5]))
    assert heard_lately(all_of, [1, 2, 5], 100) == [[], [5], []]
