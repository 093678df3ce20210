"""Simulation of equally spaced vehicles on a line that broadcast periodically: the set-up of the published curves.

Only senders in the middle of the road are counted, so that its open ends have no influence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, Int64

from v2xsim.comms.access.packets import DELIVERED, OUTCOME_NAMES, SENSING, Field, Packets
from v2xsim.comms.access.scheme import AccessLayer
from v2xsim.streams import Streams


@dataclass(frozen=True)
class Line:
    """A road with equally spaced vehicles.

    Attributes:
        density_per_m: Vehicles per metre.
        length_m: Length of the road.
        ring: Whether the ends of the road are joined to a ring.
        speed_mps: Speed of all vehicles; it only affects how fast the shadowing changes.
        rate_hz: Message rate of each vehicle.
        size_bytes: Size of each message on the air.
        mcs: Index of the modulation and coding scheme.
        tx_power_dbm: Transmit power plus the gains of both antennas.
        loss_db: Function from distance in metres to path loss.
        sigma_db: Standard deviation of the shadowing.
        decorrelation_m: Decorrelation distance of the shadowing; 0 draws it independently at every tick.
        nakagami_m: Function from distance in metres to the Nakagami shape parameter m; None for no fading.
        least_dbm: Received power below which a link is ignored.
        warm_up_s: Time before counting starts.
        measured_s: Time over which receptions are counted.
        seed: Seed of all random draws.
        tick_s: Interval at which the shadowing is updated.
        random_places: Whether the vehicles have random positions instead of equal spacing.
        range_m: Largest distance between two vehicles that have a link.
    """

    density_per_m: float
    length_m: float
    ring: bool
    speed_mps: float
    rate_hz: float
    size_bytes: int
    mcs: int
    tx_power_dbm: float
    loss_db: Callable[[Float[np.ndarray, "*links"]], Float[np.ndarray, "*links"]]
    sigma_db: float
    decorrelation_m: float
    nakagami_m: Callable[[Float[np.ndarray, "*links"]], Float[np.ndarray, "*links"]] | None
    least_dbm: float
    warm_up_s: float
    measured_s: float
    seed: int
    tick_s: float = 0.1
    random_places: bool = False
    range_m: float = np.inf

    @property
    def stations(self) -> int:
        """Number of vehicles."""
        return max(2, round(self.density_per_m * self.length_m))

    @cached_property
    def place_m(self) -> Float[np.ndarray, " stations"]:
        """Position of each vehicle along the road, in rising order."""
        if not self.random_places:
            return np.arange(self.stations) / self.density_per_m
        places = Streams(self.seed).uniforms("line.place", np.arange(self.stations))[:, 0]
        return np.sort(places) * self.stations / self.density_per_m

    def gap_m(self, first: Int[np.ndarray, " pairs"], second: Int[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
        """Return the distance between the two vehicles of each pair along the road; on a ring, the shorter way."""
        gap = np.abs(self.place_m[first] - self.place_m[second])
        return np.minimum(gap, self.stations / self.density_per_m - gap) if self.ring else gap

    def reached(self, edge_m: Float[np.ndarray, " bins_plus_1"]) -> Int64[np.ndarray, "stations bins"]:
        """Return the number of vehicles in each distance bin around each vehicle."""
        bins, everybody = len(edge_m) - 1, np.arange(self.stations)
        counts: Int64[np.ndarray, "stations bins"] = np.zeros((self.stations, bins), np.int64)
        for station in range(self.stations):
            gap = self.gap_m(np.full(self.stations, station), everybody)
            bin_index = np.searchsorted(edge_m, gap[everybody != station], "right") - 1
            counts[station] = np.bincount(bin_index, minlength=bins)[:bins]
        return counts

    @property
    def middle(self) -> Int64[np.ndarray, " senders"]:
        """Rows of the senders that are counted: on a ring all of them, otherwise the middle third of the road."""
        count = self.stations
        return np.arange(count) if self.ring else np.arange(count // 3, count - count // 3)


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of all broadcasts of the counted senders, by distance bin.

    Attributes:
        count: Number of packets at receivers, by outcome (v2xsim.comms.access.packets.OUTCOME_NAMES) and distance bin.
            Receivers on ignored links count with the outcome sensing.
        busy_share: Mean channel busy ratio of the counted stations, 0 to 1.
        gap_ms: Mean time between two receptions from the same sender, by distance bin; NaN if there are none.
    """

    count: Int64[np.ndarray, "outcomes bins"]
    busy_share: float
    gap_ms: Float[np.ndarray, " bins"]

    @property
    def share(self) -> Float[np.ndarray, "outcomes bins"]:
        """Share of each outcome in each distance bin, 0 to 1."""
        return self.count / np.maximum(self.count.sum(axis=0), 1)


