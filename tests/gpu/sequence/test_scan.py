"""The linear recurrence: every way gives the same, forward and back, also where the naive forms leave the range of numbers."""

import importlib.util
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.scan import scan

WAYS = ("sequential", "chunked", "associative", "compiled")
every_way = pytest.mark.parametrize("way", WAYS)


def drawn(
    gamma: float, time: int = 1024, dim: int = 8, parts: int = 2, batch: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Return decays above a bound, entries weighted by what is not kept, and a state; some decays are exactly 0, some exactly 1."""
    draws = torch.Generator().manual_seed(int(100 * gamma))
    decay = gamma + (1 - gamma) * torch.randn(batch, time, dim, generator=draws, dtype=torch.float64).sigmoid()
    decay[:, time // 3, ::2], decay[:, time // 2 :, 1] = 0.0, 1.0
    entry = torch.randn(batch, time, parts, dim, generator=draws, dtype=torch.float64)
    initial = torch.randn(batch, parts, dim, generator=draws, dtype=torch.float64)
    return decay, (1.0 - decay)[:, :, None] * entry, initial


def by_hand(decay: Tensor, entry: Tensor, initial: Tensor) -> Tensor:
    h, found = initial, []
    for t in range(entry.shape[1]):
        h = decay[:, t, None] * h + entry[:, t]
        found.append(h)
    return torch.stack(found, 1)


@every_way
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_in_32_bits_every_way_is_within_a_millionth_of_64_bits(way, gamma):
    exact = by_hand(*drawn(gamma))
    found = scan(*(x.float() for x in drawn(gamma)), way)
    assert float((found - exact).abs().max()) <= 1e-6


@pytest.mark.parametrize("gamma", [0.0, 0.5])
@pytest.mark.parametrize("naive", ["summed logarithms", "division by products"])
def test_the_naive_forms_leave_the_range_of_numbers(gamma, naive):
    """What the scans must not do: most of what comes out is no number, although every input is harmless."""
    decay, entry, _ = (x.float() for x in drawn(gamma))
    decay = decay.clamp(1e-6, 1.0)
    product = decay.cumprod(1) if naive == "division by products" else decay.log().cumsum(1).exp()
    found = product[:, :, None] * (entry / product[:, :, None]).cumsum(1)
    assert float((~torch.isfinite(found)).float().mean()) > 0.3


@every_way
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_gradients_in_32_bits_are_finite_and_right_where_the_naive_forms_overflow(way, gamma):
    weight = torch.randn(2, 1024, 2, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = [x.requires_grad_() for x in drawn(gamma)]
    expected = torch.autograd.grad((by_hand(*exact) * weight).sum(), exact)
    inputs = [x.float().requires_grad_() for x in drawn(gamma)]
    found = torch.autograd.grad((scan(*inputs, way) * weight.float()).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= 2e-6 * float(other.abs().max())


@every_way
@pytest.mark.parametrize(("time", "parts"), [(1, 1), (7, 2), (13, 1)])
def test_gradients_are_the_derivatives_also_by_the_initial_state(way, time, parts):
    inputs = tuple(x.requires_grad_() for x in drawn(0.3, time, 3, parts))
    assert torch.autograd.gradcheck(lambda *given: scan(*given, way, chunk=4), inputs)


@settings(max_examples=40)
@given(
    time=st.integers(1, 70), chunk=st.integers(1, 80), way=st.sampled_from(WAYS), cut=st.integers(0, 70),
    gamma=st.sampled_from([0.0, 0.9]),
)  # fmt: skip
def test_a_scan_cut_anywhere_goes_on_from_its_last_state(time, chunk, way, cut, gamma):
    decay, entry, initial = drawn(gamma, time, 3)
    cut = min(cut, time)
    first = scan(decay[:, :cut], entry[:, :cut], initial, way, chunk)
    rest = scan(decay[:, cut:], entry[:, cut:], first[:, -1] if cut else initial, way, chunk)
    assert float((torch.cat([first, rest], 1) - by_hand(decay, entry, initial)).abs().max()) <= 1e-13


def test_what_a_decay_of_one_holds_stays_to_the_last_bit_and_zero_forgets_all():
    decay = torch.ones(1, 1000, 2)
    decay[:, :, 1] = 0.0
    entry, initial = torch.zeros(1, 1000, 1, 2), torch.tensor([[[0.1, 0.1]]])
    for way in WAYS:
        found = scan(decay, entry, initial, way)
        assert (found[..., 0] == initial[0, 0, 0]).all()
        assert (found[..., 1] == 0.0).all()


@every_way
def test_decays_and_states_are_all_that_is_kept_for_the_way_back(way):
    inputs = [x.requires_grad_() for x in drawn(0.5, 256)]
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.data_ptr()] = x.numel()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        scan(*inputs, way)
    assert sum(kept.values()) == sum(x.numel() for x in inputs)


class _Counted(TorchDispatchMode):
    """Counts the numbers that operations write."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.numbers += sum(
            x.numel() for x in (found if isinstance(found, (tuple, list)) else [found]) if isinstance(x, Tensor)
        )
        return found


