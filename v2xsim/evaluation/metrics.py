"""All metrics of a run, computed from its tables: those of perception and cooperation; radio metrics are in `radio_metrics`.

Each metric is defined in docs/models.md, "Metrics".
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.metric import Metric, Rows, arrays_of, mean_of, shares_within
from v2xsim.evaluation.radio_metrics import delivery_rows, link_rows, radio_rows

METRIC_TABLES = ("fusion", "awareness", "episodes", "transfers", "packets", "unheard", "channel", "links")
"""The tables from which metrics are computed."""


def all_metrics(
    tables: Mapping[str, pa.Table],
    precision: dict[str, list[tuple[float, float]]],
    frames: int,
    duration_s: float,
    prr_range_m: float,
    packet_share: float = 1.0,
) -> Rows:
    """Return every metric of a run as name, bin and value; an empty bin stands for the whole run.

    Args:
        tables: Tables of the run, by name.
        precision: Pairs of overlap threshold and average precision, by mode.
        frames: Number of ego frames that were scored.
        duration_s: Simulated time of the run.
        prr_range_m: Receivers within this distance of the sender count for the packet reception ratio.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """
    return [
        *_perception(tables["fusion"], tables["awareness"], precision, frames),
        *_episodes(tables["episodes"]),
        *_cooperation(tables["fusion"], tables["transfers"]),
        *delivery_rows(tables["packets"], tables["unheard"], prr_range_m),
        *radio_rows(tables["packets"], tables["channel"], duration_s, packet_share),
        *link_rows(tables["links"]),
    ]


def _perception(
    fusion: pa.Table, awareness: pa.Table, precision: dict[str, list[tuple[float, float]]], frames: int
) -> Rows:
    rows: Rows = []
    for mode, curve in precision.items():
        rows += [(f"ap_{threshold:g}_{mode}", "", Metric(ap, "1", frames)) for threshold, ap in curve]
    for name in ("coverage_before", "coverage_after", "blind_covered"):
        (share,) = arrays_of(fusion, name)
        rows += mean_of(name, share[np.isfinite(share)], "1")
    for mode in ("ego", "fused"):
        (tracked,) = arrays_of(awareness, f"tracked_{mode}")
        rows += mean_of(f"object_awareness_{mode}", tracked, "1")
    return rows


def _episodes(episodes: pa.Table) -> Rows:
    start, ego, fused = arrays_of(episodes, "start_us", "aware_ego_us", "aware_fused_us")
    rows: Rows = [("hidden_conflicts", "", Metric(float(len(start)), "conflicts", len(start)))]
    for name, aware_us in (("ego", ego), ("fused", fused)):
        known = aware_us >= 0
        rows += mean_of(f"time_to_awareness_{name}", (aware_us - start)[known] * 1e-6, "s")
        rows += [(f"never_aware_{name}", "", Metric(float((~known).sum()), "conflicts", len(known)))]
    return rows


def _cooperation(fusion: pa.Table, transfers: pa.Table) -> Rows:
    used, by_relay, age, requested, received = arrays_of(
        fusion, "used", "used_by_relay", "age_us", "requested_bytes", "received_bytes"
    )
    rows = mean_of("helpers_used", used, "helpers/frame")
    rows += mean_of("helpers_used_by_relay", by_relay, "helpers/frame")
    rows += mean_of("age_of_fused_data", age[age >= 0] * 1e-3, "ms")
    rows += mean_of("requested_per_frame", requested, "B") + mean_of("received_per_frame", received, "B")
    message_kind, queued, arrived, relay, outcome = arrays_of(
        transfers, "kind", "queue_us", "arrive_us", "relay", "outcome"
    )
    data = message_kind == "data"
    rows += mean_of("requests_answered", outcome[message_kind == "request"] == "answered", "1")
    rows += mean_of("data_arrived_whole", arrived[data] >= 0, "1")
    for name, chosen in (("direct", data & (relay < 0)), ("relayed", data & (relay >= 0))):
        delay_ms = (arrived - queued)[chosen & (arrived >= 0)] * 1e-3
        rows += mean_of(f"data_latency_{name}", delay_ms, "ms")
    rows += shares_within("data_latency_within", (arrived - queued)[data & (arrived >= 0)] * 1e-3)
    return rows
