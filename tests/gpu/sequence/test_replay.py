"""Recorded steps say what plain steps say, and leave the state that plain steps leave."""

import gc
import weakref

import pytest
import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.block import BlockTransformer
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.replay import NotRecordableError, RecordedSteps, Steps, steps_of
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule

GPU = pytest.param(True, marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"), id="recorded")
CASES = [
    pytest.param("transformer", {}, id="transformer"),
    pytest.param("gru", {}, id="gru"),
    pytest.param("hgrn", {}, id="hgrn"),
    pytest.param("kv_sharing", {}, id="bottom"),
    pytest.param("kv_sharing", {"kind": "sandwich", "target": "top", "kv_layers": 3}, id="cyclic"),
    pytest.param("block", {}, id="block"),
    pytest.param("block", {"block": 3, "prefix": 1, "kind": "lasagna", "kv_layers": 2}, id="block of 3"),
]


def model(name, options, device):
    found = build(name, 11, 24, 4, 2, seed=1, **options).double()
    draws = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in found.parameters():
            noise = torch.randn(weight.shape, generator=draws, dtype=torch.float64)
            weight.copy_(noise / weight.shape[-1] ** 0.5 if weight.ndim >= 2 else weight + 0.2 * noise)
    return found.eval().to(device)


def tokens(batch, time, seed, device):
    return torch.randint(11, (batch, time), generator=torch.Generator().manual_seed(seed)).to(device)


@pytest.mark.parametrize("record", [False, GPU], ids=lambda value: None if value else "alike")
@pytest.mark.parametrize(("name", "options"), CASES)
@torch.no_grad()
def test_they_say_the_same_and_leave_the_same_state_wherever_they_stop(name, options, record):
    device = "cuda" if record else "cpu"
    one = model(name, options, device)
    for prompt in range(1, 6):
        ids = tokens(3, prompt + 30, prompt, device)
        begun = one.prefill(ids[:, :prompt])[1]
        before = {key: value.clone() for key, value in begun.state_dict().items()}
        # Less room than steps: memory is set aside anew on the way.
        plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 7, record)
        for at in range(prompt, prompt + 20):
            said, again = plain(ids[:, at]), recorded(ids[:, at])
            assert float((said - again).abs().max()) <= 1e-10
            if at % 3:
                continue
            ours, theirs = recorded.state(), plain.state()
            assert ours.steps == theirs.steps == at + 1
            found, expected = ours.state_dict(), theirs.state_dict()
            assert found.keys() == expected.keys()
            assert all(torch.allclose(found[key].double(), expected[key].double(), 0, 1e-10) for key in expected)
            # What goes on from the state, other rows with it, does not disturb what is recorded, nor the other way round.
            gone_on = one(ids[:, at + 1 : at + 6], ours.append(1).select([0, 1, 2]))[0]
            assert float((gone_on - one(ids[:, at + 1 : at + 6], theirs)[0]).abs().max()) <= 1e-10
        after = begun.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("transformer", {"windows": 3}),
        ("skipdecode", {"times": 1.5, "horizon": 9}),
        ("shared", {"chunk": 8, "depth": 2}),
        ("block", {"times": 1.2, "horizon": 12}),
    ],
)
@torch.no_grad()
def test_what_cannot_be_recorded_is_known(name, options):
    one = model(name, options, "cpu")
    assert one.standing(one.prefill(tokens(2, 5, 1, "cpu"))[1], 4) is None


