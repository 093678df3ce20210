"""Comparison of the settings of a sweep with its baseline, or of runs and sweeps with each other, in pairs of equal seeds."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.evaluation.catalogue import kind_of
from v2xsim.study.axes import canonical
from v2xsim.study.contrasts import Contrast, Contrasts
from v2xsim.study.folders import StudyError
from v2xsim.study.labels import value_text
from v2xsim.study.statistics import Means, Paired, least_effect, means, paired, seed_averages, survives_holm
from v2xsim.study.studies import Study

HEADLINE = (
    "ap_0.5_fused", "ap_0.5_fused_unannounced", "ap_0.7_fused", "coverage_after", "blind_covered", "object_awareness_fused", "hidden_known_fused", "false_tracks_fused", "time_to_awareness_fused",
    "never_aware_fused", "cycle_success", "cycle_latency_p50", "cycle_latency_p90", "helpers_used", "age_of_fused_data", "received_per_frame", "data_arrived_whole",
    "data_latency_direct", "data_latency_relayed", "prr", "awareness_latency", "age_of_information", "channel_busy_ratio",
    "packets_not_sent", "on_air",
)  # fmt: skip
IDENTICAL, NOISE, NO_PAIR = "identical", "noise", "no pair"
ONE_PAIR, NO_SPREAD = "one pair", "no spread"
# Number of seeds that a study needs at least; with fewer, only very large effects are significant.
_LEAST_SEEDS = 5
# Largest number of seeds that a message lists.
_MOST_SEEDS = 10


@dataclass(frozen=True)
class Change:
    """A key of the scenario in which two sides differ, or an input file.

    Attributes:
        key: Dotted key, or path of the file.
        base: Value of the baseline; None if it has no such key.
        other: Value of the other side, likewise.
    """

    key: str
    base: Any
    other: Any

    @property
    def text(self) -> str:
        """The key with both values; long values are shortened."""
        return f"{self.key}: {value_text(self.base)} -> {value_text(self.other)}"


@dataclass(frozen=True)
class Versus:
    """A comparison of two sides.

    Attributes:
        base: Name of the baseline, by the values of the compared keys.
        other: Name of the side that is compared with the baseline.
        within: Values of all other keys, in which both sides agree; empty if there are no other keys.
        differs: Keys of the scenario in which the sides differ, with both values; the comparison shows the effect of
            all of them together.
        metrics: Name and unit of each compared metric.
        settings: Number of settings over which each metric was averaged within each seed.
        base_mean: Mean of each metric in the baseline, over the pairs that both sides measured.
        other_mean: Mean of each metric in the other side, over the same pairs.
        base_seeds: Number of seeds in which the baseline measured each metric.
        other_seeds: Number of seeds in which the other side measured it.
        found: Statistics of the differences, other side minus baseline. A pair is a seed.
        confidence: Confidence level of the intervals, 0 to 1.
        survives: Whether each difference is significant among all differences of all comparisons together (Holm's method).
        base_objects: Road users that could be detected (n_gt), in all points of the baseline; 0 for a metric that is no average precision.
        other_objects: Likewise, in all points of the other side.
        notes: Sentences about what was left out of the comparison.
    """

    base: str
    other: str
    within: str
    differs: tuple[Change, ...]
    metrics: tuple[tuple[str, str], ...]
    settings: Int64[np.ndarray, " metrics"]
    base_mean: Float[np.ndarray, " metrics"]
    other_mean: Float[np.ndarray, " metrics"]
    base_seeds: Int64[np.ndarray, " metrics"]
    other_seeds: Int64[np.ndarray, " metrics"]
    found: Paired
    confidence: float
    survives: np.ndarray
    base_objects: Int64[np.ndarray, " metrics"]
    other_objects: Int64[np.ndarray, " metrics"]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What is compared with what, in words."""
        return f"{self.other} against {self.base}{' at ' if self.within else ''}{self.within}"

    def verdict(self, row: int) -> str:
        """Return the verdict on the difference of a metric, in words.

        A difference is higher or lower if its test is significant. For a t test, this is the case exactly if its interval does not hold 0.
        """
        pairs, mean = self.found.pairs[row], self.found.mean[row]
        if pairs == 0:
            return NO_PAIR
        no_interval = bool(np.isnan(self.found.low[row]))
        if no_interval and mean == 0:
            return IDENTICAL
        if pairs == 1:
            return ONE_PAIR
        if self.found.p[row] > 1.0 - self.confidence:
            return NO_SPREAD if no_interval and not self.is_endless(row) else NOISE
        return "higher" if mean > 0 else "lower"

    def is_endless(self, row: int) -> bool:
        """Return whether some value of a metric is infinite: a time that never ends."""
        return bool(np.isinf(self.base_mean[row]) or np.isinf(self.other_mean[row]))

    def why_no_pair(self, row: int) -> str:
        """Return in words why a metric has no pair."""
        base, other = self.base_seeds[row], self.other_seeds[row]
        if base == other == 0:
            return "measured on neither side"
        if base == 0 or other == 0:
            return f"measured only with {self.base if other == 0 else self.other}"
        return "never measured on both sides with one seed"

    def as_object(self) -> dict[str, Any]:
        """Return what is compared with what as data for JSON, with the complete values of the keys that differ."""
        return {
            "base": self.base, "other": self.other, "within": self.within,
            "differs": [{"key": one.key, "base": one.base, "other": one.other} for one in self.differs],
        }  # fmt: skip

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the comparison as rows of a table; what was not measured has no value, and values may be infinite."""

        def number(value: float) -> float | None:
            return None if np.isnan(value) else float(value)

        return [
            {
                "metric": name, "unit": unit, "base": self.base, "other": self.other, "within": self.within,
                "pairs": int(self.found.pairs[row]), "settings": int(self.settings[row]),
                "base_seeds": int(self.base_seeds[row]), "other_seeds": int(self.other_seeds[row]),
                "base_mean": number(self.base_mean[row]), "other_mean": number(self.other_mean[row]),
                "difference": number(self.found.mean[row]), "low": number(self.found.low[row]),
                "high": number(self.found.high[row]), "effect": number(self.found.effect[row]),
                "p": number(self.found.p[row]), "base_n_gt": int(self.base_objects[row]) or None,
                "other_n_gt": int(self.other_objects[row]) or None, "verdict": self.verdict(row), "survives_holm": bool(self.survives[row]),
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

    known = {name: _unit_of(name, unit) for study in studies for name, part, unit in study.metrics if not part}
    for name in names:
        if name not in known:
            raise StudyError(f"--metric {name}: there is no such metric{nearest(name, list(known))}")
    if names:
        return [(name, known[name]) for name in names]
    return [(name, unit) for name, unit in known.items() if everything or name in HEADLINE]


def against_baseline(
    study: Study,
    metrics: Sequence[tuple[str, str]],
    contrasts: Contrasts,
    confidence: float = 0.95,
    pool: bool = False,
) -> list[Versus]:
    """Return the comparison of the settings of a sweep with their baselines, in pairs of equal seeds.

    Args:
        study: Study that is compared.
        metrics: Name and unit of each metric.
        contrasts: Settings that are compared with each other.
        confidence: Confidence level of the intervals, 0 to 1.
        pool: Whether to average over the settings that differ only in other keys than the compared ones.
    """
    groups: dict[Any, list[Contrast]] = {}
    for number, pair in enumerate(contrasts.pairs):
        compared = [canonical(study.settings[row][key]) for row in (pair.base, pair.other) for key in pair.keys]
        groups.setdefault((pair.keys, *compared) if pool else number, []).append(pair)
    values = study.values[[study.row[name, ""] for name, _ in metrics]]
    sides = [_averaged(values, group) for group in groups.values()]
    a, b = (np.stack([side[n] for side in sides], axis=1) for n in (0, 1))
    differences = _differences_of(a, b, metrics, confidence)
    return _holm(
        [
            Versus(
                study.label(group[0].base, group[0].keys), study.label(group[0].other, group[0].keys),
                _within(study, group), _changes(study, group[0]), tuple(metrics), sides[n][2], *_both(a[:, n], b[:, n]),
                _seeds(values, [pair.base for pair in group]), _seeds(values, [pair.other for pair in group]),
                Paired(*(getattr(differences, part)[:, n] for part in _PARTS)), confidence, np.zeros(len(metrics), bool),
                _objects(study, metrics, [pair.base for pair in group]), _objects(study, metrics, [pair.other for pair in group]),
            )
            for n, group in enumerate(groups.values())
        ]
    )  # fmt: skip


def with_first(studies: Sequence[Study], metrics: Sequence[tuple[str, str]], confidence: float = 0.95) -> list[Versus]:
    """Return the comparison of each study but the first with the first one.

    Two points form a pair if they have the same seed and the same values of the keys that both studies vary. The settings
    are averaged within each seed.

    Raises:
        StudyError: If no two points form a pair.
    """
    return _holm([_between(studies[0], other, metrics, confidence) for other in studies[1:]])


def significance(comparisons: Sequence[Versus]) -> str:
    """Return sentences on what the verdicts of comparisons mean, and what their numbers of pairs can show."""
    confidence = comparisons[0].confidence
    pairs = [int(n) for one in comparisons for n in one.found.pairs]
    compared, tests = sum(n >= 1 for n in pairs), sum(n >= 2 for n in pairs)
    if not compared:
        return "Nothing was measured on both sides."
    if all(one.verdict(row) in (IDENTICAL, NO_PAIR) for one in comparisons for row in range(len(one.metrics))):
        return f"None of the {compared} compared values differs in any pair: what was varied had no effect on these metrics."
    if not tests:
        return f"With one pair, the spread of the differences is unknown, so they may be chance: run at least {_LEAST_SEEDS} seeds."
    most = max(pairs)
    text = (
        f"noise: the {100 * confidence:g} % interval contains 0 (paired t test). {tests} {'difference was' if tests == 1 else 'differences were'} tested; without any effect, "
        f"at most about 1 in {1 / (1.0 - confidence):.0f} would still be called higher or lower. * marks the differences that are significant among "
        f"all {tests} (Holm)."
    )
    if most > 2:
        text += (
            f" With {most} pairs, a difference is called higher or lower from an effect of about {least_effect(most, confidence):.2g} on; the "
            f"largest one gets * from {least_effect(most, confidence, tests):.2g} on."
        )
    if most < _LEAST_SEEDS:
        text += f" With so few pairs, only large effects can be found: run at least {_LEAST_SEEDS} seeds."
    if any(one.verdict(row) == NO_SPREAD for one in comparisons for row in range(len(one.metrics))):
        text += (
            " no spread: the difference is the same in every pair, so there is no interval; a sign test is used, which needs at "
            f"least {_pairs_of_equal_sign(confidence)} pairs."
        )
    if any(one.is_endless(row) and one.found.mean[row] != 0 for one in comparisons for row in range(len(one.metrics))):
        text += (
            " never: a mean is never if one of its values is; then the difference is the lower median of those that are not 0, without "
            "an interval, and its test is a sign test."
        )
    return text


def _pairs_of_equal_sign(confidence: float) -> int:
    """Return the number of pairs from which equal differences are significant: 2^(1 - n) is at most the level."""
    return 1 + math.ceil(-math.log2(1.0 - confidence))


def range_of(metric: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a metric; infinite for a metric that is not known."""
    try:
        return 0.0, kind_of(metric).high
    except (KeyError, ValueError):
        return -math.inf, math.inf


def mean_interval(metric: str, values: Float[np.ndarray, "*things seeds"], confidence: float = 0.95) -> Means:
    """Return the mean of a metric over seeds; its interval stays within the metric's range."""
    return means(values, confidence, *range_of(metric))


_PARTS = ("pairs", "mean", "low", "high", "effect", "p")


def _differences_of(
    base: Float[np.ndarray, "metrics *others seeds"],
    other: Float[np.ndarray, "metrics *others seeds"],
    metrics: Sequence[tuple[str, str]],
    confidence: float,
) -> Paired:
    """Return the statistics of differences; the difference of two values of a range lies within plus and minus its length."""
    length = np.array([high - low for low, high in (range_of(name) for name, _ in metrics)])
    length = length.reshape(-1, *(1,) * (base.ndim - 2))
    return paired(base, other, confidence, length)


def _averaged(
    values: Float[np.ndarray, "metrics settings seeds"], group: Sequence[Contrast]
) -> tuple[Float[np.ndarray, "metrics seeds"], Float[np.ndarray, "metrics seeds"], Int64[np.ndarray, " metrics"]]:
    """Return both sides of some contrasts, averaged within each seed."""
    return seed_averages(values[:, [pair.base for pair in group]], values[:, [pair.other for pair in group]])


def _holm(comparisons: Sequence[Versus]) -> list[Versus]:
    """Return comparisons with the differences that are significant among all of them together."""
    p = np.concatenate([one.found.p for one in comparisons])
    survives = survives_holm(p, 1.0 - comparisons[0].confidence)
    parts = np.split(survives, np.cumsum([len(one.metrics) for one in comparisons])[:-1])
    return [replace(one, survives=part) for one, part in zip(comparisons, parts, strict=True)]


def _within(study: Study, group: Sequence[Contrast]) -> str:
    others = [key for key in study.keys if key not in group[0].keys]
    if len(group) > 1:
        return f"the mean of {len(group)} settings of {', '.join(study.short_keys[key] for key in others)}"
    return study.label(group[0].other, others)


def _changes(study: Study, pair: Contrast) -> tuple[Change, ...]:
    base, other = study.settings[pair.base], study.settings[pair.other]
    return tuple(
        Change(key, base[key], other[key]) for key in pair.keys if canonical(base[key]) != canonical(other[key])
    )


def _between(base: Study, other: Study, metrics: Sequence[tuple[str, str]], confidence: float) -> Versus:
    common = [key for key in base.keys if key in other.keys]
    places = [
        (i, j)
        for i, setting in enumerate(base.settings)
        for j, too in enumerate(other.settings)
        if all(canonical(setting[key]) == canonical(too[key]) for key in common)
    ]
    # If a setting had two partners, it would count twice.
    if len({i for i, _ in places}) < len(places) or len({j for _, j in places}) < len(places):
        raise StudyError(
            f"{other.folder}: its points and those of {base.folder} cannot be paired: it varies {_keys(other)}, the other "
            f"{_keys(base)}; compare each with its own baseline, or two sweeps that vary the same keys"
        )
    seeds = [(base.seeds.index(seed), k) for k, seed in enumerate(other.seeds) if seed in base.seeds]
    if not places:
        raise StudyError(
            f"{other.folder}: has no setting in common with {base.folder}: they vary {' and '.join(common)}, and no value is in both; "
            "compare each with its own baseline"
        )
    if not seeds:
        raise StudyError(
            f"{other.folder}: has no seed in common with {base.folder}: it has {_listed(other.seeds)}, the other {_listed(base.seeds)}; only "
            "runs with the same random draws are compared, so run one of them again with the seeds of the other (--seed or seeds)"
        )
    shared = {name for name, part, _ in base.metrics if not part} & {
        name for name, part, _ in other.metrics if not part
    }
    if not shared:
        raise StudyError(
            f"{other.folder}: has no metric in common with {base.folder}; run one of them again with this version"
        )
    a, b = np.full((2, len(metrics), len(places), len(seeds)), np.nan)
    for n, (name, _) in enumerate(metrics):
        for side, study, part in ((a, base, 0), (b, other, 1)):
            if (row := study.row.get((name, ""))) is not None:
                side[n] = study.values[row][np.ix_([p[part] for p in places], [s[part] for s in seeds])]
    base_seeds, other_seeds = (_seeds(side, range(len(places))) for side in (a, b))
    a, b, count = seed_averages(a, b)
    return Versus(
        str(base.folder), str(other.folder), f"the mean of {len(places)} settings" if len(places) > 1 else "",
        (*_differences(base.scenario, other.scenario), *_files(base, other)), tuple(metrics), count, *_both(a, b), base_seeds, other_seeds,
        _differences_of(a, b, metrics, confidence), confidence, np.zeros(len(metrics), bool),
        _objects(base, metrics, [i for i, _ in places]), _objects(other, metrics, [j for _, j in places]),
        (*_unpaired(base, other, len(places), len(seeds)), *_versions(base, other)),
    )  # fmt: skip


def _unpaired(base: Study, other: Study, settings: int, seeds: int) -> Iterator[str]:
    """Yield a sentence for each kind of thing that only one of two studies has."""
    for study in (base, other):
        for number, have, word in ((settings, len(study.settings), "setting"), (seeds, len(study.seeds), "seed")):
            if have > number:
                yield f"{have - number} of {have} {word}s of {study.folder} have no partner and are left out"


def _files(base: Study, other: Study) -> Iterator[Change]:
    """Yield each file that both studies read from one path, but with different content, such as a plug-in that was edited."""
    for path in base.files:
        if path in other.files and base.files[path] != other.files[path]:
            yield Change(path, *(f"sha256 {study.files[path][:12]}" for study in (base, other)))


def _versions(base: Study, other: Study) -> Iterator[str]:
    """Yield a sentence about the versions in which two studies differ, if there are any."""
    differ = [
        f"{name} {base.versions[name]} and {other.versions[name]}"
        for name in base.versions
        if name in other.versions and base.versions[name] != other.versions[name]
    ]
    if differ:
        yield f"{base.folder} and {other.folder} were made with other versions, from which differences may come: {', '.join(differ)}"


def _keys(study: Study) -> str:
    return " and ".join(study.keys) or "no key"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:_MOST_SEEDS])) + (
        f" and {len(seeds) - _MOST_SEEDS} more" if len(seeds) > _MOST_SEEDS else ""
    )


