"""The compiled greedy choice gives the bits of one over whole arrays."""

import numpy as np
import pytest

from v2xsim.perception.matching.choice import shared_out
from v2xsim.perception.matching.greedy_loops import counted, expected, greedy, window
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
    blind, flat = np.flatnonzero(weight > 0.0), code.reshape(len(code), -1)
    for worth in (delivery, delivery / cost):
        chosen = greedy(weight.ravel()[blind], blind, flat, worth, cost, budget, 4)
        seen = code[:, weight > 0.0] != UNOBSERVED
        assert chosen.tolist() == summed_by_numpy(seen, weight[weight > 0.0], worth, cost, budget, 4)
        choices = shared_out(chosen.tolist(), weight, code != UNOBSERVED)
        share = sum(choice.gain * float(delivery[choice.helper]) for choice in choices)
        assert expected(chosen, weight.ravel()[blind], blind, flat, delivery, float(weight.sum())) == share


def test_cells_are_counted_by_what_a_helper_saw():
    code = np.array([[UNOBSERVED, FREE, OCCUPIED, OCCUPIED], [FREE, FREE, FREE, OCCUPIED]], np.uint8)
    assert [column.tolist() for column in counted(code, np.array([0, 1, 2]))] == [[2, 3], [1, 0]]


@pytest.mark.parametrize("seed", range(10))
def test_matrices_move_to_another_window_as_each_does_alone(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (5, 6, 7)).astype(np.uint8)
    lowers, lower, shape = rng.integers(-9, 9, (5, 2)), rng.integers(-3, 3, 2), (8, 5)
    alone = [shifted(PerceptionMatrix(low, 2.0, code), lower, shape) for low, code in zip(lowers, codes, strict=True)]
    np.testing.assert_array_equal(window(codes, lowers, *lower.tolist(), *shape), np.stack(alone))
