"""Gaps between packets and the age of what they said, of pairs whose every reception is written down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation.age_of_information import gaps_and_age

MS = 1000


def measured(receptions):
    """Return gap and age over receptions of sender, receiver, queued and end in milliseconds."""
    columns = np.array(receptions, np.int64).reshape(-1, 4)
    rows = gaps_and_age(columns[:, 0], columns[:, 1], columns[:, 2] * MS, columns[:, 3] * MS)
    return {name: metric for name, _, metric in rows}


def test_the_gap_is_from_one_reception_to_the_next():
    assert measured([(1, 2, 0, 10), (1, 2, 100, 130)])["inter_packet_gap"].value == 120.0


def test_two_receivers_of_one_sender_have_gaps_of_their_own():
    """Receiver 2 waits 100 ms, receiver 3 waits 300 ms: taken together in time there would be gaps of 50, 50 and 250 ms."""
    heard = [(1, 2, 0, 0), (1, 3, 50, 50), (1, 2, 100, 100), (1, 3, 350, 350)]
    assert measured(heard)["inter_packet_gap"].value == 200.0


def test_two_senders_to_one_receiver_have_gaps_of_their_own():
    heard = [(1, 3, 0, 0), (2, 3, 50, 50), (1, 3, 100, 100), (2, 3, 350, 350)]
    assert measured(heard)["inter_packet_gap"].value == 200.0


def test_a_pair_that_met_once_has_no_gap():
    assert measured([(1, 2, 0, 0), (1, 2, 100, 100), (1, 3, 0, 0), (4, 2, 0, 0)])["inter_packet_gap"].count == 1


def test_the_age_is_an_average_over_time():
    """Gaps of 100 and 300 ms after packets of 10 and 20 ms: (100 (10 + 50) + 300 (20 + 150)) / 400 ms."""
    heard = [(1, 2, 0, 10), (1, 2, 90, 110), (1, 2, 400, 410)]
    assert measured(heard)["age_of_information"].value == pytest.approx(142.5)


def test_the_age_grows_from_the_delay_of_the_earlier_packet():
    """A late packet ends the gap: its own delay of 80 ms counts for nothing. 100 ms after a packet of 20 ms: 20 + 50."""
    assert measured([(1, 2, 0, 20), (1, 2, 40, 120)])["age_of_information"].value == pytest.approx(70.0)


def test_age_and_gap_have_as_many_samples_as_there_are_gaps():
    found = measured([(1, 2, 0, 0), (1, 2, 100, 100), (1, 2, 200, 200), (5, 6, 0, 0)])
    assert [found[name].count for name in ("inter_packet_gap", "age_of_information")] == [2, 2]


def test_both_are_in_milliseconds():
    found = measured([(1, 2, 0, 0), (1, 2, 100, 100)])
    assert [metric.unit for metric in found.values()] == ["ms", "ms"]


def test_two_receptions_at_one_instant_have_no_age():
    assert np.isnan(measured([(1, 2, 0, 10), (1, 2, 5, 10)])["age_of_information"].value)


def test_an_age_shorter_than_a_microsecond_is_an_age():
    rows = gaps_and_age(np.array([1, 1]), np.array([2, 2]), np.array([0, 1]), np.array([0, 1]))
    assert rows[1][2].value == pytest.approx(0.5e-3)


def test_without_receptions_there_is_neither():
    assert all(np.isnan(metric.value) for metric in measured([]).values())


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 500), st.integers(500, 999)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(heard, chance):
    # Packets of one pair that end together are one instant either way, but which of them the age goes by is open.
    heard = list({(tx, rx, end): (tx, rx, queued, end) for tx, rx, queued, end in heard}.values())
    shuffled = chance.sample(heard, len(heard))
    before, after = measured(heard), measured(shuffled)
    for name in before:
        assert after[name].value == pytest.approx(before[name].value, nan_ok=True)
