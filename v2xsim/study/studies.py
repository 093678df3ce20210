"""Read the folder of a sweep or of a run as a `Study`."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int64

from v2xsim.errors import UserError
from v2xsim.results.manifest import FORMAT as RUN_FORMAT
from v2xsim.scenario.manifests import change_of
from v2xsim.study.axes import Setting
from v2xsim.study.gather import FAILURES, RESULTS
from v2xsim.study.labels import word_text
from v2xsim.study.point_notices import PointNotice, notices_of
from v2xsim.study.store import MANIFEST, manifest_of


class StudyError(UserError):
    """A folder holds no study that can be read."""


@dataclass(frozen=True)
class Study:
    """The metrics of all points of a sweep, or of one run.

    Attributes:
        folder: Path of the folder.
        name: Name of the sweep, or of the scenario.
        question: Question that the sweep should answer; empty if its file has none.
        keys: The varied keys, dotted.
        settings: Values of the varied keys in each setting.
        seeds: Seeds with which every setting was run.
        baseline: Row of the first setting with the values of the baseline.
        scenario: Resolved scenario without the varied keys.
        versions: Versions of v2xsim and its libraries that produced the results.
        planned: Number of points in the plan.
        failures: Failed points of the sweep, each with setting, seed, reason and log.
        metrics: Name, bin and unit of each metric.
        values: Value by metric, setting and seed; NaN if nothing was measured or the point has not finished.
        counts: Number of samples from which each value was computed; -1 for a point without a result.
        baseline_values: Keys and values of the baseline, as in the sweep file; empty if the file names none.
        fixed_factors: Keys with listed values: the keys of each tuple only vary together. Keys that were drawn at random are
            not among them.
        notices: Notices of the points, with the number of points that each concerns.
    """

    folder: Path
    name: str
    question: str
    keys: tuple[str, ...]
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    baseline: int
    scenario: Mapping[str, Any]
    versions: Mapping[str, str]
    planned: int
    failures: tuple[Mapping[str, Any], ...]
    metrics: tuple[tuple[str, str, str], ...]
    values: Float[np.ndarray, "metrics settings seeds"]
    counts: Int64[np.ndarray, "metrics settings seeds"]
    baseline_values: Mapping[str, Any] = field(default_factory=dict)
    fixed_factors: tuple[tuple[str, ...], ...] = ()
    notices: tuple[PointNotice, ...] = ()

    @cached_property
    def row(self) -> dict[tuple[str, str], int]:
        """Row in `values` of each metric and bin."""
        return {(name, part): n for n, (name, part, _) in enumerate(self.metrics)}

    @property
    def finished(self) -> int:
        """Number of points with a result."""
        return int((self.counts >= 0).any(axis=0).sum()) if self.metrics else 0

    def missing(self) -> tuple[str, ...]:
        """Return a sentence about points without a result, if there are any."""
        missing = self.planned - self.finished
        if missing <= 0:
            return ()
        return (
            f"{missing} of {self.planned} points have no result ({len(self.failures)} failed), so their pairs are missing",
        )

    def of(self, metric: str, part: str = "") -> Float[np.ndarray, "settings seeds"]:
        """Return the values of a metric in one bin, by setting and seed; all NaN if there is no such metric.

        Args:
            metric: Name of the metric.
            part: Bin of the metric; empty for the value of the whole run.
        """
        row = self.row.get((metric, part))
        return np.full(self.values.shape[1:], np.nan) if row is None else self.values[row]

    def bins(self, metric: str) -> list[str]:
        """Return the bins of a metric in their order, without the one for the whole run."""
        return [part for name, part, _ in self.metrics if name == metric and part]

    @cached_property
    def short_keys(self) -> dict[str, str]:
        """The last part of each varied key, or the whole key if two keys have the same last part."""
        last = {key: key.rsplit(".", 1)[-1] for key in self.keys}
        return {key: name if list(last.values()).count(name) == 1 else key for key, name in last.items()}

    def label(self, setting: int, keys: Collection[str] | None = None) -> str:
        """Return a text that describes a setting by its values of some varied keys; without keys, of all of them."""
        values = self.settings[setting]
        shown = [key for key in self.keys if keys is None or key in keys]
        text = ", ".join(f"{self.short_keys[key]}={word_text(values[key])}" for key in shown)
        return text or (self.name if keys is None else "")


def read_study(folder: str | Path) -> Study:
    """Return the study in a folder of a sweep or of a run.

    Raises:
        StudyError: If the folder holds neither a sweep nor a run, the sweep is not finished, or a newer version wrote it.
    """
    path = Path(folder)
    try:
        if not path.is_dir():
            raise StudyError(f"{path}: must be the folder of a sweep or of a run; there is no such folder")
        if (path / MANIFEST).exists():
            return _sweep(path)
        if (path / "manifest.json").exists():
            return _run(path)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (pa.ArrowInvalid, KeyError, TypeError, json.JSONDecodeError) as error:
        raise StudyError(f"{path}: holds a file that is damaged: {error}") from None
    raise StudyError(f"{path}: must be the folder of a sweep or of a run; it has neither {MANIFEST} nor manifest.json")


def _sweep(folder: Path) -> Study:
    manifest = manifest_of(folder)
    if not (folder / RESULTS).exists():
        raise StudyError(f"{folder}: the sweep is not finished; continue with v2xsim sweep ... --out {folder} --resume")
    file = pq.ParquetFile(folder / RESULTS)
    table = file.read(["setting", "seed", "metric", "bin", "value", "unit", "count"])
    failures = json.loads((folder / FAILURES).read_text(encoding="utf-8")) if (folder / FAILURES).exists() else []
    _check_form(folder, manifest, failures)
    seeds = [int(seed) for seed in manifest["seeds"]]
    metrics, values, counts = _cube(table, len(manifest["settings"]), seeds)
    return Study(
        folder, manifest["name"], manifest["question"], tuple(manifest["keys"]), tuple(manifest["settings"]), tuple(seeds), manifest["baseline"],
        manifest["scenario"], manifest["versions"], len(manifest["points"]), tuple(failures), metrics, values, counts,
        manifest.get("baseline_values", {}), _fixed_factors(manifest), notices_of(folder),
    )  # fmt: skip


def _check_form(folder: Path, manifest: Mapping[str, Any], failures: Any) -> None:
    """Raise an error if the plan or the failures of a sweep have another form than a sweep writes."""
    forms = {
        "name": str,
        "question": str,
        "keys": list,
        "settings": list,
        "seeds": list,
        "versions": dict,
        "points": list,
    }
    right = all(isinstance(manifest[name], form) for name, form in forms.items())
    if not right or not all(
        isinstance(row, dict) and set(row) >= set(manifest["keys"]) for row in manifest["settings"]
    ):
        raise StudyError(f"{folder / MANIFEST}: is damaged: it is not a plan as a sweep writes it")
    values, factors = manifest.get("baseline_values", {}), manifest.get("factors", [])
    if (
        not isinstance(values, dict)
        or not set(values) <= set(manifest["keys"])
        or not isinstance(factors, list)
        or not all(isinstance(f, dict) and set(f.get("keys", [])) <= set(manifest["keys"]) for f in factors)
    ):
        raise StudyError(f"{folder / MANIFEST}: is damaged: it is not a plan as a sweep writes it")
    needed = {"settings", "seed", "reason", "log"}
    if not isinstance(failures, list) or not all(
        isinstance(failure, dict) and needed <= set(failure) and isinstance(failure["settings"], dict)
        for failure in failures
    ):
        raise StudyError(f"{folder / FAILURES}: is damaged: it is not a list of failures as a sweep writes it")


def _run(folder: Path) -> Study:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or not {"scenario", "seed", "format"} <= set(manifest):
        raise StudyError(f"{folder / 'manifest.json'}: is not a manifest of a run")
    if manifest["format"] > RUN_FORMAT:
        raise StudyError(
            f"{folder}: made by a newer version: format {manifest['format']}, this one reads {RUN_FORMAT}; update v2xsim"
        )
    digests = manifest.get("tables")
    digest = digests.get("metrics") if isinstance(digests, dict) else None
    if digest is not None and (changed := change_of(folder / "metrics.parquet", digest)) is not None:
        raise StudyError(f"{folder / 'metrics.parquet'}: {changed}; copy the folder again, or run it again")
    table = pq.read_table(folder / "metrics.parquet")
    rows = table.num_rows
    table = table.append_column("setting", pa.array(np.zeros(rows, np.int32)))
    table = table.append_column("seed", pa.array(np.full(rows, manifest["seed"], np.int64)))
    metrics, values, counts = _cube(table, 1, [manifest["seed"]])
    return Study(
        folder, folder.name, "", (), ({},), (manifest["seed"],), 0, manifest["scenario"], manifest["versions"], 1, (), metrics, values,
        counts, notices=tuple(
            PointNotice(notice["subject"], 1, 1, notice["text"]) for notice in manifest.get("notices", [])
        ),
    )  # fmt: skip


def _fixed_factors(manifest: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the keys of each factor with listed values; in a sweep of an older version, each key is a factor."""
    factors = manifest.get("factors")
    if factors is None:
        return tuple((key,) for key in manifest["keys"])
    return tuple(tuple(factor["keys"]) for factor in factors if not factor["drawn"])


