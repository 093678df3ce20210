"""Sizes of messages in bytes, added up by hand from the fields that `sizes` lists."""

import numpy as np
import pytest

from v2xsim.comms.messages import sizes
from v2xsim.comms.messages.fragments import fragment_sizes


def test_every_packet_carries_44_bytes_of_network_and_96_of_security():
    assert sizes.PACKET_HEADER_BYTES == 44 + 96


@pytest.mark.parametrize(("matrix", "neighbours", "size"), [(0, 0, 63), (100, 0, 163), (0, 3, 81), (100, 3, 181)])
def test_an_awareness_message_is_60_bytes_one_of_height_two_of_sequence_its_matrix_and_6_for_each_neighbour(
    matrix, neighbours, size
):
    # The smallest CAM on the network has 200 bytes, 140 of them the packet's header.
    assert sizes.awareness_bytes(matrix, neighbours) == size


@pytest.mark.parametrize(("cells", "size"), [(0, 7), (3, 8), (4, 8), (5, 9), (2500, 632)])
def test_a_matrix_is_2_bits_for_each_cell_in_whole_bytes_behind_7_of_header(cells, size):
    assert sizes.matrix_bytes(cells) == size


@pytest.mark.parametrize(
    ("runs", "size"),
    [([64], 8), ([65], 9), ([128], 9), ([129], 10), ([64, 1], 9), ([1, 64, 64], 10), ([1], 8), ([], 7)],
)
def test_a_matrix_in_runs_is_a_byte_for_every_64_equal_cells(runs, size):
    code = np.concatenate([np.full(length, number % 3, np.uint8) for number, length in enumerate(runs)] or [[]])
    assert sizes.encoded_matrix_bytes(code.reshape(1, -1).astype(np.uint8)) == size


def test_a_matrix_that_changes_at_every_cell_is_sent_cell_by_cell():
    # 40 runs against 80 bits.
    assert sizes.encoded_matrix_bytes((np.arange(40, dtype=np.uint8) % 2).reshape(5, 8)) == 7 + 10


@pytest.mark.parametrize(("cells", "size"), [(0, 22), (1, 23), (8, 23), (9, 24)])
def test_a_request_is_22_bytes_and_a_bit_for_each_cell(cells, size):
    assert sizes.request_bytes(cells) == size


@pytest.mark.parametrize(("objects", "size"), [(0, 37), (1, 65), (2, 93), (10, 316)])
def test_objects_take_27_9_bytes_each_behind_37(objects, size):
    assert sizes.boxes_bytes(objects) == sizes.cpm_bytes(objects, 0) == size


@pytest.mark.parametrize(("objects", "sensors", "size"), [(0, 1, 46), (0, 2, 55), (0, 3, 63), (1, 1, 74), (2, 3, 119)])
def test_three_sensors_take_26_bytes(objects, sensors, size):
    assert sizes.cpm_bytes(objects, sensors) == size


@pytest.mark.parametrize(("points", "size"), [(0, 24), (1, 30), (1000, 6024)])
def test_points_take_three_16_bit_numbers_each_behind_24_bytes(points, size):
    assert sizes.points_bytes(points) == size


def test_a_stored_return_is_four_numbers_of_4_bytes():
    assert sizes.RAW_POINT_BYTES == 16


def test_the_header_of_a_relayed_message_has_10_bytes():
    assert sizes.RELAY_HEADER_BYTES == 10


@pytest.mark.parametrize(
    ("payload", "fragments"),
    [(0, [140]), (1, [141]), (1400, [1540]), (1401, [1540, 141]), (3000, [1540, 1540, 340]), (4200, [1540] * 3)],
)
def test_all_fragments_but_the_last_are_full(payload, fragments):
    assert fragment_sizes(payload, 1400, 140) == fragments


@pytest.mark.parametrize(("payload", "mtu", "header"), [(-1, 1400, 40), (10, 0, 40), (10, 1400, -1)])
def test_a_message_with_a_negative_part_or_no_room_is_refused(payload, mtu, header):
    with pytest.raises(ValueError, match="a message needs payload >= 0, mtu >= 1 and header >= 0 bytes"):
        fragment_sizes(payload, mtu, header)


def test_a_packet_of_one_byte_and_no_header_is_allowed():
    assert fragment_sizes(2, 1, 0) == [1, 1]