def simulate(line: Line, layer: AccessLayer, edge_m: Float[np.ndarray, " bins_plus_1"]) -> Outcomes:
    """Simulate a set-up and return its outcomes.

    Args:
        line: Road and messages of the set-up.
        layer: Access layer for `line.stations` stations, at time 0.
        edge_m: Edges of the distance bins.
    """
    streams, count = Streams(line.seed), line.stations
    links = LineLinks(line)
    rng = streams.generator("line.shadowing")
    kept = 0.0 if line.decorrelation_m <= 0 else float(np.exp(-2 * line.speed_mps * line.tick_s / line.decorrelation_m))
    unit = rng.standard_normal(links.pairs)
    period_us = round(1e6 / line.rate_hz)
    phase_us = (streams.uniforms("line.phase", np.arange(count))[:, 0] * period_us).astype(np.int64)
    tick_us, end_us = round(line.tick_s * 1e6), round((line.warm_up_s + line.measured_s) * 1e6)
    begin_us = round(line.warm_up_s * 1e6)
    counted = np.zeros(count, bool)
    counted[line.middle] = True
    bins = len(edge_m) - 1
    counts = np.zeros(len(OUTCOME_NAMES) * bins, np.int64)
    reach = line.reached(edge_m)
    busy, number = 0.0, 0
    gaps = _Gaps(count, bins)
    for now_us in range(0, end_us, tick_us):
        until = min(now_us + tick_us, end_us)
        packets = _ready(phase_us, period_us, now_us, until, number, line, streams)
        number += len(packets)
        layer.submit(packets)
        receptions, busy_us = layer.advance(until, links.field(unit))
        sent = (receptions.began_us >= begin_us) & (receptions.by >= 0) & counted[receptions.by]
        fresh = sent[receptions.packet_row]
        sender, receiver, outcome = receptions.sender[fresh], receptions.receiver[fresh], receptions.outcome[fresh]
        bin_index = np.searchsorted(edge_m, line.gap_m(sender, receiver), "right") - 1
        inside = bin_index < bins
        outcome_and_bin = outcome[inside].astype(np.int64) * bins + bin_index[inside]
        counts += np.bincount(outcome_and_bin, minlength=len(counts))
        # A vehicle without an entry in the receptions got the broadcast below its sensitivity.
        counts[SENSING * bins : (SENSING + 1) * bins] += reach[receptions.by[sent]].sum(axis=0) - np.bincount(
            bin_index[inside], minlength=bins
        )
        arrived = outcome == DELIVERED
        gaps.take(sender[arrived], receiver[arrived], receptions.end_us[fresh][arrived], bin_index[arrived])
        if now_us >= begin_us:
            busy += float(busy_us[counted].mean())
        unit = kept * unit + np.sqrt(1.0 - kept**2) * rng.standard_normal(len(unit))
    return Outcomes(counts.reshape(len(OUTCOME_NAMES), bins), busy / max(1, end_us - begin_us), gaps.mean_ms)