@pytest.mark.parametrize("name", ["transformer", "block", "gru", "hgrn"])
@torch.no_grad()
def test_under_autocast_they_say_the_same(name):
    one, ids = model(name, {}, "cpu").float(), tokens(2, 16, 1, "cpu")
    with torch.autocast("cpu", torch.bfloat16):
        begun = one.prefill(ids[:, :5])[1]
        plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 4, record=False)
        for at in range(5, 16):
            said, again = plain(ids[:, at]), recorded(ids[:, at])
            assert float((said - again).abs().max()) <= 0.05 * float(said.abs().max())
    found, expected = recorded.state().state_dict(), plain.state().state_dict()
    assert all(found[key].dtype == expected[key].dtype for key in expected)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_they_may_begin_in_inference_mode_and_go_on_outside(name, options):
    one, ids = model(name, options, "cpu"), tokens(2, 16, 1, "cpu")
    with torch.inference_mode():
        begun = one.prefill(ids[:, :5])[1]
        plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 7, record=False)
        plain(ids[:, 5])
        recorded(ids[:, 5])
    for at in range(6, 16):
        assert float((plain(ids[:, at]) - recorded(ids[:, at])).abs().max()) <= 1e-10


def test_what_they_leave_has_no_gradients():
    for name in ("transformer", "block", "gru"):
        one, ids = model(name, {}, "cpu"), tokens(2, 9, 1, "cpu")
        begun = one.prefill(ids[:, :6])[1]
        recorded = RecordedSteps(one, begun, 7, record=False)
        recorded(ids[:, 6])
        assert not any(found.requires_grad for found in recorded.state().state_dict().values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", ["transformer", "block", "hgrn"])
@torch.no_grad()
def test_what_was_recorded_under_autocast_outlives_it(name):
    one, ids = model(name, {}, "cuda").float(), tokens(2, 30, 1, "cuda")
    with torch.autocast("cuda", torch.bfloat16):
        begun = one.prefill(ids[:, :5])[1]
        plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 30)
    # What autocast held of the weights is free now, and written over.
    rest = [torch.full((4096,), torch.nan, device="cuda") for _ in range(256)]
    for at in range(5, 30):
        with torch.autocast("cuda", torch.bfloat16):
            said, again = plain(ids[:, at]), recorded(ids[:, at])
        assert float((said - again).abs().max()) <= 0.05 * float(said.abs().max())
    assert len(rest) == 256


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two GPUs")
@torch.no_grad()
def test_they_are_recorded_on_a_device_that_is_not_the_current_one():
    one, ids = model("transformer", {}, "cuda:1"), tokens(2, 16, 1, "cuda:1")
    begun = one.prefill(ids[:, :5])[1]
    plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 16)
    for at in range(5, 16):
        assert float((plain(ids[:, at]) - recorded(ids[:, at])).abs().max()) <= 1e-10


@torch.no_grad()
def test_caches_that_were_too_small_are_let_go():
    one, ids = model("transformer", {}, "cpu"), tokens(2, 12, 1, "cpu")
    recorded = RecordedSteps(one, one.prefill(ids[:, :5])[1], 3, record=False)
    held = weakref.ref(recorded._static.cache("layer0").buffer.keys)
    for at in range(5, 9):
        recorded(ids[:, at])
    gc.collect()
    assert held() is None


@torch.no_grad()
def test_a_generation_lets_go_of_the_prompt_s_caches(monkeypatch):
    one, held, alive = model("transformer", {}, "cpu"), [], []

    def prefill(*given):
        logits, state = type(one).prefill(one, *given)
        held.append(weakref.ref(state.cache("layer0").buffer.keys))
        return logits, state

    monkeypatch.setattr(one, "prefill", prefill)
    generate(
        one, tokens(2, 5, 1, "cpu"), 4, state=one.init_state(2), on_token=lambda _: alive.append(held[0]() is not None)
    )
    assert alive == [True, False, False, False]


@torch.no_grad()
def test_layers_that_ask_whether_they_have_settled_are_not_recorded():
    for prefix in (1, 2):
        one = BlockTransformer(11, 24, Decoder(2, 2), Decoder(2, 2, kv_map=(1, 1)), prefix=prefix).eval()
        standing = one.standing(one.prefill(tokens(2, 5, 1, "cpu"))[1], 4)
        assert (standing is None) == (prefix > 1)


