"""How a request names its cells: what is sent is what is asked for, in as many bytes as its size says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from v2xsim.comms.messages import sizes
from v2xsim.comms.messages.request_cells import decoded, encoded, requested

CODINGS = ("bits", "runs", "blocks")
# Few or many wanted cells, alone or in rows: coarse cells that are repeated make runs.
GRIDS = st.one_of(
    arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=30)),
    st.builds(
        lambda coarse, x, y: coarse.repeat(x, axis=0).repeat(y, axis=1),
        arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6)), st.integers(1, 20), st.integers(1, 70),
    ),
)  # fmt: skip


def corner(nx, ny, *cells):
    grid = np.zeros((nx, ny), bool)
    for cell in cells:
        grid[cell] = True
    return grid


@given(GRIDS, st.sampled_from(CODINGS))
def test_a_helper_reads_the_cells_for_which_it_is_asked(cells, coding):
    content = encoded(cells, coding)
    np.testing.assert_array_equal(decoded(content, cells.shape, coding), requested(cells, coding))
    assert sizes.coded_request_bytes(cells, coding) == sizes.REQUEST_HEADER_BYTES + len(content)


@given(GRIDS)
def test_only_blocks_ask_for_more_than_is_wanted_and_for_whole_blocks_with_a_wanted_cell(cells):
    for coding in ("bits", "runs"):
        np.testing.assert_array_equal(requested(cells, coding), cells)
    grown = requested(cells, "blocks")
    for i in range(0, cells.shape[0], 4):
        for j in range(0, cells.shape[1], 4):
            block = slice(i, i + 4), slice(j, j + 4)
            assert (grown[block] == cells[block].any()).all()


@given(st.lists(arrays(bool, (7, 9)), min_size=1, max_size=4))
def test_many_requests_ask_for_what_each_alone_would_ask_for(each):
    together = requested(np.array(each), "blocks")
    assert all((grown == requested(cells, "blocks")).all() for grown, cells in zip(together, each, strict=True))


@given(GRIDS)
def test_no_form_is_longer_than_bits_by_more_than_the_byte_that_names_it(cells):
    bits = len(encoded(cells, "bits"))
    assert len(encoded(cells, "runs")) <= bits + 1
    assert len(encoded(cells, "blocks")) <= -(-(-(-cells.shape[0] // 4) * -(-cells.shape[1] // 4)) // 8) + 1


@pytest.mark.parametrize(("cells", "coding", "content"), [
    # 2 x 8 cells with one wanted: 0b00000001 and eight zeros.
    (corner(2, 8, (0, 7)), "bits", [0b00000001, 0]), (corner(2, 8, (0, 7)), "runs", [0, 0b00000001, 0]),
    # 300 unwanted cells are runs of 128, 128 and 44; a wanted one is 0b1_0000000.
    (corner(1, 301, (0, 300)), "runs", [1, 127, 127, 43, 128]), (np.ones((16, 16), bool), "runs", [1, 255, 255]),
    # 16 x 64 cells are 4 x 16 blocks. The wanted cell lies in block 17: runs of 17, 1 and 46.
    (corner(16, 64, (4, 4)), "blocks", [1, 16, 128, 45]), (corner(8, 8, (5, 2)), "blocks", [0, 0b00100000]),
])  # fmt: skip
def test_a_request_consists_of_the_bytes_that_the_page_says(cells, coding, content):
    assert list(encoded(cells, coding)) == content


@pytest.mark.parametrize(("content", "coding"), [
    (b"\0", "bits"), (b"\0\0\0\0", "bits"), (b"", "runs"), (b"\1\x7f", "runs"), (b"\0\0", "runs"), (b"\1\2", "blocks"),
])  # fmt: skip
def test_a_request_for_another_number_of_cells_is_refused(content, coding):
    with pytest.raises(ValueError, match=r"^a request"):
        decoded(content, (4, 5), coding)


def test_a_request_for_cells_in_few_rows_is_a_sixth_as_long_as_bits():
    # 60 x 60 cells; the wanted ones are 30 in each of 12 rows: runs of 1,210 (ten), 12 of 30, 11 between them, and 1,700 (fourteen).
    cells = np.zeros((60, 60), bool)
    cells[20:32, 10:40] = True
    assert [sizes.coded_request_bytes(cells, coding) for coding in CODINGS] == [22 + 450, 22 + 1 + 47, 22 + 1 + 7]
