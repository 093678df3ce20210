"""Checks that a trace is what it is taken for: positions in metres, angles in degrees, speeds in m/s, times in seconds, no gaps.

A trace of SUMO does not name its units, and other programs write traces of the same form. Consecutive samples show the
units: what a road user moves must fit its speed, and the direction of the movement its angle.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.mobility.base import MobilityError, counted, listed
from v2xsim.mobility.fcd_reader import Found, Sample
from v2xsim.notices import Notice
from v2xsim.world.road_users import PEDESTRIAN

# What a road user may move beyond its speed: a lane change within one step, and 5 m/s^2 up and down between two samples.
_SLACK_M = 6.0
_ACCELERATION_MPS2 = 5.0
_FASTEST_MPS = 150.0

# The bumpers of two vehicles cannot be closer.
_LEAST_EXTENT_M = 0.5

# A gap is this many times longer than the usual time between two samples, and so long that movement across it is a guess.
_GAP_FACTOR = 3.0
_GAP_S = 2.0

# Movements with less than this do not show a ratio or a direction.
_LEAST_SPEED_MPS = 1.0
_LEAST_MOVE_M = 0.3
_LONGEST_TURN_S = 5.0
_MOST_PAIRS = 20_000

# A road user that should move by this and does not move at all has no position of its own in that sample.
_EXPECTED_M = 1.0

# Ratio of the way of road users to the way at their speeds, for units that people mix up.
_UNITS = (
    (1 / 3.6, "the speeds look like km/h: divide them by 3.6"),
    (0.44704, "the speeds look like miles per hour: multiply them by 0.447"),
    (1 / 0.3048, "the positions or the speeds look like feet: SUMO's are in metres and m/s"),
)
_PLAUSIBLE = (0.05, 20.0)
_LON_LAT_ADVICE = (
    "its positions are longitude and latitude, but must be metres in the frame of the road network; write the trace without "
    "SUMO's option --fcd-output.geo, or convert x and y"
)

# Upper quantile of the angle between heading and movement at which angles are wrong: lane changes and curves stay far below.
_WRONG_ANGLE_RAD = np.radians(45.0)
_Angles = Float[np.ndarray, " pairs"]
# Yaws of a column of angles, for the meanings that are mixed up with SUMO's.
_ANGLES: tuple[tuple[str, Callable[[_Angles], _Angles]], ...] = (
    ("radians, clockwise from north", lambda angle: np.pi / 2 - angle),
    ("radians, counter-clockwise from east", lambda angle: angle),
    ("degrees, counter-clockwise from east", lambda angle: np.asarray(np.radians(angle))),
    ("those of the opposite direction", lambda angle: -np.pi / 2 - np.radians(angle)),
    ("those of a map whose y points down", lambda angle: np.radians(angle) - np.pi / 2),
)


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
    reach = np.where(np.isfinite(speed), reach, _FASTEST_MPS * span_s + _SLACK_M)
    way_m = np.hypot(*(after.center_m[a] - before.center_m[b]).T)
    # The centre swings by up to half a length when a body turns.
    return np.asarray(way_m > reach + before.size_m[b, 0])


class TraceChecks:
    """Collects, sample by sample, what shows the units and the gaps of a trace."""

    def __init__(self, path: Path, found: Found, run_us: tuple[int, int] | None = None) -> None:
        """Begin with an empty trace.

        Args:
            path: The trace.
            found: What the reader of the trace finds besides the road users.
            run_us: Begin and end of the run: what happens before and after it is not reported; None reports everything.
        """
        self._path, self._found, self._run_us = path, found, run_us
        self._before: Sample | None = None
        self._spans: deque[int] = deque(maxlen=1001)
        self._last_seen_us = np.zeros(0, np.int64)
        self._pairs = 0
        self._checked_pairs = 0
        self._still = 0
        self._far = 0
        self._frozen = 0
        self._moving = 0
        self._moved_m = 0.0
        self._least_m = 0.0
        self._most_m = 0.0
        self._ratios: list[Float[np.ndarray, " _pairs"]] = []
        self._apparent_mps: list[Float[np.ndarray, " _pairs"]] = []
        self._turns: list[Float[np.ndarray, "_pairs 2"]] = []
        self._samples = 0
        self._away = 0
        self._flickers = 0
        self._jumps = 0
        self._jump: _Jump | None = None
        self._gaps = 0
        self._gap: tuple[int, int] = (0, 0)
        self._most_vehicles = 0
        self._lower_m = np.full(2, np.inf)
        self._upper_m = np.full(2, -np.inf)

    @property
    def usual_span_us(self) -> int:
        """Usual time between two samples; 0 if there is only one."""
        return int(np.median(self._spans)) if self._spans else 0

    @property
    def have_seen_enough(self) -> bool:
        """Whether more samples do not change what is known about the units."""
        return self._pairs >= _MOST_PAIRS

    def is_gap(self, before: Sample, after: Sample) -> bool:
        """Return whether two consecutive samples are so far apart that states between them are unknown."""
        span_us = after.time_us - before.time_us
        return span_us > _GAP_S * 1e6 and span_us > _GAP_FACTOR * self.usual_span_us

    def see(self, sample: Sample) -> None:
        """Take note of the next sample of the trace."""
        self._samples += self._in_run(sample.time_us, sample.time_us)
        front_m = sample.front_m
        self._lower_m = np.minimum(self._lower_m, front_m.min(axis=0))
        self._upper_m = np.maximum(self._upper_m, front_m.max(axis=0))
        self._most_vehicles = max(self._most_vehicles, int((sample.kind != PEDESTRIAN).sum()))
        before, self._before = self._before, sample
        if before is not None:
            self._spans.append(sample.time_us - before.time_us)
            self._compare(before, sample)
        self._note_absent(sample)

    def _in_run(self, from_us: int, to_us: int) -> bool:
        """Return whether a span of time touches the run."""
        return self._run_us is None or (from_us < self._run_us[1] and to_us >= self._run_us[0])

    def _compare(self, before: Sample, after: Sample) -> None:
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
        if self.have_seen_enough:
            return
        way = after.front_m[a] - before.front_m[b]
        way_m = np.hypot(*way.T)
        low = np.fmin(np.abs(before.speed_mps[b]), np.abs(after.speed_mps[a]))
        high = np.fmax(np.abs(before.speed_mps[b]), np.abs(after.speed_mps[a]))
        vehicle = before.kind[b] != PEDESTRIAN
        driving = (high >= _LEAST_SPEED_MPS) & vehicle
        silent = ~np.isfinite(high) & (way_m > 0)
        # Over longer times, a road user may turn several times.
        clear = (way_m > _LEAST_MOVE_M) & ~jumped & vehicle & (span_s <= _LONGEST_TURN_S)
        far = driving & (low * span_s > _EXPECTED_M)
        self._far += int(far.sum())
        self._frozen += int((far & (way_m < 0.05 * _EXPECTED_M)).sum())
        self._pairs += int((driving | silent | clear).sum())
        self._moved_m += float(way_m[driving].sum())
        self._least_m += float(low[driving].sum() * span_s)
        self._most_m += float(high[driving].sum() * span_s)
        self._ratios.append(way_m[driving] / (0.5 * (low + high)[driving] * span_s))
        self._apparent_mps.append(way_m[silent] / span_s)
        self._moving += int(clear.sum())
        self._still += int((clear & (high < 0.1)).sum())
        # Halfway between both headings, because the movement is a chord of the curve.
        turn = np.angle(np.exp(1j * (after.yaw_rad[a] - before.yaw_rad[b])))
        angle_deg = 90.0 - np.degrees(before.yaw_rad[b] + 0.5 * turn)
        self._turns.append(np.column_stack([angle_deg, np.arctan2(way[:, 1], way[:, 0])])[clear])

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
        if self._pairs < 2 * self._checked_pairs and not at_end:
            return
        self._checked_pairs = self._pairs
        if "fcd-output.geo" in self._found.header and self._fits_lon_lat():
            raise self._error(f"its header has the option fcd-output.geo; {_LON_LAT_ADVICE}")
        if "mesosim" in self._found.header:
            raise self._error(
                "its header has the option mesosim; mesoscopic traffic has no positions of vehicles on their lanes, so it cannot be used; "
                "write the trace without the option"
            )
        self._refuse_ratio()
        self._refuse_apparent_speeds()
        self._refuse_angles()
        if self._most_vehicles > 1 and self._fits_lon_lat() and (self._upper_m - self._lower_m).max() < _LEAST_EXTENT_M:
            raise self._error(
                f"all vehicles stand within {(self._upper_m - self._lower_m).max():.2g} m; {_LON_LAT_ADVICE}"
            )

    def _error(self, reason: str) -> MobilityError:
        return MobilityError(f"{self._path}: {reason}")

    def _fits_lon_lat(self) -> bool:
        return bool(np.all(np.abs([self._lower_m, self._upper_m]) <= np.array([180.0, 90.0])))

    def _refuse_ratio(self) -> None:
        if self._moved_m == 0 or self._most_m < 2.0:
            return
        low, high = self._moved_m / max(self._most_m, 1e-9), self._moved_m / max(self._least_m, 1e-9)
        measured = f"road users move {self._moved_m:.3g} m where their speeds give {self._most_m:.3g} m"
        ratios = np.concatenate(self._ratios)
        # The sum alone would be that of a few jumps, and the median alone that of positions rounded to metres.
        middle = float(np.median(ratios))
        if max(high, middle) < _PLAUSIBLE[0]:
            cause = _LON_LAT_ADVICE if self._fits_lon_lat() and high < 1e-4 else _small_ratio(high)
            raise self._error(f"{measured}: {cause}")
        if min(low, middle) > _PLAUSIBLE[1]:
            raise self._error(f"{measured}: {_large_ratio(low)}")
        spread = float(np.subtract(*np.percentile(ratios, [80, 20])))
        for factor, advice in _UNITS:
            if len(ratios) >= 20 and abs(middle / factor - 1) < 0.04 and spread < 0.1 * factor:
                raise self._error(f"{measured}: {advice}")

    def _refuse_apparent_speeds(self) -> None:
        speeds = np.concatenate([np.zeros(0), *self._apparent_mps])
        if len(speeds) < 3:
            return
        middle = float(np.median(speeds))
        if middle < 0.02:
            cause = _LON_LAT_ADVICE if self._fits_lon_lat() else _small_ratio(middle / 10.0)
            raise self._error(f"road users move at {middle:.2g} m/s: {cause}")
        if middle > _FASTEST_MPS:
            raise self._error(f"road users move at {middle:,.0f} m/s: {_large_ratio(middle / 10.0)}")

    def _refuse_angles(self) -> None:
        angle_deg, direction = np.concatenate([np.zeros((0, 2)), *self._turns]).T
        if len(direction) < 5:
            return
        usual = _upper_turn(np.pi / 2 - np.radians(angle_deg), direction)
        if usual < np.radians(20.0):
            return
        others = [(_upper_turn(yaw_of(angle_deg), direction), name) for name, yaw_of in _ANGLES]
        best, name = min(others)
        if usual > _WRONG_ANGLE_RAD or best < usual / 3:
            cause = f"; they look like {name}" if best < usual / 3 else ""
            raise self._error(
                f"road users move {np.degrees(usual):.0f} degrees off their angles: angles must be degrees clockwise from north{cause}"
            )

    def notices(self, run_step_us: int, name_of: Callable[[int], str]) -> tuple[Notice, ...]:
        """Return what is unusual about the trace, for a run with a time step; `name_of` returns the name of an agent."""
        found, path, notices = self._found, self._path, []

        def note(subject: str, count: int, text: str) -> None:
            if count:
                notices.append(Notice(subject, count, f"{path}: {text}"))

        if "fcd-output.utm" in found.header:
            note(
                "trace.utm",
                1,
                "positions are UTM coordinates (option fcd-output.utm), so buildings and roadside units must be, too",
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
                f"{counted(self._jumps, 'jump')} that no road user can drive, the first of {name_of(self._jump.agent)!r} by "
                f"{self._jump.way_m:.0f} m in {self._jump.span_s:g} s at {self._jump.time_us / 1e6:.12g} s; a road user is absent between "
                "the samples around its jump",
            )  # fmt: skip
        note(
            "trace.flicker", self._flickers,
            f"road users are missing in single samples {self._flickers:,} times; they are absent there",
        )  # fmt: skip
        note(
            "trace.returns", self._away,
            f"{self._away:,} times a road user comes back after a long absence; it counts as the same one",
        )  # fmt: skip
        note(
            "trace.riders", len(found.riders),
            f"{counted(len(found.riders), 'person')} in vehicles left out while they ride ({listed(sorted(found.riders))})",
        )  # fmt: skip
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
        note("trace.untyped", found.untyped, "vehicles have no type; all are taken as passenger cars")
        note(
            "trace.unknown_types", len(found.unknown_types),
            f"vehicle types whose names tell no class are taken as passenger cars: {listed(sorted(found.unknown_types))}",
        )  # fmt: skip
        if found.highest_m - found.lowest_m > 3.0:
            note(
                "traffic.elevation", 1,
                f"elevations from {found.lowest_m:.0f} m to {found.highest_m:.0f} m are ignored: all road users stand on one plane, "
                "also those on and below bridges",
            )  # fmt: skip
        notices += self.speed_notices(str(path), "trace")
        return tuple(notices)

    def speed_notices(self, source: str, domain: str) -> tuple[Notice, ...]:
        """Return the notice about movements that do not fit the speeds, if there is one.

        Args:
            source: Name of the traffic, for the text.
            domain: First word of the subject.
        """
        if self._frozen > 0.1 * self._far:
            text = (
                f"{self._frozen:,} of {self._far:,} times a road user stays at its position although its speed is above 0; the traffic may be "
                "mesoscopic, or have positions less often than speeds"
            )
            return (Notice(f"{domain}.frozen", self._frozen, f"{source}: {text}"),)
        if self._still > 0.5 * self._moving:
            text = "road users move although their speeds are 0; receivers and lidars see them as standing"
            return (Notice(f"{domain}.speeds", self._still, f"{source}: {text}"),)
        if self._most_m <= 2.0:
            return ()
        low, high = self._moved_m / self._most_m, self._moved_m / max(self._least_m, 1e-9)
        middle = float(np.median(np.concatenate(self._ratios)))
        if max(high, middle) >= 0.7 and min(low, middle) <= 1.4:
            return ()
        text = (
            f"road users move {self._moved_m:.3g} m where their speeds give {self._most_m:.3g} m; check the units of speeds, positions and "
            "times, and whether the lengths of lanes fit their shapes"
        )
        return (Notice(f"{domain}.speeds", self._pairs, f"{source}: {text}"),)


def _small_ratio(ratio: float) -> str:
    """Return the likely causes of movements that are far too small."""
    if 3e-4 < ratio < 3e-3:
        return "times look like milliseconds, or positions like kilometres; SUMO's are in seconds and metres"
    return "positions must be metres, speeds m/s and times seconds"


def _large_ratio(ratio: float) -> str:
    """Return the likely causes of movements that are far too large."""
    if 30 < ratio < 300:
        return "positions look like centimetres; SUMO's are in metres"
    if 300 < ratio < 3000:
        return "positions look like millimetres, or speeds like km/s; SUMO's are in metres and m/s"
    return "positions must be metres, speeds m/s and times seconds"


def _upper_turn(yaw_rad: Float[np.ndarray, " pairs"], direction_rad: Float[np.ndarray, " pairs"]) -> float:
    """Return the angle between headings and directions that 85 % of the pairs do not exceed."""
    return float(np.percentile(np.abs(np.angle(np.exp(1j * (yaw_rad - direction_rad)))), 85))
