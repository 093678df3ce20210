"""Memory that is used again, but never while somebody reads it."""

import gc

import numpy as np
import pytest
from numba import njit

from v2xsim.engine.stations.lent_memory import ReturnMemory, parts, written_parts

RAYS = 90


def block_at(memory, rays=RAYS):
    """A block, and its address."""
    block = memory.block(rays)
    return block, block.ctypes.data


def test_a_block_is_used_again_when_nothing_reads_it():
    memory = ReturnMemory()
    block, first = block_at(memory)
    del block
    assert block_at(memory)[1] == first


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize(
    "view", [lambda a: a, lambda a: a[3:5], lambda a: a.view(np.uint8)[::2], lambda a: memoryview(a)]
)
def test_a_block_is_not_used_again_while_an_array_lies_in_it(part, view):
    memory = ReturnMemory()
    block, first = block_at(memory)
    held = view(parts(block, RAYS, 20)[part])
    del block
    gc.collect()
    other, address = block_at(memory)
    assert address != first
    del held
    assert block_at(memory)[1] == first
    assert len(other) > 0


def test_two_blocks_at_once_are_two():
    memory = ReturnMemory()
    (one, first), (other, second) = block_at(memory), block_at(memory)
    assert abs(first - second) >= len(one) == len(other)


def test_a_block_is_for_lidars_of_one_size():
    memory = ReturnMemory()
    small, _ = block_at(memory)
    del small
    assert len(memory.block(2 * RAYS)) == 2 * len(memory.block(RAYS))


def test_a_part_of_a_block_does_not_free_it():
    memory = ReturnMemory()
    block, first = block_at(memory)
    part = block[2:9]
    del part
    assert block_at(memory)[1] != first


@njit
def write(address, rays, range_m, object_id, column):
    arrays = written_parts(address, rays)
    arrays[0][:] = range_m
    arrays[1][:] = object_id
    arrays[2][:] = column


def test_what_compiled_code_writes_is_read_back():
    block, address = block_at(ReturnMemory())
    rng = np.random.default_rng(1)
    values = (
        rng.uniform(0, 100, RAYS).astype(np.float32), rng.integers(-3, 2**31, RAYS, np.int32),
        rng.integers(0, 2**16, RAYS, np.uint16),
    )  # fmt: skip
    write(address, RAYS, *values)
    for part, value in zip(parts(block, RAYS, 70), values, strict=True):
        assert part.dtype == value.dtype
        np.testing.assert_array_equal(part, value[:70])
