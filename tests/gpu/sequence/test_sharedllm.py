"""SharedLLM: a stream may be cut anywhere, without injection it is a plain model, and what it costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gpu.sequence.shared_models import CHOICES, CHUNK, DIM, VOCABULARY, close, made, plain, tokens
from v2xsim.gpu.sequence.sharedllm_choice import paths
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer


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
