"""The units of traffic, as movements show them: positions in metres, angles in degrees from north, speeds in m/s, times in seconds.

A trace of SUMO does not name its units, and other programs write traces of the same form. Consecutive samples show the
units: what a road user moves must fit its speed, and the direction of the movement its angle.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.fcd_reader import Sample
from v2xsim.notices import Notice
from v2xsim.world.road_users import PEDESTRIAN

FASTEST_MPS = 150.0

# The bumpers of two vehicles cannot be closer.
_LEAST_EXTENT_M = 0.5

# Movements with less than this do not show a ratio or a direction.
_LEAST_SPEED_MPS = 0.5
_LEAST_MOVE_M = 0.3
_LONGEST_TURN_S = 5.0
_MOST_PAIRS = 20_000

# A road user that should move by this and does not move at all has no position of its own in that sample.
_EXPECTED_M = 1.0

# Ratio of the way of road users to the way at their speeds, for units that people mix up.
_UNITS = (
    (1 / 3.6, "the speeds look like km/h: divide them by 3.6"),
    (0.44704, "the speeds look like miles per hour: multiply them by 0.447"),
    (0.51444, "the speeds look like knots: multiply them by 0.514"),
    (1 / 0.3048, "the positions or the speeds look like feet: SUMO's are in metres and m/s"),
)
_PLAUSIBLE = (0.05, 20.0)
LON_LAT_ADVICE = (
    "its positions are longitude and latitude, but must be metres in the frame of the road network; write the trace without "
    "SUMO's option --fcd-output.geo, or convert x and y"
)

# Upper quantile of the angle between heading and movement at which angles are wrong: lane changes and curves stay far below.
_WRONG_ANGLE_RAD = np.radians(45.0)
_Angles = Float[np.ndarray, " pairs"]
# Yaws of a column of angles, for the meanings that are mixed up with SUMO's.
ANGLES: tuple[tuple[str, Callable[[_Angles], _Angles]], ...] = (
    ("radians, clockwise from north", lambda angle: np.pi / 2 - angle),
    ("radians, counter-clockwise from east", lambda angle: angle),
    ("degrees, counter-clockwise from east", lambda angle: np.asarray(np.radians(angle))),
    ("those of the opposite direction", lambda angle: -np.pi / 2 - np.radians(angle)),
    ("those of a map whose y points down", lambda angle: np.radians(angle) - np.pi / 2),
)


class MotionUnits:
    """Collects movements between consecutive samples, and compares them with speeds and angles."""

    def __init__(self) -> None:
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
        self._most_vehicles = 0
        self._lower_m = np.full(2, np.inf)
        self._upper_m = np.full(2, -np.inf)

    @property
    def have_seen_enough(self) -> bool:
        """Whether more samples do not change what is known about the units."""
        return self._pairs >= _MOST_PAIRS

    def see_places(self, sample: Sample) -> None:
        """Take note of where the road users of a sample are."""
        front_m = sample.front_m
        self._lower_m = np.minimum(self._lower_m, front_m.min(axis=0))
        self._upper_m = np.maximum(self._upper_m, front_m.max(axis=0))
        self._most_vehicles = max(self._most_vehicles, int((sample.kind != PEDESTRIAN).sum()))

    def see(
        self,
        before: Sample,
        after: Sample,
        b: Int64[np.ndarray, " pairs"],
        a: Int64[np.ndarray, " pairs"],
        jumped: Bool[np.ndarray, " pairs"],
    ) -> None:
        """Take note of the movements between two consecutive samples.

        Args:
            before: The first sample.
            after: The second sample.
            b: Rows in the first sample of the road users that are in both.
            a: Rows in the second sample of the same road users.
            jumped: Which of them moved farther than they can drive.
        """
        if self.have_seen_enough:
            return
        span_s = (after.time_us - before.time_us) * 1e-6
        way = after.front_m[a] - before.front_m[b]
        way_m = np.hypot(*way.T)
        low = np.fmin(np.abs(before.speed_mps[b]), np.abs(after.speed_mps[a]))
        high = np.fmax(np.abs(before.speed_mps[b]), np.abs(after.speed_mps[a]))
        vehicle = before.kind[b] != PEDESTRIAN
        driving = high >= _LEAST_SPEED_MPS
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

    def refuse_wrong(self, path: Path, at_end: bool) -> None:
        """Check the units of what has been seen so far.

        Args:
            path: The trace.
            at_end: Whether the trace has ended. Before its end, the check is only repeated when there is twice as much to check.

        Raises:
            MobilityError: If the trace cannot be in metres, seconds, m/s and degrees from north.
        """
        if self._pairs < 2 * self._checked_pairs and not at_end:
            return
        self._checked_pairs = self._pairs
        self._refuse_ratio(path)
        self._refuse_apparent_speeds(path)
        self._refuse_angles(path)
        extent_m = (self._upper_m - self._lower_m).max()
        if self._most_vehicles > 1 and self.fits_lon_lat() and extent_m < _LEAST_EXTENT_M:
            raise _error(path, f"all vehicles stand within {extent_m:.2g} m; {LON_LAT_ADVICE}")

    def fits_lon_lat(self) -> bool:
        """Return whether all positions so far can be longitude and latitude."""
        return bool(np.all(np.abs([self._lower_m, self._upper_m]) <= np.array([180.0, 90.0])))

    def _refuse_ratio(self, path: Path) -> None:
        if self._moved_m == 0 or self._most_m < 2.0:
            return
        low, high = self._moved_m / max(self._most_m, 1e-9), self._moved_m / max(self._least_m, 1e-9)
        measured = f"road users move {self._moved_m:.3g} m where their speeds give {self._most_m:.3g} m"
        ratios = np.concatenate(self._ratios)
        # The sum alone would be that of a few jumps, and the median alone that of positions rounded to metres.
        middle = float(np.median(ratios))
        if max(high, middle) < _PLAUSIBLE[0]:
            cause = LON_LAT_ADVICE if self.fits_lon_lat() and high < 1e-4 else _small_ratio(high)
            raise _error(path, f"{measured}: {cause}")
        if min(low, middle) > _PLAUSIBLE[1]:
            raise _error(path, f"{measured}: {_large_ratio(low)}")
        spread = float(np.subtract(*np.percentile(ratios, [80, 20])))
        for factor, advice in _UNITS:
            if len(ratios) >= 20 and abs(middle / factor - 1) < 0.04 and spread < 0.1 * factor:
                raise _error(path, f"{measured}: {advice}")

    def _refuse_apparent_speeds(self, path: Path) -> None:
        speeds = np.concatenate([np.zeros(0), *self._apparent_mps])
        if len(speeds) < 3:
            return
        middle = float(np.median(speeds))
        if middle < 0.02:
            cause = LON_LAT_ADVICE if self.fits_lon_lat() else _small_ratio(middle / 10.0)
            raise _error(path, f"road users move at {middle:.2g} m/s: {cause}")
        if middle > FASTEST_MPS:
            raise _error(path, f"road users move at {middle:,.0f} m/s: {_large_ratio(middle / 10.0)}")

    def _refuse_angles(self, path: Path) -> None:
        angle_deg, direction = np.concatenate([np.zeros((0, 2)), *self._turns]).T
        if len(direction) < 5:
            return
        usual = _upper_turn(np.pi / 2 - np.radians(angle_deg), direction)
        if usual < np.radians(20.0):
            return
        others = [(_upper_turn(yaw_of(angle_deg), direction), name) for name, yaw_of in ANGLES]
        best, name = min(others)
        if usual > _WRONG_ANGLE_RAD or best < usual / 3:
            cause = f"; they look like {name}" if best < usual / 3 else ""
            raise _error(
                path,
                f"road users move {np.degrees(usual):.0f} degrees off their angles: angles must be degrees clockwise from north{cause}",
            )

    def notices(self, source: str, domain: str) -> tuple[Notice, ...]:
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


def _error(path: Path, reason: str) -> MobilityError:
    return MobilityError(f"{path}: {reason}")


def unit_advice(ratio: float) -> str:
    """Return the likely cause of movements that are longer than speeds and times give, by this factor, or shorter."""
    for factor, advice in _UNITS:
        if abs(ratio / factor - 1) < 0.06:
            return advice
    if ratio < _PLAUSIBLE[0]:
        return _small_ratio(ratio)
    return _large_ratio(ratio)


def _small_ratio(ratio: float) -> str:
    """Return the likely causes of movements that are far too small."""
    if 3e-4 < ratio < 3e-3:
        return "times look like milliseconds (divide them by 1000), or positions like kilometres (multiply them by 1000); SUMO's are in seconds and metres"
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
