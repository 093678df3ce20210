"""What each kind of sequence model can be built with besides its sizes, and how it is built.

The fields of a record are the options that `models.build` and `v2xsim train sequence --option` take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from v2xsim.gpu.sequence.block import BlockTransformer
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.gru import Gru
from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_layer import Bounds, Forget, NormGate, Variant
from v2xsim.gpu.sequence.kv_sharing import Kind, Target, sharing_map
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_parts import ChunkEnd
from v2xsim.gpu.sequence.sharedllm_tree import Alike, Choice, ContextTree
from v2xsim.gpu.sequence.sizes import check_whole
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.tokens import TokenModel, TokenSequence
from v2xsim.gpu.sequence.transformer import Transformer


@dataclass(frozen=True)
class ModelSizes:
    """Sizes that every model has.

    Attributes:
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector.
        layers: Number of layers, over all parts.
        heads: Number of attention heads; ignored by models without attention.
    """

    vocabulary: int
    dim: int
    layers: int
    heads: int


class ModelOptions(Protocol):
    """The options of one kind of model."""

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights.

        Raises:
            UserError: If sizes or options do not fit.
        """
        ...


@dataclass(frozen=True)
class TransformerOptions:
    """A Transformer: pre-norm, rotary positions, keys and values of every layer kept.

    Attributes:
        hidden: Width of the feed-forward parts; None for 4 dim.
        windows: Number of positions that a layer can see, the present one included; one for all layers, or one per
            layer; 0 for all positions.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the embedding.
    """

    hidden: int | None = None
    windows: int | Sequence[int] = 0
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        body = Transformer(
            sizes.dim, sizes.layers, sizes.heads, self.hidden, windows=self.windows, dropout=self.dropout
        )
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class GruOptions:
    """Gated recurrent units: the plain recurrent baseline, with a state of fixed size.

    Attributes:
        residual: Whether each layer adds to its input, with norms before it and at the end.
        tied: Whether the head uses the weights of the embedding.
    """

    residual: bool = True
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        return TokenModel(Gru(sizes.dim, sizes.layers, self.residual), sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class KvSharingOptions:
    """A Transformer whose layers share keys and values, by one of nine maps or any map.

    Attributes:
        kind: Where the layers without keys and values of their own are: see `sharing_map`.
        target: Which layer of a group provides the keys and values.
        kv_layers: Number of layers with keys and values of their own; None for half of all.
        kv_map: For each layer, the layer whose keys and values it uses; replaces the three options above.
        times: Speed-up by an exit schedule; None for no schedule.
        horizon: Number of positions after the prompt over which the exit schedule falls.
        hidden: Width of the feed-forward parts; None for 4 dim.
        windows: Number of positions that a layer can see, the present one included; one for all layers, or one per
            layer; 0 for all positions.
        passes: Number of training passes without and with gradients: see Transformer.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the embedding.
    """

    kind: Kind = "lasagna"
    target: Target = "bottom"
    kv_layers: int | None = None
    kv_map: str | Sequence[int] | None = None
    times: float | None = None
    horizon: int = 256
    hidden: int | None = None
    windows: int | Sequence[int] = 0
    passes: tuple[int, int] = (7, 2)
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        layers = sizes.layers
        shared = self.kv_map if self.kv_map is not None else _half(layers, self.kind, self.target, self.kv_layers)
        schedule = None if self.times is None else ExitSchedule.of_speed(layers, self.times, self.horizon)
        body = Transformer(
            sizes.dim, layers, sizes.heads, self.hidden, shared, self.windows, schedule, self.passes, self.dropout
        )
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class SkipDecodeOptions:
    """A Transformer that gives later positions fewer layers.

    Attributes:
        times: Speed-up: number of layers divided by the mean number of layers that run.
        horizon: Number of positions after the prompt over which the number of layers falls.
        warm_up: Number of lowest layers that always run.
        hidden: Width of the feed-forward parts; None for 4 dim.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the embedding.
    """

    times: float = 2.0
    horizon: int = 256
    warm_up: int = 1
    hidden: int | None = None
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        schedule = ExitSchedule.of_speed(sizes.layers, self.times, self.horizon, self.warm_up)
        body = Transformer(sizes.dim, sizes.layers, sizes.heads, self.hidden, schedule=schedule, dropout=self.dropout)
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class HgrnOptions:
    """A hierarchically gated linear recurrence, with a state of fixed size.

    Attributes:
        hidden: Width of the gated linear unit; None for 2 dim.
        complex_state: See hgrn_layer.Variant, as for the next three.
        norm_gate: Order of norm and output gate.
        bounds: Lower bounds of the kept share.
        forget: Whether the kept share depends on the input.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the embedding.
    """

    hidden: int | None = None
    complex_state: bool = True
    norm_gate: NormGate = "code"
    bounds: Bounds = "exclusive"
    forget: Forget = "data"
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        variant = Variant(self.complex_state, self.norm_gate, self.bounds, self.forget)
        body = Hgrn(sizes.dim, sizes.layers, self.hidden, variant, self.dropout)
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class BlockOptions:
    """A Block Transformer: one decoder over blocks of tokens, one within a block.

    KV sharing and exits apply to the block decoder.

    Attributes:
        block: Number of tokens in a block.
        prefix: Number of vectors by which a context is passed to the token decoder.
        token_layers: Number of layers of the token decoder; None for half of all, rounded up. The block decoder has the
            others.
        kind: Where the layers without keys and values of their own are: see `sharing_map`; None for no KV sharing.
        target: Which layer of a group provides the keys and values.
        kv_layers: Number of layers with keys and values of their own; None for half.
        times: Speed-up by an exit schedule; None for no schedule.
        horizon: Number of tokens after the prompt over which the exit schedule falls.
        first_block: Whether the loss includes the first block.
        hidden: Width of the feed-forward parts; None for 4 dim.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the token decoder's embedding.
    """

    block: int = 4
    prefix: int = 2
    token_layers: int | None = None
    kind: Kind | None = None
    target: Target = "bottom"
    kv_layers: int | None = None
    times: float | None = None
    horizon: int = 256
    first_block: bool = True
    hidden: int | None = None
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        within = sizes.layers - sizes.layers // 2 if self.token_layers is None else self.token_layers
        check_whole(1, block=self.block, horizon=self.horizon, token_layers=within)
        over = sizes.layers - within
        shared = None if self.kind is None else _half(over, self.kind, self.target, self.kv_layers)
        schedule = None
        if self.times is not None:
            schedule = ExitSchedule.of_speed(over, self.times, max(1, self.horizon // self.block))
        return BlockTransformer(
            sizes.vocabulary,
            sizes.dim,
            Decoder(over, sizes.heads, self.hidden, shared, schedule=schedule),
            Decoder(within, sizes.heads, self.hidden),
            block=self.block,
            prefix=self.prefix,
            first_block=self.first_block,
            tied=self.tied,
            dropout=self.dropout,
        )


@dataclass(frozen=True)
class SharedOptions:
    """SharedLLM: the past in chunks, compressed coarsely or in detail depending on a query.

    Attributes:
        inject: Number of layers of the lower model: see SharedModel.
        chunk: Number of tokens in a chunk; for this and the next four see ContextTree.
        depth: Number of times that a chunk is halved.
        kept: Number of entries kept of each node.
        choice: Which half is expanded.
        alike: Which vector of a half is compared with the query.
        window: Number of tokens before the current chunk that self-attention still sees.
        renew: Chunks whose selection is updated when a chunk is complete.
        hidden: Width of the feed-forward parts; None for 4 dim.
        dropout: Share of entries dropped in training, 0 to 1.
        tied: Whether the head uses the weights of the embedding.
    """

    inject: int = 2
    chunk: int = 64
    depth: int = 3
    kept: int | Sequence[int] | None = None
    choice: Choice = "query"
    alike: Alike = "last"
    window: int = 0
    renew: Literal["all", "new"] = "all"
    hidden: int | None = None
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with new weights."""
        return SharedModel(
            sizes.vocabulary,
            sizes.dim,
            sizes.layers,
            sizes.heads,
            ContextTree(self.chunk, self.depth, self.kept, self.choice, self.alike),
            self.inject,
            ChunkEnd(self.window, self.renew),
            hidden=self.hidden,
            dropout=self.dropout,
            tied=self.tied,
        )


def _half(layers: int, kind: Kind, target: Target, kv_layers: int | None) -> tuple[int, ...]:
    """Return a map of KV sharing; by default half of the layers have keys and values of their own."""
    return sharing_map(kind, target, layers, max(1, layers // 2) if kv_layers is None else kv_layers)