class LineLinks:
    """The links between the vehicles of a road; only the shadowing changes with time."""

    def __init__(self, line: Line) -> None:
        count, most = line.stations, len(line.place_m) - 1
        whole = count / line.density_per_m
        reach = min(line.range_m, whole / 2 if line.ring else whole)
        # Find how many vehicles ahead of each one are in range; on a ring the positions continue after the end.
        wide = np.concatenate([line.place_m, line.place_m + whole]) if line.ring else line.place_m
        ahead = np.searchsorted(wide, line.place_m + reach, "right") - np.arange(count) - 1
        ahead = np.minimum(ahead, most)
        first = np.repeat(np.arange(count), ahead)
        second = (first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(ahead) - ahead, ahead)) % count
        low, high = np.minimum(first, second), np.maximum(first, second)
        key = np.unique(low * count + high)
        low, high = key // count, key % count
        gap = line.gap_m(low, high)
        mean = line.tx_power_dbm - line.loss_db(np.maximum(gap, 1.0))
        # Keep links that four standard deviations of shadowing would lift above the limit; one draw in 30,000 is stronger.
        kept = mean + 4.0 * line.sigma_db >= line.least_dbm
        low, high, self._mean_dbm = low[kept], high[kept], mean[kept]
        self.pairs, self._sigma_db = len(low), line.sigma_db
        here, other = np.concatenate([low, high]), np.concatenate([high, low])
        order = np.lexsort((other, here))
        self._pair = np.tile(np.arange(self.pairs), 2)[order]
        self._offset = np.searchsorted(here[order], np.arange(count + 1)).astype(np.int64)
        self._other = other[order].astype(np.int32)
        self._fading = np.zeros(0) if line.nakagami_m is None else line.nakagami_m(gap[kept])[self._pair]

    def field(self, unit: Float[np.ndarray, " pairs"]) -> Field:
        """Return the links with their present shadowing."""
        power_mw = 10.0 ** (0.1 * (self._mean_dbm - self._sigma_db * unit))
        return Field(self._offset, self._other, power_mw[self._pair], self._fading)


class _Gaps:
    """Sums the times between successive receptions of each pair of sender and receiver, by distance bin."""

    def __init__(self, stations: int, bins: int) -> None:
        self._stations = stations
        self._last_us = np.full(stations * stations, -1, np.int64)
        self._sum_us, self._count = np.zeros(bins), np.zeros(bins)

    def take(
        self, sender: Int64[np.ndarray, " receptions"], receiver: Int[np.ndarray, " receptions"],
        end_us: Int64[np.ndarray, " receptions"], bin_index: Int64[np.ndarray, " receptions"],
    ) -> None:  # fmt: skip
        """Add receptions, which must all be later than those of earlier calls."""
        pair = sender * self._stations + receiver
        order = np.lexsort((end_us, pair))
        pair, end_us, bin_index = pair[order], end_us[order], bin_index[order]
        begins = np.append(True, pair[1:] != pair[:-1])[: len(pair)]
        before = np.where(begins, self._last_us[pair], np.append(-1, end_us[:-1])[: len(pair)])
        counted = (before >= 0) & (bin_index < len(self._sum_us))
        np.add.at(self._sum_us, bin_index[counted], (end_us - before)[counted])
        np.add.at(self._count, bin_index[counted], 1)
        self._last_us[pair] = end_us

    @property
    def mean_ms(self) -> Float[np.ndarray, " bins"]:
        """Mean time between receptions in each distance bin; NaN if there are none."""
        return np.divide(self._sum_us * 1e-3, self._count, out=np.full(len(self._count), np.nan), where=self._count > 0)


def _ready(
    phase_us: Int64[np.ndarray, " stations"], period_us: int, from_us: int, until_us: int, number: int, line: Line,
    streams: Streams,
) -> Packets:  # fmt: skip
    """Return the messages that become ready from one time up to another, in order of time.

    Args:
        phase_us: Time of the first message of each vehicle.
        period_us: Time between two messages of a vehicle.
        from_us: Start of the time span.
        until_us: End of the time span, not included.
        number: Number of the first message.
        line: Road and messages of the set-up.
        streams: Random streams, for the keys of the messages' draws.
    """
    first = -(-(from_us - phase_us) // period_us)
    last = -(-(until_us - phase_us) // period_us)
    station = np.repeat(np.arange(len(phase_us)), np.maximum(0, last - first))
    order = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)]) if len(station) else station
    ready = phase_us[station] + order * period_us
    by_time = np.lexsort((station, ready))
    station, ready = station[by_time].astype(np.int64), ready[by_time].astype(np.int64)
    count = len(station)
    key = (streams.uniforms("line.packet", station, ready)[:, 0] * 2.0**53).astype(np.uint64) << np.uint64(11)
    return Packets(
        number + np.arange(count), station, np.full(count, -1), ready, np.full(count, line.size_bytes),
        np.full(count, line.mcs), np.full(count, period_us), key,
    )  # fmt: skip
