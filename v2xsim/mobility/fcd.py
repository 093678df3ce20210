"""Replay of a trace that SUMO wrote with --fcd-output; the file is read step by step during the run."""

from collections import deque
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np

from v2xsim.mobility.base import Bounds, Mobility, MobilityError, Names, counted, snapshot_of
from v2xsim.mobility.fcd_reader import Sample, TraceReader, read_trace
from v2xsim.mobility.trace_checks import TraceChecks, jumps, matched
from v2xsim.mobility.trailers import Trailers
from v2xsim.notices import Notice
from v2xsim.world.snapshot import Snapshot

# A trace is read ahead by so many rows before its first instant is shown, to check its units. A row needs about 100 bytes.
_AHEAD_ROWS = 20_000


def between(before: Sample, after: Sample, time_us: int) -> Sample:
    """Return the road users that are in both samples, interpolated to an instant between them.

    A road user that jumps from one sample to the next, farther than it can drive, is left out.
    """
    b, a = matched(before, after)
    drives = ~jumps(before, after, b, a)
    b, a = b[drives], a[drives]
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
        moved = between(sample, after, sample.time_us)
        rows = np.flatnonzero(np.isin(sample.agent, moved.agent))
        speed[rows] = np.where(np.isfinite(speed[rows]), speed[rows], moved.speed_mps)
    return replace(sample, speed_mps=np.nan_to_num(speed, nan=0.0))


