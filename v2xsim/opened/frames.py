"""The ego frames of a finished run: what each ego saw alone and after fusion, knew, received, and what was true."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int64

from v2xsim.evaluation.frame import FrameScore
from v2xsim.evaluation.scene import Scene
from v2xsim.opened.clouds import Cloud
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, Detections
from v2xsim.views.knowledge import Helper


@dataclass(frozen=True, eq=False)
class Sources:
    """Functions with which a frame gets its parts when they are first used."""

    score: Callable[["Frame"], FrameScore]
    cloud: Callable[["Frame"], Cloud]
    own_cloud: Callable[["Frame"], Cloud]
    rows: Callable[["Frame", str], pa.Table]
    links: Callable[["Frame"], pa.Table]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of an ego. Detections, tracks and clouds are placed by the pose that the ego believes.

    Attributes:
        number: Row of the frame in the table `fusion`, counted over all egos from 0. The frames that are kept for pictures have numbers of
            their own, which `view --frame` takes.
        time_us: Time of the capture.
        ego: Name of the ego.
        agent: Agent id of the ego.
        pose: True x, y, z (metres) and yaw (radians) of the ego.
        believed: x, y, z and yaw that the ego believed.
        fused_s: Time of the fusion.
        scene: The truth: agent ids, true boxes and velocities of all road users, and boxes where the ego would place them.
        detections: Detections by mode: `ego` for the ego alone, `fused` for after fusion; at any distance.
        announced: Vehicles that the ego knew from their announcements when it fused.
        names: Names of road users and roadside units, by agent id.
    """

    number: int
    time_us: int
    ego: str
    agent: int
    pose: Float[np.ndarray, " 4"]
    believed: Float[np.ndarray, " 4"]
    fused_s: float
    scene: Scene
    detections: Mapping[str, Detections]
    announced: Detections
    names: Mapping[int, str]
    sources: Sources = field(repr=False)

    def __repr__(self) -> str:
        near = self.score.near
        seen = {mode: int(part.seen.sum()) for mode, part in self.score.modes.items()}
        return (
            f"frame of {self.ego} at {self.time_s:.12g} s: {int(near.sum())} road users in range, "
            f"{seen['ego']} detected alone, {seen['fused']} after fusion"
        )

    @property
    def time_s(self) -> float:
        """Time of the capture in seconds."""
        return self.time_us / 1e6

    @property
    def boxes(self) -> Boxes:
        """True bodies of all road users, in the order of `scene.agent`."""
        return self.scene.boxes

    @cached_property
    def score(self) -> FrameScore:
        """What the ego knew, compared with the truth: who is in range, who was detected and known, in each mode.

        It depends on the tracks of all frames before, so its first use takes time in proportion to their number.
        """
        return self.sources.score(self)

    @property
    def tracks(self) -> Mapping[str, Tracks]:
        """Tracks by mode: `ego` for the ego alone, `fused` for after fusion, where announcements feed them too."""
        return {mode: part.tracks for mode, part in self.score.modes.items()}

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud after fusion: the ego's own points, then the received ones."""
        return self.sources.cloud(self)

    @cached_property
    def own_cloud(self) -> Cloud:
        """The cloud of the ego's own lidars."""
        return self.sources.own_cloud(self)

    @cached_property
    def contributions(self) -> pa.Table:
        """The rows of the table `contributions` for this frame: the data of each helper that was fused."""
        return self.sources.rows(self, "contributions")

    @cached_property
    def helpers(self) -> tuple[Helper, ...]:
        """Stations whose data was fused, in the order of their agent ids."""
        rows = self.contributions.select(["helper", "relay", "capture_us", "received_bytes"]).to_pylist()
        return tuple(
            Helper(
                self.names[row["helper"]], self.names[row["relay"]] if row["relay"] >= 0 else None,
                (self.time_us - row["capture_us"]) / 1e6, row["received_bytes"],
            )
            for row in rows
        )  # fmt: skip

    @cached_property
    def transfers(self) -> pa.Table:
        """The rows of the table `transfers` for this frame: the ego's requests and the answers to them."""
        return self.sources.rows(self, "transfers")

    @cached_property
    def links(self) -> pa.Table:
        """The rows of the table `links` at the capture: all links of the ego, with state and received power."""
        return self.sources.links(self)


class Frames(Sequence[Frame]):
    """Some ego frames of a run, in order of time; each is made when it is used.

    Args:
        numbers: Numbers of the frames.
        make: Function that returns the frame with a number.
        title: Text that names the frames.
    """

    def __init__(self, numbers: Int64[np.ndarray, " frames"], make: Callable[[int], Frame], title: str) -> None:
        self._numbers, self._make, self._title = numbers, make, title

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> "Frames": ...
    def __getitem__(self, index: int | slice) -> "Frame | Frames":
        if isinstance(index, slice):
            return Frames(self._numbers[index], self._make, self._title)
        return self._make(int(self._numbers[index]))

    def __iter__(self) -> Iterator[Frame]:
        return (self._make(number) for number in self._numbers.tolist())

    def __repr__(self) -> str:
        return f"{len(self)} frames {self._title}"


def rows_where(table: pa.Table, **values: int) -> pa.Table:
    """Return the rows of a table in which some columns have given values."""
    chosen = None
    for name, value in values.items():
        here = pc.equal(table.column(name), value)
        chosen = here if chosen is None else pc.and_(chosen, here)
    return table.filter(chosen)
