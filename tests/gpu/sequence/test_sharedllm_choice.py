"""SharedLLM: what is kept of the past, for which query, and how a model learns to choose."""

import torch

from tests.gpu.sequence.shared_models import CHUNK, DIM, VOCABULARY, close, made, tokens, told_apart
from v2xsim.gpu.sequence.rotary import turned, turns
from v2xsim.gpu.sequence.sharedllm_choice import alignment_loss, paths
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree


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
