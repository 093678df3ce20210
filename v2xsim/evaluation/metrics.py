"""All metrics of a run, computed from its tables: those of perception and cooperation; radio metrics are in `radio_metrics`.

Each metric is defined in docs/models.md, "Metrics". Tables are read one row group after the other, so that they need not fit into memory.
"""

import numpy as np

from v2xsim.evaluation.metric import Mean, Metric, RowGroups, Rows, Within, arrays_of, words_of
from v2xsim.evaluation.radio_metrics import link_rows, packet_rows

METRIC_TABLES = ("fusion", "awareness", "episodes", "transfers", "packets", "unheard", "channel", "links")
"""The tables from which metrics are computed."""


def all_metrics(
    groups: RowGroups,
    precision: dict[str, list[tuple[float, float]]],
    frames: int,
    duration_s: float,
    prr_range_m: float,
    packet_share: float = 1.0,
) -> Rows:
    """Return every metric of a run as name, bin and value; an empty bin stands for the whole run.

    Args:
        groups: Function that reads the tables of the run.
        precision: Pairs of overlap threshold and average precision, by mode.
        frames: Number of ego frames that were scored.
        duration_s: Simulated time of the run.
        prr_range_m: Receivers within this distance of the sender count for the packet reception ratio.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """
    return [
        *_precision(precision, frames),
        *_coverage(groups),
        *_awareness(groups),
        *_episodes(groups),
        *_helpers(groups),
        *_transfers(groups),
        *packet_rows(groups, prr_range_m, duration_s, packet_share),
        *link_rows(groups),
    ]


def _precision(precision: dict[str, list[tuple[float, float]]], frames: int) -> Rows:
    return [
        (f"ap_{threshold:g}_{mode}", "", Metric(ap, "1", frames))
        for mode, curve in precision.items()
        for threshold, ap in curve
    ]


def _coverage(groups: RowGroups) -> Rows:
    means = [Mean(name, "1") for name in ("coverage_before", "coverage_after", "blind_covered")]
    for group in groups("fusion", tuple(mean.name for mean in means)):
        for mean, share in zip(means, arrays_of(group, *(mean.name for mean in means)), strict=True):
            mean.add(share[np.isfinite(share)])
    return _rows_of(means)


def _awareness(groups: RowGroups) -> Rows:
    means = [Mean(f"object_awareness_{mode}", "1") for mode in ("ego", "fused")]
    columns = ("tracked_ego", "tracked_fused")
    for group in groups("awareness", columns):
        for mean, is_tracked in zip(means, arrays_of(group, *columns), strict=True):
            mean.add(is_tracked)
    return _rows_of(means)


def _episodes(groups: RowGroups) -> Rows:
    times = {mode: Mean(f"time_to_awareness_{mode}", "s") for mode in ("ego", "fused")}
    never, conflicts = dict.fromkeys(times, 0), 0
    for group in groups("episodes", ("start_us", "aware_ego_us", "aware_fused_us")):
        start_us, *aware = arrays_of(group, "start_us", "aware_ego_us", "aware_fused_us")
        conflicts += len(start_us)
        for mode, aware_us in zip(times, aware, strict=True):
            is_known = aware_us >= 0
            times[mode].add((aware_us - start_us)[is_known] * 1e-6)
            never[mode] += int((~is_known).sum())
    rows: Rows = [("hidden_conflicts", "", Metric(float(conflicts), "conflicts", conflicts))]
    for mode, time_s in times.items():
        rows += time_s.rows()
        rows += [(f"never_aware_{mode}", "", Metric(float(never[mode]), "conflicts", conflicts))]
    return rows


def _helpers(groups: RowGroups) -> Rows:
    used, by_relay = Mean("helpers_used", "helpers/frame"), Mean("helpers_used_by_relay", "helpers/frame")
    age_ms = Mean("age_of_fused_data", "ms")
    requested, received = Mean("requested_per_frame", "B"), Mean("received_per_frame", "B")
    columns = ("used", "used_by_relay", "age_us", "requested_bytes", "received_bytes")
    for group in groups("fusion", columns):
        counts, relayed, age_us, requested_bytes, received_bytes = arrays_of(group, *columns)
        used.add(counts)
        by_relay.add(relayed)
        age_ms.add(age_us[age_us >= 0] * 1e-3)
        requested.add(requested_bytes)
        received.add(received_bytes)
    return _rows_of([used, by_relay, age_ms, requested, received])


def _transfers(groups: RowGroups) -> Rows:
    answered, whole = Mean("requests_answered", "1"), Mean("data_arrived_whole", "1")
    direct, relayed = Mean("data_latency_direct", "ms"), Mean("data_latency_relayed", "ms")
    within = Within("data_latency_within")
    for group in groups("transfers", ("kind", "queue_us", "arrive_us", "relay", "outcome")):
        message_kind, (queued_us, arrived_us, relay) = (
            words_of(group, "kind"),
            arrays_of(group, "queue_us", "arrive_us", "relay"),
        )
        is_data = message_kind.are("data")
        answered.add(words_of(group, "outcome").are("answered")[message_kind.are("request")])
        whole.add(arrived_us[is_data] >= 0)
        has_arrived, latency_ms = is_data & (arrived_us >= 0), (arrived_us - queued_us) * 1e-3
        direct.add(latency_ms[has_arrived & (relay < 0)])
        relayed.add(latency_ms[has_arrived & (relay >= 0)])
        within.add(latency_ms[has_arrived])
    return [*_rows_of([answered, whole, direct, relayed]), *within.rows()]


def _rows_of(means: list[Mean]) -> Rows:
    return [row for mean in means for row in mean.rows()]
