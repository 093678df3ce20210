"""Options of each kind of sequence model besides its sizes, and how to build the model with them.

The fields of each options class are the options of `models.build` and of `v2xsim train sequence --option`.
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
    """Sizes that every sequence model has.

    Attributes:
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector.
        layers: Total number of layers in all parts of the model.
        heads: Number of attention heads; ignored by models without attention.
    """

    vocabulary: int
    dim: int
    layers: int
    heads: int


class ModelOptions(Protocol):
    """Base of the options of one kind of model."""

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with the options of this record, the given sizes and new random weights.

        Raises:
            UserError: If sizes or options are invalid or do not fit together.
        """
        ...


@dataclass(frozen=True)
class TransformerOptions:
    """A Transformer with pre-norm and rotary positions, which stores keys and values of every layer.

    Attributes:
        hidden: Width of the feed-forward parts (None for 4 times dim).
        windows: Number of positions that a layer can see, the current one included; one number for all layers, or one
            per layer; 0 means all positions.
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.
    """

    hidden: int | None = None
    windows: int | Sequence[int] = 0
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with the options of this record, the given sizes and new random weights."""
        body = Transformer(
            sizes.dim, sizes.layers, sizes.heads, self.hidden, windows=self.windows, dropout=self.dropout
        )
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class GruOptions:
    """Gated recurrent units: the plain recurrent baseline, with a state of fixed size.

    Attributes:
        residual: Whether each layer adds to its input, with norms before it and at the end.
        tied: Whether the output layer uses the weights of the embedding.
    """

    residual: bool = True
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with the options of this record, the given sizes and new random weights."""
        return TokenModel(Gru(sizes.dim, sizes.layers, self.residual), sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class KvSharingOptions:
    """A Transformer whose layers share keys and values, by one of nine maps or any map.

    Attributes:
        kind: Arrangement of the layers without keys and values of their own (see `sharing_map`).
        target: The layer of a group that provides the keys and values: bottom, middle or top.
        kv_layers: Number of layers with keys and values of their own (None for half of all).
        kv_map: For each layer, the layer whose keys and values it uses; replaces the three options above.
        times: Speed-up by an exit schedule, which lets later positions run fewer layers (None for no schedule).
        horizon: Number of positions after the prompt over which the exit schedule reduces the number of layers.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        windows: Number of positions that a layer can see, the current one included; one number for all layers, or one
            per layer; 0 means all positions.
        passes: Number of training passes without gradients, and number with gradients, of layers that use keys and
            values from above (see Transformer).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.
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
        """Return a model with the options of this record, the given sizes and new random weights."""
        layers = sizes.layers
        shared = self.kv_map if self.kv_map is not None else _half(layers, self.kind, self.target, self.kv_layers)
        schedule = None if self.times is None else ExitSchedule.of_speed(layers, self.times, self.horizon)
        body = Transformer(
            sizes.dim, layers, sizes.heads, self.hidden, shared, self.windows, schedule, self.passes, self.dropout
        )
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class SkipDecodeOptions:
    """A Transformer in which later positions run fewer layers.

    Attributes:
        times: Speed-up: number of all layers divided by the mean number of layers that run.
        horizon: Number of positions after the prompt over which the number of layers falls.
        warm_up: Number of lowest layers that always run.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.
    """

    times: float = 2.0
    horizon: int = 256
    warm_up: int = 1
    hidden: int | None = None
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with the options of this record, the given sizes and new random weights."""
        schedule = ExitSchedule.of_speed(sizes.layers, self.times, self.horizon, self.warm_up)
        body = Transformer(sizes.dim, sizes.layers, sizes.heads, self.hidden, schedule=schedule, dropout=self.dropout)
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class HgrnOptions:
    """A hierarchically gated linear recurrence (HGRN), with a state of fixed size.

    Attributes:
        hidden: Width of the gated linear unit (None for 2 times dim).
        complex_state: Whether states are complex numbers whose phase turns with time.
        norm_gate: Order of normalisation and output gate (see hgrn_layer.Variant).
        bounds: Lower bounds of the share of the state that is kept in a step (see hgrn_layer.Variant).
        forget: Whether the share of the state that is kept depends on the input (see hgrn_layer.Variant).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.
    """

    hidden: int | None = None
    complex_state: bool = True
    norm_gate: NormGate = "code"
    bounds: Bounds = "exclusive"
    forget: Forget = "data"
    dropout: float = 0.0
    tied: bool = False

    def build(self, sizes: ModelSizes) -> TokenSequence:
        """Return a model with the options of this record, the given sizes and new random weights."""
        variant = Variant(self.complex_state, self.norm_gate, self.bounds, self.forget)
        body = Hgrn(sizes.dim, sizes.layers, self.hidden, variant, self.dropout)
        return TokenModel(body, sizes.vocabulary, self.tied)


@dataclass(frozen=True)
class BlockOptions:
    """A Block Transformer: one decoder over blocks of tokens, and one within a block.

    KV sharing and exits apply to the block decoder.

    Attributes:
        block: Number of tokens in a block.
        prefix: Number of vectors by which a context is passed to the token decoder.
        token_layers: Number of layers of the token decoder (None for half of all layers, rounded up). The block decoder
            has the other layers.
        kind: Arrangement of the layers without keys and values of their own (see `sharing_map`, None for no KV
            sharing).
        target: The layer of a group that provides the keys and values: bottom, middle or top.
        kv_layers: Number of layers of the block decoder with keys and values of their own (None for half of its
            layers).
        times: Speed-up by an exit schedule, which lets later positions run fewer layers (None for no schedule).
        horizon: Number of tokens after the prompt over which the exit schedule reduces the number of layers.
        first_block: Whether the loss includes the first block.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the token decoder's embedding.
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
        """Return a model with the options of this record, the given sizes and new random weights."""
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
    """SharedLLM: the past is cut into chunks, which are compressed coarsely or in detail depending on a query.

    Attributes:
        inject: Number of layers of the lower model, and of upper layers that attend to the compressed past (see
            SharedModel).
        chunk: Number of tokens in a chunk (see ContextTree).
        depth: Number of times that a chunk is halved.
        kept: Number of entries kept of each node of the context tree.
        choice: Rule for the half of a node that is expanded (see ContextTree).
        alike: Vector of a half that is compared with the query (see ContextTree).
        window: Number of tokens before the current chunk that self-attention can see.
        renew: Chunks whose selection is updated when a chunk is complete: all, or only the new one.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.
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
        """Return a model with the options of this record, the given sizes and new random weights."""
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
