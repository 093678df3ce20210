"""Which pair each reception belongs to."""

import numpy as np

from v2xsim.comms.access.packets import Receptions
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.engine.channel.pair_lookup import pairs_of

# Four stations 10 m apart in a row; links reach 20 m: pairs (0, 1), (0, 2), (1, 2), (1, 3), (2, 3).
NEAR = neighbours(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]]), 20.0)
DISTANCE_M = np.array([10.0, 20.0, 10.0, 20.0, 10.0])
STATE = np.array([0, 1, 0, 2, 0], np.int8)


def receptions(*by_packet):
    """Receptions of packets: (sender row, receiver rows)."""
    flat = [row for _, rows in by_packet for row in rows]
    count, zeros = len(by_packet), np.zeros(len(by_packet), np.int64)
    return Receptions(
        np.arange(count), np.array([sender for sender, _ in by_packet], np.int64), zeros, zeros, np.zeros(count),
        np.cumsum([0, *[len(rows) for _, rows in by_packet]]).astype(np.int64), np.array(flat, np.int32),
        np.zeros(len(flat), np.int8), np.zeros(len(flat), np.float32), np.zeros(len(flat), np.float32),
    )  # fmt: skip


def looked_up(*by_packet, counted=True, bins=10, bin_m=5.0):
    too_weak = np.zeros((3, bins), np.int64)
    flags = np.full(len(by_packet), counted)
    pair = pairs_of(receptions(*by_packet), NEAR, flags, STATE, DISTANCE_M, bin_m, too_weak)
    return pair.tolist(), too_weak


def test_a_reception_belongs_to_the_pair_of_sender_and_receiver():
    assert looked_up((1, [0, 2, 3]), (3, [1, 2]))[0] == [0, 2, 3, 3, 4]


def test_a_receiver_out_of_range_has_no_pair():
    assert looked_up((0, [1, 3]))[0] == [0, -1]


def test_a_packet_whose_sender_has_left_has_no_pair():
    pair, too_weak = looked_up((-1, [0, 2]), (0, [1]))
    assert pair == [-1, -1, 0]
    assert too_weak.sum() == 1


def test_stations_in_range_without_a_reception_are_counted_by_state_and_distance():
    _, too_weak = looked_up((1, [0]))
    # Station 2 at 10 m in clear sight, station 3 at 20 m behind a building.
    assert np.argwhere(too_weak).tolist() == [[0, 2], [2, 4]]
    assert too_weak.max() == 1


def test_counts_add_up_over_packets():
    _, too_weak = looked_up((1, []), (1, []))
    assert too_weak.sum() == 6
    assert too_weak[0, 2] == 4


def test_nothing_is_counted_for_packets_that_do_not_count():
    assert not looked_up((1, []), counted=False)[1].any()


def test_each_packet_counts_for_itself():
    too_weak = np.zeros((3, 10), np.int64)
    pairs_of(receptions((0, []), (3, [])), NEAR, np.array([False, True]), STATE, DISTANCE_M, 5.0, too_weak)
    # Of station 3: station 1 at 20 m behind a building, station 2 at 10 m in clear sight.
    assert np.argwhere(too_weak).tolist() == [[0, 2], [2, 4]]


def test_a_bin_takes_distances_from_its_own_on():
    # 10 m and 20 m in bins of 10.1 m: the first and the second.
    assert np.argwhere(looked_up((1, []), bin_m=10.1)[1]).tolist() == [[0, 0], [2, 1]]


def test_the_last_bin_takes_what_is_farther():
    _, too_weak = looked_up((1, [0, 2]), bins=3)
    assert np.argwhere(too_weak).tolist() == [[2, 2]]
