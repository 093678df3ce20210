"""HGRN: bounds that rise, a state that holds and streams, two numbers a channel, and encoders that read both ways."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from v2xsim.claims.memory import shown
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_both_ways import HgrnEncoder
from v2xsim.gpu.sequence.hgrn_layer import Variant, lower_bounds
from v2xsim.gpu.sequence.turning import elapsed, turned, turns

DIM, LAYERS = 12, 3
VARIANTS = {
    "as published": {},
    "gate before norm": {"variant": Variant(norm_gate="paper")},
    "bounds as flash-linear-attention": {"variant": Variant(bounds="inclusive")},
    "no bounds": {"variant": Variant(bounds="none")},
    "constant forgetting": {"variant": Variant(forget="constant")},
    "real": {"variant": Variant(complex_state=False)},
    "chunked": {"method": "chunked"},
}
every_variant = pytest.mark.parametrize("said", VARIANTS.values(), ids=VARIANTS)


def loud(model, dtype=torch.float64, seed=0):
    """Return the model with weights so large that every part of it matters."""
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.to(dtype).parameters():
            weight.add_(0.4 * torch.randn(weight.shape, generator=draws, dtype=torch.float64).to(dtype))
    return model.eval()


def drawn(*shape, seed=1, dtype=torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def gaps(*shape, seed=2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.3


def ticks(*shape, seed=3, dtype=torch.float64) -> Tensor:
    return 2.0 * torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def farthest(one: Tensor, other: Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).detach().abs().max()) if one.numel() else 0.0


# Bounds -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    layers=st.integers(1, 40), kind=st.sampled_from(["exclusive", "inclusive"]), seed=st.integers(0, 1000),
    size=st.sampled_from([0.0, 1.0, 30.0, 1e4, 1e30]),
)  # fmt: skip
def test_bounds_are_zero_at_the_first_layer_rise_strictly_and_stay_below_one_whatever_the_weights(
    layers, kind, seed, size
):
    bounds = lower_bounds(size * drawn(layers, 4, seed=seed, dtype=torch.float32), kind)
    assert bounds.dtype == torch.float32
    assert (bounds[0] == 0.0).all()
    assert (bounds[1:] > bounds[:-1]).all()
    assert (bounds < 1.0).all()


def test_bounds_are_the_softmax_of_the_layers_below_summed_up():
    weight, room = drawn(5, 2), 5 * 2.0**-16
    share = weight.softmax(0)
    assert farthest(lower_bounds(weight, "exclusive"), share.cumsum(0) - share) < room
    assert farthest(lower_bounds(weight, "inclusive"), share.cumsum(0) - share[0]) < room
    assert (lower_bounds(weight, "none") == 0.0).all()


def test_no_layer_keeps_less_than_its_bound_whatever_it_reads():
    model = loud(Hgrn(DIM, LAYERS))
    bounds = model.lower_bounds()
    for bound, layer in zip(bounds, model.layers, strict=True):
        keep, _, _ = layer.mixer.gates(1e3 * drawn(2, 50, DIM), bound, None, None)
        assert (keep >= bound - 1e-15).all()
        assert (keep <= 1.0).all()
    assert bounds[-1].min() > 0.1


# Streams ----------------------------------------------------------------------------------------------------------------


@every_variant
@pytest.mark.parametrize(
    ("dtype", "limit", "uneven"),
    [(torch.float64, 1e-10, False), (torch.float64, 1e-10, True), (torch.float32, 1e-5, True)],
    ids=["64 bits", "64 bits, masked, uneven", "32 bits, masked, uneven"],
)
def test_splitting_a_sequence_anywhere_changes_nothing(said, dtype, limit, uneven):
    model, x = loud(Hgrn(DIM, LAYERS, **said), dtype), drawn(2, 90, DIM, dtype=dtype)
    mask, dt = (gaps(2, 90), ticks(2, 90, dtype=dtype)) if uneven else (None, None)
    with torch.no_grad():
        whole, end = model(x, None, mask, dt)
        for cuts in ([0, 0, 1, 1, 2, 66], list(range(40, 60))):
            state, found = None, []
            for first, last in zip([0, *cuts], [*cuts, 90], strict=True):
                part = slice(first, last)
                y, state = model(
                    x[:, part], state, None if mask is None else mask[:, part], None if dt is None else dt[:, part]
                )
                state = model.load_state(state.state_dict())
                found.append(y)
            kept = end.memory("hidden")
            assert farthest(torch.cat(found, 1), whole) <= limit * float(whole.abs().max())
            assert farthest(state.memory("hidden"), kept) <= limit * float(kept.abs().max())
            assert state.seen.tolist() == [90, 90]


class _Agent:
    """What one row reads, how far it is, and what was made of it."""

    def __init__(self, seed):
        self.stream, self.at, self.made = drawn(80, DIM, seed=seed), 0, [torch.zeros(0, DIM, dtype=torch.float64)]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(["read", "join", "leave", "swap", "keep"]), st.integers(0, 6)), max_size=12))
def test_agents_that_come_go_and_change_places_get_what_each_gets_alone(events):
    model, agents = loud(Hgrn(DIM, LAYERS)), [_Agent(0)]
    with torch.no_grad():
        state = model.init_state(1)
        for number, (event, amount) in enumerate(events):
            if event == "read":
                y, state = model(torch.stack([a.stream[a.at : a.at + amount] for a in agents]), state)
                for agent, made in zip(agents, y, strict=True):
                    agent.made.append(made)
                    agent.at += amount
            elif event == "join":
                state, agents = state.append(1), [*agents, _Agent(number + 1)]
            elif event == "leave" and len(agents) > 1:
                rows = [row for row in range(len(agents)) if row != amount % len(agents)]
                state, agents = state.select(rows), [agents[row] for row in rows]
            elif event == "swap":
                rows = [(row + amount) % len(agents) for row in range(len(agents))]
                state, agents = state.reorder(rows), [agents[row] for row in rows]
            else:
                state = model.load_state(state.state_dict())
        for row, agent in enumerate(agents):
            alone, end = model(agent.stream[None, : agent.at])
            assert farthest(torch.cat(agent.made), alone[0]) <= 1e-10
            assert farthest(state.memory("hidden")[row], end.memory("hidden")[0]) <= 1e-10


@every_variant
def test_gradients_through_a_carried_state_are_those_of_the_whole(said):
    model, x, mask, dt = loud(Hgrn(DIM, LAYERS, **said)), drawn(2, 40, DIM), gaps(2, 40), ticks(2, 40)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    expected = torch.autograd.grad(model(x, None, mask, dt)[0].square().sum(), weights)
    state, loss = None, torch.zeros(())
    for first, last in ((0, 1), (1, 20), (20, 20), (20, 40)):
        y, state = model(x[:, first:last], state, mask[:, first:last], dt[:, first:last])
        loss = loss + y.square().sum()
    for one, other in zip(torch.autograd.grad(loss, weights), expected, strict=True):
        assert farthest(one, other) <= 1e-10 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("time", [0, 1, 7, 1000])
def test_a_state_is_two_numbers_a_channel_and_layer_at_any_length(time):
    _, state = Hgrn(DIM, LAYERS)(torch.zeros(5, time, DIM))
    assert state.nbytes() == LAYERS * 2 * DIM * 4 * 5


def test_turns_are_exact_after_a_million_positions():
    """In 32 bits, the fastest channel would be off by up to 0.06 radians."""
    passed = torch.tensor([[1_000_000.25]], dtype=torch.float64)
    cos, sin = turns(torch.ones(1, dtype=torch.float32), passed, torch.float32)
    assert math.hypot(float(cos) - math.cos(1_000_000.25), float(sin) - math.sin(1_000_000.25)) < 1e-6


def test_gradients_of_turning_are_its_derivatives():
    x, rate, passed = drawn(2, 3, 2, 4), drawn(4, seed=5), elapsed(3, gaps(2, 3), ticks(2, 3), torch.device("cpu"))
    for back in (False, True):
        assert torch.autograd.gradcheck(
            lambda x, rate, back=back: turned(x, turns(rate, passed, torch.float64), back),
            (x.requires_grad_(), rate.requires_grad_()),
        )


# Gaps and time ----------------------------------------------------------------------------------------------------------


@every_variant
def test_what_did_not_arrive_leaves_the_state_as_if_it_had_never_been(said):
    """Nothing decays and nothing turns: only the count of positions goes on."""
    model, x, mask, dt = loud(Hgrn(DIM, LAYERS, **said)), drawn(1, 60, DIM), gaps(1, 60), ticks(1, 60)
    mask[:, -1] = False
    with torch.no_grad():
        y, held = model(x, None, mask, dt)
        short, never = model(x[mask][None], None, None, dt[mask][None])
    assert farthest(held.memory("hidden"), never.memory("hidden")) <= 1e-12
    assert farthest(y[mask], short[0]) <= 1e-12
    assert held.seen.tolist() == [60]
    assert never.seen.tolist() == [int(mask.sum())]


def test_one_held_position_changes_no_bit_of_the_state():
    model = loud(Hgrn(DIM, LAYERS), torch.float32)
    _, state = model(drawn(2, 9, DIM, dtype=torch.float32))
    _, after = model.step(torch.full((2, DIM), 1e9), state, torch.tensor([True, False]))
    assert (after.memory("hidden")[1] == state.memory("hidden")[1]).all()
    assert farthest(after.memory("hidden")[0], state.memory("hidden")[0]) > 1e-3


@every_variant
def test_a_step_of_one_is_a_step(said):
    model, x = loud(Hgrn(DIM, LAYERS, **said)), drawn(2, 30, DIM)
    assert farthest(model(x, None, None, 1.0)[0], model(x)[0]) <= 1e-12


def test_a_step_taken_in_parts_with_the_same_input_is_the_step():
    """In one layer without turns; where layers follow each other, the upper ones would see more than one input."""
    model, x = loud(Hgrn(DIM, 1, variant=Variant(complex_state=False))), drawn(2, 1, DIM)
    _, begun = model(drawn(2, 5, DIM, seed=8))
    _, whole = model(x, begun, None, 2.5)
    _, parts = model(x.expand(2, 3, DIM), begun, None, torch.tensor([[0.7, 1.3, 0.5]] * 2, dtype=torch.float64))
    assert farthest(parts.memory("hidden"), whole.memory("hidden")) <= 1e-12


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_gradients_are_finite_for_steps_of_no_and_of_great_length_even_where_gates_are_shut(size):
    model = loud(Hgrn(DIM, LAYERS), torch.float32)
    with torch.no_grad():
        for layer in model.layers:
            layer.mixer.maps.bias.mul_(size)
    x = drawn(2, 8, DIM, dtype=torch.float32).requires_grad_()
    dt = torch.tensor([0.0, 1e-6, 0.5, 1.0, 3.0, 1e4, 0.0, 1.0]).expand(2, 8)
    model(x, None, None, dt)[0].square().sum().backward()
    for value in (x.grad, *(weight.grad for weight in model.parameters())):
        assert torch.isfinite(value).all()


# Precision --------------------------------------------------------------------------------------------------------------


def test_under_autocast_states_stay_in_32_bits_and_close_to_those_of_32_bits():
    model, x = loud(Hgrn(DIM, LAYERS), torch.float32), drawn(2, 200, DIM, dtype=torch.float32)
    _, exact = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        _, state = model(x)
    found, expected = state.memory("hidden"), exact.memory("hidden")
    assert found.dtype == torch.float32
    assert farthest(found, expected) <= 0.1 * float(expected.detach().abs().max())


def test_a_model_in_16_bits_keeps_its_state_in_32():
    model = Hgrn(DIM, LAYERS).bfloat16()
    y, state = model(drawn(2, 5, DIM).bfloat16())
    assert y.dtype == torch.bfloat16
    assert state.memory("hidden").dtype == torch.float32
    assert state.nbytes() == LAYERS * 2 * DIM * 4 * 2


# Both ways --------------------------------------------------------------------------------------------------------------


def test_an_encoder_knows_what_lies_behind_and_a_stream_does_not():
    x = drawn(1, 9, DIM)
    later = x.clone()
    later[:, -1, 0] += 1.0
    encoder, stream = loud(HgrnEncoder(DIM, 2)), loud(Hgrn(DIM, 2))
    assert farthest(encoder(later)[:, 0], encoder(x)[:, 0]) > 1e-6
    assert farthest(stream(later)[0][:, :-1], stream(x)[0][:, :-1]) == 0.0


def test_an_encoder_with_shared_turns_reads_a_sequence_backwards_as_forwards():
    encoder, x, mask = loud(HgrnEncoder(DIM, 2)), drawn(2, 9, DIM), gaps(2, 9)
    assert farthest(encoder(x.flip(1), mask.flip(1)).flip(1), encoder(x, mask)) <= 1e-12
    apart = loud(HgrnEncoder(DIM, 2, shared_turns=False))
    assert farthest(apart(x.flip(1)).flip(1), apart(x)) > 1e-3


def test_an_encoder_of_one_layer_adds_the_states_of_two_streams():
    encoder, x = loud(HgrnEncoder(DIM, 1)), drawn(2, 9, DIM)
    layer, bound = encoder.layers[0], lower_bounds(encoder.bound_weight, "exclusive")[0]
    turn = torch.polar(torch.ones(DIM, dtype=torch.float64), encoder.turn_rad[0, 0].detach())
    keep, entry, gate = layer.mixer.gates(layer.norm(x), bound, None, None)
    states = []
    for ahead in (True, False):
        h, found = torch.zeros(2, DIM, dtype=torch.complex128), []
        for t in range(9) if ahead else reversed(range(9)):
            h = keep[:, t] * turn * h + torch.complex(entry[:, t, 0], entry[:, t, 1])
            found.append(torch.stack([h.real, h.imag], 1))
        states.append(torch.stack(found if ahead else found[::-1], 1))
    expected = encoder.norm(layer.added(x, layer.mixer.read(states[0] + states[1], gate, x.dtype)))
    assert farthest(encoder(x), expected) <= 1e-12


def test_an_encoder_of_images_takes_rows_and_columns_alike():
    encoder, x, mask = loud(HgrnEncoder(DIM, 2, axes=2)), drawn(2, 4, 6, DIM), gaps(2, 4, 6)
    found = encoder(x, mask)
    assert farthest(encoder(x.transpose(1, 2), mask.transpose(1, 2)).transpose(1, 2), found) <= 1e-12
    assert farthest(encoder(x.flip(2), mask.flip(2)).flip(2), found) <= 1e-12
    changed = x.clone()
    changed[0, 0, 0, 0] += 1.0
    assert farthest(encoder(changed)[0, 3, 5], encoder(x)[0, 3, 5]) > 1e-9


def test_places_where_nothing_is_change_nothing_anywhere_else():
    encoder, x, mask = loud(HgrnEncoder(DIM, 2)), drawn(1, 12, DIM), gaps(1, 12)
    assert farthest(encoder(x, mask), encoder(torch.where(mask[..., None], x, 1e6), mask)) == 0.0
    assert farthest(encoder(x, mask)[mask], encoder(x[mask][None])[0]) <= 1e-12


def test_an_encoder_learns_with_all_its_weights():
    encoder = loud(HgrnEncoder(DIM, 2, axes=2, shared_turns=False))
    (encoder(drawn(2, 3, 4, DIM)) * drawn(2, 3, 4, DIM, seed=9)).sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())


# What it is judged on, and errors ---------------------------------------------------------------------------------------


def test_the_memory_task_asks_for_the_sign_last_shown_and_not_before_the_fourth_position_after_it():
    tokens, answers = shown(np.random.default_rng(3), 20)
    for row, asked in zip(tokens.tolist(), answers.tolist(), strict=True):
        for at, answer in enumerate(asked):
            if answer >= 0:
                last = max((t for t in range(at) if row[t] >= 2), default=None)
                assert last is None or (row[last] - 2 == answer and at - last > 4)
    assert (answers >= 0).float().mean() > 0.3


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: Hgrn(0, 2), "dim must be a whole number of at least 1, got 0"),
        (lambda: Variant(bounds="upper"), "one of exclusive, inclusive, none; got 'upper'"),
        (lambda: Variant(forget="never"), "one of data, constant; got 'never'"),
        (lambda: Variant(norm_gate="fla"), "one of code, paper; got 'fla'"),
        (lambda: Hgrn(4, 2, method="fast"), "one of auto, sequential"),
        (lambda: Hgrn(4, 2)(torch.zeros(1, 3, 4), Hgrn(4, 3).init_state(1)), "made by Hgrn.dim 4, layers 3"),
        (
            lambda: Hgrn(4, 2)(torch.zeros(1, 3, 4), Hgrn(4, 2, variant=Variant(bounds="none")).init_state(1)),
            "bounds none",
        ),
        (lambda: Hgrn(4, 2)(torch.zeros(1, 3, 4))[1].crop(2), "cannot be cropped"),
        (lambda: HgrnEncoder(4, 2, axes=3), "axes must be 1 .* or 2"),
        (lambda: HgrnEncoder(4, 2)(torch.zeros(1, 3, 4), None, Hgrn(4, 2).init_state(1)), "use Hgrn for streams"),
        (lambda: HgrnEncoder(4, 2)(torch.zeros(1, 3, 5)), r"shape \(batch, time, 4\), got \(1, 3, 5\)"),
        (lambda: HgrnEncoder(4, 2, axes=2)(torch.zeros(1, 3, 4)), r"shape \(batch, rows, columns, 4\)"),
        (lambda: HgrnEncoder(4, 2)(torch.zeros(1, 3, 4).double()), "convert with x.to"),
        (lambda: HgrnEncoder(4, 2)(torch.zeros(1, 3, 4), torch.ones(1, 3)), "mask must be booleans"),
        (
            lambda: HgrnEncoder(4, 2)(torch.zeros(1, 2, 4), [[True, True]]),
            "a tensor of booleans, got list; use torch.as",
        ),
        (lambda: HgrnEncoder(4, 2)(torch.full((1, 3, 4), math.nan)), "mask what is not there"),
    ],
)
def test_what_does_not_fit_is_refused(act, says):
    with pytest.raises(UserError, match=says):
        act()
