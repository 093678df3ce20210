"""Slots of a state: memories that grow, and caches that let go of what came before a position."""

import pytest
import torch

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.state import State


def cache_of(positions, entry):
    keys = torch.tensor(positions, dtype=torch.float64).view(1, 1, -1, 1).expand(2, 1, -1, 2)
    return Cache.empty(2, 1, 2, keys.device, keys.dtype).extend(keys, keys, entry)


def test_rows_of_a_memory_that_grows_end_with_blanks_where_they_are_shorter():
    long, short = (Memory(torch.full((1, n), n, dtype=torch.int32), -1, grows=True) for n in (3, 1))
    assert short.join(long).append(1).value.tolist() == [[1, -1, -1], [3, 3, 3], [-1, -1, -1]]


def test_a_memory_that_grows_still_does_so_after_it_was_kept():
    state = State.fresh("maker", 1, torch.device("cpu"), {"past": Memory(torch.zeros(1, 2), -1.0, grows=True)})
    assert State.load(state.state_dict()).slots["past"].grows


@pytest.mark.parametrize("indexed", [False, True])
def test_a_cache_lets_go_of_what_came_before_a_position_and_goes_on_from_there(indexed):
    entry = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 8]]) if indexed else 5
    before = cache_of([5, 6, 7, 8], entry)
    after = before.since(7)
    assert after.keys[0, 0, :, 0].tolist() == [7, 8]
    assert after.positions().tolist() == [[7, 8], [7, 8]]
    longer = after.extend(after.keys[:, :, :1] + 2, after.values[:, :, :1], 9)
    assert longer.positions().tolist() == [[7, 8, 9], [7, 8, 9]]
    assert before.keys[0, 0, :, 0].tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize("indexed", [False, True])
def test_a_cache_that_let_go_of_everything_starts_anew(indexed):
    entry = torch.tensor([[0, 1], [0, 1]]) if indexed else 0
    after = cache_of([0, 1], entry).since(2)
    assert len(after) == 0
    assert after.extend(torch.ones(2, 1, 1, 2).double(), torch.ones(2, 1, 1, 2).double(), 2).positions().tolist() == [
        [2],
        [2],
    ]
