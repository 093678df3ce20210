"""Metrics of a run, computed from its tables. Each is defined in docs/models.md, "Metrics"."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

BIN_M = 50.0
WITHIN_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class Metric:
    """One number about a run.

    Attributes:
        value: NaN where there was nothing to measure.
        unit: Of the value; "1" for a share.
        count: Samples behind it.
    """

    value: float
    unit: str
    count: int


Rows = list[tuple[str, str, Metric]]
"""Name, bin and value of each metric; an empty bin is the whole run."""


def _arrays(table: pa.Table, *names: str) -> list[np.ndarray]:
    columns = []
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            # Each distinct text once, and a look-up: a column of a million rows holds a handful.
            held = pa.chunked_array([column.unify_dictionaries().combine_chunks()]).chunk(0)
            texts = np.array(held.dictionary.to_pylist(), object)
            columns.append(texts[held.indices.to_numpy()] if len(texts) else np.zeros(len(held), object))
            continue
        columns.append(column.to_numpy())
    return columns


def _mean(name: str, values: np.ndarray, unit: str) -> Rows:
    return [(name, "", Metric(float(np.mean(values)) if len(values) else float("nan"), unit, len(values)))]


def _within(name: str, latency_ms: np.ndarray) -> Rows:
    """Return the share of latencies up to each of a few bounds: their distribution."""
    count = len(latency_ms)
    share = (
        np.searchsorted(np.sort(latency_ms), WITHIN_MS, "right") / max(count, 1) if count else [np.nan] * len(WITHIN_MS)
    )
    return [(name, f"{bound} ms", Metric(float(s), "1", count)) for bound, s in zip(WITHIN_MS, share, strict=True)]


def all_metrics(
    tables: dict[str, pa.Table],
    precision: dict[str, list[tuple[float, float]]],
    frames: int,
    duration_s: float,
    prr_range_m: float,
    packet_share: float = 1.0,
) -> Rows:
    """Return every metric as name, bin and value; an empty bin is the whole run."""
    return [
        *_perception(tables["fusion"], tables["awareness"], precision, frames),
        *_episodes(tables["episodes"]),
        *_cooperation(tables["fusion"], tables["transfers"]),
        *_delivery(tables["packets"], tables["unheard"], prr_range_m),
        *_radio(tables["packets"], tables["channel"], duration_s, packet_share),
        *_links(tables["links"]),
    ]


def _perception(
    fusion: pa.Table, awareness: pa.Table, precision: dict[str, list[tuple[float, float]]], frames: int
) -> Rows:
    rows: Rows = []
    for mode, curve in precision.items():
        rows += [(f"ap_{threshold:.1f}_{mode}", "", Metric(ap, "1", frames)) for threshold, ap in curve]
    for name in ("coverage_before", "coverage_after", "blind_covered"):
        share = _arrays(fusion, name)[0]
        rows += _mean(name, share[np.isfinite(share)], "1")
    for mode in ("ego", "fused"):
        rows += _mean(f"object_awareness_{mode}", _arrays(awareness, f"tracked_{mode}")[0], "1")
    return rows


def _episodes(episodes: pa.Table) -> Rows:
    start, ego, fused = _arrays(episodes, "start_us", "aware_ego_us", "aware_fused_us")
    rows: Rows = [("hidden_conflicts", "", Metric(float(len(start)), "1", len(start)))]
    for name, aware_us in (("ego", ego), ("fused", fused)):
        known = aware_us >= 0
        rows += _mean(f"time_to_awareness_{name}", (aware_us - start)[known] * 1e-6, "s")
        rows += [(f"never_aware_{name}", "", Metric(float((~known).sum()), "1", len(known)))]
    return rows


def _cooperation(fusion: pa.Table, transfers: pa.Table) -> Rows:
    used, by_relay, age, requested, received = _arrays(
        fusion, "used", "used_by_relay", "age_us", "requested_bytes", "received_bytes"
    )
    rows = _mean("helpers_used", used, "1") + _mean("helpers_used_by_relay", by_relay, "1")
    rows += _mean("age_of_fused_data", age[age >= 0] * 1e-3, "ms")
    rows += _mean("requested_per_frame", requested, "B") + _mean("received_per_frame", received, "B")
    kind, queued, arrived, relay, outcome = _arrays(transfers, "kind", "queue_us", "arrive_us", "relay", "outcome")
    data = kind == "data"
    rows += _mean("requests_answered", outcome[kind == "request"] == "answered", "1")
    rows += _mean("data_arrived_whole", arrived[data] >= 0, "1")
    for name, chosen in (("direct", data & (relay < 0)), ("relayed", data & (relay >= 0))):
        delay_ms = (arrived - queued)[chosen & (arrived >= 0)] * 1e-3
        rows += _mean(f"data_latency_{name}", delay_ms, "ms")
    rows += _within("data_latency_within", (arrived - queued)[data & (arrived >= 0)] * 1e-3)
    return rows


def _delivery(packets: pa.Table, unheard: pa.Table, range_m: float) -> Rows:
    """Return the packet reception ratio within a range, by distance and by link state, and what the rest was lost to.

    All stations count, those that a packet was too weak for included (3GPP TR 36.885 A.1.5 counts likewise).
    """
    kind, hop, outcome, distance, state = _arrays(packets, "kind", "hop", "outcome", "distance_m", "link_state")
    broadcast = (kind == "awareness") & (hop == 1) & np.isfinite(distance)
    why, distance, state = outcome[broadcast], distance[broadcast], state[broadcast]
    hits = why == "delivered"
    weak_m, weak_state, weak = _arrays(unheard, "bin_m", "link_state", "count")

    def ratio(chosen: np.ndarray, lost: np.ndarray) -> Metric:
        sent = int(chosen.sum()) + int(weak[lost].sum())
        return Metric(float(hits[chosen].sum()) / sent if sent else float("nan"), "1", sent)

    near, weak_near = distance < range_m, weak_m < range_m
    rows: Rows = [("prr", "", ratio(near, weak_near))]
    number, weak_number = np.floor(distance / BIN_M), np.floor(weak_m / BIN_M)
    for b in np.union1d(number, weak_number):
        label = f"{b * BIN_M:.0f}-{(b + 1) * BIN_M:.0f} m"
        rows += [("prr", label, ratio(number == b, weak_number == b))]
    for name in ("LOS", "NLOSv", "NLOSb"):
        rows += [("prr", name, ratio(near & (state == name), weak_near & (weak_state == name)))]
    sent = int(near.sum()) + int(weak[weak_near].sum())
    for cause in ("half_duplex", "sensing", "receiver_busy", "propagation", "collision"):
        lost = int((near & (why == cause)).sum()) + (int(weak[weak_near].sum()) if cause == "sensing" else 0)
        rows += [(f"lost_to_{cause}", "", Metric(lost / sent if sent else float("nan"), "1", sent))]
    return rows


def _radio(packets: pa.Table, channel: pa.Table, duration_s: float, packet_share: float) -> Rows:
    kind, hop, outcome, tx, rx, queued, end = _arrays(
        packets, "kind", "hop", "outcome", "tx", "rx", "queued_us", "end_us"
    )
    broadcast = (kind == "awareness") & (hop == 1)
    delivered = outcome == "delivered"
    rows = _mean("awareness_latency", (end - queued)[broadcast & delivered] * 1e-3, "ms")
    rows += _within("awareness_latency_within", (end - queued)[broadcast & delivered] * 1e-3)
    rows += _gaps(
        tx[broadcast & delivered], rx[broadcast & delivered], queued[broadcast & delivered], end[broadcast & delivered]
    )
    busy = _arrays(channel, "busy_share")[0]
    rows += _mean("channel_busy_ratio", busy, "1")
    rows += [
        (
            "channel_busy_ratio_p95",
            "",
            Metric(float(np.quantile(busy, 0.95)) if len(busy) else float("nan"), "1", len(busy)),
        )
    ]
    message, fragment, size, start = _arrays(packets, "message", "fragment", "size_bytes", "start_us")
    unsent = outcome == "not_sent"
    # All rows of one packet on the air follow each other.
    packet = np.stack([message, fragment, hop, tx, start])
    sent = np.flatnonzero(np.append(True, (np.diff(packet, axis=1) != 0).any(axis=0))[: len(message)])
    gone = int(unsent[sent].sum())
    rows += [("packets_not_sent", "", Metric(gone / len(sent) if len(sent) else float("nan"), "1", len(sent)))]
    sent = sent[~unsent[sent]]
    # Where a share of the stations is listed, each of their awareness messages stands for more.
    weight = np.where(kind[sent] == "awareness", 1.0 / packet_share, 1.0)
    total = float((size[sent] * weight).sum()) if len(message) else 0.0
    rows += [("on_air", "", Metric(total / duration_s, "B/s", len(sent)))]
    return rows


def _gaps(tx: np.ndarray, rx: np.ndarray, queued: np.ndarray, end: np.ndarray) -> Rows:
    """Return inter-packet gap and age of information over all pairs that heard each other at least twice.

    Between two receptions the age grows from that of the first at unit rate; its time average over the gap g after a
    packet of delay d is d + g / 2.
    """
    order = np.lexsort((end, rx, tx))
    same = (np.diff(tx[order]) == 0) & (np.diff(rx[order]) == 0)
    gap = np.diff(end[order])[same]
    delay = (end - queued)[order][:-1][same]
    age = float(np.sum(gap * (delay + gap / 2.0)) / np.sum(gap)) * 1e-3 if gap.sum() > 0 else float("nan")
    rows = _mean("inter_packet_gap", gap * 1e-3, "ms")
    return [*rows, ("age_of_information", "", Metric(age, "ms", len(gap)))]


def _links(links: pa.Table) -> Rows:
    state = _arrays(links, "state")[0]
    rows: Rows = []
    for name in ("LOS", "NLOSv", "NLOSb"):
        rows += _mean(f"links_{name}", state == name, "1")
    return rows
