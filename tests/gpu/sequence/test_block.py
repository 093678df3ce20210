"""The Block Transformer: its equations, its streams, its generation, and what it keeps."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from v2xsim.bench.decode import filled
from v2xsim.claims.block import block_rows, judged, nearest
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.block import BlockTransformer
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.block_padding import moved_right, padded_to_blocks
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.windows import Windows

VOCABULARY = 19
SMALL = Decoder(2, 2)
CASES = {
    "plain": {},
    "one token a block": {"block": 1, "prefix": 1},
    "eight tokens a block": {"block": 8, "prefix": 3},
    "one prefix vector": {"prefix": 1},
    "shared keys": {
        "block_decoder": Decoder(4, 2, kv_map="0_0_2_2"),
        "token_decoder": Decoder(2, 2, kv_map="0_0"),
    },
    "keys of a layer above": {
        "block_decoder": Decoder(3, 2, kv_map="0_2_2"),
        "token_decoder": Decoder(2, 2, kv_map="1_1"),
    },
    "early exits": {
        "block_decoder": Decoder(4, 2, schedule=ExitSchedule(4, 4, 2, 5)),
        "token_decoder": Decoder(3, 2, schedule=ExitSchedule(3, 3, 2, 3)),
    },
    "a window": {"block_decoder": Decoder(2, 2, windows=(2, 0))},
}


def made(dtype: torch.dtype = torch.float64, seed: int = 0, **said: object) -> BlockTransformer:
    """Return a small model whose weights are large enough for every part to matter."""
    sizes: dict[str, object] = {"block_decoder": SMALL, "token_decoder": SMALL} | said
    model = BlockTransformer(VOCABULARY, 16, **sizes).to(dtype).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator, dtype=torch.float64) * 0.3)
    return model


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def with_gaps(*shape: int, seed: int = 2) -> Tensor:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.35
    mask[0, 8:16] = False
    return mask


def farthest(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max()) if one.numel() else 0.0


def in_pieces(model: BlockTransformer, tokens: Tensor, mask: Tensor | None, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    state, found, at = None, [], 0
    while at < tokens.shape[1]:
        count = int(torch.randint(8, (1,), generator=generator))
        y, state = model(tokens[:, at : at + count], state, None if mask is None else mask[:, at : at + count])
        found.append(y)
        at += count
    return torch.cat(found, 1)


@torch.no_grad()
def by_the_equations(model: BlockTransformer, tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the logits of one row, each worked out on its own from the beginning."""
    found, size = [], model.block
    for t in range(len(tokens)):
        whole = (t + 1) // size
        parts = model.lookup(tokens) * mask[:, None]
        if whole:
            blocks = parts[: whole * size].reshape(1, whole, -1)
            u = model.block_decoder(blocks, None, mask[: whole * size].reshape(1, whole, size).any(2))[0][0, -1]
        else:
            u = model.start
        own = slice(whole * size, t + 1)
        local = torch.cat([model.expand(u).reshape(model.prefix, -1), (model.embedding(tokens) * mask[:, None])[own]])
        arrived = torch.cat([torch.ones(model.prefix, dtype=torch.bool), mask[own]])
        found.append(model.head(model.token_decoder(local[None], None, arrived[None])[0][0, -1]))
    return torch.stack(found)


@pytest.mark.parametrize("block", [1, 3, 4])
def test_each_answer_is_what_the_equations_give(block: int) -> None:
    model = BlockTransformer(VOCABULARY, 24, SMALL, block=block).double().eval()
    tokens, mask = drawn(1, 21), with_gaps(1, 21)
    y, _ = model(tokens, None, mask)
    assert (y[0] - by_the_equations(model, tokens[0], mask[0])).abs().max() <= 1e-12


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gaps", [False, True])
def test_splitting_a_stream_anywhere_changes_nothing(case: str, gaps: bool) -> None:
    model, tokens = made(**CASES[case]), drawn(3, 31)
    mask = with_gaps(3, 31) if gaps else None
    with torch.no_grad():
        whole, _ = model(tokens, None, mask)
        worst = max(float((in_pieces(model, tokens, mask, seed) - whole).abs().max()) for seed in range(4))
    assert worst <= 1e-10


