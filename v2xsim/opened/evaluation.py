"""The evaluation of a finished run, with the run's own settings or with others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from v2xsim.evaluation.episodes import gap_at
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.evaluation.metric import Metric
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.opened.errors import OpenError
from v2xsim.opened.evaluated_tables import EvaluatedTables
from v2xsim.opened.manifest import setting
from v2xsim.opened.numbers import is_finite
from v2xsim.opened.parts import PartTables
from v2xsim.opened.recorded_frames import RecordedFrames
from v2xsim.perception.metrics.average_precision import THRESHOLDS
from v2xsim.perception.tracking.station_tracks import KalmanTracker, Tracker, tracker_at
from v2xsim.perception.tracking.tracker import TrackerParams
from v2xsim.results.listed import ListedMetrics
from v2xsim.results.results import metrics_table
from v2xsim.results.scored_tables import add_episodes
from v2xsim.scenario.schema import FARTHEST_EVALUATED_M, FARTHEST_RECEIVER_M
from v2xsim.scenario.schema_world import simulated_s


@dataclass(frozen=True)
class Evaluation:
    """A run evaluated once more.

    Attributes:
        range_m: Road users within this distance of an ego were scored.
        thresholds: Least overlaps at which a detection counted as a hit.
        prr_range_m: Receivers within this distance of a sender counted for the packet reception ratio.
        metrics: Metrics of the whole run, by name.
        tables: The tables `metrics`, `awareness`, `episodes` and `fusion` with these settings, in the form that the run writes.
    """

    range_m: float
    thresholds: tuple[float, ...]
    prr_range_m: float
    metrics: dict[str, Metric] = field(repr=False)
    tables: Mapping[str, pa.Table] = field(repr=False)


def evaluated(
    manifest: Mapping[str, Any], tables: PartTables, frames: RecordedFrames, folder: Path,
    range_m: float | None, thresholds: Sequence[float] | None, tracker: TrackerParams | Tracker | None,
    prr_range_m: float | None,
) -> Evaluation:  # fmt: skip
    """Return the evaluation of a run; each setting that is None is that of the run.

    Args:
        manifest: Manifest of the run.
        tables: Tables of the run.
        frames: Ego frames of the run.
        folder: Folder of the run, for messages.
        range_m: Road users within this distance of an ego are scored.
        thresholds: Least overlaps (intersection over union) at which a detection counts as a hit.
        tracker: Parameters of the tracker, or a tracker.
        prr_range_m: Receivers within this distance of a sender count for the packet reception ratio.
    """
    range_m = _distance(folder, manifest, "range_m", range_m, "record.evaluation_range_m", FARTHEST_EVALUATED_M)
    prr_range_m = _distance(folder, manifest, "prr_range_m", prr_range_m, "record.prr_range_m", FARTHEST_RECEIVER_M)
    overlaps = _overlaps(folder, thresholds)
    step_us = round(setting(manifest, "run.step_s") * 1e6)
    if tracker is not None and not isinstance(tracker, TrackerParams) and not callable(tracker):
        raise OpenError(
            f"{folder}: evaluate: tracker must be TrackerParams or a function (tracks, detections, time_us) -> Tracks, got {tracker!r}"
        )
    track = KalmanTracker(tracker) if isinstance(tracker, TrackerParams) else tracker or tracker_at(step_us)
    evaluator = Evaluator(range_m, track, overlaps, gap_at(step_us))
    new = EvaluatedTables(tables, manifest["format"])
    for tick in frames.ticks(step_us, track):
        new.add(tick, evaluator.add(tick))
    add_episodes(new.episodes, evaluator.episodes())
    begin_s, duration_s = (
        setting(manifest, "run.begin_s"),
        simulated_s(setting(manifest, "run.duration_s"), setting(manifest, "run.step_s")),
    )
    rows = all_metrics(
        new.groups, evaluator.average_precision(),
        duration_s,
        prr_range_m, setting(manifest, "record.packet_share"), setting(manifest, "record.link_ticks") * step_us,
        round((begin_s + duration_s) * 1e6), step_us, round(begin_s * 1e6),
    )  # fmt: skip
    new.metrics = metrics_table(rows)
    metrics = {name: metric for name, part, metric in rows if part == ""}
    return Evaluation(range_m, overlaps, prr_range_m, ListedMetrics(metrics), new)


def _distance(
    folder: Path, manifest: Mapping[str, Any], name: str, given: float | None, key: str, farthest_m: float
) -> float:
    """Return a distance that was given, or that of the run; it has the limits of the scenario's key."""
    if given is None:
        return float(setting(manifest, key))
    if not is_finite(given) or not 0 < given <= farthest_m:
        raise OpenError(
            f"{folder}: evaluate: {name} must be a distance above 0 m and at most {farthest_m:g} m, as {key}, got {given!r}"
        )
    return float(given)


def _overlaps(folder: Path, given: Sequence[float] | None) -> tuple[float, ...]:
    if given is None:
        return THRESHOLDS
    values = tuple(given) if isinstance(given, Iterable) else (given,)
    wrong = [value for value in values if not is_finite(value) or not 0.0 < value <= 1.0]
    if wrong or not values or len(set(values)) < len(values):
        raise OpenError(
            f"{folder}: evaluate: thresholds must be different overlaps above 0 and at most 1, such as (0.3, 0.5), got {list(values)}"
        )
    return tuple(float(value) for value in values)
