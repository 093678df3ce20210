"""Road users where stations placed them at their captures, for many stations in one call."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, capture, snapshot
from v2xsim.engine.stations.located import located_each

WORLD = snapshot([EGO, HELPER, OTHER], [(0.3, 0), (20, 0.7), (40, 5)], yaw_rad=[0.0, 1.0, 2.0])
BEFORE = snapshot([HELPER, OTHER, 9], [(18, 0.1), (38, 5), (70, 7)], yaw_rad=[1.1, 2.1, 0.4])
ALONE = snapshot([OTHER], [(38, 5.3)], yaw_rad=0.3)
ERRORS = ((1.0, 0.2, 0.0, 0.03), (20.5, -0.3, 0.0, -0.01))


@pytest.mark.parametrize("wanted", [[EGO, HELPER, OTHER], [OTHER], [HELPER, 9, 50]])
def test_road_users_lie_where_each_station_would_place_those_of_its_own_capture(wanted):
    captures = [capture(world, HELPER, believed=error) for world in (WORLD, BEFORE, ALONE) for error in ERRORS]
    located_m, present = located_each(np.array(wanted), captures)
    for n, one in enumerate(captures):
        there = one.snapshot.agent.tolist()
        assert present[n].tolist() == [agent in there for agent in wanted]
        moved_m = one.apparent.center_m
        for w in np.flatnonzero(present[n]):
            np.testing.assert_allclose(located_m[n, w], moved_m[there.index(wanted[w])], rtol=1e-15)


def test_nobody_is_present_in_an_empty_world():
    _, present = located_each(np.array([EGO, OTHER]), [capture(snapshot([], []), HELPER)])
    assert present.tolist() == [[False, False]]


def test_without_captures_nobody_is_located():
    located_m, present = located_each(np.array([EGO]), [])
    assert located_m.shape == (0, 1, 3)
    assert present.shape == (0, 1)
