"""What all tests of the sequence models begin with."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Draw the weights of fresh models alike, whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def one_thread():
    """Compute in one thread: in sums as small as the tests' several threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
