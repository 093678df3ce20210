"""The models on a GPU say what they say on a CPU, however a stream is cut; skipped where there is none.

The kernels are tested in Triton's interpreter too: `TRITON_INTERPRET=1 pytest tests/gpu/sequence/test_gpu.py`, with the package installed.
"""

import importlib.util
import os

import pytest
import torch

from v2xsim.gpu.sequence.attention import attend
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.generation import generate
from v2xsim.gpu.sequence.models import MODELS, build
from v2xsim.gpu.sequence.rotary import turned, turns
from v2xsim.gpu.sequence.transformer import Transformer

_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_NO_TRITON = importlib.util.find_spec("triton") is None
WHERE = "cpu" if _INTERPRETED else "cuda"
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
needs_kernels = pytest.mark.skipif(
    _NO_TRITON or not (_INTERPRETED or torch.cuda.is_available()),
    reason="the triton package is not installed, or there is neither a GPU nor TRITON_INTERPRET=1",
)
OPTIONS = {"skipdecode": {"times": 1.5, "horizon": 9}, "shared": {"chunk": 8, "depth": 2}}
CASES = [pytest.param(name, OPTIONS.get(name, {}), id=name) for name in MODELS] + [
    pytest.param("transformer", {"windows": 3}, id="window"),
    pytest.param("kv_sharing", {"kind": "sandwich", "target": "top", "kv_layers": 3}, id="cyclic"),
    pytest.param("block", {"block": 3, "prefix": 1}, id="block of 3"),
]


def loud(name, options, dtype):
    model = build(name, 11, 24, 4, 2, seed=1, **options).to(dtype)
    draws = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=draws, dtype=torch.float64)
            weight.copy_(noise / weight.shape[-1] ** 0.5 if weight.ndim >= 2 else weight + 0.2 * noise)
    return model.eval()


def streamed(model, ids, mask):
    """Return what a model says of rows of which one joins after 13 positions, in pieces of many lengths."""
    ids, mask, made, state, at = ids.to(model.device), mask.to(model.device), [], None, 0
    for count in (5, 1, 0, 3, 1, 1, 2):
        y, state = model(ids[:2, at : at + count], state, mask[:2, at : at + count])
        made.append(y)
        at += count
    state, late = state.append(1), []
    while at < ids.shape[1]:
        y, state = model.step(ids[:, at], state, mask[:, at])
        made.append(y[:2, None])
        late.append(y[2:, None])
        at += 1
    return torch.cat(made, 1), torch.cat(late, 1)


@needs_gpu
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 2e-5)], ids=["64", "32"])
@pytest.mark.parametrize(("name", "options"), CASES)
@torch.no_grad()
def test_a_stream_on_a_gpu_says_what_the_whole_says_on_a_cpu(name, options, dtype, limit):
    draws = torch.Generator().manual_seed(3)
    ids, mask = torch.randint(11, (3, 30), generator=draws), torch.rand(3, 30, generator=draws) > 0.2
    exact, model = loud(name, options, torch.float64), loud(name, options, dtype).cuda()
    early, late = exact(ids[:2], None, mask[:2])[0], exact(ids[2:, 13:], None, mask[2:, 13:])[0]
    scale = float(early.abs().max())
    for found, expected in zip(streamed(model, ids, mask), (early, late), strict=True):
        assert float((found.double().cpu() - expected).abs().max()) <= limit * scale


@needs_gpu
@pytest.mark.parametrize(("name", "options"), CASES)
@torch.no_grad()
def test_generating_on_a_gpu_equals_reading_all_again(name, options):
    model = loud(name, options, torch.float32).cuda()
    prompt = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(1)).cuda()
    # Long enough to be recorded.
    made, _ = generate(model, prompt, 70)
    if "times" in options:
        state = model.init_state(5, room=77, prompt=7)
        logits = model(torch.cat([prompt, made], 1), state)[0]
    else:
        logits = model(torch.cat([prompt, made], 1))[0]
    said = logits[:, 6:-1]
    chosen = said.gather(2, made[..., None])[..., 0]
    # What was chosen is the likeliest but for rounding.
    assert float((said.amax(-1) - chosen).max()) <= 1e-4 * float(said.abs().max())


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@needs_kernels
@pytest.mark.parametrize(
    ("batch", "heads", "slots", "dim"), [(2, 3, 1, 8), (3, 4, 6, 64), (1, 2, 70, 24), (2, 16, 130, 32), (2, 5, 64, 16)]
)
@pytest.mark.parametrize("count", [1, 3])
def test_the_attention_of_a_few_queries_agrees(batch, heads, slots, dim, count):
    from v2xsim.gpu.sequence.attention_triton import attend_few

    query = drawn(batch, count, heads * dim).view(batch, count, heads, dim).transpose(1, 2)
    keys, values = drawn(batch, heads, slots + 3, dim), drawn(batch, heads, slots + 3, dim + 1)[..., :dim].clone()
    keys, values = keys[:, :, 1 : slots + 1], values[:, :, 1 : slots + 1]
    there = [x.to(WHERE) for x in (query, keys, values)]
    empty = Cache.empty(batch, heads, dim, torch.device("cpu"), torch.float32)
    for seen in {-3, 0, 1, slots - count + 1, slots}:
        expected = attend(query, empty.followed_by(keys, values, 7), 7 + seen - 1)
        assert float((attend_few(*there, seen).cpu() - expected).abs().max()) <= 2e-6
    told = torch.full((1,), slots, device=WHERE)
    expected = attend(query, empty.followed_by(keys, values, 7), 7 + slots - count)
    assert float((attend_few(*there, told).cpu() - expected).abs().max()) <= 2e-6
    draws = torch.Generator().manual_seed(slots)
    at = torch.randint(-1, slots + 2, (batch, slots), generator=draws)
    at[0] = -1
    asked = torch.randint(slots + 2, (batch, 1), generator=draws) + torch.arange(count)
    for window in (0, 4):
        for strict in (False, True):
            cache = Cache.empty(batch, heads, dim, torch.device("cpu"), torch.float32, window)
            expected = attend(query, cache.followed_by(keys, values, at), asked, strict)
            found = attend_few(*there, 0, at.to(torch.int32).to(WHERE), asked.to(WHERE), window, strict)
            assert float((found.cpu() - expected).abs().max()) <= 2e-6


