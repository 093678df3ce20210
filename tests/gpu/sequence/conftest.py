"""What all tests of the sequence models begin with."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """Draw the weights of fresh models alike, whatever ran before."""
    torch.manual_seed(0)
