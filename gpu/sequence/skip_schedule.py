"""SkipDecode: the number of layers depends on the position in a sequence, the same for the whole batch.

Del Corro et al., SkipDecode (arXiv 2307.02628). The number of layers falls with the position and never rises, so
missing keys and values never have to be computed later. Layers just above the lowest ones are skipped; the top layers
always run.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.sizes import check_whole, is_number

ALWAYS = 2**62
"""Number of positions assumed for a layer that is never skipped."""


@dataclass(frozen=True)
class ExitSchedule:
    """Number of layers by position: `most` in the prompt, then falling linearly to `least` at the horizon, and `least` after it.

    Attributes:
        layers: Number of all layers of the model.
        most: Number of layers that the positions of the prompt run.
        least: Number of layers that the positions after the horizon run.
        horizon: Position at which `least` is reached, counted from the end of the prompt. The horizon must be known
            before generation starts.
        warm_up: Number of lowest layers that always run.
        keep: Layers that run besides the lowest ones. `top`: the top layers (SkipDecode). `bottom`: the bottom layers
            (early termination, the baseline that skips the top layers).
        prompt: Number of positions of the prompt, used if the state does not contain it, as in training on whole
            sequences.
    """

    layers: int
    most: int
    least: int
    horizon: int
    warm_up: int = 1
    keep: Literal["top", "bottom"] = "top"
    prompt: int = 0

    def __post_init__(self) -> None:
        check_whole(1, layers=self.layers, most=self.most, least=self.least, horizon=self.horizon, warm_up=self.warm_up)
        check_whole(0, prompt=self.prompt)
        if not 1 <= self.warm_up <= self.least <= self.most <= self.layers:
            raise UserError(
                "an exit schedule needs 1 <= warm_up <= least <= most <= layers, "
                f"got {self.warm_up}, {self.least}, {self.most}, {self.layers}"
            )
        if self.keep not in ("top", "bottom"):
            raise UserError(f"keep must be top or bottom, got {self.keep!r}")

    @staticmethod
    def of_speed(layers: int, times: float, horizon: int, warm_up: int = 1, **said: Any) -> "ExitSchedule":
        """Return a schedule with a mean of layers / times layers, falling from about 1.4 times to 0.6 times this mean."""
        check_whole(1, layers=layers, warm_up=warm_up)
        if not is_number(times) or not 1.0 <= times <= layers / warm_up:
            raise UserError(f"speed-up must be from 1 to layers / warm_up = {layers / warm_up:g}, got {times!r}")
        mean = layers / times
        # The sum of the first and last number is rounded, not each of them, so that the mean can be a multiple of half
        # a layer.
        both = round(2 * mean)
        spread = min(int(0.42 * mean), layers - both // 2 - both % 2, both // 2 - warm_up)
        return ExitSchedule(layers, both // 2 + both % 2 + spread, both // 2 - spread, horizon, warm_up, **said)

    def exit_at(self, position: int, prompt: int = 0) -> int:
        """Return the number of layers that a position runs."""
        if position < prompt or self.most == self.least:
            return self.most
        share = min(1.0, (position - prompt) / max(1, self.horizon - 1))
        return round(self.most - (self.most - self.least) * share)

    def active(self, position: int, prompt: int = 0) -> tuple[int, ...]:
        """Return the numbers of the layers that a position runs, counted from 0."""
        count = self.exit_at(position, prompt)
        if self.keep == "bottom":
            return tuple(range(count))
        return (*range(self.warm_up), *range(self.layers - (count - self.warm_up), self.layers))

    def lasts(self, prompt: int = 0) -> tuple[int, ...]:
        """Return for each layer the number of positions that run it.

        The positions that run a layer are always the first ones, since the number of layers never rises.
        """
        return _lasts(self, prompt)

    def mean_layers(self, count: int, prompt: int = 0) -> float:
        """Return the mean number of layers that run over `count` positions after the prompt."""
        return sum(self.exit_at(prompt + t, prompt) for t in range(count)) / max(1, count)


@lru_cache(maxsize=256)
def _lasts(schedule: ExitSchedule, prompt: int) -> tuple[int, ...]:
    counts = [0] * schedule.layers
    for layer in schedule.active(prompt + schedule.horizon, prompt):
        counts[layer] = ALWAYS
    for position in (0, *range(prompt, prompt + schedule.horizon)):
        for layer in schedule.active(position, prompt):
            # All positions of a prompt run the same layers as its first one.
            counts[layer] = max(counts[layer], position + 1, prompt)
    return tuple(counts)
