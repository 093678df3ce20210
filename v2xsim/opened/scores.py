"""The scores of ego frames of a finished run, computed when they are used."""

from collections import OrderedDict
from collections.abc import Sequence
from copy import deepcopy

from v2xsim.evaluation.frame import FrameScore, score
from v2xsim.evaluation.known_users import FusedTracks
from v2xsim.evaluation.scene import MODES
from v2xsim.opened.recorded_frames import RecordedFrames
from v2xsim.perception.tracking.station_tracks import StationTracks, Tracker
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections

# Number of frames whose scores stay in memory; the frame used longest ago is dropped first.
KEPT_FRAMES = 1000
# The tracks of all egos are kept at about this many instants of a run.
MARKS = 100
_FEWEST_TICKS = 25


class Scores:
    """The scores of ego frames, with the settings of the run.

    The tracks of a frame depend on all frames before it. So the tracks at some instants are kept, and the tracks of a frame are computed
    from the last such instant before it.

    Args:
        frames: Ego frames of the run.
        range_m: Road users within this distance of an ego are scored.
        step_us: Time between two frames of an ego.
        tracker: The tracker of detections, alone and after fusion.
    """

    def __init__(self, frames: RecordedFrames, range_m: float, step_us: int, tracker: Tracker) -> None:
        self._frames, self._range_m = frames, range_m
        self._every = max(_FEWEST_TICKS, -(-frames.tick_count // MARKS))
        # The tracks before a tick, by its number.
        self._marks = {0: (StationTracks(step_us, tracker), FusedTracks(tracker))}
        self._now, (self._alone, self._fused) = 0, deepcopy(self._marks[0])
        self._kept: OrderedDict[int, Sequence[FrameScore]] = OrderedDict()

    def of(self, number: int) -> FrameScore:
        """Return the score of a frame, by its row in the table `fusion`."""
        tick, place = self._frames.place_of(number)
        if tick not in self._kept:
            self._follow_to(tick)
        self._kept.move_to_end(tick)
        return self._kept[tick][place]

    def _follow_to(self, tick: int) -> None:
        """Compute the scores of the frames of a tick."""
        mark = max(number for number in self._marks if number <= tick)
        if not mark <= self._now <= tick:
            self._now, (self._alone, self._fused) = mark, deepcopy(self._marks[mark])
        while self._now <= tick:
            if self._now % self._every == 0 and self._now not in self._marks:
                self._marks[self._now] = deepcopy((self._alone, self._fused))
            tracks = self._step(self._now)
            self._now += 1
        self._kept[tick] = self._scored(tick, *tracks)
        while sum(map(len, self._kept.values())) > KEPT_FRAMES and len(self._kept) > 1:
            self._kept.popitem(last=False)

    def _step(self, tick: int) -> tuple[Sequence[Tracks], Sequence[Tracks]]:
        """Return the tracks of the egos of a tick, alone and after fusion."""
        time_us, egos = self._frames.egos(tick)
        alone, fused = (self._detections(tick, mode) for mode in MODES)
        announced = [self._frames.announced(time_us, ego) for ego in egos]
        return self._alone.follow(egos, alone, time_us), self._fused.step(egos, fused, announced, time_us)

    def _scored(self, tick: int, alone: Sequence[Tracks], fused: Sequence[Tracks]) -> Sequence[FrameScore]:
        time_us, egos = self._frames.egos(tick)
        scenes = [self._frames.scene(time_us, ego)[0] for ego in egos]
        found = [
            zip(self._detections(tick, mode), tracks, strict=True)
            for mode, tracks in zip(MODES, (alone, fused), strict=True)
        ]
        perceived = [dict(zip(MODES, by_mode, strict=True)) for by_mode in zip(*found, strict=True)]
        return list(score(scenes, perceived, self._range_m))

    def _detections(self, tick: int, mode: str) -> list[Detections]:
        time_us, egos = self._frames.egos(tick)
        return [self._frames.detections(time_us, ego, mode) for ego in egos]
