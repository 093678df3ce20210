"""Descriptors: the sketch estimates the gain without bias, rings do not turn, each ranks better than chance; and small scenes worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.perception.matching.descriptors import complement_query, complement_stored, pooled, rings
from v2xsim.perception.matching.gain import gains
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, PerceptionMatrix


def seen(center, radius, size=48, cell_m=2.0):
    """A matrix that saw a disc around a cell of the world; its window is centred there."""
    lower = np.array(center) - size // 2
    i, j = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    code = np.where((i - size / 2) ** 2 + (j - size / 2) ** 2 < radius**2, FREE, UNOBSERVED).astype(np.uint8)
    return PerceptionMatrix(lower, cell_m, code)


def test_with_room_for_every_cell_the_inner_product_is_the_coarse_gain():
    """Windows on multiples of the block and values constant within blocks: coarse and fine gain are one."""
    size, block = 16, 4
    rng = np.random.default_rng(1)
    blind = np.kron(rng.random((4, 4)), np.ones((block, block)))
    saw = np.kron(rng.integers(0, 2, (4, 4)), np.ones((block, block))).astype(np.uint8)
    one = PerceptionMatrix(np.array([40, -24]), 2.0, np.zeros((size, size), np.uint8))
    two = PerceptionMatrix(np.array([44, -24]), 2.0, saw)
    total = (blind * (shifted(two, one.lower, (size, size)) != UNOBSERVED)).sum()
    dim = 1 << 20
    assert complement_query(one, blind, dim) @ complement_stored(two, dim) == pytest.approx(total, rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_moving_everything_leaves_the_estimate_without_bias(x, y):
    """The sketch's error over many places has mean zero within four standard errors, and the size that its docstring says."""
    rng = np.random.default_rng(abs(x) + 2000 * abs(y))
    weight, dim, errors, scale = rng.random((48, 48)), 128, [], []
    for n in range(40):
        one, two = seen((x + 4 * n, y), 10), seen((x + 4 * n + 8, y - 4), 16)
        q, v = complement_query(one, weight, dim), complement_stored(two, dim)
        exact = complement_query(one, weight, 1 << 17) @ complement_stored(two, 1 << 17)
        errors.append(q @ v - exact)
        scale.append(
            np.linalg.norm(complement_query(one, weight, 1 << 17))
            * np.linalg.norm(complement_stored(two, 1 << 17))
            / np.sqrt(dim)
        )
    assert abs(np.mean(errors)) < 4 * np.mean(scale) / np.sqrt(10)
    assert np.std(errors) < 2 * np.mean(scale)


def test_who_sees_what_i_cannot_is_nearer_than_who_sees_what_i_do():
    me, dim = seen((0, 0), 10), 128
    weight = np.where(me.code == UNOBSERVED, 1.0, 0.0)
    query = complement_query(me, weight, dim)
    same, beside, far = seen((0, 0), 10), seen((14, 0), 12), seen((300, 0), 20)
    score = [float(query @ complement_stored(m, dim)) for m in (same, beside, far)]
    assert score[1] > score[0]
    assert score[1] > score[2]


def test_the_sketch_ranks_helpers_by_their_true_gain():
    rng = np.random.default_rng(3)
    me = seen((0, 0), 9)
    weight = np.where(me.code == UNOBSERVED, 1.0, 0.0)
    others = [seen(rng.integers(-40, 40, 2), rng.integers(4, 20)) for _ in range(300)]
    true = gains(
        weight,
        np.stack([shifted(m, me.lower, me.code.shape) != UNOBSERVED for m in others]),
        np.zeros(me.code.shape, bool),
    )
    guess = np.array([complement_query(me, weight, 256) @ complement_stored(m, 256) for m in others])
    best = np.argsort(-true)[:10]
    assert len(set(best) & set(np.argsort(-guess)[:30])) >= 8


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rings_do_not_change_when_the_scene_turns(turns):
    rng = np.random.default_rng(2)
    code = rng.choice(np.array([UNOBSERVED, FREE, OCCUPIED], np.uint8), (40, 40))
    plain = PerceptionMatrix(np.array([-20, -20]), 1.0, code)
    turned = PerceptionMatrix(np.array([-20, -20]), 1.0, np.rot90(code, turns).copy())
    np.testing.assert_allclose(rings(plain, np.zeros(2)), rings(turned, np.zeros(2)), atol=1e-6)
    assert not np.allclose(pooled(plain), pooled(turned), atol=1e-3)


def test_lengths_are_as_asked():
    one = seen((0, 0), 9)
    assert complement_stored(one, 96).shape == (96,)
    assert rings(one, np.zeros(2)).shape == (64,)
    assert pooled(one, 8).shape == (128,)


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


def test_sectors_of_a_ring_without_a_cell_have_no_share():
    # The innermost ring has the four cells around the station, each in a sector of its own.
    free = PerceptionMatrix(np.array([-4, -4]), 1.0, np.full((8, 8), FREE, np.uint8))
    assert by_ring(free)[0, 0] == pytest.approx(4 / 16)


def test_coarse_cells_without_a_cell_have_no_share():
    found = pooled(PerceptionMatrix(np.zeros(2, np.int64), 1.0, np.full((2, 2), FREE, np.uint8)), 4)
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1.0
    assert found[:16].reshape(4, 4).tolist() == expected.tolist()
