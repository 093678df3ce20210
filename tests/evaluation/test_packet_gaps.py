"""Gaps between packets, of pairs whose every reception is written down."""

from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation import packet_gaps
from v2xsim.evaluation.packet_gaps import Gaps, Received, in_any_order, pair_of

MS = 1000


def received(receptions):
    """Return receptions of sender, receiver, queued and end in milliseconds."""
    tx, rx, _, end_ms = np.array(receptions, np.int64).reshape(-1, 4).T
    return Received(pair_of(tx, rx), end_ms * MS)


def measured(*parts):
    """Return the gap over receptions that come in parts."""
    gaps = Gaps()
    for part in parts:
        gaps.add(received(part))
    assert gaps.is_in_order
    return metrics_of(gaps)


def metrics_of(gaps):
    return {name: metric for name, _, metric in gaps.rows()}


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


def test_without_receptions_there_is_no_gap():
    assert all(np.isnan(metric.value) for metric in measured([]).values())


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 500), st.integers(500, 999)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(heard, chance):
    heard = list({(tx, rx, end): (tx, rx, queued, end) for tx, rx, queued, end in heard}.values())
    shuffled = chance.sample(heard, len(heard))
    before, after = measured(heard), measured(shuffled)
    for name in before:
        assert after[name].value == pytest.approx(before[name].value, nan_ok=True)


HEARD = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 500), st.integers(500, 999)), max_size=30
)


@given(HEARD, st.sets(st.integers(0, 30), max_size=5))
def test_parts_in_order_of_time_are_measured_as_one(heard, cuts):
    heard.sort(key=lambda row: row[3])
    whole, parts = measured(heard), measured(*(heard[a:b] for a, b in pairwise([0, *sorted(cuts), 30])))
    for name, metric in whole.items():
        assert parts[name].count == metric.count
        assert parts[name].value == pytest.approx(metric.value, rel=1e-12, abs=0, nan_ok=True)


@given(HEARD, st.integers(1, 7), st.integers(1, 9))
def test_packets_in_any_order_are_measured_as_those_in_order_of_time(heard, most, length):
    heard = list({(tx, rx, end): (tx, rx, queued, end) for tx, rx, queued, end in heard}.values())
    parts = [received(heard[first : first + length]) for first in range(0, len(heard), length)]
    with patch("v2xsim.evaluation.packet_gaps.MOST_PACKETS", most):
        gaps = in_any_order(lambda: parts)
    whole = measured(heard)
    for name, metric in metrics_of(gaps).items():
        assert metric.count == whole[name].count
        assert metric.value == pytest.approx(whole[name].value, rel=1e-12, abs=0, nan_ok=True)


def test_a_packet_that_ends_before_one_of_an_earlier_part_is_noticed():
    gaps = Gaps()
    gaps.add(received([(1, 2, 0, 10), (1, 3, 0, 10)]))
    gaps.add(received([(1, 3, 0, 10), (2, 1, 0, 5)]))
    assert gaps.is_in_order
    gaps.add(received([(1, 2, 0, 9)]))
    assert not gaps.is_in_order


def test_one_packet_is_held_for_each_pair_however_many_there_were():
    gaps = Gaps()
    for second in range(100):
        gaps.add(received([(tx, rx, second, second) for tx in range(3) for rx in range(4) for _ in range(5)]))
    assert len(gaps) == 12


def test_pairs_that_meet_later_get_their_places_among_the_others():
    parts = [(2, 1, 0, 0)], [(1, 1, 10, 10), (3, 1, 10, 10)], [(1, 1, 40, 40), (2, 1, 50, 50), (3, 1, 70, 70)]
    found = measured(*map(list, parts))["inter_packet_gap"]
    assert (found.value, found.count) == (pytest.approx((30 + 50 + 60) / 3), 3)


def measured_with_silence(parts, monkeypatch, silent_ms=100):
    """Return the gaps if any pair that is silent for a time is put away."""
    monkeypatch.setattr(packet_gaps, "FEWEST_PAIRS", 1)
    monkeypatch.setattr(packet_gaps, "SILENT_US", silent_ms * MS)
    gaps = Gaps()
    for part in parts:
        gaps.add(received(part))
    return gaps


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 400), st.integers(1, 300)), max_size=60),
    st.integers(1, 9),
    st.integers(0, 500),
)
def test_pairs_that_meet_again_after_a_long_silence_are_measured_as_if_nothing_was_put_away(heard, length, silent_ms):
    end_ms = np.cumsum([wait for *_, wait in heard]).tolist()
    heard = [(tx, rx, end - delay, end) for (tx, rx, delay, _), end in zip(heard, end_ms, strict=True)]
    parts = [heard[first : first + length] for first in range(0, len(heard), length)]
    whole = measured(*parts)
    with pytest.MonkeyPatch.context() as patched:
        gaps = measured_with_silence(parts, patched, silent_ms)
        gaps.join()
    assert gaps.is_in_order
    for name, metric in metrics_of(gaps).items():
        assert metric.count == whole[name].count
        assert metric.value == pytest.approx(whole[name].value, rel=1e-12, abs=0, nan_ok=True)


def test_pairs_of_stations_that_have_left_are_not_held(monkeypatch):
    gaps = measured_with_silence([[(n, n + 1, 50 * n, 50 * n)] for n in range(1000)], monkeypatch)
    assert len(gaps) < 10


def test_a_packet_that_ends_before_one_that_was_put_away_is_noticed_at_the_end(monkeypatch):
    late = [(n, n + 1, 50 * n, 50 * n) for n in range(1, 9)]
    gaps = measured_with_silence([[(7, 7, 0, 10)], *([one] for one in late), [(7, 7, 0, 5)]], monkeypatch)
    assert gaps.is_in_order
    gaps.join()
    assert not gaps.is_in_order
