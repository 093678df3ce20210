"""What the lidars of a finished run observed of its ground, and which road users none of them saw; the lidars are cast again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.recording.sight_tables import sights_of
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.opened.errors import NotRecordedError, OpenError


@dataclass(frozen=True)
class Visibility:
    """The ground that lidars observed at some ticks, in the cells of the perception matrices, and the road users that none of them saw.

    Matrices and road users are placed by true poses: errors of the stations' own estimates do not count.

    Attributes:
        lower: Index of cell (0, 0) in the grid of the world.
        cell_m: Side of a cell.
        observed: Number of ticks at which a lidar observed each cell.
        reached: Number of ticks at which each cell lay in the perception matrix of a station with a lidar.
        times_us: The ticks.
        all_ticks: Number of ticks of the run.
        stations: Number of stations that had a lidar at any of these ticks.
        users: Number of road users, summed over the ticks, without those whose own lidars were meant.
        unseen_m: Position of each road user at each tick at which no lidar had a return from it.
        in_range: Whether a lidar reached each of these, so that something hid it.
    """

    lower: Int64[np.ndarray, " 2"]
    cell_m: float
    observed: Int64[np.ndarray, "nx ny"]
    reached: Int64[np.ndarray, "nx ny"]
    times_us: tuple[int, ...]
    all_ticks: int
    stations: int
    users: int
    unseen_m: Float[np.ndarray, "unseen 2"]
    in_range: Bool[np.ndarray, " unseen"]


def visibility_of(
    captured: Callable[[int], list[tuple[Frame, Capture]]], ticks_us: Sequence[int], most_ticks: int, station: int | None, folder: Path
) -> Visibility:  # fmt: skip
    """Return what lidars observed at evenly spaced ticks of a run.

    Args:
        captured: Function that returns what all stations with lidars captured at a tick, at their true poses.
        ticks_us: All ticks of the run.
        most_ticks: Largest number of ticks to look at.
        station: Agent id of the only station to look at; None for all.
        folder: Folder of the run, for messages.

    Raises:
        OpenError: If the number of ticks is not possible.
        NotRecordedError: If no station, or not this one, had a lidar at these ticks.
    """
    if isinstance(most_ticks, bool) or not isinstance(most_ticks, int) or most_ticks < 1:
        raise OpenError(f"{folder}: visibility: most_ticks must be a whole number above 0, got {most_ticks!r}")
    chosen = ticks_us[:: -(-len(ticks_us) // most_ticks)]
    grid, unseen, in_range, users, stations = _Grid(), [np.zeros((0, 2))], [np.zeros(0, bool)], 0, set[int]()
    for time_us in chosen:
        frames = [item for item in captured(time_us) if station is None or item[0].agent == station]
        if not frames:
            continue
        stations |= {frame.agent for frame, _ in frames}
        grid.add([frame for frame, _ in frames])
        sights = sights_of(frames)
        # A station is no road user that its own lidars could see; with one station only, it is left out.
        counts: Bool[np.ndarray, " users"] = np.ones(len(sights.agent), bool)
        if station is not None:
            counts = np.array(sights.agent != station)
        is_unseen = np.asarray(counts & (sights.points.sum(axis=0) == 0))
        unseen.append(frames[0][1].snapshot.boxes.center_m[is_unseen, :2])
        in_range.append(np.asarray(sights.near.any(axis=0))[is_unseen])
        users += int(counts.sum())
    if not stations:
        raise NotRecordedError(
            f"{folder}: no station carried a lidar"
            if station is None
            else f"{folder}: that station never carried a lidar"
        )
    lower, observed, reached = grid.whole()
    return Visibility(
        lower, grid.cell_m, observed, reached, tuple(chosen), len(ticks_us), len(stations), users, np.concatenate(unseen),
        np.concatenate(in_range),
    )  # fmt: skip


class _Grid:
    """Counts of ticks by cell, in a window of the grid of the world that grows as stations move."""

    def __init__(self) -> None:
        self.cell_m, self._lower = 1.0, np.zeros(2, np.int64)
        self._counts = np.zeros((2, 0, 0), np.int64)

    def add(self, frames: Sequence[Frame]) -> None:
        """Add a tick: a cell counts once, however many stations observe or reach it."""
        lower = np.min([frame.matrix.lower for frame in frames], axis=0)
        upper = np.max([frame.matrix.lower + frame.matrix.code.shape for frame in frames], axis=0)
        self.cell_m = frames[0].matrix.cell_m
        self._widen(lower, upper)
        tick = np.zeros((2, *(upper - lower)), bool)
        for frame in frames:
            (x, y), (nx, ny) = frame.matrix.lower - lower, frame.matrix.code.shape
            tick[0, x : x + nx, y : y + ny] |= frame.matrix.observed
            tick[1, x : x + nx, y : y + ny] = True
        x, y = lower - self._lower
        self._counts[:, x : x + tick.shape[1], y : y + tick.shape[2]] += tick

    def whole(self) -> tuple[Int64[np.ndarray, " 2"], Int64[np.ndarray, "nx ny"], Int64[np.ndarray, "nx ny"]]:
        """Return the index of the first cell, and how often each cell was observed and reached."""
        return self._lower, self._counts[0], self._counts[1]

    def _widen(self, lower: Int64[np.ndarray, " 2"], upper: Int64[np.ndarray, " 2"]) -> None:
        shape = np.array(self._counts.shape[1:])
        first = lower if not shape.all() else np.minimum(lower, self._lower)
        last = upper if not shape.all() else np.maximum(upper, self._lower + shape)
        if (first == self._lower).all() and (last - first == shape).all():
            return
        wider = np.zeros((2, *(last - first)), np.int64)
        if shape.all():
            x, y = self._lower - first
            wider[:, x : x + shape[0], y : y + shape[1]] = self._counts
        self._lower, self._counts = first, wider
