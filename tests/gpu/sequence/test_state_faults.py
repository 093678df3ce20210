"""States that are told something wrong, damaged, or shared: each was once taken silently."""

import math

import pytest
import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.models import MODELS, build
from v2xsim.gpu.sequence.tokens import next_token_loss
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.windows import Windows

every_model = pytest.mark.parametrize("name", MODELS)
# So that a few tokens complete a chunk, and so that keys of a layer above are looked at before any are added.
every_way = pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in MODELS), ("shared", {"chunk": 4, "depth": 1}), ("kv_sharing", {"kv_map": "3_3_3_3"})],
)


def made(name, **options):
    return build(name, 11, 16, 4, 2, seed=1, **options).double().eval()


def ids(batch, time, seed=0):
    return torch.randint(11, (batch, time), generator=torch.Generator().manual_seed(seed))


@every_model
@pytest.mark.parametrize("learning", [False, True])
def test_a_detached_copy_and_the_state_it_came_from_go_on_without_writing_over_each_other(name, learning):
    model, text = made(name), ids(2, 12)
    with torch.no_grad():
        whole = model(text)[0]
    with torch.set_grad_enabled(learning):
        _, root = model(text[:, :6], model.init_state(2, room=30))
    copy = root.detach()
    with torch.no_grad():
        _, first = model(text[:, 6:9], root)
        model(ids(2, 5, seed=3), copy)
        assert float((model(text[:, 9:], first)[0] - whole[:, 9:]).abs().max()) < 1e-10


@torch.no_grad()
def test_a_window_that_has_dropped_what_is_needed_cannot_be_cropped_though_nothing_arrived_at_its_oldest_place():
    body = Transformer(16, 2, 2, windows=4).double().eval()
    x, mask = torch.randn(1, 12, 16, dtype=torch.float64), torch.ones(1, 12, dtype=torch.bool)
    mask[0, 8] = False
    _, state = body(x[:, :11], None, mask[:, :11])
    _, state = body(x[:, 11:], state, mask[:, 11:])
    for count in (8, 9, 10):
        with pytest.raises(UserError, match="has dropped what came before"):
            state.crop(count)


@every_model
@torch.no_grad()
def test_small_whole_numbers_are_rows_and_not_a_mask(name):
    model = made(name)
    _, state = model(ids(3, 6))
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32):
        assert state.select(torch.tensor([0, 0, 2], dtype=dtype)).batch == 3
        turned = state.reorder(torch.tensor([2, 1, 0], dtype=dtype))
        assert float((model(ids(3, 2), turned)[0] - model(ids(3, 2), state.select([2, 1, 0]))[0]).abs().max()) == 0.0


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.reorder([True, False, True]), "reorder: one row must be named by its number"),
        (lambda s: s.select(None), "select: rows must be whole numbers from 0 to 2, got None"),
        (lambda s: s.select("ab"), "select: rows must be whole numbers"),
        (lambda s: s.select([0.5]), "select: rows must be whole numbers"),
        (lambda s: s.select(torch.tensor([1j])), "select: rows must be whole numbers"),
        (lambda s: s.append(1.5), "append: give a State, or how many fresh rows"),
        (lambda s: s.append(None), "append: give a State"),
        (lambda s: s.crop(1.5), "crop: the number of positions must be a whole number"),
        (lambda s: s.crop(math.nan), "crop: the number of positions must be a whole number"),
        (lambda s: s.crop(10**40), "crop: the number of positions must be a whole number"),
    ],
)
@torch.no_grad()
def test_what_names_no_rows_and_no_positions_is_refused(call, words):
    _, state = made("transformer")(ids(3, 6))
    with pytest.raises(UserError, match=words):
        call(state)


@pytest.mark.passes_wrong_types
@every_model
@torch.no_grad()
def test_a_state_that_lacks_something_is_refused(name):
    model = made(name)
    _, state = model(ids(2, 6), None, torch.arange(12).view(2, 6) % 5 > 0)
    whole = state.state_dict()
    for key in whole:
        if key.endswith((".keys", ".numbers", ".index")) or key in ("seen", "clock", "head"):
            with pytest.raises(UserError, match="no complete state"):
                model.load_state({other: value for other, value in whole.items() if other != key})
    slot = next(key.split(".")[1] for key in whole if key.startswith(("cache.", "memory.", "state.")))
    for wrong in (
        {key: value for key, value in whole.items() if key.split(".")[1:2] != [slot]},
        {**whole, "seen": whole["seen"].double()},
        {**whole, "clock": whole["clock"][:1]},
        {**whole, "seen": whole["seen"][:1], "clock": whole["clock"][:1]},
    ):
        with pytest.raises(UserError, match="no complete state"):
            model.load_state(wrong)


@every_model
def test_a_loss_does_not_look_at_what_stands_at_masked_places(name):
    model, text = made(name), ids(2, 12)
    mask = torch.ones_like(text, dtype=torch.bool)
    mask[0, :3], mask[1, 7] = False, False
    expected = next_token_loss(model(text, None, mask)[0], text, mask).item()
    for filler in (-1, -100, 10**6):
        filled = torch.where(mask, text, filler)
        assert next_token_loss(model(filled, None, mask)[0], filled, mask).item() == expected


