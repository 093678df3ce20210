"""Replay of a trace that SUMO wrote with --fcd-output; the file is read step by step during the run."""

import gzip
import zlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast
from xml.parsers import expat

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.mobility.base import (
    Bounds,
    Mobility,
    MobilityError,
    Names,
    center_of_front_m,
    snapshot_of,
    yaw_of_compass_rad,
)
from v2xsim.world.road_users import BUS, CATALOGUE, PASSENGER, PEDESTRIAN, TRUCK, kind_of_type_name
from v2xsim.world.snapshot import Snapshot

# Number of bytes that the XML parser gets at once, so that a long trace is never completely in memory.
_CHUNK_BYTES = 1 << 18


def _trace_size_m() -> Float[np.ndarray, "kinds 3"]:
    """Return length, width and height of each class of road user for a trace, which has types but no sizes.

    Length and width are SUMO's defaults, because SUMO computed the distances between vehicles with them: with the
    catalogue's truck of 13 m instead of SUMO's of 7.1 m, trucks would overlap with the cars behind. Heights are those of
    the catalogue.
    """
    size = CATALOGUE.size_m.copy()
    size[PASSENGER, :2] = 5.0, 1.8
    size[TRUCK, :2] = 7.1, 2.4
    size[BUS, :2] = 12.0, 2.5
    return size


TRACE_SIZE_M = _trace_size_m()


@dataclass(frozen=True)
class Sample:
    """The road users at one instant of a trace, in the world frame."""

    time_us: int
    agent: Int64[np.ndarray, " agents"]
    kind: Int8[np.ndarray, " agents"]
    center_m: Float[np.ndarray, "agents 2"]
    size_m: Float[np.ndarray, "agents 3"]
    yaw_rad: Float[np.ndarray, " agents"]
    speed_mps: Float[np.ndarray, " agents"]

    def __len__(self) -> int:
        return len(self.agent)


def _time_us(text: str) -> int:
    """Return the time in microseconds that a text gives as seconds or as [days:]hours:minutes:seconds."""
    parts = [float(part) for part in text.split(":")]
    scale = (86400.0, 3600.0, 60.0, 1.0)[-len(parts) :]
    return round(sum(part * unit for part, unit in zip(parts, scale, strict=True)) * 1e6)


