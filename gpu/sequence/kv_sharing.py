"""Cross-layer sharing of keys and values: which layer's keys and values each layer's queries use.

Brandon et al. (CLA), Sun et al. (YOCO) and Wu and Tu (LCKV) are cases of one scheme; Wu, Wang and Tu, NAACL 2025 (arXiv 2410.14442)
name nine: where the layers that share lie (pizza, sandwich, lasagna) times which of them gives the keys and values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Literal, get_args

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.sizes import check_whole

Kind = Literal["pizza", "sandwich", "lasagna"]
Target = Literal["bottom", "middle", "top"]


def sharing_map(kind: Kind, target: Target, layers: int, kv_layers: int) -> tuple[int, ...]:
    """Return the layer whose keys and values each layer uses, counted from 0.

    Args:
        kind: pizza: the first layers keep their own, all others share. sandwich: the first and the last keep their own.
            lasagna: groups of neighbours share.
        target: Which layer of those that share gives the keys and values.
        layers: All.
        kv_layers: Those with keys and values; so much of the cache is left.
    """
    if kind not in get_args(Kind) or target not in get_args(Target):
        raise UserError(
            f"sharing must be one of {', '.join(get_args(Kind))} with a target of {', '.join(get_args(Target))}, got {kind}-{target}"
        )
    check_whole(1, layers=layers)
    check_whole(1, layers, kv_layers=kv_layers)
    if kind == "lasagna":
        ends = [round((i + 1) * layers / kv_layers) for i in range(kv_layers)]
        groups = list(zip([0, *ends[:-1]], ends, strict=True))
    else:
        before = kv_layers - 1 if kind == "pizza" else -(-(kv_layers - 1) // 2)
        after = kv_layers - 1 - before
        own = [(i, i + 1) for i in range(before)] + [(i, i + 1) for i in range(layers - after, layers)]
        groups = sorted([*own, (before, layers - after)])
    found: list[int] = []
    for low, end in groups:
        giver = {"bottom": low, "middle": (low + end - 1) // 2, "top": end - 1}[target]
        found += [giver] * (end - low)
    return tuple(found)


def checked_map(given: Sequence[int] | str, layers: int) -> tuple[int, ...]:
    """Return a map written out: whole numbers, or text such as "0_0_2_2".

    Raises:
        UserError: If a layer leads outside, or to a layer without keys and values of its own.
    """
    try:
        found = tuple(int(i) for i in given.split("_")) if isinstance(given, str) else tuple(index(i) for i in given)
    except (ValueError, TypeError) as error:
        raise UserError(f"a sharing map must be whole numbers, one a layer, such as 0_0_2_2; got {given!r}") from error
    if len(found) != layers or any(not 0 <= i < layers for i in found):
        raise UserError(
            f"a sharing map must name a layer from 0 to {layers - 1} for each of {layers} layers, got {given!r}"
        )
    for layer, giver in enumerate(found):
        if found[giver] != giver:
            raise UserError(
                f"layer {layer} uses layer {giver}, which uses layer {found[giver]}; a giver must use its own"
            )
    return found


@dataclass(frozen=True)
class Segment:
    """Layers that are worked out together.

    Attributes:
        first: Layer it begins with.
        end: Layer after the last.
        cyclic: Whether a layer uses one above it, so that passes must be repeated.
    """

    first: int
    end: int
    cyclic: bool


def segments(kv_map: Sequence[int]) -> tuple[Segment, ...]:
    """Return the layers cut into the shortest stretches that can be worked out one after the other."""
    found, i = [], 0
    while i < len(kv_map):
        end = max(i, kv_map[i]) + 1
        j = i
        while j < end:
            end = max(end, kv_map[j] + 1)
            j += 1
        found.append(Segment(i, end, any(kv_map[k] > k for k in range(i, end))))
        i = end
    return tuple(found)
