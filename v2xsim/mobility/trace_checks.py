"""Checks that a trace is what it is taken for, and notices about its gaps, jumps and what was left out of it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.mobility.base import MobilityError, counted, listed, riders_text
from v2xsim.mobility.fast_users import FastUsers
from v2xsim.mobility.fcd_reader import Found, Sample
from v2xsim.mobility.own_motion import OwnMotion
from v2xsim.mobility.trace_units import FASTEST_MPS, LON_LAT_ADVICE, MotionUnits
from v2xsim.notices import Notice
from v2xsim.world.road_users import KINDS
from v2xsim.world.top_speeds import USUAL_MPS

# What a road user may move beyond its speed: a lane change within one step, and 5 m/s^2 up and down between two samples.
_SLACK_M = 6.0
_ACCELERATION_MPS2 = 5.0

# A gap is this many times longer than the usual time between two samples, and so long that movement across it is a guess.
_GAP_FACTOR = 3.0
_GAP_S = 2.0


@dataclass
class _Jump:
    """The first jump of a trace."""

    agent: int
    time_us: int
    way_m: float
    span_s: float


def matched(before: Sample, after: Sample) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return, for the road users that are in both samples, their rows in the first and in the second."""
    _, rows_before, rows_after = np.intersect1d(before.agent, after.agent, assume_unique=True, return_indices=True)
    order = np.argsort(rows_before)
    return rows_before[order].astype(np.int64), rows_after[order].astype(np.int64)


def jumps(before: Sample, after: Sample, b: np.ndarray, a: np.ndarray) -> Bool[np.ndarray, " pairs"]:
    """Return which road users moved farther between two samples than they can drive; SUMO teleports vehicles after a jam."""
    span_s = (after.time_us - before.time_us) * 1e-6
    speed = np.fmax(np.abs(before.speed_mps[b]), np.abs(after.speed_mps[a]))
    reach = speed * span_s + 0.25 * _ACCELERATION_MPS2 * span_s**2 + _SLACK_M
    # Without speeds, only what no vehicle can do is a jump.
    reach = np.where(np.isfinite(speed), reach, FASTEST_MPS * span_s + _SLACK_M)
    way_m = np.hypot(*(after.center_m[a] - before.center_m[b]).T)
    # The centre swings by up to half a length when a body turns.
    return np.asarray(way_m > reach + before.size_m[b, 0])