def _cube(
    table: pa.Table, settings: int, seeds: list[int]
) -> tuple[tuple[tuple[str, str, str], ...], Float[np.ndarray, "m s k"], Int64[np.ndarray, "m s k"]]:
    """Return the metrics of a results table, with their values and counts by metric, setting and seed.

    A count of -1 means that there is no such point.
    """
    codes, words = [], []
    for name in ("metric", "bin", "unit"):
        column = table.column(name).combine_chunks()
        column = column.cast(pa.string()).dictionary_encode() if not pa.types.is_dictionary(column.type) else column
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries().combine_chunks()
        codes.append(column.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        words.append([str(word) for word in column.dictionary.to_pylist()])
    shape = (len(words[0]), len(words[1]), len(words[2]))
    if table.num_rows == 0:
        return (), np.zeros((0, settings, len(seeds))), np.zeros((0, settings, len(seeds)), np.int64)
    joined = np.ravel_multi_index((codes[0], codes[1], codes[2]), shape)
    distinct, first, which = np.unique(joined, return_index=True, return_inverse=True)
    # Sort the metrics in the order in which they were written.
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    a, b, c = np.unravel_index(distinct[order], shape)
    metrics = tuple((words[0][i], words[1][j], words[2][k]) for i, j, k in zip(a, b, c, strict=True))
    known = np.array(sorted(seeds), np.int64)
    seed_column = np.argsort(np.array(seeds), kind="stable")
    seed = seed_column[np.searchsorted(known, table.column("seed").to_numpy())]
    setting = table.column("setting").to_numpy()
    values = np.full((len(metrics), settings, len(seeds)), np.nan)
    counts = np.full(values.shape, -1, np.int64)
    values[rank[which], setting, seed] = table.column("value").to_numpy()
    counts[rank[which], setting, seed] = table.column("count").to_numpy()
    return metrics, values, counts
