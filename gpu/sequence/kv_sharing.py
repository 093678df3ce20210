"""KV sharing: each layer's queries may use the keys and values of another layer.

CLA (Brandon et al.), YOCO (Sun et al.) and LCKV (Wu and Tu) are cases of one scheme. Wu, Wang and Tu, NAACL 2025 (arXiv
2410.14442), name nine of them: three arrangements of the layers without keys and values of their own (pizza, sandwich,
lasagna), times three choices of the layer that provides them.
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
    """Return for each layer the layer whose keys and values it uses, counted from 0.

    Args:
        kind: Arrangement of the layers. `pizza`: the first layers have keys and values of their own; all others use
            those of one layer. `sandwich`: the first and the last layers have keys and values of their own. `lasagna`:
            the layers of each group of neighbours use the same keys and values.
        target: The layer of a group that provides the keys and values: bottom, middle or top.
        layers: Number of all layers.
        kv_layers: Number of layers with keys and values of their own; the cache shrinks in proportion.
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
    kv_map: list[int] = []
    for low, end in groups:
        giver = {"bottom": low, "middle": (low + end - 1) // 2, "top": end - 1}[target]
        kv_map += [giver] * (end - low)
    return tuple(kv_map)


def checked_map(given: Sequence[int] | str, layers: int) -> tuple[int, ...]:
    """Return a map as a tuple of whole numbers, from such numbers or from text such as "0_0_2_2".

    Raises:
        UserError: If an entry is no layer, or is a layer without keys and values of its own.
    """
    try:
        kv_map = tuple(int(i) for i in given.split("_")) if isinstance(given, str) else tuple(index(i) for i in given)
    except (ValueError, TypeError) as error:
        raise UserError(f"a sharing map must be whole numbers, one a layer, such as 0_0_2_2; got {given!r}") from error
    if len(kv_map) != layers or any(not 0 <= i < layers for i in kv_map):
        raise UserError(
            f"a sharing map must name a layer from 0 to {layers - 1} for each of {layers} layers, got {given!r}"
        )
    for layer, giver in enumerate(kv_map):
        if kv_map[giver] != giver:
            raise UserError(
                f"layer {layer} uses layer {giver}, which uses layer {kv_map[giver]}; a giver must use its own"
            )
    return kv_map


@dataclass(frozen=True)
class Segment:
    """Consecutive layers that are computed together.

    Attributes:
        first: Number of the first layer of the segment.
        end: Number of the layer after the last one of the segment.
        cyclic: Whether a layer uses keys and values from a layer above, so that the segment must be computed
            repeatedly.
    """

    first: int
    end: int
    cyclic: bool


def segments(kv_map: Sequence[int]) -> tuple[Segment, ...]:
    """Return the layers, cut into the shortest segments that can be computed one after the other."""
    stretches, i = [], 0
    while i < len(kv_map):
        end = max(i, kv_map[i]) + 1
        j = i
        while j < end:
            end = max(end, kv_map[j] + 1)
            j += 1
        stretches.append(Segment(i, end, any(kv_map[k] > k for k in range(i, end))))
        i = end
    return tuple(stretches)
