"""Descriptors of small scenes, worked by hand."""

import numpy as np
import pytest

from v2xsim.perception.matching.descriptors import complement_query, complement_stored, pooled, rings
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, PerceptionMatrix

SIZE = 80


def around(code_of, cell_m=1.0, middle=(0, 0)):
    """Return a matrix around a station whose codes follow from the offset of each cell's middle, in cells."""
    offset = np.arange(SIZE) - SIZE / 2 + 0.5
    x, y = np.meshgrid(offset, offset, indexing="ij")
    return PerceptionMatrix(np.array(middle) - SIZE // 2, cell_m, code_of(x, y).astype(np.uint8))


def by_ring(matrix, position=(0.0, 0.0), dim=32):
    """Return a row for each ring: four magnitudes of free cells, then four of occupied ones."""
    return rings(matrix, np.array(position), dim).reshape(dim // 8, 8)


def test_free_all_around_every_ring_has_its_full_share_and_no_variation():
    found = by_ring(around(lambda x, y: np.full(x.shape, FREE)))
    np.testing.assert_allclose(found, np.tile([1.0, 0, 0, 0, 0, 0, 0, 0], (4, 1)), atol=1e-6)


def test_occupied_cells_stand_behind_the_free_ones():
    found = by_ring(around(lambda x, y: np.full(x.shape, OCCUPIED)))
    np.testing.assert_allclose(found, np.tile([0, 0, 0, 0, 1.0, 0, 0, 0], (4, 1)), atol=1e-6)


def test_half_the_way_round_gives_the_magnitudes_of_a_square_wave():
    # Eight of sixteen sectors: |sum of exp(-2 pi i n k / 16)| / 16 for n = 0, 1, 2, 3.
    found = by_ring(around(lambda x, y: np.where(y > 0, FREE, UNOBSERVED)))
    expected = [0.5, 1 / (16 * np.sin(np.pi / 16)), 0.0, 1 / (16 * np.sin(3 * np.pi / 16))]
    np.testing.assert_allclose(found[:, :4], np.tile(expected, (4, 1)), atol=1e-6)


def test_rings_are_equally_wide_and_the_innermost_comes_first():
    # Four rings over 40 cells; free from 20 to 30 cells away.
    found = by_ring(around(lambda x, y: np.where((np.hypot(x, y) >= 20) & (np.hypot(x, y) < 30), FREE, UNOBSERVED)))
    np.testing.assert_allclose(found[:, 0], [0, 0, 1, 0], atol=1e-6)


def test_rings_are_around_the_station_in_metres():
    # The same scene 300 cells away, cells of 2 m.
    here = around(lambda x, y: np.where(x > y, FREE, OCCUPIED))
    there = around(lambda x, y: np.where(x > y, FREE, OCCUPIED), 2.0, (300, -100))
    np.testing.assert_allclose(by_ring(there, (600.0, -200.0)), by_ring(here), atol=1e-6)


def test_a_pooled_matrix_holds_observed_shares_and_then_occupied_ones():
    code = np.full((8, 8), UNOBSERVED, np.uint8)
    code[0:4, 0:4] = FREE
    code[0:2, 4:8] = OCCUPIED
    code[4, 0] = FREE
    found = pooled(PerceptionMatrix(np.zeros(2, np.int64), 1.0, code), 2)
    np.testing.assert_allclose(found, [1.0, 0.5, 1 / 16, 0.0, 0.0, 0.5, 0.0, 0.0])


def test_a_pooled_matrix_knows_rows_from_columns():
    code = np.full((8, 16), UNOBSERVED, np.uint8)
    code[0:2] = FREE
    found = pooled(PerceptionMatrix(np.zeros(2, np.int64), 1.0, code), 4)
    np.testing.assert_allclose(found[:16].reshape(4, 4), [[1.0] * 4, [0.0] * 4, [0.0] * 4, [0.0] * 4])


def one_block(values, lower=(8, -12)):
    """Return a matrix of one coarse cell of 4 by 4 cells."""
    return PerceptionMatrix(np.array(lower), 1.0, np.array(values, np.uint8))


def test_in_one_coarse_cell_the_product_is_the_weight_times_the_share_seen():
    seen = np.full((4, 4), UNOBSERVED)
    seen[0, :3] = FREE
    seen[1, 0] = OCCUPIED
    weight = np.arange(16.0).reshape(4, 4)
    product = complement_query(one_block(seen), weight, 1) @ complement_stored(one_block(seen), 1)
    # 120 of weight; 4 of 16 cells seen.
    assert product == pytest.approx(120.0 * 0.25)


def test_a_coarse_cell_has_the_same_entry_whatever_window_it_is_seen_through():
    seen = np.zeros((8, 8), np.uint8)
    seen[4:8, 0:4] = FREE
    wide = complement_stored(PerceptionMatrix(np.array([4, -12]), 1.0, seen), 64)
    np.testing.assert_array_equal(wide, complement_stored(one_block(np.full((4, 4), FREE)), 64))


def test_a_coarse_cell_south_west_of_the_origin_has_the_same_entry_through_every_window():
    for corner in (0, 4):
        for side in (0, 4):
            seen = np.zeros((8, 8), np.uint8)
            seen[corner : corner + 4, side : side + 4] = FREE
            wide = complement_stored(PerceptionMatrix(np.array([-12, -16]), 1.0, seen), 64)
            narrow = complement_stored(one_block(np.full((4, 4), FREE), (corner - 12, side - 16)), 64)
            np.testing.assert_array_equal(wide, narrow)


def test_a_window_that_cuts_coarse_cells_gives_each_its_part():
    # Two cells of one coarse cell and two of the next, along x.
    across = complement_stored(PerceptionMatrix(np.array([10, -12]), 1.0, np.full((4, 4), FREE, np.uint8)), 4096)
    assert sorted(np.abs(across[across != 0]).tolist()) == [0.5, 0.5]


def test_entries_and_signs_of_coarse_cells_are_spread_evenly():
    # 4,096 coarse cells into 64 entries: 64 each, five standard errors of a binomial; signs likewise.
    entries = [
        complement_stored(PerceptionMatrix(np.array([x, y]), 1.0, np.full((4, 4), FREE, np.uint8)), 64)
        for x in range(-128, 128, 4)
        for y in range(512, 768, 4)
    ]
    place = np.array([np.flatnonzero(entry)[0] for entry in entries])
    sign = np.array([entry.sum() for entry in entries])
    assert np.bincount(place, minlength=64).std() < 1.5 * np.sqrt(64)
    assert abs(sign.sum()) < 5 * np.sqrt(len(sign))


def mixed(x, y):
    """Return the hash of a coarse cell by splitmix64, with whole numbers of any length."""
    low = 2**64 - 1
    key = (x & low) * 0x9E3779B97F4A7C15 & low
    key ^= (y & low) * 0xBF58476D1CE4E5B9 & low
    key = ((key ^ key >> 30) * 0xBF58476D1CE4E5B9) & low
    key = ((key ^ key >> 27) * 0x94D049BB133111EB) & low
    return key ^ key >> 31


@pytest.mark.parametrize(("x", "y"), [(2, -3), (-7, 5), (0, 0), (123, 4567)])
def test_entry_and_sign_of_a_coarse_cell_are_those_of_splitmix64(x, y):
    found = complement_stored(one_block(np.full((4, 4), FREE), (4 * x, 4 * y)), 97)
    expected = np.zeros(97)
    expected[mixed(x, y) % 97] = 1.0 if mixed(x, y) >> 63 else -1.0
    assert found.tolist() == expected.tolist()
