"""What every registered model owes whoever streams with it: each test here runs for all of them."""

import random
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from tests.gpu.sequence.every_model import CONSTANT, DIM, HEADS, LAYERS, VOCABULARY, close, every_model, loud, tokens
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.checkpoint import load_model, save_model
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.models import MODELS, build, options_of
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import next_token_loss


class Agent:
    """One row of a batch: what it reads, and what was made of it."""

    def __init__(self, number, gaps):
        self.tokens = tokens(1, 80, seed=number)[0]
        there = torch.rand(80, generator=torch.Generator().manual_seed(number)) > 0.3
        self.mask = there if gaps else torch.ones_like(there)
        self.made = []
        self.read = 0

    def copy(self):
        twin = Agent.__new__(Agent)
        twin.tokens, twin.mask, twin.made, twin.read = self.tokens, self.mask, list(self.made), self.read
        return twin

    def piece(self, count):
        begin, self.read = self.read, self.read + count
        return self.tokens[begin : self.read], self.mask[begin : self.read]


def played(model, seed, gaps, turns=14):
    """Return agents after a random play: they come, leave, change places and are kept in files; pieces are of any length."""
    dice, number = random.Random(seed), 2
    agents, state = [Agent(1, gaps), Agent(2, gaps)], None
    for _ in range(turns):
        act = dice.choice(["select", "reorder", "append", "merge", "dict", "file", "detach", "none", "none"])
        if state is not None and act == "select":
            rows = [dice.randrange(len(agents)) for _ in range(dice.randint(1, 3))]
            state, agents = state.select(rows), [agents[row].copy() for row in rows]
        elif state is not None and act == "reorder":
            rows = dice.sample(range(len(agents)), len(agents))
            state, agents = state.reorder(rows), [agents[row] for row in rows]
        elif state is not None and act == "append" and len(agents) < 5:
            number += 1
            state, agents = state.append(1), [*agents, Agent(number, gaps)]
        elif state is not None and act == "merge" and len(agents) < 5:
            number += 1
            guest = Agent(number, gaps)
            ids, mask = guest.piece(dice.randint(1, 9))
            y, other = model(ids[None], None, mask[None])
            guest.made.append(y[0])
            state, agents = state.append(other), [*agents, guest]
        elif state is not None and act == "dict":
            state = model.load_state(state.state_dict())
        elif state is not None and act == "file":
            state = model.load_state(safetensors.torch.load(safetensors.torch.save(state.state_dict())))
        elif state is not None and act == "detach":
            state = state.detach()
        pieces = [agent.piece(count) for count in [dice.choice([0, 1, 1, 2, 3, 5])] for agent in agents]
        ids, mask = (torch.stack(part) for part in zip(*pieces, strict=True))
        y, state = model(ids, state, mask if gaps else None)
        for agent, made in zip(agents, y, strict=True):
            agent.made.append(made)
    assert state.seen.tolist() == [agent.read for agent in agents]
    return agents


@every_model
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@torch.no_grad()
def test_whatever_happens_around_an_agent_it_gets_what_it_gets_alone_and_at_once(name, options, gaps):
    model = loud(name, options)
    for seed in range(2 if gaps else 1):
        for agent in played(model, seed, gaps):
            if agent.read:
                whole, _ = model(agent.tokens[None, : agent.read], None, agent.mask[None, : agent.read])
                close(torch.cat(agent.made), whole[0])


@every_model
@torch.no_grad()
def test_splitting_changes_nothing_in_single_precision(name, options):
    model, ids, dice = loud(name, options, dtype=torch.float32), tokens(3, 32), random.Random(3)
    whole, _ = model(ids)
    state, made, begin = None, [], 0
    while begin < 32:
        end = min(32, begin + dice.choice([0, 1, 1, 2, 3, 7]))
        y, state = model(ids[:, begin:end], state)
        made.append(y)
        begin = end
    close(torch.cat(made, 1), whole, 1e-5 * float(whole.abs().max()))


