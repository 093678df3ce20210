"""HGRN: scans that agree where the naive form overflows, bounds for any weights, and a state that holds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_both_ways import HgrnEncoder
from v2xsim.gpu.sequence.scan import scan

METHODS = ("sequential", "chunked", "associative", "compiled")


def case(gamma, time=1024, dim=16, batch=2, parts=2):
    generator = torch.Generator().manual_seed(7)
    forget = torch.sigmoid(4.0 * torch.randn(batch, time, dim, generator=generator, dtype=torch.float64))
    decay = gamma + (1.0 - gamma) * forget
    # Both ends of the range occur.
    decay[:, 2, :1], decay[:, 5, 1:2] = 0.0, 1.0
    entry = torch.randn(batch, time, parts, dim, generator=generator, dtype=torch.float64)
    initial = torch.randn(batch, parts, dim, generator=generator, dtype=torch.float64)
    return decay, entry * (1.0 - decay[:, :, None]), initial


def plain(decay, entry, initial):
    found, h = [], initial
    for t in range(entry.shape[1]):
        h = decay[:, t, None] * h + entry[:, t]
        found.append(h)
    return torch.stack(found, 1)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("method", METHODS)
def test_scans_in_32_bits_are_right_to_a_millionth(method, gamma):
    given_ = case(gamma)
    found = scan(*(x.float() for x in given_), method=method)
    torch.testing.assert_close(found.double(), plain(*given_), rtol=0, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_the_naive_form_that_divides_by_products_of_decays_leaves_the_range_of_numbers(gamma):
    decay, entry, _ = (x.float() for x in case(gamma))
    decay = decay.clamp(min=1e-4)
    product = decay.log().cumsum(1).exp()[:, :, None]
    naive = product * (entry / product).cumsum(1)
    assert (~torch.isfinite(naive)).float().mean() > 0.3
    for method in METHODS:
        assert torch.isfinite(scan(decay, entry, None, method)).all()


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_a_scan_are_those_of_its_definition(method):
    decay, entry, initial = (x[..., :3].clone().requires_grad_() for x in case(0.5, time=9, dim=3))
    assert torch.autograd.gradcheck(lambda *x: scan(*x, method=method, chunk=4), (decay, entry, initial))


def test_a_scan_keeps_for_backward_no_more_than_decays_and_states():
    decay, entry, initial = (x.float().requires_grad_() for x in case(0.0, time=256))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        scan(decay, entry, initial, "associative")
    assert sum(kept) == decay.numel() + entry.numel() + initial.numel()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1000), st.sampled_from([0.1, 1.0, 10.0, 100.0]))
def test_bounds_begin_at_zero_rise_and_stay_below_one_whatever_the_weights(layers, seed, scale):
    model = Hgrn(5, layers)
    with torch.no_grad():
        model.bound_weight.copy_(scale * torch.randn(layers, 5, generator=torch.Generator().manual_seed(seed)))
    bounds = model.lower_bounds()
    assert (bounds[0] == 0).all()
    assert (bounds.diff(dim=0) >= 0).all()
    assert (bounds < 1).all()
    if scale <= 1.0:
        assert (bounds.diff(dim=0) > 0).all()


def made(**said):
    torch.manual_seed(4)
    model = Hgrn(12, 3, **said).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.0 if weight.ndim == 2 and weight.shape[0] > 3 else 1.0)
        model.bound_weight.normal_()
    return model


def inputs(batch, count, seed=0):
    return torch.randn(batch, count, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["code", "paper"]),
)
def test_splitting_a_sequence_anywhere_changes_nothing(pieces, with_mask, with_dt, norm_gate):
    model, count = made(norm_gate=norm_gate), sum(pieces)
    x = inputs(2, count)
    mask = torch.rand(2, count, generator=torch.Generator().manual_seed(1)) > 0.3 if with_mask else None
    dt = 2.0 * torch.rand(2, count, generator=torch.Generator().manual_seed(2)).double() if with_dt else None
    with torch.no_grad():
        whole, end = model(x, None, mask, dt)
        state, found, at = None, [], 0
        for piece in pieces:
            part = slice(at, at + piece)
            y, state = model(
                x[:, part], state, None if mask is None else mask[:, part], None if dt is None else dt[:, part]
            )
            state = model.load_state(state.state_dict())
            found.append(y)
            at += piece
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=0, atol=1e-10)
    torch.testing.assert_close(state.memory("hidden"), end.memory("hidden"), rtol=0, atol=1e-10)


def test_a_packet_that_did_not_arrive_leaves_the_state_as_it_was():
    model, x = made(), inputs(1, 6)
    mask = torch.tensor([[True, True, False, True, False, False]])
    with torch.no_grad():
        _, gaps = model(x, None, mask)
        _, without = model(x[:, [0, 1, 3]])
    torch.testing.assert_close(gaps.memory("hidden"), without.memory("hidden"), rtol=0, atol=1e-12)
    assert gaps.seen.tolist() == [6]
    assert without.seen.tolist() == [3]


@pytest.mark.parametrize("count", [1, 7, 300])
def test_the_state_is_two_numbers_a_channel_and_layer_at_any_length(count):
    model = Hgrn(12, 3)
    _, state = model(torch.zeros(5, count, 12))
    assert state.nbytes() == 5 * 3 * 2 * 12 * 4


def test_gradients_through_a_carried_state_are_those_of_the_whole():
    model, x = made(), inputs(2, 9)
    whole = model(x)[0].square().sum()
    first, state = model(x[:, :4])
    pieces = first.square().sum() + model(x[:, 4:], state)[0].square().sum()
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    weights = [p for p in model.parameters() if p.requires_grad]
    for name, a, b in zip(
        names, torch.autograd.grad(whole, weights), torch.autograd.grad(pieces, weights), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9, msg=name)


def test_without_turning_a_scan_of_many_equal_inputs_settles_at_what_goes_in():
    """h = keep h + (1 - keep) c has the fixed point c, whatever is kept: the input gate is tied to the forget gate."""
    decay = torch.full((1, 4000, 1), 0.99, dtype=torch.float64)
    entry = (1.0 - decay)[:, :, None] * 3.0
    assert float(scan(decay, entry)[0, -1, 0, 0]) == pytest.approx(3.0, abs=1e-10)


def test_an_encoder_reads_the_future_too_and_the_stream_does_not():
    torch.manual_seed(1)
    model, x = HgrnEncoder(12, 2).double().eval(), inputs(1, 8)
    changed = x.clone()
    changed[:, -1, 0] += 3.0
    assert (model(changed)[:, 0] - model(x)[:, 0]).abs().max() > 1e-6
    causal = made()
    torch.testing.assert_close(causal(changed)[0][:, :-1], causal(x)[0][:, :-1], rtol=0, atol=1e-12)


def test_a_sequence_read_backwards_gives_the_encoder_the_same_backwards():
    torch.manual_seed(1)
    model, x = HgrnEncoder(12, 2).double().eval(), inputs(1, 8)
    torch.testing.assert_close(model(x.flip(1)).flip(1), model(x), rtol=0, atol=1e-10)


def test_an_image_turned_over_its_diagonal_gives_the_encoder_the_same_turned_over():
    torch.manual_seed(1)
    model = HgrnEncoder(12, 2, axes=2).double().eval()
    x = inputs(1, 20).view(1, 4, 5, 12)
    torch.testing.assert_close(model(x.transpose(1, 2)).transpose(1, 2), model(x), rtol=0, atol=1e-10)


def test_an_encoder_takes_no_state():
    with pytest.raises(UserError, match="state"):
        HgrnEncoder(12, 1)(inputs(1, 2).float(), state=Hgrn(12, 1).init_state(1))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Hgrn(0, 2), "at least 1"),
        (lambda: Hgrn(4, 2, bounds="upper"), "exclusive, inclusive, none"),
        (lambda: scan(torch.ones(1, 2, 3), torch.ones(1, 2, 2, 4)), "decay"),
        (lambda: scan(torch.ones(1, 2, 3).half(), torch.ones(1, 2, 2, 3).half()), "float32"),
        (lambda: scan(torch.ones(1, 2, 3), torch.ones(1, 2, 2, 3), method="quick"), "method"),
    ],
)
def test_what_cannot_be_is_said(act, words):
    with pytest.raises(UserError, match=words):
        act()
