"""What one decoder of a Block Transformer is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.transformer import Transformer


@dataclass(frozen=True)
class Decoder:
    """The layers of one decoder. Positions of the block decoder are blocks; those of the token decoder are tokens.

    Attributes:
        layers: Number of layers.
        heads: Number of attention heads.
        hidden: Width of the feed-forward parts; None for 4 dim.
        kv_map: KV sharing: for each layer, the layer whose keys and values it uses; None for its own.
        windows: Number of positions that a layer can see, the present one included; 0 for all. Only the block decoder
            can have windows.
        schedule: Exit schedule. In the block decoder, its positions, horizon and prompt count blocks. In the token
            decoder, it goes by the position within the block, and its prompt is the prefix.
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
