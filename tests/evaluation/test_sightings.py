"""Shares of road users by the number of stations that see them, and the time until one does."""

import numpy as np
import pytest
from small_tables import table, values

from v2xsim.evaluation.sightings import NEVER, Sightings


def seen(*rows):
    """Return a table of rows of time in seconds, agent, stations and most points."""
    time_s, agent, stations, most = (list(column) for column in zip(*rows, strict=True))
    return table("seen", time_us=[round(t * 1e6) for t in time_s], agent=agent, stations=stations, most_points=most)


SOME = (
    (0.0, 3, 0, 0), (0.0, 8, 2, 40), (0.1, 3, 0, 0), (0.1, 8, 0, 0), (0.2, 3, 1, 4), (0.2, 5, 0, 0), (0.3, 3, 3, 25), (0.4, 5, 0, 0),
)  # fmt: skip


def users_of(rows, least_points=1, parts=1):
    sightings = Sightings(least_points)
    for part in np.array_split(np.arange(len(rows)), parts):
        sightings.add(seen(*(rows[n] for n in part)))
    return sightings


def test_the_first_time_counts_though_a_road_user_is_lost_again():
    users = users_of(SOME).users
    assert users.agent.tolist() == [3, 5, 8]
    assert users.in_range_us.tolist() == [0, 200_000, 0]
    assert users.seen_us.tolist() == [200_000, NEVER, 0]
    assert users.ticks.tolist() == [[2, 1, 1], [2, 0, 0], [1, 0, 1]]
    assert users.sights.tolist() == [4, 0, 2]


def test_with_more_points_a_road_user_is_seen_later():
    assert users_of(SOME, least_points=20).users.seen_us.tolist() == [300_000, NEVER, 0]


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_the_pieces_in_which_rows_come_do_not_matter(parts):
    whole, pieces = users_of(SOME), users_of(SOME, parts=parts)
    for name in ("agent", "in_range_us", "seen_us", "last_us", "ticks", "sights"):
        assert np.array_equal(getattr(whole.users, name), getattr(pieces.users, name)), name
    assert whole.rows() == pieces.rows()


def test_one_that_is_never_seen_counts_as_long_as_it_was_in_range():
    """Delays of 0 s (8) and 0.2 s (3); 5 is censored after 0.2 s. S = 2/3 after 0 s, and 2/3 x 1/2 = 1/3 after 0.2 s."""
    found = values(users_of(SOME).rows())
    assert found["first_seen_delay", ""] == pytest.approx(0.2)
    assert found["first_seen_delay_p90", ""] == np.inf
    assert found["never_seen", ""] == 1.0


def test_redundancy_is_over_those_that_are_seen():
    found = values(users_of(SOME).rows())
    assert found["seen_redundancy", ""] == (2 + 1 + 3) / 3
    assert [found[f"seen_by_{number}", ""] for number in ("nobody", "one", "several")] == [5 / 8, 1 / 8, 2 / 8]
