"""Road users far from all others: where and when they are, and how far away."""

import pytest

from tests.engine.small_world import snapshot
from v2xsim.engine.far_users import FarUsers
from v2xsim.mobility.base import Names

CROWD_M = [(0.0, 0.0), (100.0, 0.0), (0.0, 100.0), (100.0, 100.0), (50.0, 50.0)]


def notice_of(*ways_m):
    """Return the notice about a crowd that stands and others that move from tick to tick."""
    users, names = FarUsers("t.xml"), Names()
    for number in range(len(CROWD_M) + len(ways_m)):
        names.register(f"car{number}")
    for tick in range(len(ways_m[0])):
        places_m = [*CROWD_M, *(way_m[tick] for way_m in ways_m)]
        users.note(snapshot(range(len(places_m)), places_m, time_us=tick * 100_000))
    return users.notice(names)


@pytest.mark.parametrize("way_m", [[(30e3, 0.0), (60e3, 0.0)], [(60e3, 0.0), (30e3, 0.0)]])
def test_the_distance_is_that_of_the_nearest_place(way_m):
    text = notice_of(way_m).text
    assert "1 road user far from the 5 others, first 'car5'" in text
    assert f"at ({way_m[0][0]:.7g}, 0) at 0 s, 29.9 km from the nearest" in text


@pytest.mark.parametrize("way_m", [[(60e3, 0.0), (150.0, 0.0)], [(150.0, 0.0), (60e3, 0.0)]])
def test_who_was_once_with_the_others_is_not_far(way_m):
    assert notice_of(way_m) is None


def test_who_passes_through_the_middle_of_the_others_country_is_not_measured_from_its_ends():
    """It jumps over them: its rectangle contains theirs."""
    assert notice_of([(-60e3, 0.0), (60e3, 50.0)]) is None


@pytest.mark.parametrize(("x_m", "far"), [(1_900.0, False), (2_100.0, True)])
def test_who_is_neither_in_the_square_of_another_nor_in_the_next_one_is_far(x_m, far):
    assert (notice_of([(x_m, 50.0)]) is not None) == far
