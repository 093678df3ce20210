"""The latest packet of each pair of stations, against a plain dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.evaluation.latest import Latest, gaps, in_order, with_room
from v2xsim.evaluation.packet_gaps import pair_of

# Agent ids of one digit of the sort and of several.
AGENTS = st.sampled_from([0, 1, 2, 2047, 2048, 5000, 2**22, 2**22 + 1])
PACKETS = st.lists(st.tuples(AGENTS, AGENTS, st.integers(0, 9)), max_size=40)


def pairs_and_ends(packets):
    tx, rx, end_us = np.array(packets, np.int64).reshape(-1, 3).T
    return pair_of(tx, rx), end_us.copy()


@given(PACKETS)
def test_packets_are_in_order_of_sender_then_receiver_then_end(packets):
    pair, end_us = pairs_and_ends(packets)
    assert in_order(pair, end_us).tolist() == np.lexsort((end_us, pair)).tolist()


@given(st.lists(PACKETS, max_size=5))
def test_the_packet_before_each_is_the_latest_of_its_pair(parts):
    latest, plain, expected, found = Latest.none(), {}, [], []
    for number, packets in enumerate(parts):
        # Each part begins after the one before.
        pair, end_us = pairs_and_ends([(tx, rx, end + 10 * number) for tx, rx, end in packets])
        for one, end in sorted(zip(pair.tolist(), end_us.tolist(), strict=True)):
            if one in plain:
                expected.append(end - plain[one])
            plain[one] = end
        latest = with_room(latest, len(pair))
        gap_us, is_in_order = gaps(pair, end_us, in_order(pair, end_us), latest)
        found += gap_us.tolist()
        assert is_in_order
    assert found == expected
    assert int(latest.used[0]) == len(plain)


def test_many_pairs_keep_their_packets_when_the_room_for_them_grows():
    latest, last_us = Latest.none(), {}
    chance = np.random.default_rng(1)
    for part in range(20):
        pair = np.unique(chance.integers(0, 3000, 500) * 2**32 + chance.integers(0, 3, 500))
        end_us = np.full(len(pair), 100 * part + 50)
        expected = [100 * part + 50 - last_us[one] for one in pair.tolist() if one in last_us]
        latest = with_room(latest, len(pair))
        assert gaps(pair, end_us, in_order(pair, end_us), latest)[0].tolist() == expected
        last_us |= dict.fromkeys(pair.tolist(), 100 * part + 50)