@every_model
@torch.no_grad()
def test_an_answer_hangs_on_the_far_past_and_never_on_the_future(name, options):
    """Also shows that these weights let the tests above see an entry too many or too few."""
    model, ids = loud(name, options), tokens(2, 12)
    changed = ids.clone()
    changed[:, 4] = (changed[:, 4] + 1) % VOCABULARY
    before, after = model(ids)[0], model(changed)[0]
    close(after[:, :4], before[:, :4])
    assert float((after[:, -1] - before[:, -1]).abs().min(1).values.max()) > 1e-6
    assert float((after[:, 4:] - before[:, 4:]).abs().max()) > 0.05


@every_model
@torch.no_grad()
def test_generating_with_a_state_gives_what_reading_all_again_gives(name, options):
    model = loud(name, options)
    for length in (1, 4, 7):
        prompt, ids = tokens(2, length, seed=length), tokens(2, length, seed=length)
        made, _ = generate(model, prompt, 6)
        for _ in range(6):
            state = model.init_state(2)
            if "prompt" in state.notes:
                state = replace(state, notes={**state.notes, "prompt": length})
            ids = torch.cat([ids, model(ids, state)[0][:, -1:].argmax(-1)], 1)
        assert torch.equal(made, ids[:, length:])


@every_model
@torch.no_grad()
def test_rows_that_are_added_start_fresh_and_leave_the_others_as_they_were(name, options):
    model, ids, new = loud(name, options), tokens(2, 20), tokens(2, 13, seed=1)
    _, state = model(ids[:, :7])
    alone, _ = model(ids[:, 7:], state)
    together, _ = model(torch.cat([ids[:, 7:], new]), state.append(2))
    close(together[:2], alone)
    close(together[2:], model(new)[0])


@every_model
@torch.no_grad()
def test_a_state_is_a_value_and_its_futures_do_not_write_over_each_other(name, options):
    model, ids = loud(name, options), tokens(2, 16)
    _, root = model(ids[:, :6], model.init_state(2, room=30))
    _, first = model(ids[:, 6:12], root)
    for seed in (1, 2):
        model(tokens(2, 10, seed), root)
    whole, _ = model(ids)
    close(model(ids[:, 12:], first)[0], whole[:, 12:])
    close(model(ids[:, 6:], root)[0], whole[:, 6:])


@pytest.mark.parametrize("name", CONSTANT)
@torch.no_grad()
def test_where_nothing_arrived_a_recurrent_state_is_held(name):
    model, ids = loud(name, {}), tokens(2, 12)
    there = torch.tensor([True, False, False, True, True, False, True, True, False, True, False, False]).expand(2, -1)
    found, state = model(ids, None, there)
    expected, after = model(ids[:, there[0]])
    close(found[:, there[0]], expected)
    close(state.memory("hidden"), after.memory("hidden"))


@every_model
def test_gradients_flow_through_a_state_until_it_is_detached(name, options):
    model = loud(name, options)
    # A whole number of blocks and chunks, so that no token of the first piece is looked up again.
    early, late = tokens(2, 24) % 5, 5 + tokens(2, 2, seed=1) % 6
    lookups = [p for n, p in model.named_parameters() if p.shape[:1] == (VOCABULARY,) and "head" not in n]
    for cut, flows in ((False, True), (True, False)):
        _, state = model(early)
        y, _ = model(late, state.detach() if cut else state)
        rows = torch.autograd.grad(y.square().sum(), lookups, allow_unused=True)
        found = sum(float(row[:5].abs().sum()) for row in rows if row is not None)
        assert (found > 1e-6) == flows


@every_model
@torch.no_grad()
def test_a_state_goes_into_another_precision_and_onto_another_device(name, options):
    model, ids = loud(name, options), tokens(2, 20)
    expected, _ = model(ids)
    _, state = model(ids[:, :11])
    single = state.to("cpu", torch.float32)
    found, _ = model.float()(ids[:, 11:], single)
    assert found.dtype == torch.float32
    close(found.double(), expected[:, 11:], 2e-4 * float(expected.abs().max()))
    assert single.nbytes() * 2 == state.nbytes()
    assert state.to("meta").device == torch.device("meta")
    assert all(tensor.is_floating_point() is False or tensor.dtype in (torch.float32, torch.float64)
               for tensor in single.state_dict().values())  # fmt: skip


