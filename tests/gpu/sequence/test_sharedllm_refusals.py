"""SharedLLM: what does not fit is refused with the repair."""

import pytest
import torch

from tests.gpu.sequence.shared_models import CHUNK, DIM, VOCABULARY, made, tokens
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.sharedllm_choice import alignment_loss, paths
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"inject": 4}, "inject must be a whole number from 0 to 3, got 4"),
        ({"window": -1}, "window must be a whole number of at least 0"),
        ({"renew": "some"}, "renew must be all or new"),
        ({"chunk": 12, "depth": 3}, r"multiple of 2\^depth = 8"),
        ({"kept": 5}, "from 1 to the node's length, which is 4 at level 1"),
        ({"kept": (1, 2, 1)}, "one for each of 2 levels"),
        ({"choice": "best"}, "choice must be one of query"),
        ({"alike": "first"}, "alike one of last"),
    ],
)
def test_sizes_that_do_not_fit_are_said(said, words):
    with pytest.raises(UserError, match=words):
        made(**said)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda m: m.read(tokens(2, CHUNK + 1), tokens(2, 2)), "whole chunks of 8 tokens, got 9"),
        (lambda m: m.read(tokens(2, CHUNK), tokens(3, 2)), "as many rows"),
        (lambda m: m.condense(tokens(2, CHUNK), torch.zeros(3, DIM).double()), r"a query must be .* shape \(2, 16\)"),
        (lambda m: paths(m, tokens(2, CHUNK + 2), torch.zeros(2, DIM).double()), "whole chunks of 8 tokens, got 10"),
        (lambda m: m.read(tokens(2, CHUNK), tokens(2, 2), query_at=2), "within a running text of 2 tokens"),
        (lambda m: m.read(tokens(2, CHUNK), tokens(2, 0)), "within a running text of 0 tokens"),
        (lambda m: m.read(tokens(2, CHUNK) + VOCABULARY, tokens(2, 2)), "tokens must be from 0 to 10"),
        (lambda m: m.focus(m.init_state(2), torch.zeros(2, DIM)), "torch.float64"),
        (lambda m: m.focus(m.init_state(2), torch.full((2, DIM), float("nan")).double()), "must be finite"),
        (lambda m: m.focus(made(choice="right").init_state(2)), "the state was made by"),
        (lambda m: m(tokens(2, 3), m.init_state(3)), "the state holds 3 rows, x has 2"),
        (lambda m: m(tokens(2, 3), dt=0.5), "positions of equal length"),
        (lambda m: m(tokens(2, 9))[1].crop(4), "cannot be cropped"),
        (lambda m: m.start_from(TokenModel(Transformer(DIM, 2, 2), VOCABULARY)), "they must be the same"),
        (lambda m: m.start_from(TokenModel(Transformer(DIM, 3, 2, windows=4), VOCABULARY)), "a plain Transformer"),
        (
            lambda m: alignment_loss(m, tokens(2, 8), torch.zeros(2, DIM).double(), torch.tensor([0, 8])),
            "a tensor of 2 numbers from 0 to 7",
        ),
        (
            lambda m: m.read(tokens(2, CHUNK).tolist(), tokens(2, 2)),
            r"must be tensors of as many rows, got list and \(2, 2\)",
        ),
        (
            lambda m: m.read(tokens(2, CHUNK), tokens(2, 2).tolist()),
            r"must be tensors of as many rows, got \(2, 8\) and list",
        ),
        (
            lambda m: m.read(tokens(2, CHUNK), tokens(2, 2), query_at=0.5),
            "place must be a whole number or a tensor of such, got 0.5",
        ),
        (
            lambda m: m.read(tokens(2, CHUNK), tokens(2, 2), query_at=True),
            "place must be a whole number or a tensor of such, got True",
        ),
        (
            lambda m: m.query_of(tokens(2, 2), torch.tensor([0.0, 1.0])),
            "place must be a whole number or a tensor of such, got tensor",
        ),
        (
            lambda m: alignment_loss(m, tokens(2, 8), torch.zeros(2, DIM).double(), [0, 1]),
            r"a tensor of 2 numbers .* got \[0, 1\]",
        ),
        (
            lambda m: alignment_loss(m, tokens(2, 8), torch.zeros(2, DIM).double(), torch.tensor([0.5, 1.0])),
            r"a tensor of 2 numbers .* got \[0.5, 1.0\]",
        ),
        (
            lambda m: alignment_loss(m, tokens(0, 8), torch.zeros(0, DIM).double(), torch.zeros(0, dtype=torch.int64)),
            "a loss needs at least one row, got 0",
        ),
        (lambda m: m.prefill(tokens(2, 3).tolist()), "x must be a torch tensor, got list"),
        (lambda m: m.start_from(None), "start_from: the model must be a plain Transformer of tokens, got NoneType"),
        (lambda m: paths(made(inject=0), tokens(2, 8), torch.zeros(2, DIM).double()), "inject of at least 1"),
    ],
)
def test_what_does_not_fit_is_said_with_the_repair(act, words):
    with pytest.raises(UserError, match=words):
        act(made())
