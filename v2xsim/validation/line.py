"""Vehicles on a line, equally spaced, each broadcasting periodically: the set-up of the published curves.

The statistics come from senders in the middle, so that the ends of an open road do not count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.packets import DELIVERED, OUTCOME_NAMES, Field, Packets, Receptions, field_of
from v2xsim.streams import Streams


class AccessLayer(Protocol):
    """What a set-up drives (v2xsim.comms.packets)."""

    def submit(self, packets: Packets) -> None:
        """Hand packets over."""

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return what ended by an instant, and the busy time since the instant before."""


@dataclass(frozen=True)
class Line:
    """A road of equally spaced vehicles.

    Attributes:
        density_per_m: Vehicles per metre.
        length_m: Of the road.
        ring: Whether its ends meet.
        speed_mps: Of all vehicles; moves the shadowing on.
        rate_hz: Of each vehicle's messages.
        size_bytes: Of each message on the air.
        mcs: Modulation and coding.
        tx_power_dbm: Power and antenna gains together.
        loss_db: Path loss over distance in metres.
        sigma_db: Of the shadowing.
        decorrelation_m: Of the shadowing; 0 draws anew every tick.
        nakagami_m: Fading shape over distance; None for none.
        least_dbm: Links weaker than this are left out.
        warm_up_s: Not counted.
        measured_s: Counted.
        seed: Of all chance.
        tick_s: Shadowing moves on this often.
        random_places: Whether the vehicles stand at random rather than equally spaced.
        range_m: Stations farther apart have no link.
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

    @property
    def distance_m(self) -> Float[np.ndarray, "stations stations"]:
        """Between every two vehicles along the road."""
        place = np.arange(self.stations) / self.density_per_m
        if self.random_places:
            places = Streams(self.seed).uniforms("line.place", np.arange(self.stations))[:, 0]
            place = np.sort(places) * self.stations / self.density_per_m
        gap = np.abs(place[:, None] - place[None, :])
        whole = self.stations / self.density_per_m
        return np.minimum(gap, whole - gap) if self.ring else gap

    @property
    def middle(self) -> Int64[np.ndarray, " senders"]:
        """Rows of the senders that count: all on a ring, else the middle third."""
        count = self.stations
        return np.arange(count) if self.ring else np.arange(count // 3, count - count // 3)


@dataclass(frozen=True)
class Outcomes:
    """What became of all broadcasts of counted senders, by distance bin.

    Attributes:
        count: By outcome (v2xsim.comms.packets.OUTCOME_NAMES) and bin; links left out count as sensing.
        busy_share: Mean channel busy ratio of the counted stations.
        gap_ms: Mean time between receptions of one station's messages at another, by bin; NaN without any.
    """

    count: Int64[np.ndarray, "outcomes bins"]
    busy_share: float
    gap_ms: Float[np.ndarray, " bins"]

    @property
    def share(self) -> Float[np.ndarray, "outcomes bins"]:
        """The same as shares of each bin."""
        return self.count / np.maximum(self.count.sum(axis=0), 1)


def simulate(line: Line, layer: AccessLayer, edge_m: Float[np.ndarray, " bins_plus_1"]) -> Outcomes:
    """Run a set-up and return its outcomes.

    Args:
        line: The set-up.
        layer: Access layer over `line.stations` stations at time 0.
        edge_m: Edges of the distance bins.
    """
    streams, count, distance = Streams(line.seed), line.stations, line.distance_m
    upper = np.triu_indices(count, 1)
    mean_dbm = line.tx_power_dbm - line.loss_db(np.maximum(distance, 1.0))
    mean_dbm[distance > line.range_m] = -np.inf
    fading = None if line.nakagami_m is None else line.nakagami_m(distance)
    rng = streams.generator("line.shadowing")
    kept = 0.0 if line.decorrelation_m <= 0 else float(np.exp(-2 * line.speed_mps * line.tick_s / line.decorrelation_m))
    unit = rng.standard_normal(len(upper[0]))
    period_us = round(1e6 / line.rate_hz)
    phase_us = (streams.uniforms("line.phase", np.arange(count))[:, 0] * period_us).astype(np.int64)
    tick_us, end_us = round(line.tick_s * 1e6), round((line.warm_up_s + line.measured_s) * 1e6)
    begin_us = round(line.warm_up_s * 1e6)
    counted = np.zeros(count, bool)
    counted[line.middle] = True
    bins = len(edge_m) - 1
    bin_of = np.searchsorted(edge_m, distance, "right") - 1
    outcome_count = np.zeros((len(OUTCOME_NAMES), bins), np.int64)
    reach = np.zeros((count, bins), np.int64)
    for b in range(bins):
        reach[:, b] = ((bin_of == b) & ~np.eye(count, dtype=bool)).sum(axis=1)
    busy, number = 0.0, 0
    gaps = _Gaps(count, bins)
    for now_us in range(0, end_us, tick_us):
        shadow = np.zeros((count, count))
        shadow[upper] = line.sigma_db * unit
        power = mean_dbm - shadow - shadow.T
        until = min(now_us + tick_us, end_us)
        packets = _ready(phase_us, period_us, now_us, until, number, line, streams)
        number += len(packets)
        layer.submit(packets)
        found, busy_us = layer.advance(until, field_of(power, line.least_dbm, fading))
        fresh = (found.start_us >= begin_us) & (found.sender >= 0) & counted[found.sender]
        place = bin_of[found.sender[fresh], found.receiver[fresh]]
        inside = place < bins
        np.add.at(outcome_count, (found.outcome[fresh][inside], place[inside]), 1)
        # What was sent to everybody but is not listed was too weak to be noticed.
        sent, first = np.unique(found.packet[fresh], return_index=True)
        told = np.bincount(place[inside], minlength=bins)
        outcome_count[2] += reach[found.sender[fresh][first]].sum(axis=0) - told if len(sent) else 0
        arrived = fresh & (found.outcome == DELIVERED)
        gaps.take(found.sender[arrived], found.receiver[arrived], found.end_us[arrived], bin_of)
        if now_us >= begin_us:
            busy += float(busy_us[counted].mean())
        unit = kept * unit + np.sqrt(1.0 - kept**2) * rng.standard_normal(len(unit))
    return Outcomes(outcome_count, busy / max(1, end_us - begin_us), gaps.mean_ms)


class _Gaps:
    """Adds up the time between receptions of each ordered pair, by distance bin."""

    def __init__(self, stations: int, bins: int) -> None:
        self._stations = stations
        self._last_us = np.full(stations * stations, -1, np.int64)
        self._sum_us, self._count = np.zeros(bins), np.zeros(bins)

    def take(
        self, sender: Int64[np.ndarray, " receptions"], receiver: Int64[np.ndarray, " receptions"],
        end_us: Int64[np.ndarray, " receptions"], bin_of: Int64[np.ndarray, "stations stations"],
    ) -> None:  # fmt: skip
        """Take in the receptions of some time, later than all before."""
        pair = sender * self._stations + receiver
        order = np.lexsort((end_us, pair))
        pair, end_us = pair[order], end_us[order]
        begins = np.append(True, pair[1:] != pair[:-1])[: len(pair)]
        before = np.where(begins, self._last_us[pair], np.append(-1, end_us[:-1])[: len(pair)])
        place = bin_of.reshape(-1)[pair]
        counted = (before >= 0) & (place < len(self._sum_us))
        np.add.at(self._sum_us, place[counted], (end_us - before)[counted])
        np.add.at(self._count, place[counted], 1)
        self._last_us[pair] = end_us

    @property
    def mean_ms(self) -> Float[np.ndarray, " bins"]:
        """Mean gap by bin."""
        return np.divide(self._sum_us * 1e-3, self._count, out=np.full(len(self._count), np.nan), where=self._count > 0)


def _ready(
    phase_us: Int64[np.ndarray, " stations"], period_us: int, from_us: int, until_us: int, number: int, line: Line,
    streams: Streams,
) -> Packets:  # fmt: skip
    """Return the messages that become ready within a tick, by time."""
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
