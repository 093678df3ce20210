"""Metrics of the radio: packet reception ratio and causes of loss, latency, gaps, age of information, channel load, link states.

Each metric is defined in docs/models.md, "Metrics". Tables are read one row group after the other.
"""

from collections import Counter

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.age_of_information import GapsAndAge, Received, in_any_order, pair_of
from v2xsim.evaluation.metric import Mean, Metric, RowGroups, Rows, Within, arrays_of, words_of
from v2xsim.evaluation.transmissions import Transmissions

# Width of a distance bin. It is a multiple of the 5 m bins of the table `unheard`, so that none of those is divided.
BIN_M = 50.0

_STATES = ("LOS", "NLOSv", "NLOSb")
_CAUSES = ("half_duplex", "sensing", "receiver_busy", "propagation", "collision")
_RECEIVED = ("kind", "hop", "outcome", "tx", "rx", "queued_us", "end_us")
_PACKETS = (*_RECEIVED, "message", "fragment", "size_bytes", "start_us", "distance_m", "link_state")


def packet_rows(groups: RowGroups, range_m: float, duration_s: float, packet_share: float) -> Rows:
    """Return the metrics of the tables `packets`, `unheard` and `channel`.

    Args:
        groups: Function that reads tables.
        range_m: Receivers within this distance of the sender count for the packet reception ratio.
        duration_s: Simulated time of the run.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """
    delivery, latency_ms, latencies = (
        Delivery(range_m),
        Mean("awareness_latency", "ms"),
        Within("awareness_latency_within"),
    )
    gaps, transmissions, channel = GapsAndAge(), Transmissions(packet_share), ChannelLoad()
    for group in groups("packets", _PACKETS):
        delivery.add(group)
        received = _received(group)
        latency = (received.end_us - received.queued_us) * 1e-3
        latency_ms.add(latency)
        latencies.add(latency)
        gaps.add(received)
        transmissions.add(group)
    if not gaps.is_in_order:
        gaps = in_any_order(lambda: map(_received, groups("packets", _RECEIVED)))
    for group in groups("unheard", ("bin_m", "link_state", "count")):
        delivery.add_unheard(group)
    for group in groups("channel", ("busy_share",)):
        channel.add(group)
    return [
        *delivery.rows(), *latency_ms.rows(), *latencies.rows(), *gaps.rows(), *channel.rows(), *transmissions.rows(duration_s),
    ]  # fmt: skip


def link_rows(groups: RowGroups) -> Rows:
    """Return the share of links in each link state, 0 to 1."""
    shares = {name: Mean(f"links_{name}", "1") for name in _STATES}
    for group in groups("links", ("state",)):
        state = words_of(group, "state")
        for name, share in shares.items():
            share.add(state.are(name))
    return [row for share in shares.values() for row in share.rows()]


