"""Cross-layer sharing of keys and values: whose are used, what it saves, and that parallel and stepwise agree."""

import pytest
import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.kv_sharing import checked_map, segments, sharing_map
from v2xsim.gpu.sequence.transformer import Transformer

KINDS, TARGETS = ("pizza", "sandwich", "lasagna"), ("bottom", "middle", "top")
NINE = [(kind, target) for kind in KINDS for target in TARGETS]


def made(kv_map, layers=8, **said):
    torch.manual_seed(3)
    model = Transformer(32, layers, 4, kv_map=kv_map, **said).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            # Weights as drawn are so small that attention is nearly even, and much would go unnoticed.
            weight.mul_(6.0 if weight.ndim == 2 else 1.0)
    return model


def inputs(count, batch=2):
    return torch.randn(batch, count, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(count))


def stepwise(model, x):
    state, found = model.init_state(len(x)), []
    for t in range(x.shape[1]):
        y, state = model.step(x[:, t], state)
        found.append(y)
    return torch.stack(found, 1), state


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("pizza", "bottom", (0, 1, 2, 3, 3, 3, 3, 3)),
        ("pizza", "top", (0, 1, 2, 7, 7, 7, 7, 7)),
        ("sandwich", "bottom", (0, 1, 2, 2, 2, 2, 2, 7)),
        ("sandwich", "middle", (0, 1, 4, 4, 4, 4, 4, 7)),
        ("sandwich", "top", (0, 1, 6, 6, 6, 6, 6, 7)),
        ("lasagna", "bottom", (0, 0, 2, 2, 4, 4, 6, 6)),
        ("lasagna", "top", (1, 1, 3, 3, 5, 5, 7, 7)),
    ],
)
def test_maps_of_eight_layers_with_four_givers_are_those_of_the_paper(kind, target, expected):
    assert sharing_map(kind, target, 8, 4) == expected


def test_text_names_the_maps_of_earlier_schemes():
    assert checked_map("0_0_2_2", 4) == sharing_map("lasagna", "bottom", 4, 2)
    assert checked_map("0_1_1_1", 4) == sharing_map("pizza", "bottom", 4, 2)


def test_a_map_falls_into_the_shortest_stretches_that_need_repeating():
    found = [(s.first, s.end, s.cyclic) for s in segments((0, 1, 4, 4, 4, 5, 7, 7))]
    assert found == [(0, 1, False), (1, 2, False), (2, 5, True), (5, 6, False), (6, 8, True)]


@pytest.mark.parametrize(("kind", "target"), NINE)
def test_a_whole_sequence_at_once_gives_what_one_position_at_a_time_gives(kind, target):
    model, x = made(sharing_map(kind, target, 8, 4)), inputs(11)
    with torch.no_grad():
        whole, state = model(x)
        single, after = stepwise(model, x)
    torch.testing.assert_close(whole, single, rtol=0, atol=1e-10)
    assert state.nbytes() == after.nbytes()


@pytest.mark.parametrize(("kind", "target"), NINE)
def test_the_cache_is_smaller_by_exactly_the_share_of_givers(kind, target):
    full = made(None)(inputs(9))[1].nbytes()
    for givers in (1, 2, 4, 8):
        assert made(sharing_map(kind, target, 8, givers))(inputs(9))[1].nbytes() * 8 == full * givers


@pytest.mark.parametrize(("kind", "target"), [n for n in NINE if n[1] == "top"])
def test_after_n_passes_the_first_n_positions_are_exact_and_after_all_passes_all(kind, target):
    model, x = made(sharing_map(kind, target, 8, 4)), inputs(7)
    exact = stepwise(model, x)[0].detach()
    model.train()
    for passes in range(1, 8):
        model.passes = (passes - 1, 1)
        error = (model(x)[0] - exact).detach().abs().amax((0, 2))
        assert error[:passes].max() < 1e-10
        if passes < 7:
            assert error[passes:].max() > 1e-8


@pytest.mark.parametrize("kind", KINDS)
def test_maps_that_only_use_layers_below_need_one_pass(kind):
    model, x = made(sharing_map(kind, "bottom", 8, 4)), inputs(7)
    assert not any(s.cyclic for s in model.segments)
    torch.testing.assert_close(model.train()(x)[0], stepwise(model.eval(), x)[0], rtol=0, atol=1e-10)


def test_the_first_position_of_a_layer_that_uses_one_above_sees_nothing_and_is_finite():
    model = made((1, 1), layers=2)
    y, _ = model(inputs(1))
    assert torch.isfinite(y).all()
    changed = made((1, 1), layers=2)
    with torch.no_grad():
        changed.layers[0].query.weight.mul_(-3.0)
        changed.layers[0].out.weight.mul_(5.0)
    torch.testing.assert_close(changed(inputs(1))[0], y, rtol=0, atol=0)


def test_with_one_pass_with_gradients_the_giver_above_learns_nothing_with_two_it_does():
    for loud, learns in ((1, False), (2, True)):
        model = made((1, 1), layers=2, passes=(3, loud)).train()
        model(inputs(6))[0][:, -1].square().sum().backward()
        # The top layer attends to its own keys too; what reaches the bottom layer's query shows the rest.
        model.zero_grad()
        y = model(inputs(6))[0]
        first = model.layers[1].key_value.weight
        grad = torch.autograd.grad(y.square().sum(), first)[0]
        alone = made((1, 1), layers=2, passes=(3, 1)).train()
        reference = torch.autograd.grad(alone(inputs(6))[0].square().sum(), alone.layers[1].key_value.weight)[0]
        assert bool((grad - reference).abs().max() > 1e-9) is learns


def test_windows_and_sharing_go_together():
    model, x = made("0_1_1_3", layers=4, windows=(0, 3, 0, 4)), inputs(12)
    whole, _state = model(x)
    single, after = stepwise(model, x)
    torch.testing.assert_close(whole, single, rtol=0, atol=1e-10)
    assert len(after.cache("layer1")) == 3
    assert len(after.cache("layer0")) == 12


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("0_1_9", "from 0 to 2"),
        ("0_1", "for each of 3 layers"),
        ("0_2_1", "must use its own"),
        ("0_a_1", "whole numbers"),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(given, words):
    with pytest.raises(UserError, match=words):
        checked_map(given, 3)


@pytest.mark.passes_wrong_types
def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match="pizza, sandwich, lasagna"):
        sharing_map("calzone", "top", 8, 4)
