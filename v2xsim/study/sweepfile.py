"""The YAML file of a sweep: scenario, varied keys with their values, and seeds."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from v2xsim.scenario.errors import Keys, PlacedError
from v2xsim.scenario.fields import Section, choice, quantity

Values = Annotated[list[Any], Field(min_length=1, max_length=10_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Range(Section):
    """A range of numbers from which values of a key are drawn."""

    lowest: float = choice(..., "First number of the range", alias="from")
    highest: float = choice(..., "Last number of the range", alias="to")
    scale: Literal["linear", "log"] = choice(
        "linear",
        "Scale on which values are spread evenly: linear, or logarithmic (log), where equal ratios are equally likely",
    )
    integer: bool = choice(False, "Whether to use whole numbers only, both ends included")

    @model_validator(mode="after")
    def _rising(self) -> "Range":
        if not self.highest > self.lowest:
            raise ValueError(f"to ({self.highest:g}) must be above from ({self.lowest:g})")
        if self.scale == "log" and self.lowest <= 0:
            raise ValueError(f"from must be above 0 where scale is log, got {self.lowest:g}")
        if self.integer and (self.lowest != int(self.lowest) or self.highest != int(self.highest)):
            raise ValueError("from and to must be whole numbers where integer is true")
        return self


class Draws(Section):
    """Settings that are drawn from ranges or lists: at random, or evenly spread (Sobol)."""

    points: int = quantity(..., "1", "Number of settings", ge=1, le=100_000)
    seed: int = quantity(1, "1", "Seed of the draw; with more points, the first settings stay the same", ge=0, lt=2**63)
    keys: dict[str, Range | Values] = choice(
        ..., "For each key of the scenario a range, or a list to choose from", min_length=1
    )


class SweepFile(Section):
    """A sweep: a scenario and the keys to vary.

    If there are several blocks (grid, list, random, sobol), every setting of one is combined with every setting of the others.
    """

    name: str = choice("sweep", "Short name; also the name of the folder", pattern=r"^[A-Za-z0-9_.-]+$", max_length=80)
    question: str = choice("", "Question that the sweep should answer; shown at the top of the report", max_length=2000)
    scenario: str = choice(
        ..., "A scenario file (YAML; paths are relative to this file's folder), or a packaged scenario such as demo"
    )
    fixed: dict[str, Any] = choice({}, "Values that all points have in common, by dotted key", alias="set")
    grid: dict[str, Values] = choice({}, "For each key a list of values; all combinations are run")
    rows: Annotated[list[dict[str, Any]], Field(max_length=100_000)] = choice(
        [], "List of settings; each is a map with the same keys", alias="list"
    )
    random: Draws | None = choice(None, "Settings drawn at random")
    sobol: Draws | None = choice(None, "Settings spread evenly by a scrambled Sobol sequence")
    seeds: Annotated[int, Field(ge=1, le=100_000)] | Annotated[list[Seed], Field(min_length=1, max_length=100_000)] = (
        choice(1, "Number of seeds (1, 2, ...), or a list of seeds; every setting runs with each")
    )
    baseline: dict[str, Any] = choice(
        {},
        "Values of varied keys in the baseline: each setting is compared with the setting that has these values and agrees with it in all other "
        "keys. Without a baseline, each value of a key is compared with its first value",
    )
    keep: Literal["metrics", "tables"] = choice(
        "metrics", "What is stored for each point: only its metrics, or its whole run folder"
    )
    threads: int = quantity(1, "1", "Number of threads of each point", ge=1, le=256)
    timeout_s: float | None = quantity(None, "s", "Time after which a point is stopped and counts as failed", gt=0)
    memory_gb: float | None = quantity(
        None,
        "GB",
        "Memory above which a point is stopped and counts as failed; without a value, 90 % of the machine's memory, divided by the number of points that run in parallel, or --memory-per-worker",
        gt=0,
    )

    @model_validator(mode="after")
    def _distinct(self) -> "SweepFile":
        blocks = {
            "set": set(self.fixed),
            "grid": set(self.grid),
            "list": set().union(*(row for row in self.rows)),
            "random": set(self.random.keys) if self.random else set(),
            "sobol": set(self.sobol.keys) if self.sobol else set(),
        }
        seen: dict[str, str] = {}
        for block, keys in blocks.items():
            for key in sorted(keys):
                if key in seen:
                    raise PlacedError(
                        _place(block, key), f"{key} stands in {seen[key]} and in {block}; a key is varied in one place"
                    )
                seen[key] = block
                if key in ("run.seed", "name", "description"):
                    use = "; use seeds" if key == "run.seed" else ""
                    raise PlacedError(_place(block, key), f"{block}: {key} cannot be varied{use}")
                if not all(key.split(".")):
                    raise PlacedError(
                        _place(block, key), f"{block}: must have dotted keys such as radio.tx_power_dbm, got {key!r}"
                    )
        for key, block in seen.items():
            # The values that hold for all points are set first, so that parameters of a part chosen by them can vary, such as
            # the weight of a relay rule.
            inside = [
                other for other in seen if other.startswith(key + ".") and (block != "set" or seen[other] == "set")
            ]
            if inside:
                raise PlacedError(_place(seen[inside[0]], inside[0]), f"{inside[0]} lies within {key}; set one of them")
        for number, row in enumerate(self.rows):
            if set(row) != blocks["list"]:
                missing = sorted(blocks["list"] - set(row))[0]
                raise PlacedError(
                    ("list", str(number)),
                    f"list.{number}: must give the same keys as the other rows, {missing} is missing",
                )
        if isinstance(self.seeds, list) and len(set(self.seeds)) != len(self.seeds):
            raise PlacedError(("seeds",), "seeds must differ")
        for key in self.baseline:
            if key not in seen or seen[key] == "set":
                raise PlacedError(("baseline", key), f"baseline: {key} is not varied")
        return self


def _place(block: str, key: str) -> Keys:
    """Return the keys that lead to a varied key in a sweep file."""
    return (
        (block, "keys", key) if block in ("random", "sobol") else (block, "0", key) if block == "list" else (block, key)
    )