class Delivery:
    """The packet reception ratio within a range, by distance and by link state, and the share of each cause of loss.

    All stations in range count, also those at which the packet was too weak, as in 3GPP TR 36.885 A.1.5. The table `unheard` counts the
    stations at which a packet was too weak, in bins of 5 m; if the range is not a multiple of 5 m, the last bin counts completely.

    Args:
        range_m: Receivers within this distance of the sender count.
    """

    def __init__(self, range_m: float) -> None:
        self._range_m = range_m
        # By bin number, by link state in range, and in range (the empty name): receptions, and how many of them were delivered.
        self._all: Counter[float | str] = Counter()
        self._delivered: Counter[float | str] = Counter()
        self._lost: Counter[str] = Counter()

    def add(self, packets: pa.Table) -> None:
        """Add some rows of the table `packets`."""
        hop, distance_m = arrays_of(packets, "hop", "distance_m")
        rows = np.flatnonzero(words_of(packets, "kind").are("awareness") & (hop == 1) & np.isfinite(distance_m))
        distance_m, outcome, state = distance_m[rows], words_of(packets, "outcome"), words_of(packets, "link_state")
        is_near, is_delivered = distance_m < self._range_m, outcome.are("delivered")[rows]
        number = np.floor(distance_m / BIN_M)
        for counts, chosen in ((self._all, np.ones(len(rows), bool)), (self._delivered, is_delivered)):
            counts.update(_numbers_of(number[chosen]))
            counts[""] += int((chosen & is_near).sum())
            for name in _STATES:
                counts[name] += int((chosen & is_near & state.are(name)[rows]).sum())
        for cause in _CAUSES:
            self._lost[cause] += int((is_near & outcome.are(cause)[rows]).sum())

    def add_unheard(self, unheard: pa.Table) -> None:
        """Add some rows of the table `unheard`."""
        bin_m, count = arrays_of(unheard, "bin_m", "count")
        state, is_near, number = words_of(unheard, "link_state"), bin_m < self._range_m, np.floor(bin_m / BIN_M)
        for one, weak in zip(number.tolist(), count.tolist(), strict=True):
            self._all[one] += weak
        for name in _STATES:
            self._all[name] += int(count[is_near & state.are(name)].sum())
        near = int(count[is_near].sum())
        self._all[""] += near
        self._lost["sensing"] += near

    def rows(self) -> Rows:
        """Return the ratio in range, by bin and by link state, and the share of each cause of loss."""
        bins = {
            number: f"{number * BIN_M:.0f}-{(number + 1) * BIN_M:.0f} m"
            for number in sorted(n for n in self._all if isinstance(n, float))
        }
        return [
            ("prr", "", self._share(self._delivered[""], self._all[""])),
            *(("prr", label, self._share(self._delivered[b], self._all[b])) for b, label in bins.items()),
            *(("prr", name, self._share(self._delivered[name], self._all[name])) for name in _STATES),
            *((f"lost_to_{cause}", "", self._share(self._lost[cause], self._all[""])) for cause in _CAUSES),
        ]  # fmt: skip

    @staticmethod
    def _share(part: int, whole: int) -> Metric:
        return Metric(part / whole if whole else float("nan"), "1", whole)


def _received(packets: pa.Table) -> Received:
    """Return the awareness messages that stations received directly from their senders."""
    hop, tx, rx, queued_us, end_us = arrays_of(packets, "hop", "tx", "rx", "queued_us", "end_us")
    rows = np.flatnonzero(
        words_of(packets, "kind").are("awareness") & (hop == 1) & words_of(packets, "outcome").are("delivered")
    )
    return Received(pair_of(tx[rows], rx[rows]), queued_us[rows], end_us[rows])


def _numbers_of(values: np.ndarray) -> dict[float | str, int]:
    """Return how often each value occurs."""
    distinct, counts = np.unique(values, return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))


class ChannelLoad:
    """The channel busy ratio over all stations and windows: its mean, and its 95th percentile.

    A busy share is a whole number of microseconds, or of slots, of a window. So there are few distinct ones, and they are counted.
    """

    def __init__(self) -> None:
        self._mean = Mean("channel_busy_ratio", "1")
        self._share, self._count = np.zeros(0, np.float32), np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return the number of distinct busy shares."""
        return len(self._share)

    def add(self, channel: pa.Table) -> None:
        """Add some rows of the table `channel`."""
        (busy_share,) = arrays_of(channel, "busy_share")
        self._mean.add(busy_share)
        new, counts = np.unique(busy_share, return_counts=True)
        self._share, at = np.unique(np.concatenate([self._share, new]), return_inverse=True)
        self._count = np.bincount(at, np.concatenate([self._count, counts]), len(self._share)).astype(np.int64)

    def rows(self) -> Rows:
        """Return the mean and the 95th percentile; NaN without rows."""
        total = int(self._count.sum())
        return [*self._mean.rows(), ("channel_busy_ratio_p95", "", Metric(self._quantile(total), "1", total))]

    def _quantile(self, total: int) -> float:
        if total == 0:
            return float("nan")
        # As numpy: the value at the place 0.95 (n - 1) of the sorted values, interpolated between the two next to it.
        place = (total - 1) * 0.95
        first = int(place)
        up_to = np.cumsum(self._count)
        beside = self._share[np.searchsorted(up_to, [first, min(first + 1, total - 1)], "right")]
        return float(np.quantile(beside, place - first))
