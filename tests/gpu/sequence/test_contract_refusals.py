"""What every registered model refuses, and with which words: each test here runs for all of them."""

import math

import pytest
import torch

from tests.gpu.sequence.every_model import DIM, HEADS, LAYERS, OPTIONS, VOCABULARY, close, every_model, loud, tokens
from v2xsim.errors import UserError
from v2xsim.gpu.sequence.models import MODELS, build
from v2xsim.gpu.sequence.tokens import TokenModel


@pytest.mark.passes_wrong_types
@every_model
@torch.no_grad()
def test_a_time_between_positions_is_told_or_refused(name, options):
    model, ids = loud(name, options), tokens(2, 20)
    dt = 0.5 + torch.rand(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    close(model(ids, None, None, 1.0)[0], model(ids)[0], 1e-9)
    close(model(ids, None, None, torch.ones(2, 20))[0], model(ids)[0], 1e-9)
    for wrong in (dt[:, :3], -dt, dt * math.nan, "1", dt + 1j):
        with pytest.raises(UserError, match="dt must be"):
            model(ids, None, None, wrong)
    with pytest.raises(UserError, match=r"dt is on meta, x on cpu; move it with dt\.to"):
        model(ids, None, None, dt.to("meta"))
    if not model.takes_dt:
        with pytest.raises(UserError, match="dt must be 1 or left out"):
            model(ids, None, None, dt)
        return
    whole, state = model(ids, None, None, dt)
    one, state = model(ids[:, :7], None, None, dt[:, :7])
    two, state = model(ids[:, 7:], state, None, dt[:, 7:])
    close(torch.cat([one, two], 1), whole)


def wrong_calls(model, other, ids):
    """Return calls that cannot be, and what each refusal must name: both sides, and what to do."""
    _, state = model(ids)
    _, foreign = other(ids)
    mask = torch.ones_like(ids, dtype=torch.bool)
    return [
        (lambda: model(ids.tolist()), ["torch tensor", "list", "torch.as_tensor"]),
        (lambda: model(ids.double()), ["torch.int64", "torch.float64"]),
        (lambda: model(ids.int()), ["torch.int64", "torch.int32"]),
        (lambda: model(ids[0]), ["(batch, time)", "(6,)"]),
        (lambda: model(ids[..., None]), ["(batch, time)", "(2, 6, 1)"]),
        (lambda: model(ids + VOCABULARY), ["from 0 to 10", "row 0", "mask"]),
        (lambda: model(ids - 99), ["from 0 to 10", "row 0", "mask"]),
        (lambda: model(ids.to("meta")), ["x is on meta", "parameters on cpu", "x.to('cpu')"]),
        (lambda: model(ids, None, mask[:, :3]), ["(2, 6)", "(2, 3)", "True where something arrived"]),
        (lambda: model(ids, None, mask.long()), ["booleans", "torch.int64", "True where something arrived"]),
        (lambda: model(ids, None, mask.to("meta")), ["mask is on meta", "x on cpu", "mask.to"]),
        (lambda: model(ids, state.to("meta")), ["state is on meta", "x on cpu", "state.to"]),
        (lambda: model(ids, state.select([0])), ["holds 1 rows", "x has 2", "state.append"]),
        (lambda: model(ids[:1], state), ["holds 2 rows", "x has 1", "state.select"]),
        (lambda: model(ids, foreign), [other.signature, model.signature, "init_state"]),
        (lambda: model.load_state(foreign.state_dict()), [other.signature, model.signature, "init_state"]),
        (lambda: model(ids, state.state_dict()), ["State", "dict", "init_state"]),
        (lambda: state.append(foreign), [other.signature, model.signature]),
        (lambda: model.load_state({"seen": state.seen}), ["head", "state_dict"]),
        (lambda: model.step(ids), ["1 dimensions", "(2, 6)"]),
        (lambda: model.step(ids[0, 0]), ["1 dimensions", "()"]),
        (lambda: model.prefill(ids[:, :0]), ["at least one token", "(2, 0)"]),
        (lambda: model.loss(ids[:, :1]), ["more than 1 tokens", "got 1"]),
        (lambda: model.loss(ids[:0]), ["a loss needs at least one row", "got 0"]),
        (lambda: model.loss(ids[:0], mask[:0], torch.Generator()), ["a loss needs at least one row", "got 0"]),
    ]  # fmt: skip


@pytest.mark.passes_wrong_types
@every_model
def test_what_does_not_fit_is_refused_with_both_sides_and_the_repair(name, options):
    model, ids = loud(name, options), tokens(2, 6)
    other = loud(name, options, layers=LAYERS + 2) if "windows" not in options else loud("transformer", {}, LAYERS + 2)
    for call, words in wrong_calls(model, other, ids):
        with pytest.raises(UserError) as refused:
            call()
        for word in words:
            assert word in str(refused.value)


@every_model
def test_a_state_of_another_kind_of_model_is_refused(name, options):
    model, ids = loud(name, options), tokens(2, 6)
    for kind in MODELS:
        if kind != name:
            other = loud(kind, OPTIONS.get(kind, {}))
            with pytest.raises(UserError, match="the state was made by"):
                model(ids, other(ids)[1])


@every_model
def test_vectors_must_be_of_the_right_size_precision_and_finite(name, options):
    model = loud(name, options)
    if not isinstance(model, TokenModel):
        pytest.skip("reads tokens alone")
    body, x = model.body, torch.randn(2, 6, DIM, dtype=torch.float64)
    spoilt = x.clone()
    spoilt[1, 4, 2] = math.nan
    for given, words in (
        (x[..., :5], ["(batch, time, 24)", "(2, 6, 5)"]), (x.float(), ["torch.float32", "torch.float64", "x.to("]),
        (spoilt, ["finite", "row 1, position 4", "mask"]), (x / 0.0, ["finite", "row 0, position 0"]),
        (x.to("meta"), ["meta", "cpu", "x.to("]), (x[0], ["(batch, time, 24)", "(6, 24)"]),
    ):  # fmt: skip
        with pytest.raises(UserError) as refused:
            body(given)
        for word in words:
            assert word in str(refused.value)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, 4] = False
    assert bool(torch.isfinite(body(spoilt, None, mask)[0][mask]).all())


def test_an_unknown_model_or_option_is_told_the_nearest():
    with pytest.raises(
        UserError, match=r"no model 'transfomer'; did you mean 'transformer'\?; there are transformer, gru"
    ):
        build("transfomer", VOCABULARY, DIM, LAYERS, HEADS)
    with pytest.raises(
        UserError, match=r"gru has no option 'tide'; did you mean 'tied'\?; its options are residual, tied"
    ):
        build("gru", VOCABULARY, DIM, LAYERS, HEADS, tide=True)