class TraceChecks:
    """Collects, sample by sample, what shows the units and the gaps of a trace."""

    def __init__(
        self, path: Path, found: Found, name_of: Callable[[int], str], run_us: tuple[int, int] | None = None
    ) -> None:
        """Begin with an empty trace.

        Args:
            path: The trace.
            found: What the reader of the trace finds besides the road users.
            name_of: Function that returns the name of a road user.
            run_us: Begin and end of the run: what happens before and after it is not reported; None reports everything.
        """
        self._path, self._found, self._name_of, self._run_us = path, found, name_of, run_us
        self._before: Sample | None = None
        self._spans: deque[int] = deque(maxlen=1001)
        self._last_seen_us = np.zeros(0, np.int64)
        self.units = MotionUnits()
        self._own_motion = OwnMotion()
        self._fast = FastUsers(
            str(path), name_of, "; if it rides in a vehicle, the trace must have the vehicle at the same position"
        )
        self._samples = 0
        self._away = 0
        self._flickers = 0
        self._jumps = 0
        self._jump: _Jump | None = None
        self._changes = 0
        self._change = ("", 0, 0)
        self._gaps = 0
        self._gap: tuple[int, int] = (0, 0)

    @property
    def usual_span_us(self) -> int:
        """Usual time between two samples; 0 if there is only one."""
        return int(np.median(self._spans)) if self._spans else 0

    def is_gap(self, before: Sample, after: Sample) -> bool:
        """Return whether two consecutive samples are so far apart that states between them are unknown."""
        span_us = after.time_us - before.time_us
        return span_us > _GAP_S * 1e6 and span_us > _GAP_FACTOR * self.usual_span_us

    def see(self, sample: Sample) -> None:
        """Take note of the next sample of the trace."""
        in_run = self._in_run(sample.time_us, sample.time_us)
        self._own_motion.see(sample, in_run)
        if in_run:
            self._samples += 1
            self._note_fast(sample)
        self.see_units(sample)
        self._note_absent(sample)

    def see_units(self, sample: Sample) -> None:
        """Compare the movements from the sample before with speeds and angles."""
        self.units.see_places(sample)
        before, self._before = self._before, sample
        if before is not None:
            self._spans.append(sample.time_us - before.time_us)
            self._compare(before, sample)

    def _note_fast(self, sample: Sample) -> None:
        """Note the road users that are faster than usual; refuse impossible speeds."""
        fast = np.abs(sample.speed_mps) > USUAL_MPS[sample.kind]
        if fast.any():
            agent = sample.agent[fast]
            row = np.array([self._found.speed_rows[one] for one in agent.tolist()], np.int64)
            self._fast.note(sample.time_us, agent, row, sample.speed_mps[fast])

    def _in_run(self, from_us: int, to_us: int) -> bool:
        """Return whether a span of time touches the run."""
        return self._run_us is None or (from_us < self._run_us[1] and to_us >= self._run_us[0])

    def _note_changes(self, before: Sample, after: Sample) -> None:
        """Count the road users that have another class or size than in the sample before."""
        if not self._found.sharing or self.is_gap(before, after) or not self._in_run(before.time_us, after.time_us):
            return
        gone, come = np.setdiff1d(before.agent, after.agent), np.setdiff1d(after.agent, before.agent)
        named = {self._found.sharing.get(one) for one in gone.tolist()} - {None}
        for name in (self._found.sharing.get(one) for one in come.tolist()):
            if name in named:
                self._changes += 1
                self._change = self._change if self._changes > 1 else (name or "", before.time_us, after.time_us)

    def _compare(self, before: Sample, after: Sample) -> None:
        self._note_changes(before, after)
        b, a = matched(before, after)
        if len(b) == 0:
            return
        span_s = (after.time_us - before.time_us) * 1e-6
        jumped = jumps(before, after, b, a)
        if jumped.any() and self._in_run(before.time_us, after.time_us):
            row = int(np.argmax(jumped))
            way_m = float(np.hypot(*(after.center_m[a[row]] - before.center_m[b[row]])))
            self._jump = self._jump or _Jump(int(before.agent[b[row]]), before.time_us, way_m, span_s)
            self._jumps += int(jumped.sum())
        self.units.see(before, after, b, a, jumped)

    def _note_absent(self, sample: Sample) -> None:
        """Count the road users that come back after an absence."""
        never = np.iinfo(np.int64).min
        most = int(sample.agent.max()) + 1
        if most > len(self._last_seen_us):
            self._last_seen_us = np.append(self._last_seen_us, np.full(max(most, 64), never))
        last_us = self._last_seen_us[sample.agent]
        self._last_seen_us[sample.agent] = sample.time_us
        previous_us = sample.time_us - (self._spans[-1] if self._spans else 0)
        back = (last_us != never) & (last_us < previous_us)
        if back.any() and self._in_run(sample.time_us, sample.time_us):
            long = sample.time_us - last_us[back] > max(_GAP_FACTOR * self.usual_span_us, _GAP_S * 1e6)
            self._away += int(long.sum())
            self._flickers += int((~long).sum())

    def note_gap(self, before: Sample, after: Sample) -> None:
        """Count a gap that the run has met."""
        self._gaps += 1
        if after.time_us - before.time_us > self._gap[1] - self._gap[0]:
            self._gap = before.time_us, after.time_us

    def refuse_wrong_units(self, at_end: bool = False) -> None:
        """Check the units of what has been seen so far.

        Args:
            at_end: Whether the trace has ended. Before its end, the check is only repeated when there is twice as much to check.

        Raises:
            MobilityError: If the trace cannot be in metres, seconds, m/s and degrees from north.
        """
        if "fcd-output.geo" in self._found.header and self.units.fits_lon_lat():
            raise MobilityError(f"{self._path}: its header has the option fcd-output.geo; {LON_LAT_ADVICE}")
        if "mesosim" in self._found.header:
            raise MobilityError(
                f"{self._path}: its header has the option mesosim; mesoscopic traffic has no positions of vehicles on their lanes, so it cannot be used; "
                "write the trace without the option"
            )
        try:
            self.units.refuse_wrong(self._path, at_end)
        except MobilityError as error:
            raise MobilityError(f"{error}{self._own_motion.wrong(self._name_of)}") from None

    def notices(self, run_step_us: int) -> tuple[Notice, ...]:
        """Return what is unusual about the trace, for a run with a time step."""
        found, path, notices = self._found, self._path, []

        def note(subject: str, count: int, text: str) -> None:
            if count:
                notices.append(Notice(subject, count, f"{path}: {text}"))

        if "fcd-output.utm" in found.header:
            note(
                "trace.utm",
                1,
                "positions are UTM coordinates (option fcd-output.utm), so buildings and roadside units must be in UTM coordinates, too",
            )
        if run_step_us and self.usual_span_us > 1.01 * run_step_us:
            corners = ", also across corners and through buildings" if self.usual_span_us > _GAP_S * 1e6 else ""
            note(
                "trace.interpolated", max(self._samples, 1),
                f"has a sample every {self.usual_span_us / 1e6:.12g} s; between samples, road users move linearly{corners} (run.step_s is "
                f"{run_step_us / 1e6:.12g} s)",
            )  # fmt: skip
        if self._gaps:
            note(
                "trace.gaps", self._gaps,
                f"{counted(self._gaps, 'gap')} in which no road user is known, the longest from {self._gap[0] / 1e6:.12g} s to "
                f"{self._gap[1] / 1e6:.12g} s; samples are usually {self.usual_span_us / 1e6:.12g} s apart",
            )  # fmt: skip
        if self._jump is not None:
            note(
                "trace.jumps", self._jumps,
                f"{counted(self._jumps, 'jump')} that no road user can drive, the first of {self._name_of(self._jump.agent)!r} by "
                f"{self._jump.way_m:.0f} m in {self._jump.span_s:g} s at {self._jump.time_us / 1e6:.12g} s; a road user is absent between "
                "the samples around its jump",
            )  # fmt: skip
        name, last_us, first_us = self._change
        note(
            "trace.body_changes", self._changes,
            f"{counted(self._changes, 'road user')} changing class or size on the way, first {name!r}: it is absent between its samples at "
            f"{last_us / 1e6:.12g} s and {first_us / 1e6:.12g} s, and goes on as another road user; give it one type",
        )  # fmt: skip
        note(
            "trace.flicker", self._flickers,
            f"road users are missing in single samples {self._flickers:,} times; they are absent there",
        )  # fmt: skip
        note(
            "trace.returns", self._away,
            f"{self._away:,} times a road user comes back after a long absence; it counts as the same one",
        )  # fmt: skip
        if found.riders:
            note("trace.riders", len(found.riders), riders_text(found.riders))
        note(
            "trace.fast_persons", len(found.fast_persons),
            f"{counted(len(found.fast_persons), 'person')} faster than people run, probably in vehicles that the trace does not have; they "
            f"count as pedestrians ({listed(sorted(found.fast_persons))})",
        )  # fmt: skip
        note(
            "trace.containers", len(found.containers),
            f"{counted(len(found.containers), 'container')} left out, because containers are no road users here "
            f"({listed(sorted(found.containers))})",
        )  # fmt: skip
        unknown = found.unknown_elements
        note(
            "trace.unknown_elements", sum(unknown.values()),
            f"elements that are no road users of SUMO left out: {', '.join(f'{count:,} <{name}>' for name, count in sorted(unknown.items())[:5])}; "
            "road users are <vehicle> (with its type or vClass, such as bicycle) and <person>",
        )  # fmt: skip
        bad = [name for name, given in found.without_speed.items() if given]
        note(
            "trace.bad_speeds", len(bad),
            f"{counted(len(bad), 'road user')} with a speed that is not a number ({listed(bad)}); it is computed from the next position",
        )  # fmt: skip
        blind = len(found.without_speed) - len(bad)
        note(
            "trace.no_speeds",
            blind,
            f"{counted(blind, 'road user')} without a speed; it is computed from the next position",
        )
        note("trace.untyped", found.untyped, "vehicles have no type; all are taken as passenger cars")
        note(
            "trace.unknown_types", len(found.unknown_types),
            f"vehicle types whose names have no word for a known class are taken as passenger cars: {listed(sorted(found.unknown_types))}",
        )  # fmt: skip
        taken = [f"{name!r} (taken as {KINDS[kind]})" for name, kind in sorted(found.ambiguous_types.items())]
        note(
            "trace.ambiguous_types", len(taken),
            f"{counted(len(taken), 'vehicle type')} whose name contains two classes, or a class that no vehicle of a trace has: "
            f"{', '.join(taken[:5])}{', ...' if len(taken) > 5 else ''}; give the vehicles the attribute vClass, or rename the types",
        )  # fmt: skip
        if found.highest_m - found.lowest_m > 3.0:
            note(
                "traffic.elevation", 1,
                f"elevations from {found.lowest_m:.0f} m to {found.highest_m:.0f} m are ignored: all road users stand on one plane, "
                "also those on and below bridges",
            )  # fmt: skip
        notices += self.units.notices(str(path), "trace")
        notices += self._own_motion.notices(str(path), self._name_of, np.array(found.speed_rows, np.int64))
        # Fast persons have a notice of their own.
        notices += self._fast.notices(left_out="pedestrian")
        return tuple(notices)