@needs_kernels
def test_entries_are_put_where_they_are_to_be():
    from v2xsim.gpu.sequence.attention_triton import put

    for batch, heads, count, dim in [(2, 3, 1, 8), (3, 17, 2, 24)]:
        keys = drawn(batch, count, heads * dim).view(batch, count, heads, dim).transpose(1, 2)
        values = drawn(batch, count, 2 * heads * dim).chunk(2, -1)[1].view(batch, count, heads, dim).transpose(1, 2)
        for slot in (3, torch.full((1,), 3, device=WHERE)):
            stores = [torch.zeros(batch, heads, 6, dim) for _ in range(2)]
            there = [store.to(WHERE) for store in stores]
            put(keys.to(WHERE), values.to(WHERE), *there, slot)
            for store, entry, found in zip(stores, (keys, values), there, strict=True):
                store[:, :, 3 : 3 + count] = entry
                assert torch.equal(found.cpu(), store)


@needs_kernels
@pytest.mark.parametrize("stride", [(2**30, 64), (64, 2**30)], ids=["heads", "slots"])
def test_a_row_may_have_more_numbers_than_32_bits_count(stride):
    from v2xsim.gpu.sequence.attention_triton import attend_few, put

    # Only the pages that are touched take memory on a CPU.
    far = torch.empty(2 * 2**30 + 256, dtype=torch.float16, device=WHERE)
    store = far.as_strided((1, 3, 3, 64), (0, *stride, 1))
    entries = drawn(1, 3, 3, 64).half().to(WHERE)
    for slot in range(3):
        entry = entries[:, :, slot : slot + 1]
        put(entry, entry, store, store, slot if slot % 2 else torch.full((1,), slot, device=WHERE))
    assert torch.equal(store, entries)
    assert torch.equal(attend_few(entries, store, store, 1), attend_few(entries, entries, entries, 1))


@needs_kernels
@pytest.mark.parametrize("rows_differ", [False, True])
def test_turning_in_a_kernel_agrees(rows_differ):
    from v2xsim.gpu.sequence.attention_triton import turned_pair

    for batch, time, heads, dim in [(2, 1, 3, 8), (3, 5, 17, 24)]:
        one = drawn(batch, time, heads * dim).view(batch, time, heads, dim).transpose(1, 2)
        other = drawn(batch, time, 2 * heads * dim).chunk(2, -1)[1].view(batch, time, heads, dim).transpose(1, 2)
        at = torch.arange(batch * time, dtype=torch.float64).view(batch, time)
        turn = turns(at if rows_differ else at[0] + 3.0, dim, torch.float32)
        found = turned_pair(one.to(WHERE), other.to(WHERE), (turn[0].to(WHERE), turn[1].to(WHERE)))
        for x, made in zip((one, other), found, strict=True):
            assert float((made.cpu() - turned(x, turn)).abs().max()) <= 1e-6


@needs_gpu
@pytest.mark.skipif(_NO_TRITON, reason="the triton package is not installed")
def test_what_learns_does_not_go_through_kernels_without_gradients():
    model = loud("transformer", {}, torch.float32).cuda()
    ids = torch.randint(11, (300, 3), generator=torch.Generator().manual_seed(1)).cuda()
    state = model(ids[:, :2])[1]
    loss = model.step(ids[:, 2], state)[0].square().sum()
    grads = torch.autograd.grad(loss, list(model.parameters()))
    assert all(float(grad.abs().max()) > 0 for grad in grads)


@needs_gpu
@torch.no_grad()
def test_vectors_of_16_bits_are_read_under_autocast():
    model, x = Transformer(24, 2, 2).eval().cuda(), drawn(2, 3, 24).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        found = model(x.bfloat16())[0]
    assert float((found.float() - model(x)[0]).abs().max()) <= 0.05
