"""Metrics of the radio: packet reception ratio and causes of loss, latency, gaps, age of information, channel load, link states.

Each metric is defined in docs/models.md, "Metrics".
"""

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.age_of_information import gaps_and_age
from v2xsim.evaluation.metric import Metric, Rows, arrays_of, mean_of, shares_within

# Width of a distance bin. It is a multiple of the 5 m bins of the table `unheard`, so that none of those is divided.
BIN_M = 50.0


def delivery_rows(packets: pa.Table, unheard: pa.Table, range_m: float) -> Rows:
    """Return the packet reception ratio within a range, by distance and by link state, and the share of each cause of loss.

    All stations in range count, also those at which the packet was too weak, as in 3GPP TR 36.885 A.1.5. The table
    `unheard` counts the stations at which a packet was too weak, in bins of 5 m; if the range is not a multiple of 5 m,
    the last bin counts completely.
    """
    message_kind, hop, outcome, distance, state = arrays_of(
        packets, "kind", "hop", "outcome", "distance_m", "link_state"
    )
    broadcast = (message_kind == "awareness") & (hop == 1) & np.isfinite(distance)
    why, distance, state = outcome[broadcast], distance[broadcast], state[broadcast]
    hits = why == "delivered"
    weak_m, weak_state, weak = arrays_of(unheard, "bin_m", "link_state", "count")

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


def radio_rows(packets: pa.Table, channel: pa.Table, duration_s: float, packet_share: float) -> Rows:
    """Return latency, gaps, age of information, channel load, packets that were not sent, and bytes on the air."""
    message_kind, hop, outcome, tx, rx, queued, end = arrays_of(
        packets, "kind", "hop", "outcome", "tx", "rx", "queued_us", "end_us"
    )
    broadcast = (message_kind == "awareness") & (hop == 1)
    delivered = outcome == "delivered"
    rows = mean_of("awareness_latency", (end - queued)[broadcast & delivered] * 1e-3, "ms")
    rows += shares_within("awareness_latency_within", (end - queued)[broadcast & delivered] * 1e-3)
    rows += gaps_and_age(
        tx[broadcast & delivered], rx[broadcast & delivered], queued[broadcast & delivered], end[broadcast & delivered]
    )
    (busy,) = arrays_of(channel, "busy_share")
    rows += mean_of("channel_busy_ratio", busy, "1")
    rows += [
        (
            "channel_busy_ratio_p95",
            "",
            Metric(float(np.quantile(busy, 0.95)) if len(busy) else float("nan"), "1", len(busy)),
        )
    ]
    message, fragment, size, start = arrays_of(packets, "message", "fragment", "size_bytes", "start_us")
    unsent = outcome == "not_sent"
    # All rows of one transmission follow each other, so a change in these columns marks the next transmission.
    packet = np.stack([message, fragment, hop, tx, start])
    sent = np.flatnonzero(np.append(True, (np.diff(packet, axis=1) != 0).any(axis=0))[: len(message)])
    # A packet that a full queue dropped has a row without a transmission: count it, but not its bytes.
    gone = int(unsent[sent].sum())
    rows += [("packets_not_sent", "", Metric(gone / len(sent) if len(sent) else float("nan"), "1", len(sent)))]
    sent = sent[~unsent[sent]]
    # If only a share of the stations is listed, each listed message stands for 1 / share messages.
    weight = np.where(message_kind[sent] == "awareness", 1.0 / packet_share, 1.0)
    total = float((size[sent] * weight).sum())
    rows += [("on_air", "", Metric(total / duration_s, "B/s", len(sent)))]
    return rows


def link_rows(links: pa.Table) -> Rows:
    """Return the share of links in each link state, 0 to 1."""
    (state,) = arrays_of(links, "state")
    rows: Rows = []
    for name in ("LOS", "NLOSv", "NLOSb"):
        rows += mean_of(f"links_{name}", state == name, "1")
    return rows
