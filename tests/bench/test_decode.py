"""What the timing of generation is made of."""

import pytest

from v2xsim.bench.decode import Length, rows_at
from v2xsim.gpu.sequence.models import build

TOKENS = 5


@pytest.mark.parametrize(("prompt", "generated"), [(0, 1), (4, 2), (3, 9), (8, 40)])
def test_states_for_timing_are_as_long_as_they_are_said_to_be(prompt, generated):
    model = build("block", TOKENS, 16, 2, 2, seed=1).eval()
    said = Length(prompt, generated, period=4, points=3)
    rows, _ = rows_at(model, said)
    assert {prompt, *said.at()} <= rows.keys()
    for length, row in rows.items():
        assert row.seen.tolist() == [length]
