"""Sets of agent ids that only grow."""

import numpy as np

from v2xsim.engine.stations.agent_set import AgentSet, grown


def ids(*agents):
    return np.array(agents, np.int64)


def test_a_set_knows_who_was_added():
    noted = AgentSet()
    noted.add(ids(2, 5))
    assert [agent in noted for agent in (1, 2, 5, 99)] == [False, True, True, False]
    assert noted.agents == [2, 5]


def test_whoever_is_added_again_is_not_new():
    noted = AgentSet()
    assert noted.add(ids(2, 5)).tolist() == [True, True]
    assert noted.add(ids(5, 9)).tolist() == [False, True]
    assert len(noted) == 3


def test_an_empty_set_has_nobody():
    noted = AgentSet()
    assert noted.add(ids()).tolist() == []
    assert (len(noted), bool(noted), 0 in noted) == (0, False, False)


def test_rows_stay_when_an_array_grows():
    rows = grown(np.array([[1, 2], [3, 4]]), 3, fill=7)
    assert rows[:3].tolist() == [[1, 2], [3, 4], [7, 7]]


def test_an_array_that_is_long_enough_stays_as_it_is():
    rows = np.zeros(4)
    assert grown(rows, 4) is rows
