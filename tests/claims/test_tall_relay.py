"""How much farther a tall vehicle reaches."""

import numpy as np
import pytest

from v2xsim.claims.tall_relay import range_m, range_rows


def test_the_range_is_where_the_mean_delivery_of_bins_crosses_the_wanted_one():
    # 100 links in the middle of each bin; delivery falls by 0.02 per bin of 25 m from 1.
    distance_m = np.repeat(np.arange(20) * 25.0 + 12.5, 100)
    delivery = 1.0 - 0.02 * np.repeat(np.arange(20), 100)
    assert range_m(distance_m, delivery) == pytest.approx(5 * 25.0 + 12.5)
    assert range_m(distance_m, delivery + 0.01) == pytest.approx(5.5 * 25.0 + 12.5)


def test_a_range_beyond_the_links_and_one_behind_empty_bins_are_unknown():
    distance_m = np.repeat(np.arange(20) * 25.0 + 12.5, 100)
    assert np.isnan(range_m(distance_m, np.ones(2000)))
    is_kept = (distance_m < 60) | (distance_m > 90)
    assert np.isnan(range_m(distance_m[is_kept], np.where(distance_m > 200, 0.5, 1.0)[is_kept]))


def test_links_dead_from_the_start_have_no_range():
    assert range_m(np.full(200, 5.0), np.zeros(200)) == 0.0


def test_on_the_motorway_a_truck_reaches_farther_than_a_car():
    (row,) = range_rows((0.3,), seeds=1)
    assert row.car_m is not None
    assert row.tall_m is not None
    assert 50 < row.car_m < row.tall_m
    assert row.gain == pytest.approx(row.tall_m / row.car_m - 1.0)