@torch.no_grad()
def test_rows_that_differ_or_have_gaps_are_not_recorded():
    ids, mask = tokens(2, 6, 1, "cpu"), torch.ones(2, 6, dtype=torch.bool)
    mask[0, 5] = False
    for name in ("transformer", "block", "gru", "hgrn"):
        one = model(name, {}, "cpu")
        if name in ("transformer", "block"):
            assert one.standing(one(ids, None, mask)[1], 4) is None
        assert one.standing(one(ids)[1].select([]), 4) is None
        assert one.standing(one(ids)[1].append(1), 4) is None
    one = model("block", {}, "cpu")
    begun = one.prefill(ids[:, :4])[1]
    assert one.standing(begun, 4) is not None
    assert one.standing(one(ids[:, 4:], begun, mask[:, 4:])[1], 4) is None
    # The first block has a context of its own, which no later one has.
    assert one.standing(one.init_state(2), 4) is None


@torch.no_grad()
def test_a_token_decoder_with_exits_is_recorded_too():
    schedule = ExitSchedule.of_speed(4, 1.5, 3, prompt=2)
    one = BlockTransformer(11, 24, Decoder(2, 2), Decoder(4, 2, schedule=schedule)).double().eval()
    ids = tokens(3, 30, 1, "cpu")
    for prompt in range(4, 8):
        begun = one.prefill(ids[:, :prompt])[1]
        plain, recorded = Steps(one, begun), RecordedSteps(one, begun, 5, record=False)
        for at in range(prompt, 25):
            assert float((plain(ids[:, at]) - recorded(ids[:, at])).abs().max()) <= 1e-10


@torch.no_grad()
def test_on_a_cpu_steps_are_plain():
    one = model("transformer", {}, "cpu")
    assert type(steps_of(one, one.prefill(tokens(2, 5, 1, "cpu"))[1], 1000)) is Steps


@pytest.mark.passes_wrong_types
@torch.no_grad()
def test_what_is_no_token_is_told_and_what_does_not_fit_refused():
    one = model("gru", {}, "cpu")
    begun = one.prefill(tokens(2, 5, 1, "cpu"))[1]
    for wrong in (-1, 11):
        steps = RecordedSteps(one, begun, 4, record=False)
        steps(torch.tensor([3, wrong]))
        steps(torch.tensor([3, 3]))
        with pytest.raises(UserError, match="from 0 to 10"):
            steps.state()
    for ids in (torch.zeros(3, dtype=torch.int64), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64)):
        with pytest.raises(UserError, match="a recorded step reads"):
            steps(ids)
    with pytest.raises(UserError, match="a torch tensor, got list"):
        steps([3, 3])


@pytest.mark.passes_wrong_types
@torch.no_grad()
def test_what_cannot_begin_is_refused():
    one, block, other = model("transformer", {}, "cpu"), model("block", {}, "cpu"), model("gru", {}, "cpu")
    strange, begun = other.prefill(tokens(2, 5, 1, "cpu"))[1], one.prefill(tokens(2, 5, 1, "cpu"))[1]
    for refuse in (
        lambda: one.standing(strange, 4),
        lambda: block.standing(strange, 4),
        lambda: RecordedSteps(one, strange, 4, record=False),
    ):
        with pytest.raises(UserError, match="the state was made by"):
            refuse()
    for room in (0, -1, 1.5):
        with pytest.raises(UserError, match="room must be a whole number of at least 1"):
            RecordedSteps(one, begun, room, record=False)
    with pytest.raises(NotRecordableError, match="cannot be recorded"):
        RecordedSteps(one, begun.append(1), 4, record=False)


@torch.no_grad()
def test_two_recorders_of_one_state_do_not_disturb_each_other():
    one, ids = model("transformer", {}, "cpu"), tokens(2, 12, 1, "cpu")
    begun = one.prefill(ids[:, :5], one.init_state(2, room=40))[1]
    first, second = (RecordedSteps(one, begun, 9, record=False) for _ in range(2))
    plain = Steps(one, begun)
    for at in range(5, 12):
        expected = plain(ids[:, at])
        second(ids[:, 0])
        assert float((first(ids[:, at]) - expected).abs().max()) <= 1e-10
