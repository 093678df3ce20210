"""All metrics of a run, computed from its tables: those of perception and cooperation; radio metrics are in `radio_metrics`.

Each metric is defined in docs/models.md, "Metrics". The row groups of the tables are added one after the other, so that no table needs to
fit into memory; a run adds each when it is full.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.ages import Ages, add_all
from v2xsim.evaluation.awareness_times import AwarenessTimes
from v2xsim.evaluation.cycles import Cycles
from v2xsim.evaluation.foresight import Foresight
from v2xsim.evaluation.latencies import Latencies
from v2xsim.evaluation.metric import Mean, Metric, RowGroups, Rows, Within, arrays_of, words_of
from v2xsim.evaluation.packet_rows import PACKETS, RECEIVED
from v2xsim.evaluation.radio_metrics import LinkStates, RadioMetrics
from v2xsim.evaluation.scene import MODES
from v2xsim.evaluation.sightings import SEEN_COLUMNS, Sightings

METRIC_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "fusion": (
        "coverage_before", "coverage_after", "blind_covered", "blind_told", "blind_beyond", "used", "used_by_relay", "age_us",
        "requested_bytes", "received_bytes", "objects", "unannounced", "new_false_ego", "new_false_fused",
    ),
    "awareness": ("frame_us", "tracked_ego", "tracked_fused", "occluded", "announces", "relevant"),
    "episodes": ("start_us", "aware_ego_us", "aware_fused_us", "end_us", "announces"),
    "transfers": ("kind", "queue_us", "arrive_us", "relay", "outcome"),
    "cycles": ("ask_us", "complete", "complete_us", "outcome"),
    "packets": PACKETS,
    "unheard": ("bin_m", "link_state", "count"),
    "channel": ("busy_share",),
    "links": ("state",),
    "foretold": ("time_us", "station", "neighbour", "death_us"),
    "deaths": ("time_us", "station", "neighbour", "cause", "known"),
    "seen": SEEN_COLUMNS,
}  # fmt: skip
"""The columns from which metrics are computed, by table."""
READ_AGAIN = "packets"
"""The table whose row groups may be needed once more when all are known."""
SETTLED_US = 1_000_000
"""Time after the beginning of a run from which the metrics `hidden_known_settled_*` count frames."""


class RunMetrics:
    """The metrics of a run, whose tables come in row groups.

    Args:
        prr_range_m: Receivers within this distance of the sender count for the packet reception ratio.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
        link_period_us: Time between two ticks of the table `links`; 0 if the run has no such table.
        end_us: End of the run.
        step_us: Time between two frames of an ego.
        begin_us: Beginning of the run.

    Attributes:
        ages: The ages of information. They need the rows of `packets` and `links` in turn, in pieces of any length, and not by `add`.
    """

    def __init__(
        self, prr_range_m: float, packet_share: float = 1.0, link_period_us: int = 100_000, end_us: int = 2**62,
        step_us: int = 100_000, begin_us: int = 0,
    ) -> None:  # fmt: skip
        self._coverage, self._awareness = _Coverage(), _Awareness(begin_us + SETTLED_US)
        self._episodes = AwarenessTimes()
        self._false_tracks = _FalseTracks(step_us)
        self._helpers, self._transfers, self._links = _Helpers(), _Transfers(), LinkStates()
        self._cycles, self._foresight, self._sightings = Cycles(), Foresight(), Sightings()
        self._radio = RadioMetrics(prr_range_m, packet_share)
        self.ages = Ages(prr_range_m, packet_share, link_period_us, end_us)
        self._objects = self._unannounced = 0
        self._add: dict[str, Callable[[pa.Table], None]] = {
            "fusion": self._add_fusion, "awareness": self._awareness.add, "episodes": self._episodes.add,
            "transfers": self._transfers.add, "cycles": self._cycles.add, "packets": self._radio.add_packets, "unheard": self._radio.add_unheard,
            "channel": self._radio.add_channel, "links": self._links.add,
            "foretold": self._foresight.add_foretold, "deaths": self._foresight.add_deaths, "seen": self._sightings.add,
        }  # fmt: skip

    def add(self, table: str, group: pa.Table) -> None:
        """Add the next row group of a table, with the columns of METRIC_COLUMNS or more. Tables without metrics add nothing."""
        if table in self._add:
            self._add[table](group)

    def rows(
        self, precision: Mapping[str, list[tuple[float, float]]], duration_s: float,
        packets: Callable[[], Iterable[pa.Table]],
    ) -> Rows:  # fmt: skip
        """Return every metric as name, bin and value; an empty bin stands for the whole run.

        Args:
            precision: Pairs of overlap threshold and average precision, by mode.
            duration_s: Simulated time of the run.
            packets: Function that yields the row groups of the table `packets` again, at least with the columns of RECEIVED.
        """
        return [
            *_precision(precision, self._objects, self._unannounced),
            *self._coverage.rows(),
            *self._awareness.rows(),
            *self._false_tracks.rows(),
            *self._episodes.rows(),
            *self._helpers.rows(),
            *self._cycles.rows(),
            *self._transfers.rows(),
            *self._radio.rows(duration_s, packets, self.ages),
            *self._links.rows(),
            *self._foresight.rows(),
            *self._sightings.rows(),
        ]

    def _add_fusion(self, fusion: pa.Table) -> None:
        objects, unannounced = arrays_of(fusion, "objects", "unannounced")
        self._objects, self._unannounced = (
            self._objects + int(objects.sum()),
            self._unannounced + int(unannounced.sum()),
        )
        self._coverage.add(fusion)
        self._false_tracks.add(fusion)
        self._helpers.add(fusion)


def all_metrics(
    groups: RowGroups, precision: Mapping[str, list[tuple[float, float]]], duration_s: float, prr_range_m: float,
    packet_share: float = 1.0, link_period_us: int = 100_000, end_us: int = 2**62, step_us: int = 100_000, begin_us: int = 0,
) -> Rows:  # fmt: skip
    """Return every metric of a run whose tables can be read as a whole; see `RunMetrics`.

    Args:
        groups: Function that reads the tables of the run.
        precision: Pairs of overlap threshold and average precision, by mode.
        duration_s: Simulated time of the run.
        prr_range_m: Receivers within this distance of the sender count for the packet reception ratio.
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
        link_period_us: Time between two ticks of the table `links`; 0 if the run has no such table.
        end_us: End of the run.
        step_us: Time between two frames of an ego.
        begin_us: Beginning of the run.
    """
    metrics = RunMetrics(prr_range_m, packet_share, link_period_us, end_us, step_us, begin_us)
    for table, columns in METRIC_COLUMNS.items():
        for group in groups(table, columns):
            metrics.add(table, group)
    add_all(metrics.ages, groups)
    return metrics.rows(precision, duration_s, lambda: groups(READ_AGAIN, RECEIVED))


def _precision(precision: Mapping[str, list[tuple[float, float]]], objects: int, unannounced: int) -> Rows:
    """Return the average precisions; the samples of each are the road users that could be detected (n_gt), over all frames."""
    return [
        (f"ap_{threshold:g}_{mode}", "", Metric(ap, "1", unannounced if mode.endswith("_unannounced") else objects))
        for mode, curve in precision.items()
        for threshold, ap in curve
    ]


class _Coverage:
    """Means over the frames that have a coverage."""

    def __init__(self) -> None:
        names = ("coverage_before", "coverage_after", "blind_covered", "blind_told", "blind_beyond")
        self._means = [Mean(name, "1") for name in names]

    def add(self, fusion: pa.Table) -> None:
        for mean, share in zip(self._means, arrays_of(fusion, *(mean.name for mean in self._means)), strict=True):
            mean.add(share[np.isfinite(share)])

    def rows(self) -> Rows:
        return _rows_of(self._means)


class _Awareness:
    """Share of the road users in range that an ego knows: of all, and of the relevant ones that only others could tell it of.

    Args:
        settled_us: Time from which a frame also counts for the metrics of a run that has settled.
    """

    def __init__(self, settled_us: int) -> None:
        self._settled_us = settled_us
        self._of_all = [Mean(f"object_awareness_{mode}", "1") for mode in MODES]
        self._of_hidden = [Mean(f"hidden_known_{mode}", "1") for mode in MODES]
        self._of_settled = [Mean(f"hidden_known_settled_{mode}", "1") for mode in MODES]

    def add(self, awareness: pa.Table) -> None:
        frame_us, occluded, announces, relevant, *tracked = arrays_of(
            awareness, "frame_us", "occluded", "announces", "relevant", *(f"tracked_{mode}" for mode in MODES)
        )
        is_hidden = occluded & ~announces & relevant
        has_settled = is_hidden & (frame_us >= self._settled_us)
        for n, is_known in enumerate(tracked):
            self._of_all[n].add(is_known)
            self._of_hidden[n].add(is_known[is_hidden])
            self._of_settled[n].add(is_known[has_settled])

    def rows(self) -> Rows:
        return _rows_of([*self._of_all, *self._of_hidden, *self._of_settled])


class _FalseTracks:
    """New false tracks of an ego in a second; the samples are the frames."""

    def __init__(self, step_us: int) -> None:
        self._step_us, self._frames, self._tracks = step_us, 0, dict.fromkeys(MODES, 0)

    def add(self, fusion: pa.Table) -> None:
        self._frames += fusion.num_rows
        for mode, new in zip(MODES, arrays_of(fusion, *(f"new_false_{mode}" for mode in MODES)), strict=True):
            self._tracks[mode] += int(new.sum())

    def rows(self) -> Rows:
        ego_us = self._frames * self._step_us
        return [
            (f"false_tracks_{mode}", "", Metric(tracks * 1e6 / ego_us if ego_us else float("nan"), "1/s", self._frames))
            for mode, tracks in self._tracks.items()
        ]


class _Helpers:
    """What egos asked for and fused in a frame."""

    def __init__(self) -> None:
        self._used = Mean("helpers_used", "helpers/frame")
        self._by_relay = Mean("helpers_used_by_relay", "helpers/frame")
        self._age_ms = Mean("age_of_fused_data", "ms")
        self._requested, self._received = Mean("requested_per_frame", "B"), Mean("received_per_frame", "B")

    def add(self, fusion: pa.Table) -> None:
        columns = ("used", "used_by_relay", "age_us", "requested_bytes", "received_bytes")
        counts, relayed, age_us, requested_bytes, received_bytes = arrays_of(fusion, *columns)
        self._used.add(counts)
        self._by_relay.add(relayed)
        self._age_ms.add(age_us[age_us >= 0] * 1e-3)
        self._requested.add(requested_bytes)
        self._received.add(received_bytes)

    def rows(self) -> Rows:
        return _rows_of([self._used, self._by_relay, self._age_ms, self._requested, self._received])


class _Transfers:
    """Answers to requests, and the latency of data."""

    def __init__(self) -> None:
        self._answered, self._whole = Mean("requests_answered", "1"), Mean("data_arrived_whole", "1")
        self._direct, self._relayed = Mean("data_latency_direct", "ms"), Mean("data_latency_relayed", "ms")
        self._latencies, self._within = Latencies("data_latency"), Within("data_latency_within")

    def add(self, transfers: pa.Table) -> None:
        message_kind = words_of(transfers, "kind")
        queued_us, arrived_us, relay = arrays_of(transfers, "queue_us", "arrive_us", "relay")
        is_data = message_kind.are("data")
        self._answered.add(words_of(transfers, "outcome").are("answered")[message_kind.are("request")])
        self._whole.add(arrived_us[is_data] >= 0)
        has_arrived, latency_ms = is_data & (arrived_us >= 0), (arrived_us - queued_us) * 1e-3
        self._direct.add(latency_ms[has_arrived & (relay < 0)])
        self._relayed.add(latency_ms[has_arrived & (relay >= 0)])
        self._within.add(latency_ms[has_arrived], int((is_data & ~has_arrived).sum()))
        self._latencies.add(np.where(has_arrived, arrived_us - queued_us, -1)[is_data])

    def rows(self) -> Rows:
        return [
            *_rows_of([self._answered, self._whole, self._direct, self._relayed]),
            *self._latencies.rows(),
            *self._within.rows(),
        ]


def _rows_of(means: list[Mean]) -> Rows:
    return [row for mean in means for row in mean.rows()]
