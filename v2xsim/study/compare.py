"""Comparison of the settings of a sweep with its baseline, or of runs and sweeps with each other, in pairs of equal seeds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from v2xsim.study.statistics import Paired, paired, survives_holm
from v2xsim.study.studies import Study, StudyError

HEADLINE = (
    "ap_0.5_fused", "ap_0.7_fused", "coverage_after", "blind_covered", "object_awareness_fused", "time_to_awareness_fused",
    "never_aware_fused", "helpers_used", "age_of_fused_data", "received_per_frame", "data_arrived_whole",
    "data_latency_direct", "data_latency_relayed", "prr", "awareness_latency", "age_of_information", "channel_busy_ratio",
    "packets_not_sent", "on_air",
)  # fmt: skip
IDENTICAL, NOISE, ONE_PAIR, NO_PAIR = "identical", "not distinguishable from noise", "one pair: no interval", "no pair"


@dataclass(frozen=True)
class Versus:
    """A comparison of two sides.

    Attributes:
        base: Name of the baseline.
        other: Name of the side that is compared with the baseline.
        differs: Keys of the scenario in which the sides differ, with both values; the comparison shows the effect of
            all of them together.
        metrics: Name and unit of each compared metric.
        base_mean: Mean of each metric in the baseline, over the pairs that both sides measured.
        other_mean: Mean of each metric in the other side, over the same pairs.
        found: Statistics of the differences, other side minus baseline.
        survives: Whether each difference is significant when all metrics are tested together (Holm's method).
        confidence: Confidence level of the intervals, 0 to 1.
    """

    base: str
    other: str
    differs: tuple[str, ...]
    metrics: tuple[tuple[str, str], ...]
    base_mean: Float[np.ndarray, " metrics"]
    other_mean: Float[np.ndarray, " metrics"]
    found: Paired
    survives: np.ndarray
    confidence: float

    def verdict(self, row: int) -> str:
        """Return the verdict on the difference of a metric, in words."""
        pairs, low, high = self.found.pairs[row], self.found.low[row], self.found.high[row]
        if pairs == 0:
            return NO_PAIR
        if pairs == 1:
            return ONE_PAIR if self.found.mean[row] != 0 else IDENTICAL
        if low == high == 0:
            return IDENTICAL
        if low <= 0 <= high:
            return NOISE
        return "higher" if low > 0 else "lower"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the comparison as data for JSON."""

        def number(value: float) -> float | None:
            return float(value) if np.isfinite(value) else None

        return [
            {
                "metric": name, "unit": unit, "base": self.base, "other": self.other, "pairs": int(self.found.pairs[row]),
                "base_mean": number(self.base_mean[row]), "other_mean": number(self.other_mean[row]),
                "difference": number(self.found.mean[row]), "low": number(self.found.low[row]),
                "high": number(self.found.high[row]), "effect": number(self.found.effect[row]),
                "verdict": self.verdict(row), "survives_holm": bool(self.survives[row]),
            }
            for row, (name, unit) in enumerate(self.metrics)
        ]  # fmt: skip


def chosen_metrics(studies: Sequence[Study], names: Sequence[str], everything: bool) -> list[tuple[str, str]]:
    """Return name and unit of the whole-run metrics to compare.

    Args:
        studies: Studies that are compared.
        names: Names of the metrics; if empty, the headline metrics that the studies have.
        everything: Whether to return all metrics instead.

    Raises:
        StudyError: If the studies have no metric with one of the names.
    """
    # Imported here, because a comparison needs nothing else from that module.
    from v2xsim.scenario.explain import nearest

    known = {name: unit for study in studies for name, part, unit in study.metrics if not part}
    for name in names:
        if name not in known:
            raise StudyError(f"--metric {name}: there is no such metric{nearest(name, list(known))}")
    if names:
        return [(name, known[name]) for name in names]
    return [(name, unit) for name, unit in known.items() if everything or name in HEADLINE]


def against_baseline(
    study: Study, metrics: Sequence[tuple[str, str]], baseline: int, confidence: float = 0.95
) -> Iterator[Versus]:
    """Yield the comparison of every setting of a sweep with its baseline setting, in pairs of equal seeds."""
    rows = [study.row[name, ""] for name, _ in metrics]
    values = study.values[rows]
    # All settings are computed at once, because they share their bootstrap resamples.
    differences = paired(values - values[:, baseline : baseline + 1], confidence)
    for setting in range(len(study.settings)):
        if setting == baseline:
            continue
        one = Paired(
            *(getattr(differences, part)[:, setting] for part in ("pairs", "mean", "low", "high", "effect", "p"))
        )
        a, b = _both(values[:, baseline], values[:, setting])
        differs = tuple(
            f"{key}: {json.dumps(study.settings[baseline][key])} -> {json.dumps(value)}"
            for key, value in study.settings[setting].items()
            if study.settings[baseline][key] != value
        )
        yield Versus(
            study.label(baseline), study.label(setting), differs, tuple(metrics), a, b, one,
            survives_holm(one.p, 1.0 - confidence), confidence,
        )  # fmt: skip


def between(base: Study, other: Study, metrics: Sequence[tuple[str, str]], confidence: float = 0.95) -> Versus:
    """Return the comparison of two studies.

    Two points form a pair if they have the same seed and the same values of the keys that both studies vary.

    Raises:
        StudyError: If no two points form a pair.
    """
    common = [key for key in base.keys if key in other.keys]
    places = [
        (i, j)
        for i, setting in enumerate(base.settings)
        for j, too in enumerate(other.settings)
        if all(setting[key] == too[key] for key in common)
    ]
    # If a setting had two partners, it would count twice and the pairs would not be independent.
    if len({i for i, _ in places}) < len(places) or len({j for _, j in places}) < len(places):
        raise StudyError(
            f"{other.folder}: its points and those of {base.folder} cannot be paired: one of them varies keys that the other does "
            "not; compare each with its own baseline"
        )
    seeds = [(base.seeds.index(seed), k) for k, seed in enumerate(other.seeds) if seed in base.seeds]
    if not places or not seeds:
        raise StudyError(
            f"{other.folder}: has no {'seed' if places else 'setting'} in common with {base.folder}; runs are compared with the same random draws"
        )
    rows = [(base.row.get((name, "")), other.row.get((name, ""))) for name, _ in metrics]
    a, b = np.full((2, len(metrics), len(places), len(seeds)), np.nan)
    for n, (first, second) in enumerate(rows):
        if first is not None and second is not None:
            for m, (i, j) in enumerate(places):
                a[n, m] = base.values[first, i][[k for k, _ in seeds]]
                b[n, m] = other.values[second, j][[k for _, k in seeds]]
    a, b = a.reshape(len(metrics), -1), b.reshape(len(metrics), -1)
    differences = paired(b - a, confidence)
    return Versus(
        _name(base), _name(other), tuple(_differences(base.scenario, other.scenario)), tuple(metrics), *_both(a, b), differences,
        survives_holm(differences.p, 1.0 - confidence), confidence,
    )  # fmt: skip


def baseline_row(study: Study, wanted: Mapping[str, Any]) -> int:
    """Return the row of the first setting with given values; without values, that of the sweep's own baseline.

    Raises:
        StudyError: If no setting has these values.
    """
    if not wanted:
        return study.baseline
    for row, setting in enumerate(study.settings):
        if all(key in setting and setting[key] == value for key, value in wanted.items()):
            return row
    raise StudyError(
        f"--baseline: no setting has {json.dumps(dict(wanted))}; varied are {', '.join(study.keys) or 'no keys'}"
    )


def _name(study: Study) -> str:
    return str(study.folder)


def _both(
    base: Float[np.ndarray, "metrics pairs"], other: Float[np.ndarray, "metrics pairs"]
) -> tuple[Float[np.ndarray, " metrics"], Float[np.ndarray, " metrics"]]:
    """Return the mean of each metric in both sides, over the pairs that both sides measured."""
    there = np.isfinite(base) & np.isfinite(other)
    n = there.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(np.where(there, side, 0.0).sum(axis=1) / n for side in (base, other))


def _differences(base: Any, other: Any, above: str = "") -> Iterator[str]:
    """Yield the keys in which two resolved scenarios differ, with both values; seed, names and descriptions are ignored."""
    if isinstance(base, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*base, *other]):
            name = f"{above}.{key}" if above else str(key)
            if name not in ("name", "description", "run.seed"):
                yield from _differences(base.get(key), other.get(key), name)
    elif base != other:
        yield f"{above}: {_short(base)} -> {_short(other)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