def test_gradients_of_what_is_trained_do_not_need_the_rest_to_be_trained():
    """Keys that are frozen are saved for the gradient of queries that are not."""
    model, text = made("transformer"), ids(2, 6)

    def gradient(frozen):
        for key, weight in model.named_parameters():
            weight.requires_grad_(not frozen or ".query." in key)
        model.zero_grad()
        state, total = model.init_state(2, room=10), 0.0
        for t in range(6):
            y, state = model.step(text[:, t], state)
            total = total + y.square().sum()
        total.backward()
        return [weight.grad.clone() for key, weight in model.named_parameters() if ".query." in key]

    for alone, among in zip(gradient(True), gradient(False), strict=True):
        assert torch.allclose(alone, among, rtol=0.0, atol=1e-12)


@every_model
@torch.no_grad()
def test_no_rows_are_read_and_generated_without_complaint(name):
    model = made(name)
    logits, _ = model.prefill(ids(2, 5)[:0])
    assert logits.shape == (0, 11)
    assert generate(model, ids(2, 5)[:0], 3)[0].shape == (0, 3)


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, x: m.step(x[:, 0], None, [True, False]), "step: mask must be booleans, one for each of 2 rows"),
        (lambda m, x: m.step(x[:, 0], None, torch.tensor(True)), "step: mask must be booleans"),
        (
            lambda m, x: generate(m, x[0], 3),
            r"generate: the prompt must be a tensor of shape \(batch, time\), got \(5,\)",
        ),
        (lambda m, x: generate(m, x.tolist(), 3), "generate: the prompt must be a tensor .* got list"),
        (lambda m, x: generate(m, x, 1.5), "generate: count and top_k must be whole numbers"),
        (lambda m, x: generate(m, x, 3, temperature=math.nan), "generate: count and top_k .* temperature finite"),
    ],
)
def test_steps_and_generations_that_cannot_be_are_refused(call, words):
    with pytest.raises(UserError, match=words):
        call(made("transformer"), ids(2, 5))


@torch.no_grad()
def test_a_step_takes_a_time_without_dimensions():
    model, text = made("hgrn"), ids(2, 5)
    one, two = (model.step(text[:, 0], None, None, dt)[0] for dt in (0.5, torch.tensor(0.5)))
    assert torch.equal(one, two)


@every_model
def test_however_cold_only_the_likeliest_tokens_are_drawn(name):
    model, text = made(name), ids(4, 5)
    expected = generate(model, text, 6)[0]
    for temperature in (1e-12, 1e-45, 1e-300):
        for top_k in (0, 3):
            draws = torch.Generator().manual_seed(1)
            assert torch.equal(generate(model, text, 6, None, temperature, top_k, draws)[0], expected)


@pytest.mark.parametrize("name", ["transformer", "block", "kv_sharing"])
@torch.no_grad()
def test_states_after_prompts_of_different_lengths_can_be_joined_where_nothing_counts_from_the_prompt(name):
    model = made(name)
    one, two = (generate(model, ids(1, length), 2)[1] for length in (4, 7))
    assert one.append(two).seen.tolist() == [5, 8]


def test_windows_of_another_length_are_other_data():
    text = ids(12, 16)
    assert Windows(text).fingerprint != Windows(text.view(24, 8)).fingerprint


@pytest.mark.passes_wrong_types
@every_model
@torch.no_grad()
def test_a_state_of_another_precision_is_refused_and_goes_on_once_converted(name):
    model = made(name)
    single, fresh = made(name).float().init_state(2), model.init_state(2)
    with pytest.raises(UserError, match=r"append: the states are of torch.float64 and torch.float32; convert one"):
        fresh.append(single)
    if name != "hgrn":  # Which works in 64 bits from a state of any precision.
        for call in (model, model.prefill):
            for wrong in (single, fresh.to(dtype=torch.bfloat16), fresh.to(dtype=torch.float16)):
                with pytest.raises(UserError, match=r"the state is of .*, the parameters of torch.float64; convert it"):
                    call(ids(2, 3), wrong)
    assert torch.equal(model(ids(2, 3), single.to(dtype=torch.float64))[0], model(ids(2, 3))[0])
    for dtype in (torch.int64, torch.bool, torch.complex64, "float32"):
        with pytest.raises(UserError, match="dtype must be a floating-point type"):
            fresh.to(dtype=dtype)


@every_way
@pytest.mark.parametrize("learning", [False, True])
def test_a_state_that_autocast_made_goes_on_without_it_and_the_other_way_round(name, options, learning):
    model, text = made(name, **options).float(), ids(2, 9)
    for before, after in ((True, False), (False, True), (True, True)):
        with torch.set_grad_enabled(learning):
            with torch.autocast("cpu", torch.bfloat16, enabled=before):
                _, state = model(text[:, :5])
            states = [state, state.append(model.init_state(1)).select([0, 1])]
            states += [model.focus(state)] if name == "shared" else []
            with torch.autocast("cpu", torch.bfloat16, enabled=after):
                found = [model.step(text[:, 5], begun)[0] for begun in states]
        expected = model(text[:, :6])[0][:, -1]
        assert max(float((logits - expected).detach().abs().max()) for logits in found) < 0.05


@every_way
def test_a_state_that_was_made_in_inference_mode_may_be_trained_on(name, options):
    model, text = made(name, **options), ids(1, 7)
    gradients = []
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            _, state = model(text[:, :6], None, torch.ones(1, 6, dtype=torch.bool))
        for start in (state, state.detach()):
            model.zero_grad()
            model.step(text[:, 6], start)[0].square().sum().backward()
            gradients.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    for found in gradients[1:]:
        assert all(torch.allclose(a, b, rtol=0.0, atol=1e-12) for a, b in zip(found, gradients[0], strict=True))
