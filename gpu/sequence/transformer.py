"""A causal Transformer with the common interface, with KV sharing, windows, and exit schedules."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.cache import NO_ENTRY, Cache
from v2xsim.gpu.sequence.kv_sharing import Segment, checked_map, segments
from v2xsim.gpu.sequence.module import SequenceModule
from v2xsim.gpu.sequence.rotary import positions_of, turns
from v2xsim.gpu.sequence.sizes import check_dropout, check_start, check_whole, one_each
from v2xsim.gpu.sequence.skip_schedule import ALWAYS, ExitSchedule
from v2xsim.gpu.sequence.standing import StandingCache
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.transformer_layer import Layer, Piece

# Cyclic KV sharing has converged if a pass changes keys by less than this number of units in the last place.
_SETTLED_PLACES = 4.0


class Transformer(SequenceModule):
    """A stack of Transformer layers over vectors.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers.
        heads: Number of attention heads; dim must be an even multiple of this number.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        kv_map: For each layer, the layer whose keys and values it uses (any map, such as from kv_sharing.sharing_map,
            or None if each layer has its own).
        windows: Number of positions for which a layer keeps keys and values, the current one included; one number for
            all layers, or one per layer; 0 means all positions.
        schedule: Exit schedule: how many layers each position runs (None for all).
        passes: Number of training passes without gradients, and number with gradients, of layers that use keys and
            values from layers above. In evaluation, passes are repeated until nothing changes, which is exact. With
            only one pass with gradients, the layers that provide keys and values do not learn to do so.
        dropout: Share of entries set to zero in training, 0 to 1.

    Raises:
        UserError: If the sizes are invalid or do not fit together, or if a cyclic map is combined with a schedule.

    References:
        Vaswani et al. 2017; pre-norm and rotary embedding as in GPT-NeoX. KV sharing: arXiv 2410.14442. Schedule:
        arXiv 2307.02628.
    """

    def __init__(
        self,
        dim: int,
        layers: int,
        heads: int,
        hidden: int | None = None,
        kv_map: Sequence[int] | str | None = None,
        windows: int | Sequence[int] = 0,
        schedule: ExitSchedule | None = None,
        passes: tuple[int, int] = (7, 2),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_whole(1, dim=dim, layers=layers, heads=heads)
        if dim % heads or dim // heads % 2:
            raise UserError(f"dim must be an even multiple of heads, got dim {dim} and {heads} heads")
        self.width, self.dim, self.heads, self.hidden = dim, dim, heads, 4 * dim if hidden is None else hidden
        check_whole(1, hidden=self.hidden)
        check_dropout(dropout)
        self.kv_map = checked_map(range(layers) if kv_map is None else kv_map, layers)
        self.windows = one_each("windows", windows, layers, "layers", 0)
        if not isinstance(passes, Sequence) or len(passes) != 2:
            raise UserError(f"passes must be two numbers, without gradients and with, got {passes!r}")
        check_whole(0, **{"passes without gradients": passes[0]})
        check_whole(1, **{"passes with gradients": passes[1]})
        self.schedule, self.passes = schedule, passes
        self.segments = segments(self.kv_map)
        if schedule is not None and schedule.layers != layers:
            raise UserError(f"the schedule is for {schedule.layers} layers, the model has {layers}")
        if schedule is not None and any(s.cyclic for s in self.segments):
            raise UserError(
                f"a map with layers that use one above them ({self.kv_map}) cannot have an exit schedule; take a map with target bottom"
            )
        self.givers = tuple(sorted(set(self.kv_map)))
        self.layers = nn.ModuleList(Layer(dim, heads, self.hidden, i in self.givers, dropout) for i in range(layers))
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self._initialise()

    def _initialise(self) -> None:
        """Draw weights as GPT-2 does: N(0, 0.02), with the output maps of each layer scaled by 1 / sqrt(2 layers)."""
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                less = (2 * len(self.layers)) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * less)

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        shared = "_".join(map(str, self.kv_map))
        limits = f", windows {'_'.join(map(str, self.windows))}" if any(self.windows) else ""
        less = f", {self.schedule}" if self.schedule else ""
        return f"{self._name}(dim {self.dim}, heads {self.heads}, keys of {shared}{limits}{less})"

    def init_state(
        self,
        batch: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        room: int = 0,
        prompt: int | None = None,
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet.

        `prompt` is the number of positions of the prompt: an exit schedule counts positions from its end.
        """
        check_start(batch, dtype, room, prompt)
        state_device = torch.device(device) if device is not None else self.device
        caches = {
            f"layer{i}": Cache.empty(
                batch, self.heads, self.dim // self.heads, state_device, dtype or self.dtype, self.windows[i], room
            )
            for i in self.givers
        }
        if prompt is None:
            prompt = self.schedule.prompt if self.schedule else 0
        # Without a schedule the result does not depend on the length of the prompt, so it is not stored, and states of
        # different prompts can be joined.
        return State.fresh(self.signature, batch, state_device, caches, **({"prompt": prompt} if self.schedule else {}))

    def standing(self, state: State, room: int) -> State | None:
        """Return the state with caches of fixed storage, so that steps can be recorded.

        The result is None with windows, with an exit schedule, or if rows have missing entries.
        """
        caches = {name: state.cache(name) for name in state.slots}
        if (
            any(self.windows)
            or self.schedule
            or state.steps is None
            or any(c.index is not None for c in caches.values())
        ):
            return None
        return replace(state, steps=None, slots={name: StandingCache.of(cache, room) for name, cache in caches.items()})

    def _advance(
        self,
        x: Float[Tensor, "batch time dim"],
        state: State,
        mask: Bool[Tensor, "batch time"] | None,
        dt: Tensor | None,
    ) -> tuple[Tensor, State]:
        piece = self.piece_of(state, x.shape[1], mask, dt, x.dtype)
        caches = {i: state.cache(f"layer{i}") for i in self.givers}
        for segment in self.segments:
            x, caches = self._through(x, segment, caches, piece, state)
        count = x.shape[1]
        return self.norm(x), state.advanced(count, {f"layer{i}": cache for i, cache in caches.items()}, dt)

    def piece_of(self, state: State, count: int, mask: Tensor | None, dt: Tensor | None, dtype: torch.dtype) -> Piece:
        """Return the positions of the next piece of the sequence."""
        turn = turns(positions_of(state, count, dt), self.dim // self.heads, dtype)
        if state.steps is not None:
            position: int | Tensor = state.steps
        else:
            position = state.seen[:, None] + torch.arange(count, device=state.device)
        entry = position
        if mask is not None:
            at = torch.arange(count, device=state.device) + (position if isinstance(position, int) else 0)
            at = at.expand(state.batch, -1) if isinstance(position, int) else position
            entry = torch.where(mask, at, NO_ENTRY)
        if self.schedule is None:
            return Piece(position, entry, turn)
        lasts = self.schedule.lasts(state.notes["prompt"])
        if isinstance(position, int):
            return Piece(position, entry, turn, tuple(max(0, min(count, last - position)) for last in lasts))
        limit = torch.tensor([min(last, ALWAYS) for last in lasts], device=state.device)
        return Piece(position, entry, turn, None, position[None] < limit[:, None, None])

    def _through(
        self, x: Tensor, segment: Segment, caches: dict[int, Cache], piece: Piece, state: State
    ) -> tuple[Tensor, dict[int, Cache]]:
        """Run the layers of a segment; return their output, and the caches with the entries of the piece."""
        if not segment.cyclic:
            return self._layer_with_schedule(x, segment.first, caches, piece, state)
        if x.shape[1] == 1:
            # Only the output at the last position is needed, so the layers above are not run for the other positions.
            return self._pass(x, segment, caches, caches, piece, state)[:2]
        return self._settled(x, segment, caches, piece, state)

    def _layer_with_schedule(
        self, x: Tensor, number: int, caches: dict[int, Cache], piece: Piece, state: State
    ) -> tuple[Tensor, dict[int, Cache]]:
        """Run one layer for those positions that run it under the exit schedule."""
        segment = Segment(number, number + 1, False)
        if piece.rows_active is not None:
            active = piece.rows_active[number]
            assert isinstance(piece.position, Tensor)
            entry = torch.where(active, piece.entry, NO_ENTRY)
            y, caches, _ = self._pass(x, segment, caches, caches, Piece(piece.position, entry, piece.turn), state)
            return torch.where(active[..., None], y, x), caches
        count = x.shape[1] if piece.active is None else piece.active[number]
        if count == x.shape[1]:
            return self._pass(x, segment, caches, caches, piece, state)[:2]
        if count == 0:
            return x, caches
        y, caches, _ = self._pass(x[:, :count], segment, caches, caches, piece.first(count), state)
        return torch.cat([y, x[:, count:]], 1), caches

    def _pass(
        self, x: Tensor, segment: Segment, caches: dict[int, Cache], above: dict[int, Cache], piece: Piece, state: State
    ) -> tuple[Tensor, dict[int, Cache], dict[int, tuple[Tensor, Tensor]]]:
        """Run the layers of a segment once.

        Args:
            x: Input vectors.
            segment: The layers to run.
            caches: Caches without the entries of the piece.
            above: Keys and values of the layers above, from the previous pass.
            piece: Positions of the piece.
            state: State before the piece.

        Returns:
            The output, the caches with the entries of the piece, and the entries of the piece alone.
        """
        now, made = dict(caches), {}
        for i in range(segment.first, segment.end):
            layer, giver = self.layers[i], self.kv_map[i]
            assert isinstance(layer, Layer)
            query, own_entries = layer.projected(layer.norm(x), piece.turn)
            if own_entries is not None:
                made[i] = own_entries
                now[i] = now[i].extend(*own_entries, piece.entry)
            # Keys from above are those of the previous pass, in which the entry of this position itself is not known
            # yet.
            strict = giver > i
            x = layer.attended(x, query, (above if strict else now)[giver], piece, strict)
            x = layer.fed(self._between(x, i, state))
        return x, now, made

    def _between(self, x: Float[Tensor, "batch time dim"], layer: int, state: State) -> Float[Tensor, "batch time dim"]:
        """Return the input of the feed-forward part, given the output of attention.

        Subclasses may insert a computation between the two parts.
        """
        return x

    def _settled(
        self, x: Tensor, segment: Segment, caches: dict[int, Cache], piece: Piece, state: State
    ) -> tuple[Tensor, dict[int, Cache]]:
        """Repeat layers that use keys and values from above until nothing changes.

        After n passes, the first n positions are exact.
        """
        batch, count = x.shape[:2]
        givers = [i for i in range(segment.first, segment.end) if self.kv_map[i] == i]
        zero = x.new_zeros(batch, self.heads, count, self.dim // self.heads)
        guess = dict.fromkeys(givers, (zero, zero))
        # Outside training, `count` passes are always enough: each pass makes one more position exact.
        silent, loud = self.passes if self.training else (0, count)
        y, now = x, caches
        for number in range(silent + loud):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= silent):
                above = {i: caches[i].followed_by(*guess[i], piece.entry) for i in givers}
                y, now, made = self._pass(x, segment, caches, above, piece, state)
            if not self.training and _close(guess, made):
                break
            guess = made
        return y, now


@torch.no_grad()
def _close(before: dict[int, tuple[Tensor, Tensor]], after: dict[int, tuple[Tensor, Tensor]]) -> bool:
    """Return whether a pass changed only the last bits of the keys."""
    for name, (keys, _) in after.items():
        for old, new in zip(before[name], after[name], strict=True):
            limit = _SETTLED_PLACES * torch.finfo(keys.dtype).eps * float(new.abs().max())
            if float((new - old).abs().max()) > limit:
                return False
    return True