def test_splitting_a_stream_anywhere_changes_nothing_in_single_precision() -> None:
    model, tokens = made(torch.float32), drawn(2, 43)
    with torch.no_grad():
        whole, _ = model(tokens)
        worst = max(float((in_pieces(model, tokens, None, seed) - whole).abs().max()) for seed in range(4))
    assert worst <= 1e-5 * float(whole.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_rows_that_come_and_go_within_blocks_get_what_they_get_alone(case: str) -> None:
    model, tokens = made(**CASES[case]), drawn(5, 40)
    with torch.no_grad():
        alone = [model(tokens[row : row + 1])[0][0] for row in range(5)]
        read, rows = [0] * 5, [0, 1]
        state = model.init_state(2)
        worst = 0.0

        def go_on(state: State, count: int) -> State:
            nonlocal worst
            x = torch.stack([tokens[row, read[row] : read[row] + count] for row in rows])
            y, state = model(x, state)
            for place, row in enumerate(rows):
                worst = max(worst, farthest(y[place], alone[row][read[row] : read[row] + count]))
                read[row] += count
            return state

        state = go_on(state, 5)
        state, rows = state.append(1), [0, 1, 2]
        state = go_on(go_on(state, 1), 2)
        state, rows = state.append(model(tokens[3:4, :9])[1]).reorder([3, 0, 2, 1]), [3, 0, 2, 1]
        read[3] = 9
        state = model.load_state(go_on(state, 7).state_dict())
        state = go_on(state, 1)
        state, rows = state.select([3, 0, 2]).append(1), [1, 3, 2, 4]
        for _ in range(6):
            state = go_on(state, 1)
        state = go_on(state, 0)
        go_on(state, 11)
    assert worst <= 1e-10


def test_a_row_can_be_picked_out_of_uneven_rows_with_gaps() -> None:
    model, tokens, mask = made(), drawn(2, 24), with_gaps(2, 24)
    with torch.no_grad():
        whole, _ = model(tokens, None, mask)
        state = model(tokens[:1, :5], None, mask[:1, :5])[1].append(1)
        for t in range(9):
            at = torch.tensor([5 + t, t])
            y, state = model.step(tokens[[0, 1], at], state, mask[[0, 1], at])
        y, _ = model(tokens[1:, 9:], state.select([1]), mask[1:, 9:])
    assert (y[0] - whole[1, 9:]).abs().max() <= 1e-10


def test_a_row_that_joins_aligned_ends_its_blocks_with_the_others() -> None:
    model, tokens = made(), drawn(2, 20)
    with torch.no_grad():
        state = model.aligned(model(tokens[:1, :6])[1], 1)
        y, state = model(torch.stack([tokens[0, 6:], tokens[1, :14]]), state)
        padded, mask = F.pad(tokens[1:, :14], (2, 0)), F.pad(torch.ones(1, 14, dtype=torch.bool), (2, 0))
        wanted = torch.stack([model(tokens[:1])[0][0, 6:], model(padded, None, mask)[0][0, 2:]])
    assert state.part("inner").steps is not None
    assert (y - wanted).abs().max() <= 1e-10


def test_gradients_flow_through_the_state_as_through_the_whole() -> None:
    model, tokens = made(), drawn(2, 14)
    weight = torch.randn(2, 14, VOCABULARY, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    whole = torch.autograd.grad((model(tokens)[0] * weight).sum(), list(model.parameters()))
    split = torch.autograd.grad((in_pieces(model, tokens, None, 0) * weight).sum(), list(model.parameters()))
    for one, other in zip(whole, split, strict=True):
        assert one.abs().max() > 0
        assert (one - other).abs().max() <= 1e-10


@pytest.mark.parametrize("length", range(1, 14))
@pytest.mark.parametrize("padded", [False, True])
def test_generation_with_a_state_is_what_reading_all_again_gives(length: int, padded: bool) -> None:
    model, prompt = made(), drawn(2, length, seed=length)
    mask = None
    if padded:
        prompt, mask = padded_to_blocks(prompt, model.block)
        assert prompt.shape[1] % model.block == 0
    found, state = generate(model, prompt, 11, mask)
    tokens = prompt
    for _ in range(11):
        ones = torch.ones(2, tokens.shape[1] - prompt.shape[1], dtype=torch.bool)
        y, _ = model(tokens, None, None if mask is None else torch.cat([mask, ones], 1))
        tokens = torch.cat([tokens, y[:, -1:].argmax(-1)], 1)
    assert torch.equal(found, tokens[:, prompt.shape[1] :])
    assert state.steps == prompt.shape[1] + 10


@pytest.mark.parametrize("length", [7, 8, 9])
def test_exits_are_counted_from_the_end_of_the_prompts_whole_blocks(length: int) -> None:
    model, prompt = made(block_decoder=Decoder(3, 2, schedule=ExitSchedule(3, 3, 1, 3))), drawn(2, length)
    found, _ = generate(model, prompt, 14)
    tokens = prompt
    for _ in range(14):
        y, state = model(tokens, model.init_state(2, prompt=length))
        tokens = torch.cat([tokens, y[:, -1:].argmax(-1)], 1)
    assert torch.equal(found, tokens[:, length:])
    held = [len(state.part("blocks").cache(f"layer{i}")) for i in range(3)]
    # The first block after the prompt's runs through three layers, the next through two, all others through one.
    assert held == [(length + 13) // 4, length // 4 + 1, length // 4 + 2]


def test_a_changed_token_changes_only_later_blocks_and_later_tokens_of_its_own() -> None:
    model, tokens = made(), drawn(1, 16)
    with torch.no_grad():
        before, _ = model(tokens)
        for t in range(16):
            other = tokens.clone()
            other[0, t] = (other[0, t] + 1) % VOCABULARY
            change = (model(other)[0] - before).abs().amax(2)[0]
            assert (change[:t] == 0).all()
            assert (change[t:] > 1e-9).all()


def test_a_changed_token_reaches_other_blocks_through_contexts_alone() -> None:
    model, tokens = made(), drawn(1, 16)
    with torch.no_grad():
        model.expand.weight.zero_()
        before, _ = model(tokens)
        tokens[0, 5] = (tokens[0, 5] + 1) % VOCABULARY
        change = (model(tokens)[0] - before).abs().amax(2)[0] > 1e-9
    # Of the second block, tokens 4 to 7, the last is never read: its answer is the next block's first.
    assert change.nonzero()[:, 0].tolist() == [5, 6]


def test_tokens_that_did_not_arrive_are_not_looked_at() -> None:
    model, mask = made(), with_gaps(2, 24)
    tokens = drawn(2, 24)
    other = torch.where(mask, tokens, drawn(2, 24, seed=9))
    with torch.no_grad():
        assert torch.equal(model(tokens, None, mask)[0], model(other, None, mask)[0])


@pytest.mark.parametrize("at", range(9))
def test_a_gap_may_be_anywhere(at: int) -> None:
    model, tokens, mask = made(), drawn(1, 9), torch.ones(1, 9, dtype=torch.bool)
    mask[0, at] = False
    with torch.no_grad():
        assert farthest(model(tokens, None, mask)[0][0], by_the_equations(model, tokens[0], mask[0])) <= 1e-12


def test_all_layers_run_over_a_prefix() -> None:
    model = made(token_decoder=Decoder(3, 2, schedule=ExitSchedule(3, 3, 1, 2)))
    with torch.no_grad():
        inner = model(drawn(1, 3))[1].part("inner")
    # Layer 2 runs for the prefix and the first token, the middle one for them too; the last two tokens get layer 0 alone.
    assert [len(inner.cache(f"layer{i}")) for i in range(3)] == [5, 3, 3]


def test_a_state_of_2048_tokens_is_a_7_9th_of_a_plain_transformers() -> None:
    plain = TokenModel(Transformer(8, 4, 1, 8), VOCABULARY).eval()
    model = BlockTransformer(VOCABULARY, 8, Decoder(2, 1, 8)).eval()
    tokens = drawn(1, 2048)
    with torch.no_grad():
        most, state = 0, model.prefill(tokens[:, :2044])[1]
        for t in range(2044, 2048):
            state = model.step(tokens[:, t], state)[1]
            most = max(most, state.nbytes())
        ratio = plain.prefill(tokens)[1].nbytes() / most
    # n L d 2 over (n / 2) (L / 4 + 2 + 3) d 2: the fourth token of a block is never kept; with it the ratio would be 7.907.
    assert most == 2 * 2 * (511 + 5) * 8 * 4
    assert ratio == pytest.approx(7.91, abs=0.05)


@pytest.mark.parametrize(("length", "read"), [(64, 2), (65, 3), (67, 5), (3, 5)])
def test_a_prompt_costs_the_token_decoder_its_last_unfinished_block_alone(length: int, read: int) -> None:
    model, seen = made(), []
    model.token_decoder.layers[0].norm.register_forward_hook(lambda _, x, __: seen.append(x[0].shape[:2].numel()))
    with torch.no_grad():
        logits, _ = model.prefill(drawn(1, length))
        assert sum(seen) == read
        assert (logits - model(drawn(1, length))[0][:, -1]).abs().max() <= 1e-12


def test_a_block_that_ends_costs_one_step_of_the_block_decoder() -> None:
    model, seen = made(), []
    model.block_decoder.layers[0].norm.register_forward_hook(lambda _, x, __: seen.append(x[0].shape[1]))
    with torch.no_grad():
        state = model.prefill(drawn(1, 64))[1]
        for token in drawn(8, 1):
            _, state = model.step(token, state)
    assert seen == [16, 1, 1]


def test_a_loss_leaves_the_first_block_out_unless_told() -> None:
    model, tokens = made(), drawn(3, 18)
    y = model(tokens)[0].detach()
    each = F.cross_entropy(y[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(3, -1)
    # Losses are taken in 32 bits.
    assert float(model.loss(tokens).detach()) == pytest.approx(float(each[:, 3:].mean()), rel=1e-6)
    model.first_block = True
    assert float(model.loss(tokens).detach()) == pytest.approx(float(each.mean()), rel=1e-6)


def test_rows_move_right_by_less_than_a_block_and_lose_nothing() -> None:
    tokens = drawn(200, 9)
    longer, mask = moved_right(tokens, None, 4, torch.Generator().manual_seed(0))
    assert longer.shape == (200, 12)
    assert torch.equal(longer[mask].view(200, 9), tokens)
    places = mask.to(torch.int64).argmax(1)
    # Four equally likely places, 200 rows: a count strays from 50 by more than 25 less than once in 10,000 tries.
    assert ((places.bincount(minlength=4) - 50).abs() <= 25).all()


def test_training_with_moved_rows_reaches_every_parameter() -> None:
    model, mask = made(first_block=True), with_gaps(4, 13)
    model.loss(drawn(4, 13), mask, torch.Generator().manual_seed(0)).backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in model.parameters())


def test_an_untrained_start_says_that_all_first_answers_are_about_equally_likely() -> None:
    model = BlockTransformer(VOCABULARY, 16, SMALL).eval()
    assert (model(drawn(1, 2))[0].softmax(-1) * VOCABULARY - 1).abs().max() < 0.5


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"block": 3}, "multiple of block"),
        ({"prefix": 0}, "at least 1"),
        ({"block": 0}, "at least 1"),
        ({"block_decoder": Decoder(2, 3)}, "multiple of heads"),
        ({"token_decoder": Decoder(0, 2)}, "layers must be a whole number of at least 1, got 0"),
        ({"block_decoder": Decoder(2, 2, kv_map="0_0_0")}, "each of 2 layers"),
        ({"token_decoder": Decoder(2, 2, schedule=ExitSchedule(2, 2, 1, 100))}, "within a block"),
        ({"token_decoder": Decoder(2, 2, windows=3)}, "windows must be 0, got 3"),
        ({"block_decoder": Decoder(2, 2, schedule=ExitSchedule(3, 3, 1, 100))}, "schedule is for 3 layers"),
        (
            {"block_decoder": Decoder(2, 2, kv_map="1_1", schedule=ExitSchedule(2, 2, 1, 100))},
            "cannot have an exit schedule",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(said: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        BlockTransformer(VOCABULARY, 16, **({"block_decoder": SMALL} | said))  # type: ignore[arg-type]


@pytest.mark.passes_wrong_types
def test_what_does_not_belong_to_a_stream_is_refused() -> None:
    model, tokens = made(), drawn(2, 6)
    _, state = model(tokens)
    for reason, call in {
        "mask must be booleans": lambda: model(tokens, None, torch.ones(2, 5, dtype=torch.bool)),
        "torch.int64": lambda: model(tokens.float()),
        "from 0 to 18": lambda: model(tokens + 100),
        "made by": lambda: model(tokens, made(prefix=1).init_state(2)),
        "holds 2 rows": lambda: model(tokens[:1], state),
        "dt must be 1 or left out": lambda: model(tokens, None, None, 0.5),
        "at least one token": lambda: model.prefill(tokens[:, :0]),
        "keep an earlier state": lambda: state.crop(3),
        "one place": lambda: model.aligned(state.append(1), 1),
        "more than 4 tokens": lambda: model.loss(tokens[:, :4]),
    }.items():
        with pytest.raises(UserError, match=reason):
            call()


def test_a_state_filled_for_timing_goes_on_as_the_row_it_is_copied_from() -> None:
    model = made()
    with torch.no_grad():
        row = model.prefill(drawn(1, 21))[1]
    state, token = filled(model, row, 3, 8), drawn(1)
    # Memory is set aside at once: growing later would take twice as much for a moment.
    assert state.part("blocks").cache("layer0").buffer.keys.shape[2] == 8
    with torch.no_grad():
        for _ in range(6):
            one, row = model.step(token, row)
            three, state = model.step(token.expand(3), state)
            assert farthest(three, one.expand(3, -1)) <= 1e-12
    assert state.nbytes() == 3 * row.nbytes()


def test_both_models_are_timed_at_batches_that_memory_holds() -> None:
    plain, block = block_rows(64, 4, 16, 32, vocabulary=VOCABULARY, memory_bytes=2.0e6, points=1, device="cpu")
    assert (plain.module, block.module) == ("transformer", "block")
    assert plain.kv_bytes_per_row == 4 * 48 * 64 * 2 * 4
    assert block.kv_bytes_per_row == 2 * (11 + 5) * 64 * 2 * 4
    for row in (plain, block):
        assert row.batch >= 1
        assert 4 * row.parameters + row.batch * row.kv_bytes_per_row <= 2.0e6
        assert row.tokens_per_s > 0


def test_the_nearest_cross_entropy_is_the_highest_not_above() -> None:
    assert nearest([2.0, 1.5, 1.9, 2.01]) == 2
    assert nearest([2.0, 2.4, 2.1]) == 2


def test_a_judgement_leaves_the_first_block_out_and_knows_places() -> None:
    model, tokens = made(), drawn(3, 18)
    each = F.cross_entropy(model(tokens)[0].detach()[:, 3:-1].transpose(1, 2), tokens[:, 4:], reduction="none")
    nats, places = judged(model, Windows(tokens), batch=2)
    assert nats == pytest.approx(float(each.mean()), rel=1e-6)
    assert places == pytest.approx([float(each[:, place::4].mean()) for place in range(4)], rel=1e-6)