@every_model
@torch.no_grad()
def test_bytes_of_a_state_grow_with_rows_and_with_what_is_kept(name, options):
    model = loud(name, options)
    sizes = [model(tokens(2, time))[1].nbytes() for time in (8, 16, 32, 64)]
    assert sizes == sorted(sizes)
    if name in CONSTANT:
        assert sizes[0] == sizes[-1] == model.init_state(2).nbytes() > 0
    else:
        assert model.init_state(2).nbytes() < sizes[0]
    if name == "transformer" and not options:
        assert sizes == [2 * 2 * LAYERS * time * DIM * 8 for time in (8, 16, 32, 64)]
    _, state = model(tokens(2, 19))
    assert state.select([1]).nbytes() * 2 == state.nbytes() == state.select([0, 1]).nbytes()
    assert state.append(state).nbytes() == 2 * state.nbytes()


@every_model
@torch.no_grad()
def test_cropping_gives_the_earlier_state_or_says_that_it_cannot(name, options):
    model, ids = loud(name, options), tokens(2, 24)
    _, state = model(ids)
    could, refused = [], []
    for count in (0, 5, 16, 23):
        try:
            found = state.crop(count)
        except UserError as error:
            refused.append(str(error))
            continue
        could.append(count)
        assert found.seen.tolist() == [count, count]
        earlier = model(ids[:, :count])[1]
        close(model(tokens(2, 9, 3), found)[0], model(tokens(2, 9, 3), earlier)[0])
    assert state.crop(24).seen.tolist() == [24, 24]
    assert all("cropped" in said and "keep an earlier state" in said for said in refused)
    if name in ("transformer", "kv_sharing") and "windows" not in options:
        assert could == [0, 5, 16, 23]


@every_model
def test_a_loss_is_the_cross_entropy_of_the_answers_and_reaches_every_weight(name, options):
    model, ids = loud(name, options), tokens(3, 30)
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, 9:14], mask[2, 20:] = False, False
    found = model.loss(ids, mask)
    close(found, next_token_loss(model(ids, None, mask)[0], ids, mask), 1e-6)
    model.train()
    losses = [model.loss(ids, mask, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(*losses)
    losses[0].backward()
    silent = [
        n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not bool(p.grad.abs().sum()))
    ]
    assert silent == []


@every_model
def test_matrix_products_in_half_precision_change_a_loss_by_little(name, options):
    """As a GPU trains; here the CPU stands in for it."""
    model, ids = loud(name, options, dtype=torch.float32).train(), tokens(3, 30)
    expected = model.loss(ids, None, torch.Generator().manual_seed(4))
    with torch.autocast("cpu", torch.bfloat16):
        found = model.loss(ids, None, torch.Generator().manual_seed(4))
    found.backward()
    assert found.dtype == torch.float32
    close(found, expected, 0.05)
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


@every_model
@torch.no_grad()
def test_what_stands_where_nothing_arrived_is_not_looked_at(name, options):
    model, ids = loud(name, options), tokens(2, 20)
    mask = torch.rand(2, 20, generator=torch.Generator().manual_seed(1)) > 0.4
    garbled = torch.where(mask, ids, -999)
    close(model(garbled, None, mask)[0], model(ids, None, mask)[0], 0.0)


@every_model
@torch.no_grad()
def test_nothing_in_gives_nothing_out(name, options):
    model = loud(name, options)
    _, state = model(tokens(2, 5))
    y, same = model(tokens(2, 0), state)
    assert y.shape == (2, 0, VOCABULARY)
    assert same.seen.tolist() == [5, 5]
    y, none = model(tokens(0, 4))
    assert y.shape == (0, 4, VOCABULARY)
    assert none.batch == 0
    assert state.select([]).append(2).seen.tolist() == [0, 0]


@every_model
@torch.no_grad()
def test_a_model_comes_back_from_a_folder_with_the_same_answers(name, options, tmp_path):
    model, ids = loud(name, options), tokens(2, 20)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    assert again.signature == model.signature
    assert torch.equal(again(ids)[0], model(ids)[0])
    _, state = model(ids)
    assert again.load_state(state.state_dict()).seen.tolist() == [20, 20]


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    first, second, third = (build(name, VOCABULARY, DIM, LAYERS, HEADS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), third.parameters(), strict=True))
    assert isinstance(first.init_state(1), State)
    assert "tied" in options_of(name)
