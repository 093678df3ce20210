"""Sizes and options of one decoder of a Block Transformer."""

from collections.abc import Sequence
from dataclasses import dataclass

from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.transformer import Transformer


@dataclass(frozen=True)
class Decoder:
    """The layers of one decoder.

    A position of the block decoder is a block; a position of the token decoder is a token.

    Attributes:
        layers: Number of layers.
        heads: Number of attention heads.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        kv_map: KV sharing: for each layer, the layer whose keys and values it uses (None if each layer has its own).
        windows: Number of positions that a layer can see, the current one included; 0 for all. Only the block decoder
            can have windows.
        schedule: Exit schedule: how many layers each position runs. In the block decoder, its positions, horizon and
            prompt count blocks. In the token decoder, it depends on the position within the block, and its prompt is
            the prefix.
    """

    layers: int
    heads: int
    hidden: int | None = None
    kv_map: Sequence[int] | str | None = None
    windows: int | Sequence[int] = 0
    schedule: ExitSchedule | None = None

    def transformer(self, dim: int, dropout: float) -> Transformer:
        """Return the decoder with new weights."""
        return Transformer(
            dim, self.layers, self.heads, self.hidden, self.kv_map, self.windows, self.schedule, dropout=dropout
        )
