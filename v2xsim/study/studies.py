"""Read the folder of a sweep or of a run as a `Study`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.errors import in_command, reason_of
from v2xsim.results.manifest import FORMAT as RUN_FORMAT
from v2xsim.results.table_files import missing_tables, repair_of
from v2xsim.scenario.manifest_files import MANIFEST as RUN_MANIFEST
from v2xsim.scenario.manifests import change_of
from v2xsim.study.axes import Setting
from v2xsim.study.folders import STUDY_MANIFEST, StudyError, damaged, is_running, json_in, no_study
from v2xsim.study.gather import FAILURES, RESULTS
from v2xsim.study.labels import word_text
from v2xsim.study.point_notices import NOTICES, PointNotice, notices_of
from v2xsim.study.result_table import cube_in
from v2xsim.study.store import MANIFEST, manifest_of


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
        files: SHA-256 digest of each file that the points read, by path.
        running: Whether a process was working on the sweep while it was read.
        automatic: Keys of the scenario whose values nobody set, but which follow from other keys.
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
    files: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    automatic: tuple[str, ...] = ()

    @cached_property
    def row(self) -> dict[tuple[str, str], int]:
        """Row in `values` of each metric and bin."""
        return {(name, part): n for n, (name, part, _) in enumerate(self.metrics)}

    @property
    def finished(self) -> int:
        """Number of points with a result."""
        return int((self.counts >= 0).any(axis=0).sum()) if self.metrics else 0

    def missing(self, repair: str = "--resume") -> tuple[str, ...]:
        """Return sentences about points without a result, if there are any.

        Args:
            repair: What runs the points that have not run yet.
        """
        missing, failed = self.planned - self.finished, len(self.failures)
        running = (
            ("a process works on this sweep now, so the numbers are those of its last end",) if self.running else ()
        )
        if missing <= 0:
            return running
        reasons = f": see {self.folder / FAILURES}; --retry-failed runs them again" if failed else ""
        rest = f"; {repair} runs the other {missing - failed}" if missing > failed else ""
        return (
            *running,
            f"{missing} of {self.planned} points have no result, so their pairs are missing ({failed} failed{reasons}{rest})",
        )

    def of(self, metric: str, part: str = "") -> Float[np.ndarray, "settings seeds"]:
        """Return the values of a metric in one bin, by setting and seed; all NaN if there is no such metric.

        Args:
            metric: Name of the metric.
            part: Bin of the metric; empty for the value of the whole run.
        """
        row = self.row.get((metric, part))
        return np.full(self.values.shape[1:], np.nan) if row is None else self.values[row]

    def samples_of(self, metric: str) -> Int64[np.ndarray, "settings seeds"]:
        """Return the number of samples of a metric of the whole run, by setting and seed; 0 for a point without a result.

        Those of an average precision are the road users that could be detected (n_gt).
        """
        row = self.row.get((metric, ""))
        return np.zeros(self.values.shape[1:], np.int64) if row is None else np.maximum(self.counts[row], 0)

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
        if (path / MANIFEST).is_file():
            return _sweep(path)
        if (path / RUN_MANIFEST).is_file():
            return _run(path)
        raise no_study(path)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {reason_of(error)}") from None


def _sweep(folder: Path) -> Study:
    manifest = manifest_of(folder)
    is_family = (folder.parent / STUDY_MANIFEST).is_file()
    repair = (
        f"remove the folder of this family, and run it again with v2xsim study run ... --out {in_command(folder.parent)}"
        if is_family
        else f"write it again with v2xsim sweep ... --out {in_command(folder)} --resume"
    )
    running = is_running(folder)
    if not (folder / RESULTS).exists():
        done = len(list((folder / "points").glob("*.arrow")))
        state = (
            "still runs; wait for its end"
            if running
            else f"is not finished; continue with v2xsim sweep ... --out {in_command(folder)} --resume"
        )
        raise StudyError(
            f"{folder}: the sweep {state} ({done} of {len(manifest.get('points', []))} points have a result)"
        )
    failures = json_in(folder / FAILURES, repair) if (folder / FAILURES).exists() else []
    try:
        _check_form(folder, manifest, failures)
        seeds = [int(seed) for seed in manifest["seeds"]]
        metrics, values, counts = cube_in(folder / RESULTS, len(manifest["settings"]), seeds, repair)
        files = {**_digests(manifest.get("plugins")), **_digests(manifest.get("inputs"))}
        return Study(
            folder, manifest["name"], manifest["question"], tuple(manifest["keys"]), tuple(manifest["settings"]), tuple(seeds), manifest["baseline"],
            manifest["scenario"], manifest["versions"], len(manifest["points"]), tuple(failures), metrics, values, counts,
            manifest.get("baseline_values", {}), _fixed_factors(manifest), _notices(folder, repair), files, running, _texts(manifest.get("automatic")),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise damaged(
            folder / MANIFEST, f"it is not a plan as a sweep writes it ({error})", "copy the folder again"
        ) from None


def _notices(folder: Path, repair: str) -> tuple[PointNotice, ...]:
    try:
        return notices_of(folder)
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(folder / NOTICES, error, repair) from None


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
    path, table = folder / RUN_MANIFEST, folder / "metrics.parquet"
    repair = "copy the folder again, or run it again"
    manifest = json_in(path, repair)
    if not isinstance(manifest, dict) or not {"scenario", "seed", "format"} <= set(manifest):
        raise StudyError(f"{path}: is not a manifest of a run; {repair}")
    if not isinstance(manifest["format"], int) or manifest["format"] > RUN_FORMAT:
        raise StudyError(
            f"{folder}: made by a newer version: format {manifest['format']}, this one reads {RUN_FORMAT}; update v2xsim"
        )
    digest = manifest.get("tables", {}).get("metrics") if isinstance(manifest.get("tables"), dict) else None
    if digest is not None and (changed := change_of(table, digest)) is not None:
        raise StudyError(f"{table}: {changed}; {repair}")
    if not table.exists():
        raise StudyError(f"{table}: is missing; {repair}")
    written = manifest.get("tables")
    if (missing := missing_tables(folder, written if isinstance(written, dict) else ())) is not None:
        raise StudyError(f"{folder}: {missing}, so the folder of the run is not complete; {repair_of(folder)}")
    try:
        seed = int(manifest["seed"])
        metrics, values, counts = cube_in(table, 1, [seed], repair, one_run=True)
        files = {item["path"]: item["sha256"] for name in ("plugins", "inputs") for item in manifest.get(name, [])}
        return Study(
            folder, folder.name, "", (), ({},), (seed,), 0, dict(manifest["scenario"]), dict(manifest["versions"]) | {"run format": str(manifest["format"])}, 1, (), metrics, values,
            counts, notices=tuple(
                PointNotice(notice["subject"], 1, 1, notice["text"]) for notice in manifest.get("notices", [])
            ), files=files, automatic=_texts(manifest.get("automatic")),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"it is not a manifest as a run writes it ({error})", repair) from None


def _digests(digests: Any) -> dict[str, str]:
    return {str(path): str(digest) for path, digest in digests.items()} if isinstance(digests, Mapping) else {}


def _texts(keys: Any) -> tuple[str, ...]:
    return tuple(map(str, keys)) if isinstance(keys, list) else ()


def _fixed_factors(manifest: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the keys of each factor with listed values; in a sweep of an older version, each key is a factor."""
    factors = manifest.get("factors")
    if factors is None:
        return tuple((key,) for key in manifest["keys"])
    return tuple(tuple(factor["keys"]) for factor in factors if not factor["drawn"])
