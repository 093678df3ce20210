"""What each station knows of itself."""

import numpy as np
import pytest

from tests.engine.small_world import own_states
from v2xsim.engine.stations.own_state import row_of


@pytest.mark.parametrize(("agent", "row"), [(3, 0), (5, 1), (9, 2), (2, -1), (4, -1), (10, -1)])
def test_a_station_is_found_among_rising_agents(agent, row):
    agents = np.array([3, 5, 9])
    assert row_of(agents, agent) == row
    assert own_states(agents).index(agent) == row


def test_nobody_is_found_among_none():
    assert row_of(np.zeros(0, np.int64), 0) == -1


def test_there_are_as_many_states_as_stations():
    assert len(own_states([3, 5, 9])) == 3
    assert len(own_states([])) == 0