class _Reader:
    """Collects the instants of a trace, and the road users at each, from XML events."""

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        self.names = names
        self.ready: list[Sample] = []
        self.rows_seen = False
        self._root = ""
        self._time_us: int | None = None
        self._last_us: int | None = None
        self._rows: list[tuple[int, int, float, float, float, float, float, float, float]] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    def fail(self, reason: str) -> MobilityError:
        return MobilityError(f"{self.path}: line {self.parser.CurrentLineNumber}: {reason}")

    def _refuse(self, *_: object) -> None:
        raise self.fail("has a document type declaration, which no trace needs; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = name
            if name != "fcd-export":
                raise self.fail(f"root element is <{name}>; a trace of --fcd-output has <fcd-export>")
        elif name == "timestep":
            try:
                self._time_us = _time_us(attributes["time"])
            except (KeyError, ValueError) as error:
                raise self.fail("<timestep> needs a time in seconds") from error
            if self._last_us is not None and self._time_us <= self._last_us:
                raise self.fail(f"time steps must rise; {attributes['time']} s came after {self._last_us / 1e6:g} s")
            self._last_us = self._time_us
        elif name in ("vehicle", "person") and self._time_us is not None and not attributes.get("vehicle"):
            try:
                self._rows.append(self._row(name, attributes))
            except KeyError as error:
                raise self.fail(
                    f"<{name}> has no attribute {error.args[0]!r}; the trace needs id, x, y and angle"
                ) from error
            except ValueError as error:
                raise self.fail(f"<{name} id={attributes.get('id')!r}> is malformed ({error})") from error

    def _row(self, name: str, a: dict[str, str]) -> tuple[int, int, float, float, float, float, float, float, float]:
        # SUMO numbers persons and vehicles separately: both may have a "1".
        key = a["id"] if name == "vehicle" else f"person:{a['id']}"
        kind = kind_of_type_name(a.get("type", "")) if name == "vehicle" else PEDESTRIAN
        size = TRACE_SIZE_M[kind]
        row = (
            self.names.register(key), kind, float(a["x"]), float(a["y"]), float(a["angle"]), float(a.get("speed", "nan")),
            float(a.get("length", size[0])), float(a.get("width", size[1])), float(a.get("height", size[2])),
        )  # fmt: skip
        if not all(np.isfinite(value) for value in (*row[2:5], *row[6:])):
            raise ValueError("a position or size is not finite")
        return row

    def _end(self, name: str) -> None:
        if name != "timestep" or self._time_us is None:
            return
        # SUMO writes an empty step if it samples no vehicle at that time (option device.fcd.period); such steps carry no
        # information.
        if self._rows:
            table = np.array(self._rows, float)
            yaw = yaw_of_compass_rad(table[:, 4])
            self.ready.append(
                Sample(
                    self._time_us,
                    table[:, 0].astype(np.int64),
                    table[:, 1].astype(np.int8),
                    center_of_front_m(table[:, 2:4], yaw, table[:, 6]),
                    table[:, 6:9],
                    yaw,
                    table[:, 5],
                )
            )
            self._rows = []
        self._time_us = None


def read_trace(path: Path, names: Names) -> Generator[Sample, None, None]:
    """Yield the instants of a trace at which there are road users, in order of time.

    Raises:
        MobilityError: If the trace is missing, damaged or not written by --fcd-output.
    """
    if path.is_dir():
        raise MobilityError(f"{path}: is a folder; a trace of SUMO's --fcd-output (.xml or .xml.gz) is needed")
    reader = _Reader(path, names)
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with cast(BinaryIO, gzip.open(path)) if packed else path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.parser.Parse(chunk, False)
                yield from reader.ready
                reader.ready.clear()
            reader.parser.Parse(b"", True)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MobilityError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise MobilityError(f"{path}: cannot be read ({error.strerror or error})") from error
    except expat.ExpatError as error:
        raise MobilityError(f"{path}: not valid XML ({error})") from error


def _rows(sample: Sample, rows: Int64[np.ndarray, " rows"]) -> Sample:
    """Return a sample with only the given rows of another sample."""
    return Sample(
        sample.time_us, sample.agent[rows], sample.kind[rows], sample.center_m[rows], sample.size_m[rows],
        sample.yaw_rad[rows], sample.speed_mps[rows],
    )  # fmt: skip


def _matched(before: Sample, after: Sample) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return, for the road users that are in both samples, their rows in the first and in the second."""
    _, rows_before, rows_after = np.intersect1d(before.agent, after.agent, return_indices=True)
    order = np.argsort(rows_before)
    return rows_before[order].astype(np.int64), rows_after[order].astype(np.int64)


def between(before: Sample, after: Sample, time_us: int) -> Sample:
    """Return the road users that are in both samples, interpolated to an instant between them."""
    b, a = _matched(before, after)
    span_us = after.time_us - before.time_us
    share = (time_us - before.time_us) / span_us
    step = after.center_m[a] - before.center_m[b]
    turn = np.pi - np.mod(np.pi - (after.yaw_rad[a] - before.yaw_rad[b]), 2.0 * np.pi)
    speed = before.speed_mps[b] + share * (after.speed_mps[a] - before.speed_mps[b])
    yaw = before.yaw_rad[b] + share * turn
    return Sample(
        time_us, before.agent[b], before.kind[b], before.center_m[b] + share * step, before.size_m[b],
        np.pi - np.mod(np.pi - yaw, 2.0 * np.pi),
        np.where(np.isfinite(speed), speed, np.hypot(step[:, 0], step[:, 1]) / (span_us * 1e-6)),
    )  # fmt: skip


def with_speeds(sample: Sample, after: Sample | None) -> Sample:
    """Return a sample whose missing speeds are computed from the distance to the next sample."""
    if np.isfinite(sample.speed_mps).all():
        return sample
    speed = sample.speed_mps.copy()
    if after is not None:
        rows, _ = _matched(sample, after)
        moved = between(sample, after, sample.time_us)
        speed[rows] = np.where(np.isfinite(speed[rows]), speed[rows], moved.speed_mps)
    return replace(sample, speed_mps=np.nan_to_num(speed, nan=0.0))


class FcdMobility(Mobility):
    """Traffic replayed from a trace.

    Between two samples of the trace, a road user that is in both moves linearly and turns the shorter way. A road user that
    is in only one of them exists only at the instant of that sample: it appears at its first sample and is gone after its
    last.
    """

    def __init__(self, path: Path, names: Names) -> None:
        """Open a trace.

        Raises:
            MobilityError: If the file is missing, damaged, empty or not written by --fcd-output.
        """
        super().__init__(names)
        self._path = path
        # The reader is ahead of the present instant, so it has names of its own: a road user is registered in the run only
        # when it is in a snapshot.
        self._read_names = Names()
        self._samples = read_trace(path, self._read_names)
        self._before: Sample | None = None
        self._after = next(self._samples, None)
        if self._after is None:
            raise MobilityError(f"{path}: the trace has no vehicle at any time")
        self._first = self._after
        self._last_us: int | None = None
        self._bounds: Bounds | None = None

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions in the trace; the first access reads the whole trace."""
        if self._bounds is None:
            lower, upper = self._first.center_m.min(axis=0), self._first.center_m.max(axis=0)
            for sample in read_trace(self._path, Names()):
                lower = np.minimum(lower, sample.center_m.min(axis=0))
                upper = np.maximum(upper, sample.center_m.max(axis=0))
            self._bounds = (float(lower[0]), float(lower[1]), float(upper[0]), float(upper[1]))
        return self._bounds

    def snapshot(self, time_us: int) -> Snapshot:
        """Return the road users of the trace at an instant; none before its first sample and after its last."""
        if self._last_us is not None and time_us < self._last_us:
            raise ValueError(f"instants must rise; {time_us} us came after {self._last_us} us")
        while self._after is not None and self._after.time_us <= time_us:
            self._before, self._after = self._after, next(self._samples, None)
        before, after = self._before, self._after
        if before is not None and after is None and before.time_us < time_us and self._last_us is None:
            raise MobilityError(
                f"{self._path}: the trace ends at {before.time_us / 1e6:g} s, before {time_us / 1e6:g} s, where measuring "
                "begins; set run.begin_s to less"
            )
        self._last_us = time_us
        if before is not None and before.time_us == time_us:
            return self._shown(with_speeds(before, after))
        if before is not None and after is not None:
            return self._shown(between(before, after, time_us))
        return self._shown(replace(_rows(self._first, np.zeros(0, np.int64)), time_us=time_us))

    def _shown(self, sample: Sample) -> Snapshot:
        agent = [self.names.register(self._read_names.name_of(int(a))) for a in sample.agent]
        ahead = np.stack([np.cos(sample.yaw_rad), np.sin(sample.yaw_rad)], axis=1)
        return snapshot_of(
            sample.time_us, np.array(agent, np.int64), sample.kind, sample.center_m, sample.size_m, sample.yaw_rad,
            sample.speed_mps[:, None] * ahead,
        )  # fmt: skip

    def close(self) -> None:
        """Close the file of the trace."""
        self._samples.close()
