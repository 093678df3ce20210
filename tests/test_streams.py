"""Random numbers by purpose and keys: the same ones whatever else is drawn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.streams import NameKeys, Streams, uniforms_from

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mixed(state: int) -> int:
    """splitmix64 (Steele, Lea, Flood, OOPSLA 2014), in integers without limit."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
    return state ^ (state >> 31)


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3), st.integers(1, 4))
def test_a_number_is_splitmix64_of_the_key_of_its_stream_and_of_the_keys_of_its_row(key, keys, count):
    state = key
    for one in keys:
        state = mixed((state + _GOLDEN + mixed((one + _GOLDEN) & _MASK)) & _MASK)
    expected = [((mixed((state + c * _GOLDEN) & _MASK) >> 11) + 0.5) / 2**53 for c in range(1, count + 1)]
    arrays = [np.array([one]) for one in keys]
    assert uniforms_from(np.array([key], np.uint64), *arrays, count=count).tolist() == [expected]


@given(st.integers(0, 2**31), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3))
def test_a_single_number_is_the_first_of_its_stream(seed, keys):
    assert Streams(seed).uniform("processing", *keys) == Streams(seed).uniforms("processing", *keys, count=2)[0, 0]


def test_rows_of_different_streams_have_the_numbers_of_each():
    streams, agent = Streams(7), np.array([3, 9, 4])
    key = np.array([streams.key("detector", station, 1000) for station in (1, 1, 2)], np.uint64)
    together = uniforms_from(key, agent, count=5)
    np.testing.assert_array_equal(together[:2], streams.uniforms("detector", 1, 1000, agent[:2], count=5))
    np.testing.assert_array_equal(together[2:], streams.uniforms("detector", 2, 1000, agent[2:], count=5))


def test_the_keys_of_several_rows_are_those_of_each():
    rows = [(3, 100_000, 0), (3, 100_000, 1), (2**40, -1, 7)]
    assert Streams(7).keys("lidar", rows).tolist() == [Streams(7).key("lidar", *row) for row in rows]
    assert len(Streams(7).keys("lidar", [])) == 0


def test_the_order_of_the_keys_counts():
    key = np.array([1], np.uint64)
    one, other = np.array([1]), np.array([2])
    assert uniforms_from(key, one, other, count=1) != uniforms_from(key, other, one, count=1)


def test_the_key_of_a_name_does_not_depend_on_how_many_others_there_are():
    alone, crowded = NameKeys(), NameKeys()
    alone.add(0, "ego")
    for agent in range(1000):
        crowded.add(agent, f"car{agent}")
    crowded.add(1000, "ego")
    ego, cars = Streams(3, alone).agent_key(0), Streams(3, crowded).agent_keys(np.arange(1001))
    assert cars[1000] == ego >= 0
    assert len(np.unique(cars)) == 1001
