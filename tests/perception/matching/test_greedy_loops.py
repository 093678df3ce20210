"""The compiled greedy choice gives the bits of one over whole arrays."""

import numpy as np
import pytest

from v2xsim.perception.matching.greedy_loops import (
    best_by_gain,
    blind_cells,
    counted,
    expected,
    greedy,
    shared_out,
    spread,
    upper_limit_of,
    window,
)
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import FREE, OCCUPIED, UNOBSERVED, PerceptionMatrix
from v2xsim.spatial.sums import pairwise_sum

SHAPE = (40, 50)


def summed_by_numpy(observed, weight, worth, cost, budget, most):
    """Return the greedy choice with sums over rows of a rectangular array."""
    chosen, left, free = [], float(budget), np.ones(len(observed), bool)
    while len(chosen) < most and len(observed):
        value = np.where(free & (cost <= left), np.sum(observed * weight, axis=1) * worth, 0.0)
        best = int(np.argmax(value))
        if value[best] <= 0.0:
            break
        chosen.append(best)
        free[best] = False
        left -= float(cost[best])
        open_cells = ~observed[best]
        weight, observed = weight[open_cells], observed[:, open_cells]
    return chosen


def case(seed):
    """Return weights, codes of helpers, their delivery, their costs and a budget."""
    rng = np.random.default_rng(seed)
    helpers = int(rng.integers(1, 20))
    weight = np.where(rng.random(SHAPE) < 0.6, rng.choice([0.25, 0.1, 1 / 3, 0.7], SHAPE), 0.0)
    seen = rng.random((helpers, *SHAPE)) < rng.choice([0.02, 0.4], (helpers, 1, 1))
    # Twins, whose gains are equal to the last bit.
    seen[helpers // 2] = seen[0]
    code = np.where(seen, rng.choice([FREE, OCCUPIED], seen.shape), UNOBSERVED).astype(np.uint8)
    return weight, code, rng.choice([0.5, 0.9, 1.0], helpers), rng.choice([100.0, 300.0, 700.0], helpers), 1500.0


@pytest.mark.parametrize("count", [*range(20), 64, 127, 128, 129, 255, 256, 257, 1000, 4097, 9999])
def test_a_sum_has_the_rounding_of_numpy(count):
    values = np.random.default_rng(count).random(count) ** 3
    assert pairwise_sum(values, count) == np.sum(values)
    rows = np.random.default_rng(count).random((3, count)) < 0.5
    assert [pairwise_sum(row * values, count) for row in rows] == np.sum(rows * values, axis=1).tolist()


@pytest.mark.parametrize("seed", range(30))
def test_the_choice_is_that_of_sums_over_whole_arrays(seed):
    weight, code, delivery, cost, budget = case(seed)
    blind, seen = weight[weight > 0.0], code[:, weight > 0.0] != UNOBSERVED
    given, dense = blind_cells(weight.ravel()), (code != UNOBSERVED).reshape(len(code), weight.size).astype(np.uint8)
    limit = np.array([upper_limit_of(row, given) for row in dense])
    for worth in (delivery, delivery / cost):
        chosen = greedy(given, dense, limit, worth, cost, budget, 4)
        assert chosen.tolist() == summed_by_numpy(seen, blind, worth, cost, budget, 4)
        share, still_open = 0.0, weight > 0.0
        for helper in chosen.tolist():
            cells = still_open & (code[helper] != UNOBSERVED)
            share += float(weight[cells].sum()) / float(weight.sum()) * float(delivery[helper])
            still_open &= ~cells
        assert expected(chosen, given, dense, delivery, float(weight.sum())) == share


@pytest.mark.parametrize("seed", range(10))
def test_the_upper_limit_of_a_gain_is_just_above_it(seed):
    weight, code, *_ = case(seed)
    given = blind_cells(weight.ravel())
    for row in (code != UNOBSERVED).reshape(len(code), weight.size).astype(np.uint8):
        gain, limit = float((row * weight.ravel()).sum()), upper_limit_of(row, given)
        assert gain <= limit <= gain + (row * weight.ravel() > 0.0).sum() * weight.max() / 2**20 * 1.01 + 1e-9 * gain
    nowhere = blind_cells(np.zeros(12))
    assert (len(nowhere[0]), upper_limit_of(np.ones(12, np.uint8), nowhere)) == (0, 0.0)


def town(seed):
    """Return the inputs of five requesters, one of them without helpers, that know nine matrices on other windows."""
    rng = np.random.default_rng(seed)
    helpers = np.array([3, 0, 5, 1, 6])
    offset = np.concatenate([[0], np.cumsum(helpers)])
    weight = np.where(rng.random((5, 12, 10)) < 0.6, rng.choice([0.25, 0.1, 1 / 3, 0.7], (5, 12, 10)), 0.0)
    codes = rng.choice(np.array([UNOBSERVED, FREE, OCCUPIED], np.uint8), (9, 12, 10))
    matrix = np.concatenate([rng.permutation(9)[:count] for count in helpers])
    grids = rng.integers(-5, 5, (5, 2)), offset, matrix, codes, rng.integers(-5, 5, (9, 2))
    return weight, *grids, rng.choice([0.5, 0.9, 1.0], 15), rng.choice([100.0, 300.0, 700.0], 15)


def seen_by(seed):
    """Return for each requester the row of its first helper, and the codes of its helpers on its own window."""
    weight, lower, offset, matrix, codes, lowers, *_ = town(seed)
    return [
        (first, window(codes, lowers, matrix[first:last], lower[r], *weight.shape[1:]))
        for r, (first, last) in enumerate(zip(offset[:-1].tolist(), offset[1:].tolist(), strict=True))
    ]


@pytest.mark.parametrize("seed", range(10))
def test_blind_cells_are_counted_by_what_a_helper_saw(seed):
    weight, *grids = town(seed)[:6]
    observed, occupied = counted(weight, *grids)
    for r, (first, code) in enumerate(seen_by(seed)):
        own, blind = slice(first, first + len(code)), weight[r] > 0.0
        assert observed[own].tolist() == ((code != UNOBSERVED) & blind).sum(axis=(1, 2)).tolist()
        assert occupied[own].tolist() == ((code == OCCUPIED) & blind).sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_each_requester_gets_the_better_of_both_greedy_choices(seed):
    *grids, delivery, cost = town(seed)
    begin, rows = best_by_gain(*grids, delivery, cost, 900.0, 3)
    for r, (first, code) in enumerate(seen_by(seed)):
        own, weight = slice(first, first + len(code)), grids[0][r]
        blind, seen = weight[weight > 0.0], code[:, weight > 0.0] != UNOBSERVED
        rated, plain = (
            summed_by_numpy(seen, blind, worth, cost[own], 900.0, 3) for worth in (delivery[own] / cost[own], delivery[own])
        )  # fmt: skip
        given, dense = (
            blind_cells(weight.ravel()),
            (code != UNOBSERVED).reshape(len(code), weight.size).astype(np.uint8),
        )
        shares = [
            expected(np.array(chosen, np.int64), given, dense, delivery[own], float(weight.sum())) for chosen in (rated, plain)
        ]  # fmt: skip
        assert rows[begin[r] : begin[r + 1]].tolist() == (plain if shares[1] > shares[0] else rated)


@pytest.mark.parametrize("seed", range(10))
def test_each_cell_is_asked_of_the_first_helper_of_a_requester_that_saw_it(seed):
    weight, lower, offset, matrix, codes, lowers, _, cost = town(seed)
    order = np.concatenate([np.arange(count) for count in np.diff(offset)])
    requester, helper, cells = shared_out(offset, order, weight, lower, offset, matrix, codes, lowers, cost, 900.0, 3)
    expected_choices = []
    for r, (first, code) in enumerate(seen_by(seed)):
        left, taken, still_open = 900.0, 0, weight[r] > 0.0
        for k in range(len(code)):
            if taken == 3 or cost[first + k] > left:
                continue
            own = still_open & (code[k] != UNOBSERVED)
            left, taken, still_open = left - cost[first + k], taken + 1, still_open & ~own
            if own.any():
                expected_choices.append((r, first + k, own.tolist()))
    assert list(zip(requester.tolist(), helper.tolist(), cells.tolist(), strict=True)) == expected_choices


@pytest.mark.parametrize("seed", range(10))
def test_matrices_move_to_another_window_as_each_does_alone(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (5, 6, 7)).astype(np.uint8)
    lowers, lower, shape = rng.integers(-9, 9, (5, 2)), rng.integers(-3, 3, 2), (8, 5)
    alone = [shifted(PerceptionMatrix(low, 2.0, code), lower, shape) for low, code in zip(lowers, codes, strict=True)]
    rows = np.array([3, 0, 3, 4])
    np.testing.assert_array_equal(window(codes, lowers, rows, lower, *shape), np.stack([alone[row] for row in rows]))


@pytest.mark.parametrize("seed", range(20))
def test_what_a_helper_observed_moves_to_the_window_of_its_requester(seed):
    rng = np.random.default_rng(seed)
    code = rng.integers(0, 3, (6, 7)).astype(np.uint8)
    # From windows side by side, over all overlaps, to one inside the other.
    lower, shape = rng.integers(-9, 10, 2), tuple(rng.integers(1, 14, 2).tolist())
    seen = np.full(shape, 7, np.uint8)
    spread(code, *lower, seen)
    at = shifted(PerceptionMatrix(np.zeros(2, np.int64), 2.0, code), lower, shape)
    np.testing.assert_array_equal(seen, at != UNOBSERVED)
