"""Sizes of messages and their fragments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.comms.messages import sizes as messages
from v2xsim.comms.messages.fragments import fragment_sizes


@given(st.integers(0, 100_000), st.integers(1, 5000), st.integers(0, 200))
def test_fragments_carry_the_message_and_one_header_each(payload, mtu, header):
    sizes = fragment_sizes(payload, mtu, header)
    assert sum(sizes) == payload + header * len(sizes)


@given(st.integers(0, 100_000), st.integers(1, 5000), st.integers(0, 200))
def test_no_fragment_exceeds_the_mtu_and_its_header(payload, mtu, header):
    assert max(fragment_sizes(payload, mtu, header)) <= mtu + header


@given(st.integers(1, 100_000), st.integers(1, 5000))
def test_a_message_is_cut_no_oftener_than_needed(payload, mtu):
    assert len(fragment_sizes(payload, mtu, 40)) == int(np.ceil(payload / mtu))


def test_an_empty_message_is_one_packet_of_header():
    assert fragment_sizes(0, 1400, 40) == [40]


def test_a_negative_payload_is_refused():
    with pytest.raises(ValueError, match="payload"):
        fragment_sizes(-1, 1400, 40)


def test_a_matrix_of_50_by_50_cells_has_625_bytes_of_cells():
    assert messages.matrix_bytes(2500) - messages.MATRIX_HEADER_BYTES == 625


@pytest.mark.parametrize(("objects", "expected"), [(0, 37), (10, 316), (40, 1153)])
def test_an_object_message_is_as_long_as_etsis_asn1_makes_it(objects, expected):
    assert messages.boxes_bytes(objects) == expected


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("NETWORK_HEADER_BYTES", (4, 8, 28, 4)),
        ("SECURITY_BYTES", (30, 66)),
        ("PACKET_HEADER_BYTES", (4, 8, 28, 4, 30, 66)),
        ("AWARENESS_BASE_BYTES", (200, -140)),
        ("ANTENNA_HEIGHT_BYTES", (1,)),
        ("SEQUENCE_BYTES", (2,)),
        ("NEIGHBOUR_BYTES", (4, 1, 1)),
        ("MATRIX_HEADER_BYTES", (2, 2, 1, 1, 1)),
        ("REQUEST_HEADER_BYTES", (4, 4, 4, 2, 1, 7)),
        ("RELAY_HEADER_BYTES", (4, 4, 2)),
        ("POINT_BYTES", (2, 2, 2)),
        ("POINTS_HEADER_BYTES", (8, 16)),
        ("RAW_POINT_BYTES", (4, 4, 4, 4)),
    ],
)
def test_a_header_is_as_long_as_its_fields(name, fields):
    assert getattr(messages, name) == sum(fields)


def test_an_announcement_adds_its_sequence_number_its_matrix_and_six_bytes_for_each_neighbour():
    assert messages.awareness_bytes(30, 3) == 200 - 140 + 1 + 2 + 30 + 18


def test_an_unobserved_matrix_needs_one_byte_per_64_cells():
    assert messages.encoded_matrix_bytes(np.zeros((64, 10), np.uint8)) == messages.MATRIX_HEADER_BYTES + 10


@given(arrays(np.uint8, (8, 9), elements=st.integers(0, 2)))
def test_encoding_a_matrix_in_runs_never_lengthens_it(code):
    assert messages.encoded_matrix_bytes(code) <= messages.matrix_bytes(code.size)


@given(arrays(np.uint8, (30, 30), elements=st.sampled_from([0, 0, 0, 1])))
def test_the_runs_of_a_matrix_are_counted_one_by_one(code):
    runs, length, last = 0, 0, -1
    for cell in code.ravel():
        if cell != last or length == 64:
            runs, length, last = runs + 1, 0, cell
        length += 1
    whole = messages.matrix_bytes(code.size)
    assert messages.encoded_matrix_bytes(code) == min(whole, messages.MATRIX_HEADER_BYTES + runs)


def test_every_neighbour_heard_lengthens_an_awareness_message_alike():
    assert messages.awareness_bytes(100, 7) - messages.awareness_bytes(100, 3) == 4 * messages.NEIGHBOUR_BYTES