def _unit_of(metric: str, stored: str) -> str:
    """Return the unit of a metric; older versions stored "1" for counts too."""
    try:
        return kind_of(metric).unit
    except (KeyError, ValueError):
        return stored


def _objects(study: Study, metrics: Sequence[tuple[str, str]], rows: Sequence[int]) -> Int64[np.ndarray, " metrics"]:
    """Return the road users that could be detected in all points of some settings, for each average precision; 0 for other metrics."""
    return np.array(
        [study.samples_of(name)[rows].sum() if name.startswith("ap_") else 0 for name, _ in metrics], np.int64
    )


def _seeds(values: Float[np.ndarray, "metrics settings seeds"], rows: Sequence[int]) -> Int64[np.ndarray, " metrics"]:
    """Return the number of seeds in which any of some settings measured each metric."""
    return (~np.isnan(values[:, rows])).any(axis=1).sum(axis=1)


def _both(
    base: Float[np.ndarray, "metrics pairs"], other: Float[np.ndarray, "metrics pairs"]
) -> tuple[Float[np.ndarray, " metrics"], Float[np.ndarray, " metrics"]]:
    """Return the mean of each metric in both sides, over the pairs that both sides measured."""
    there = ~(np.isnan(base) | np.isnan(other))
    n = there.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple(np.where(there, side, 0.0).sum(axis=1) / n for side in (base, other))


def _differences(base: Any, other: Any, above: str = "") -> Iterator[Change]:
    """Yield the keys in which two resolved scenarios differ, with both values; seed, names and descriptions are ignored."""
    if isinstance(base, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*base, *other]):
            name = f"{above}.{key}" if above else str(key)
            if name not in ("name", "description", "run.seed"):
                yield from _differences(base.get(key), other.get(key), name)
    elif base != other:
        yield Change(above, base, other)
