"""Metrics of the radio: packet reception ratio and causes of loss, latency, gaps, channel load, link states.

Each metric is defined in docs/models.md, "Metrics". Row groups of tables are added one after the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.ages import Ages
from v2xsim.evaluation.metric import Mean, Metric, Rows, Within, arrays_of, words_of
from v2xsim.evaluation.packet_gaps import Gaps, Received, in_any_order
from v2xsim.evaluation.packet_rows import CAUSES, STATES, Counts, counts_of, received_in, ways_of
from v2xsim.evaluation.transmissions import Transmissions
from v2xsim.evaluation.whole_messages import WholeMessages

# Width of a distance bin. It is a multiple of the 5 m bins of the table `unheard`, so that none of those is divided.
BIN_M = 50.0


class RadioMetrics:
    """The metrics of the tables `packets`, `unheard` and `channel`.

    Args:
        range_m: Receivers within this distance of the sender count for the packet reception ratio.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """

    def __init__(self, range_m: float, packet_share: float) -> None:
        self._range_m, self._delivery = range_m, Delivery(range_m)
        self._latency_ms, self._latencies = Mean("awareness_latency", "ms"), Within("awareness_latency_within")
        self._gaps, self._transmissions, self._channel = Gaps(), Transmissions(packet_share), ChannelLoad()
        self._whole = WholeMessages(over_relays=False)

    def add_packets(self, packets: pa.Table) -> None:
        """Add the next rows of the table `packets`."""
        ways = ways_of(packets)
        self._delivery.add(counts_of(packets, ways, self._range_m, BIN_M))
        outcome, end_us = self._whole.of(packets, ways)
        pair, queued_us, end_us = received_in(packets, ways._replace(outcome=outcome), end_us)
        latency_ms = (end_us - queued_us) * 1e-3
        self._latency_ms.add(latency_ms)
        self._latencies.add(latency_ms)
        if self._gaps.is_in_order:
            self._gaps.add(Received(pair, end_us))
        self._transmissions.add(packets, ways)

    def add_unheard(self, unheard: pa.Table) -> None:
        """Add some rows of the table `unheard`."""
        self._delivery.add_unheard(unheard)

    def add_channel(self, channel: pa.Table) -> None:
        """Add some rows of the table `channel`."""
        self._channel.add(channel)

    def rows(self, duration_s: float, packets: Callable[[], Iterable[pa.Table]], ages: Ages) -> Rows:
        """Return the metrics.

        Args:
            duration_s: Simulated time of the run.
            ages: The ages of information, which are followed in the order of time.
            packets: Function that yields the row groups of the table `packets` again. It is called only if the packets of a pair are not in
                order of time.
        """
        self._gaps.join()
        gaps = self._gaps if self._gaps.is_in_order else in_any_order(lambda: _received(packets()))
        return [
            *self._delivery.rows(), *self._latency_ms.rows(), *self._latencies.rows(), *gaps.rows(), *ages.rows(),
            *self._channel.rows(), *self._transmissions.rows(duration_s),
        ]  # fmt: skip


class LinkStates:
    """The share of links in each link state, 0 to 1."""

    def __init__(self) -> None:
        self._shares = {name: Mean(f"links_{name}", "1") for name in STATES}

    def add(self, links: pa.Table) -> None:
        """Add some rows of the table `links`."""
        counts = words_of(links, "state").counts()
        for name, share in self._shares.items():
            share.add_whole(counts.get(name, 0), links.num_rows)

    def rows(self) -> Rows:
        """Return the share of each state; NaN without links."""
        return [row for share in self._shares.values() for row in share.rows()]


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
        self._all: Counter[int | str] = Counter()
        self._delivered: Counter[int | str] = Counter()
        self._lost: Counter[str] = Counter()

    def add(self, counts: Counts) -> None:
        """Add the receptions of some rows of the table `packets`."""
        for row, held in enumerate((self._all, self._delivered)):
            (number,) = np.nonzero(counts.by_bin[row])
            held.update(dict(zip(number.tolist(), counts.by_bin[row, number].tolist(), strict=True)))
            held[""] += int(counts.near[row])
            held.update(dict(zip(STATES, counts.by_state[row].tolist(), strict=True)))
        self._lost.update(dict(zip(CAUSES, counts.lost.tolist(), strict=True)))

    def add_unheard(self, unheard: pa.Table) -> None:
        """Add some rows of the table `unheard`."""
        bin_m, count = arrays_of(unheard, "bin_m", "count")
        state, is_near, number = (
            words_of(unheard, "link_state"),
            bin_m < self._range_m,
            np.floor(bin_m / BIN_M).astype(np.int64),
        )
        for one, weak in zip(number.tolist(), count.tolist(), strict=True):
            self._all[one] += weak
        for name in STATES:
            self._all[name] += int(count[is_near & state.are(name)].sum())
        near = int(count[is_near].sum())
        self._all[""] += near
        self._lost["sensing"] += near

    def rows(self) -> Rows:
        """Return the ratio in range, by bin and by link state, and the share of each cause of loss."""
        bins = {
            number: f"{number * BIN_M:.0f}-{(number + 1) * BIN_M:.0f} m"
            for number in sorted(n for n in self._all if isinstance(n, int))
        }
        return [
            ("prr", "", self._share(self._delivered[""], self._all[""])),
            *(("prr", label, self._share(self._delivered[b], self._all[b])) for b, label in bins.items()),
            *(("prr", name, self._share(self._delivered[name], self._all[name])) for name in STATES),
            *((f"lost_to_{cause}", "", self._share(self._lost[cause], self._all[""])) for cause in CAUSES),
        ]  # fmt: skip

    @staticmethod
    def _share(part: int, whole: int) -> Metric:
        return Metric(part / whole if whole else float("nan"), "1", whole)


def _received(groups: Iterable[pa.Table]) -> Iterator[Received]:
    """Yield the awareness messages that stations received directly from their senders, given the table `packets` in pieces."""
    whole = WholeMessages(over_relays=False)
    for packets in groups:
        ways = ways_of(packets)
        outcome, end_us = whole.of(packets, ways)
        pair, _, end_us = received_in(packets, ways._replace(outcome=outcome), end_us)
        yield Received(pair, end_us)


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