class FcdMobility(Mobility):
    """Traffic replayed from a trace.

    Between two samples of the trace, a road user that is in both moves linearly and turns the shorter way. A road user that
    is in only one of them exists only at the instant of that sample: it appears at its first sample and is gone after its
    last. Where the samples are much farther apart than usual, nobody exists between them.
    """

    def __init__(self, path: Path, names: Names, step_us: int = 0, run_us: tuple[int, int] | None = None) -> None:
        """Open a trace and check the units of its beginning.

        Args:
            path: The trace.
            names: Register of names of the run, in which road users are entered.
            step_us: Time step of the run, to report that the trace has a longer one; 0 if there is no run.
            run_us: First instant of the run and the end of its last step; None if there is no run.

        Raises:
            MobilityError: If the file is missing, damaged, empty or not written by --fcd-output, if its units are not those of SUMO, or
                if nobody is in it during the run.
        """
        super().__init__(names)
        self._path, self._step_us, self._run_us = path, step_us, run_us
        # The reader is ahead of the present instant, so it has names of its own: a road user is registered in the run only
        # when it is in a snapshot.
        self._read_names = Names()
        self._agent_of: dict[int, int] = {}
        self._reader = TraceReader(path, self._read_names, run_us)
        self._read = read_trace(self._reader)
        self._checks = TraceChecks(path, self._reader.found, self._read_names.name_of, run_us)
        self._trailers = Trailers(str(path), names.name_of)
        self._ahead: deque[Sample] = deque()
        self._samples = self._checked_samples()
        self._before: Sample | None = None
        self._after = next(self._samples, None)
        if self._after is None:
            raise MobilityError(f"{path}: the trace has no vehicle at any time")
        self._first = self._after
        self._last_us: int | None = None
        self._bounds: Bounds | None = None
        self._gap_us: int | None = None
        if run_us is not None:
            self._check_span(*run_us)

    def _checked_samples(self) -> Generator[Sample, None, None]:
        """Yield the samples of the trace; its units are checked before the first one, and again as more is read."""
        rows = 0
        for sample in self._read:
            self._checks.see(sample)
            self._ahead.append(sample)
            rows += len(sample)
            while rows >= _AHEAD_ROWS:
                self._checks.refuse_wrong_units()
                first = self._ahead.popleft()
                rows -= len(first)
                yield first
        self._checks.refuse_wrong_units(at_end=True)
        yield from self._ahead

    def _check_span(self, begin_us: int, end_us: int) -> None:
        """Refuse a trace that begins after the run."""
        trace_begin_us = self._reader.found.begin_us
        if trace_begin_us is not None and trace_begin_us >= end_us:
            raise MobilityError(
                f"{self._path}: traffic begins at {trace_begin_us / 1e6:.12g} s, after the end of the run at {end_us / 1e6:.12g} s; set "
                f"run.begin_s to at least {trace_begin_us / 1e6:.12g}"
            )
        if self._first.time_us >= end_us:
            raise MobilityError(
                f"{self._path}: the first road user is there at {self._first.time_us / 1e6:.12g} s, after the end of the run at "
                f"{end_us / 1e6:.12g} s; set run.begin_s to at least {self._first.time_us / 1e6:.12g}"
            )

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions in the trace; the first access reads the whole trace."""
        if self._bounds is None:
            lower, upper = self._first.center_m.min(axis=0), self._first.center_m.max(axis=0)
            for sample in read_trace(TraceReader(self._path, Names())):
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
            end_s = before.time_us / 1e6
            advice = (
                "set run.begin_s to less" if end_s >= 0 else "no run begins before 0 s: add a number to all its times"
            )
            raise MobilityError(
                f"{self._path}: the trace ends at {end_s:.12g} s, before {time_us / 1e6:.12g} s, where measuring begins; {advice}"
            )
        self._last_us = time_us
        if before is not None and before.time_us == time_us:
            return self._shown(with_speeds(before, after))
        if before is not None and after is not None:
            if not self._checks.is_gap(before, after):
                return self._shown(between(before, after, time_us))
            if self._gap_us != before.time_us:
                self._gap_us = before.time_us
                self._checks.note_gap(before, after)
        return self._shown(replace(self._first.rows(np.zeros(0, np.int64)), time_us=time_us))

    def _shown(self, sample: Sample) -> Snapshot:
        agent = [self._shown_agent(read, sample.time_us) for read in sample.agent.tolist()]
        ahead = np.stack([np.cos(sample.yaw_rad), np.sin(sample.yaw_rad)], axis=1)
        return snapshot_of(
            sample.time_us, np.array(agent, np.int64), sample.kind, sample.center_m, sample.size_m, sample.yaw_rad,
            sample.speed_mps[:, None] * ahead, self._trailers,
        )  # fmt: skip

    def _shown_agent(self, read: int, time_us: int) -> int:
        """Return the agent id in the run of a road user of the trace."""
        agent = self._agent_of.get(read)
        if agent is None:
            agent = self._agent_of[read] = self.enter(
                self._read_names.name_of(read),
                self._read_names.owner_of(read),
                f"{self._path}: at {time_us / 1e6:.12g} s",
            )
        return agent

    def notices(self) -> tuple[Notice, ...]:
        """Return what was left out of the trace or assumed about it, and the part of the run that it does not cover."""
        notices = [
            *self._checks.notices(self._step_us), *self._reader.identities.notices(str(self._path)), *self._trailers.notices(),
        ]  # fmt: skip
        if self._run_us is not None:
            notices += self._uncovered(*self._run_us)
        return tuple(notices)

    def _uncovered(self, begin_us: int, end_us: int) -> list[Notice]:
        """Return the notices about the time of the run before and after the trace."""
        notices = []
        first_us = self._reader.found.begin_us
        if first_us is not None and first_us > begin_us:
            notices.append(
                Notice(
                    "trace.begins_late", max((min(first_us, end_us) - begin_us) // self._step_us, 1),
                    f"{self._path}: traffic begins at {first_us / 1e6:.12g} s; the run begins {(first_us - begin_us) / 1e6:.12g} s "
                    f"earlier, without road users; set run.begin_s to at least {first_us / 1e6:.12g}",
                )
            )  # fmt: skip
        before, last_us = self._before, self._last_us
        if self._after is None and before is not None and last_us is not None and last_us > before.time_us:
            late_us = end_us - self._step_us - before.time_us
            end = (
                "the trace ends"
                if self._reader.found.end_us == before.time_us
                else "the last road user of the trace is there"
            )
            notices.append(
                Notice(
                    "trace.ends_early", max(late_us // self._step_us, 1),
                    f"{self._path}: {end} at {before.time_us / 1e6:.12g} s; the last {late_us / 1e6:.12g} s of the run, "
                    f"{counted(max(late_us // self._step_us, 1), 'step')}, are without road users; set run.duration_s to less",
                )
            )  # fmt: skip
        return notices

    def close(self) -> None:
        """Close the file of the trace."""
        self._samples.close()
        self._read.close()
