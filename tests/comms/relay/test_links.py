"""The predicted delivery of links as compressed rows says what a square array says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.relay.links import LinkDelivery


@st.composite
def squares(draw):
    stations = draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    square = rng.choice([0.0, 0.0, 0.5, 0.7, 0.9], (stations, stations))
    square = np.minimum(square, square.T)
    np.fill_diagonal(square, 0.0)
    pairs = rng.integers(0, stations, (2, draw(st.integers(0, 6))))
    return square, *pairs


@settings(max_examples=60, deadline=None)
@given(squares())
def test_rows_say_what_the_square_says(case):
    square, one, other = case
    links = LinkDelivery.of(square)
    np.testing.assert_array_equal(links.square(), square)
    np.testing.assert_array_equal(links.between(one, other), square[one, other])
    np.testing.assert_array_equal(links.weaker(one, other), np.minimum(square[one], square[other]))


@settings(max_examples=60, deadline=None)
@given(squares(), st.sampled_from([0.5, 0.7, 0.91]))
def test_a_station_is_reached_if_it_has_two_good_links_to_a_pair(case, least):
    square, one, other = case
    expected = (np.minimum(square[one], square[other]) >= least).any(axis=0)
    assert LinkDelivery.of(square).reached(one, other, least).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(squares(), st.integers(0, 10**6))
def test_links_among_some_stations_are_those_of_the_whole(case, seed):
    square, *_ = case
    rows = np.flatnonzero(np.random.default_rng(seed).random(len(square)) < 0.6)
    np.testing.assert_array_equal(LinkDelivery.of(square).among(rows).square(), square[np.ix_(rows, rows)])


def test_a_link_listed_at_one_end_only_counts_for_both():
    links = LinkDelivery(np.array([0, 1, 1]), np.array([1], np.int32), np.array([0.8]))
    assert links.between(np.array([0, 1]), np.array([1, 0])).tolist() == [0.8, 0.8]


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_all_links_can_be_alike(probability):
    links = LinkDelivery.everywhere(3, probability)
    assert links.between(np.array([0, 2]), np.array([1, 0])).tolist() == [probability] * 2
    assert links.weaker(np.array([0]), np.array([1])).tolist() == [[probability] * 3]
