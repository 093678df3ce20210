"""Descriptors: the sketch estimates the gain without bias, rings do not turn, and each ranks better than chance."""

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