def written(time: int, way: Any) -> int:
    inputs = [x.requires_grad_() for x in drawn(0.5, time)]
    with _Counted() as counted:
        scan(*inputs, way).sum().backward()
    return counted.numbers


@pytest.mark.parametrize("way", ["sequential", "chunked"])
def test_twice_the_time_is_twice_the_work_and_no_more(way):
    assert written(256, way) / written(128, way) == pytest.approx(2.0, rel=0.02)


def test_doubling_over_the_whole_time_is_more_than_twice_the_work():
    """What the count above would say of a way that is not linear."""
    assert written(256, "associative") / written(128, "associative") > 2.1


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda decay, entry, initial: (decay[:, :3], entry, initial), r"decay \(batch, time, dim\)"),
        (lambda decay, entry, initial: (decay, entry[0], initial), r"entry must have shape"),
        (lambda decay, entry, initial: (decay, entry, initial[:, :1]), r"initial \(batch, parts, dim\)"),
        (lambda decay, entry, initial: (decay, entry.float(), initial), "all be float32, or all float64"),
        (lambda decay, entry, initial: (decay.half(), entry.half(), initial.half()), "fewer bits lose the state"),
        (lambda decay, entry, initial: (decay, entry, initial, "fast"), "method must be one of auto, sequential"),
        (lambda decay, entry, initial: (decay, entry, initial, "chunked", 0), "chunk a whole number of at least 1"),
        (lambda decay, entry, initial: (decay, entry, initial, "chunked", 2.5), "chunk a whole number of at least 1; .* 2.5"),
        (lambda decay, entry, initial: (decay.tolist(), entry, initial), "must be tensors on one device, got list, cpu, cpu"),
        (lambda decay, entry, initial: (decay.to("meta"), entry, initial), "on one device, got meta, cpu, cpu; move them"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(change: Callable[..., Any], says: str):
    with pytest.raises(UserError, match=says):
        scan(*change(*drawn(0.5, 5)))


# On a GPU, or in Triton's interpreter: `TRITON_INTERPRET=1 pytest tests/gpu/sequence/test_scan.py` with the package installed.
_NO_TRITON = importlib.util.find_spec("triton") is None
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


@pytest.mark.skipif(_NO_TRITON, reason="the triton package is not installed")
@pytest.mark.skipif(not (_INTERPRETED or torch.cuda.is_available()), reason="neither a GPU nor TRITON_INTERPRET=1")
@pytest.mark.parametrize(
    ("time", "chunk", "parts", "dim"), [(1, 64, 2, 3), (150, 64, 2, 5), (64, 64, 1, 33), (65, 16, 2, 130)]
)
def test_the_kernels_of_a_gpu_agree_forward_and_back(time, chunk, parts, dim):
    where = "cpu" if _INTERPRETED else "cuda"
    weight = torch.randn(2, time, parts, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = [x.requires_grad_() for x in drawn(0.5, time, dim, parts)]
    expected = by_hand(*exact)
    grads = torch.autograd.grad((expected * weight).sum(), exact)
    inputs = [x.detach().to(where).requires_grad_() for x in exact]
    found = scan(*inputs, "triton", chunk)
    assert float((found.cpu() - expected).detach().abs().max()) <= 1e-12
    for one, other in zip(torch.autograd.grad((found * weight.to(where)).sum(), inputs), grads, strict=True):
        assert float((one.cpu() - other).abs().max()) <= 1e-12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_the_ways_of_torch_agree_in_32_bits_too():
    exact = by_hand(*drawn(0.9))
    inputs = [x.float().cuda() for x in drawn(0.9)]
    for way in ("sequential", "chunked", "associative", "auto"):
        assert float((scan(*inputs, way).double().cpu() - exact).abs().max()) <= 1e-6
