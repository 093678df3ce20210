"""SharedLLM: what is kept of the past, for which query, at what cost; and that a stream may be cut anywhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.rotary import turned, turns
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_choice import alignment_loss, paths
from v2xsim.gpu.sequence.sharedllm_parts import ChunkEnd
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer

VOCABULARY, DIM, CHUNK = 11, 16, 8
CHOICES = ("query", "right", "random", "uniform", "none")


def louder(model, times=8.0):
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(times if weight.ndim == 2 else 1.0)
    return model.eval()


def made(dtype=torch.float64, inject=2, window=0, renew="all", **tree):
    torch.manual_seed(3)
    tree = ContextTree(**{"chunk": CHUNK, "depth": 2, "kept": 1, **tree})
    return louder(SharedModel(VOCABULARY, DIM, 3, 2, tree, inject, ChunkEnd(window, renew)).to(dtype))


def plain():
    torch.manual_seed(4)
    return louder(TokenModel(Transformer(DIM, 3, 2), VOCABULARY).double())


def tokens(batch, count, seed=0):
    return torch.randint(VOCABULARY, (batch, count), generator=torch.Generator().manual_seed(seed))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


# Nothing injected ---------------------------------------------------------------------------------------------------


def test_what_starts_from_a_plain_model_says_what_that_says_whatever_the_context():
    model, old = made(), plain()
    model.start_from(old)
    running = tokens(2, 20)
    with torch.no_grad():
        close(model.read(tokens(2, 3 * CHUNK, 1), running), old(running)[0])
        close(model(running[:, :CHUNK])[0], old(running[:, :CHUNK])[0])
        assert (
            made().read(tokens(2, CHUNK, 1), running) - made().read(tokens(2, CHUNK, 2), running)
        ).abs().max() > 1e-3


@pytest.mark.parametrize("said", [{"inject": 0}, {"choice": "none"}])
def test_without_injection_every_chunk_is_read_as_if_it_were_the_first(said):
    model, old, x = made(**said), plain(), tokens(2, 2 * CHUNK + 3)
    model.start_from(old)
    with torch.no_grad():
        alone = torch.cat([old(piece)[0] for piece in x.split(CHUNK, 1)], 1)
        close(model(x)[0], alone)


def test_with_a_window_over_everything_and_no_injection_a_stream_is_a_plain_models():
    model, old, x = made(inject=0, window=100), plain(), tokens(2, 3 * CHUNK + 1)
    model.start_from(old)
    with torch.no_grad():
        close(model(x)[0], old(x)[0])


def test_a_running_text_without_context_is_a_plain_models():
    model, running = made(), tokens(2, 6)
    old = TokenModel(Transformer(DIM, 3, 2), VOCABULARY).double().eval()
    old.body.load_state_dict({n: w for n, w in model.upper.state_dict().items() if not n.startswith("injections")})
    old.embedding.load_state_dict(model.embedding.state_dict())
    old.head.load_state_dict(model.head.state_dict())
    with torch.no_grad():
        close(model.read(running[:, :0], running), old(running)[0])


# A stream -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "renew"), [*((choice, "all") for choice in CHOICES), ("query", "new")])
@settings(max_examples=6)
@given(data=st.data())
def test_agents_that_come_leave_and_miss_tokens_each_get_what_they_would_get_alone(choice, renew, data):
    """Each row of a batch that changes all the time, in pieces of 0 to 12, is replayed whole and by itself at the end."""
    alike = data.draw(st.sampled_from(["last", "mean", "max"]))
    model = made(choice=choice, renew=renew, alike=alike, window=data.draw(st.sampled_from([0, 3, 11])))
    state, agents, streams, number = model.init_state(0), [], {}, 0
    with torch.no_grad():
        for _ in range(data.draw(st.integers(4, 9))):
            act = data.draw(st.sampled_from(["join", "leave", "shuffle", "keep", "read", "read", "miss"]))
            if act == "join" or not agents:
                state, streams[number] = state.append(1), []
                agents.append(number)
                number += 1
            elif act == "leave":
                stay = [row for row in range(len(agents)) if data.draw(st.integers(0, 3))]
                state, agents = state.select(stay), [agents[row] for row in stay]
            elif act == "shuffle":
                order = data.draw(st.permutations(range(len(agents))))
                state, agents = state.reorder(torch.tensor(order, dtype=torch.int64)), [agents[row] for row in order]
            elif act == "keep":
                state = model.load_state(state.state_dict())
            if not agents:
                continue
            count = data.draw(st.integers(0, 12))
            x, mask = tokens(len(agents), count, data.draw(st.integers(0, 99))), None
            if act == "miss":
                mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(count)) < 0.6
            y, state = model(x, state, mask)
            told = torch.ones_like(x, dtype=torch.bool) if mask is None else mask
            for row, agent in enumerate(agents):
                streams[agent].append((x[row], told[row], y[row]))
        for agent in agents:
            x, mask, y = (torch.cat(part) for part in zip(*streams[agent], strict=True))
            close(model(x[None], None, mask[None])[0][0], y)
        assert state.seen.tolist() == [sum(len(piece[0]) for piece in streams[agent]) for agent in agents]


def test_a_stream_in_32_bits_may_be_cut_anywhere():
    model, x = made(torch.float32, chunk=16, kept=2, window=5), tokens(3, 70)
    with torch.no_grad():
        whole, _ = model(x)
        state, found = None, []
        for piece in x.split([1, 14, 0, 2, 33, 1, 19], 1):
            y, state = model(piece, state)
            found.append(y)
    assert ((torch.cat(found, 1) - whole).abs().max() / whole.abs().max()).item() < 1e-5


def test_focus_after_a_stream_is_the_papers_reading_of_context_and_running_text():
    model, context, running = made(), tokens(3, 4 * CHUNK), tokens(3, 5, 1)
    with torch.no_grad():
        query = model.query_of(running)
        _, state = model(context)
        streamed, _ = model(running, model.focus(state, query))
        close(model.read(context, running), streamed)
        assert (model(running, state)[0] - streamed).abs().max() > 1e-3


def test_focus_turns_each_row_to_its_own_query_also_where_rows_joined_late():
    model, x = made(alike="max"), tokens(2, 7 * CHUNK + 3)
    with torch.no_grad():
        _, early = model(x[:1, : 3 * CHUNK + 1])
        state = early.append(model.init_state(1))
        _, state = model(x[:, 3 * CHUNK + 1 :], state)
        query = torch.randn(2, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        together, _ = model(tokens(2, 2, 9), model.focus(state, query))
        for row, text in enumerate((x[:1], x[1:, 3 * CHUNK + 1 :])):
            _, alone = model(text)
            close(model(tokens(2, 2, 9)[row : row + 1], model.focus(alone, query[row : row + 1]))[0][0], together[row])


def test_each_row_of_a_reading_gets_what_it_would_get_alone():
    model, context, running = made(alike="max"), tokens(3, 4 * CHUNK), tokens(3, 5, 1)
    with torch.no_grad():
        together = model.read(context, running)
        close(together, torch.cat([model.read(context[i : i + 1], running[i : i + 1]) for i in range(3)]))


def test_every_chunk_that_is_complete_turns_the_selection_to_its_last_token():
    x, more = tokens(2, 6 * CHUNK), tokens(2, 3, 1)
    for renew in ("all", "new"):
        model = made(alike="max", renew=renew)
        with torch.no_grad():
            _, state = model(x)
            apart = (model(more, state)[0] - model(more, model.focus(state))[0]).abs().max()
        assert (apart < 1e-10) == (renew == "all")


def test_focus_without_a_query_asks_for_the_last_token():
    model, x = made(), tokens(2, 3 * CHUNK + 4)
    with torch.no_grad():
        _, state = model(x)
        running = x[:, 3 * CHUNK :]
        last = model.focus(state, model.query_of(running))
        close(model(x[:, :2], model.focus(state))[0], model(x[:, :2], last)[0])


def test_a_token_changes_nothing_before_it():
    model, x = made(window=3), tokens(2, 4 * CHUNK)
    other = x.clone()
    other[:, 21] = (other[:, 21] + 1) % VOCABULARY
    with torch.no_grad():
        a, b = model(x)[0], model(other)[0]
    close(a[:, :21], b[:, :21])
    assert ((a - b).abs().amax(-1)[:, 24:] > 1e-6).any(1).all()


def test_gradients_reach_the_lower_model_through_reading_and_through_a_stream():
    for run in (lambda m: m.read(tokens(2, 16), tokens(2, 3)), lambda m: m(tokens(2, 19))[0][:, 16:]):
        model = made()
        run(model).square().sum().backward()
        assert all(float(w.grad.abs().max()) > 0 for w in model.lower.layers[1].parameters())


# What is kept -------------------------------------------------------------------------------------------------------


def test_the_papers_tree_keeps_an_eighth_coarse_to_fine():
    tree = ContextTree(1024, 3, 32)
    assert (tree.per_chunk, tree.ratio) == (128, 8.0)
    nodes = tree.nodes(torch.tensor([[True, False]]))
    assert [(int(n.start), n.length, n.length // n.kept) for n in nodes] == [
        (0, 512, 16),
        (768, 256, 8),
        (512, 128, 4),
        (640, 128, 4),
    ]


def test_by_default_an_eighth_of_a_chunk_is_kept():
    assert [ContextTree(chunk, depth).ratio for chunk, depth in ((64, 3), (1024, 3), (96, 2))] == [8.0, 8.0, 8.0]
    assert ContextTree(8, 1).by_level == (1,)


def told_apart(**said):
    """Return a model whose first layer leaves every token what it is."""
    model = made(chunk=16, depth=3, **said)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(VOCABULARY, DIM))
        for layers in (model.upper.layers, model.lower.layers):
            layers[0].out.weight.zero_()
            layers[0].down.weight.zero_()
    return model


def test_the_quarter_with_the_key_event_is_kept_finely_in_each_row_and_chunk():
    model = told_apart(alike="max")
    context = torch.zeros(2, 32, dtype=torch.int64)
    for row, chunk, place in ((0, 0, 9), (0, 1, 2), (1, 0, 14), (1, 1, 5)):
        context[row, 16 * chunk + place] = 7
    right = paths(model, context, model.query_of(torch.tensor([[7], [7]])))
    # Event at 9: 0-7 is kept by its last token, 12-15 by its last one, then the leaves 8-9 and 10-11 by theirs.
    assert model.tree.places(right.flatten(0, 1)).tolist() == [
        [7, 15, 9, 11],
        [15, 7, 1, 3],
        [7, 11, 13, 15],
        [15, 3, 5, 7],
    ]


def test_two_rows_that_ask_differently_keep_different_quarters_of_the_same_chunk():
    model = told_apart(alike="max")
    context = torch.zeros(2, 16, dtype=torch.int64)
    context[:, 1], context[:, 12] = 5, 7
    right = paths(model, context, model.query_of(torch.tensor([[7], [5]])))
    assert right[:, 0].tolist() == [[True, True], [False, False]]


def test_the_last_token_of_a_half_speaks_for_it():
    model = told_apart(alike="last")
    context = torch.zeros(1, 16, dtype=torch.int64)
    context[0, 7], context[0, 9] = 7, 7
    right = paths(model, context, model.query_of(torch.tensor([[7]])))
    assert model.tree.places(right[0]).tolist() == [[15, 3, 5, 7]]


def test_the_mean_of_a_half_speaks_for_it():
    model = told_apart(alike="mean")
    context = torch.zeros(1, 16, dtype=torch.int64)
    context[0, 7], context[0, 12:14] = 7, 7
    assert paths(model, context, model.query_of(torch.tensor([[7]])))[0].tolist() == [[True, True]]


def test_keys_are_turned_once_and_by_the_number_of_their_chunk():
    model = made(choice="right")
    chunk = tokens(1, CHUNK)
    with torch.no_grad():
        keys = model.condense(chunk.repeat(1, 3), torch.zeros(1, DIM).double()).cache("kept0").keys
        layer, head_dim = model.lower.layers[0], DIM // 2
        plain_keys = layer.key_value(layer.norm(model.embedding(chunk))).chunk(2, -1)[0]
    places = model.tree.places(torch.ones(1, 1, dtype=torch.bool))[0]
    plain_keys = plain_keys.view(1, CHUNK, 2, head_dim).transpose(1, 2)[:, :, places]
    for number in range(3):
        turn = turns(torch.full((3,), number), head_dim, torch.float64)
        close(keys[:, :, 3 * number : 3 * number + 3], turned(plain_keys, turn))


def test_the_order_of_chunks_is_told_and_where_a_stream_began_is_not():
    model, running = made(choice="right"), tokens(1, 3)
    first, second = tokens(1, CHUNK, 1), tokens(1, CHUNK, 2)
    with torch.no_grad():
        one = model.read(torch.cat([first, second], 1), running)
        other = model.read(torch.cat([second, first], 1), running)
        assert (one - other).abs().max() > 1e-3
        nothing = torch.zeros(1, 5 * CHUNK, dtype=torch.bool)
        mask = torch.cat([nothing, torch.ones(1, 2 * CHUNK, dtype=torch.bool)], 1)
        late = model.read(torch.cat([tokens(1, 5 * CHUNK, 3), first, second], 1), running, context_mask=mask)
    close(one, late)


def test_what_did_not_arrive_is_not_kept():
    model, running, context = made(alike="mean"), tokens(2, 3), tokens(2, 2 * CHUNK)
    mask = torch.rand(context.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    other = torch.where(mask, context, (context + 1) % VOCABULARY)
    with torch.no_grad():
        close(model.read(context, running, context_mask=mask), model.read(other, running, context_mask=mask))
        nothing = torch.zeros_like(mask)
        close(model.read(context, running, context_mask=nothing), model.read(context[:, :0], running))


def test_a_coin_is_the_same_wherever_a_chunk_turns_up_and_fair():
    tree = ContextTree(16, 3, 1, "random", seed=5)
    chunks = torch.randint(100, (4000, 16), generator=torch.Generator().manual_seed(0))
    coins = tree.coins(chunks)
    assert torch.equal(tree.coins(chunks.flip(0)).flip(0), coins)
    # Four standard errors of a fair coin thrown 4,000 times; two levels must agree half the time as well.
    both = (coins[:, 0] == coins[:, 1]).double().mean()
    assert abs(torch.stack([*coins.double().mean(0), both]) - 0.5).max() < 4 * 0.5 / 4000**0.5
    assert not torch.equal(ContextTree(16, 3, 1, "random", seed=6).coins(chunks), coins)


def test_the_place_at_which_a_query_is_taken_decides():
    model, context, running = made(alike="max"), tokens(2, 6 * CHUNK), tokens(2, 6, 1)
    with torch.no_grad():
        first = model.read(context, running, query_at=0)
        close(first, model.read(context, running, query=model.query_of(running[:, :1])))
        close(first, model.read(context, running, query_at=torch.tensor([0, -6])))
        assert (first - model.read(context, running)).abs().max() > 1e-3


def test_an_alignment_loss_teaches_the_model_to_choose():
    model = made(chunk=16, depth=3)
    place = torch.arange(16).repeat(4)
    context = tokens(64, 16, 5).clamp(max=9)
    context[torch.arange(64), place] = 10
    question = torch.full((64, 1), 10)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        loss = alignment_loss(model, context, model.query_of(question), place)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = paths(model, context, model.query_of(question))[:, 0]
    wanted = torch.stack([place // 8 % 2 == 1, place // 4 % 2 == 1], 1)
    assert (right == wanted).all(1).double().mean() > 0.9


# Cost ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES[:4])
def test_memory_grows_by_one_entry_for_as_many_tokens_as_the_ratio_says(choice):
    model = made(chunk=32, depth=3, kept=1, choice=choice)
    old = Transformer(DIM, 2, 2).double()
    assert model.tree.ratio == 8.0
    with torch.no_grad():
        kept = [model(tokens(2, 32 * n))[1].nbytes() for n in range(6)]
        whole = [old(torch.zeros(2, 32 * n, DIM).double())[1].nbytes() for n in range(6)]
    constant = 2 * DIM * 8
    assert [(bytes_ - constant) * 8 for bytes_ in kept] == whole


def test_positions_that_the_lower_model_reads_are_linear_in_chunks():
    model = made(chunk=32, depth=3, inject=3)
    counted = [0, 0]

    def count(number):
        def hook(module, inputs, output):
            counted[number] += inputs[0].shape[0] * inputs[0].shape[1]

        return hook

    for number in range(2):
        model.lower.layers[number].up.register_forward_hook(count(number))
    for chunks in (1, 2, 4, 8):
        counted[:] = [0, 0]
        model.read(tokens(3, 32 * chunks), tokens(3, 2))
        # The first layer reads 32 + 16 tokens to choose and 32 to encode; the others encode only.
        assert counted == [3 * chunks * 80, 3 * chunks * 32]


@torch.no_grad()
def test_no_rows_and_no_chunks_are_read_and_kept_without_complaint():
    model, query = made(), torch.zeros(0, DIM).double()
    assert model.read(tokens(0, 2 * CHUNK), tokens(0, 3)).shape == (0, 3, VOCABULARY)
    assert model.query_of(tokens(0, 3)).shape == (0, DIM)
    assert paths(model, tokens(0, 2 * CHUNK), query).shape == (0, 2, 1)
    assert paths(model, tokens(2, 0), torch.zeros(2, DIM).double()).shape == (2, 0, 1)
    state, text = model.condense(tokens(0, 2 * CHUNK), query).append(2), tokens(2, 2 * CHUNK + 3)
    close(model(text, state)[0], model(text)[0])


# What cannot be -----------------------------------------------------------------------------------------------------


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
