"""Lidars that see nobody, detectors that detect nobody, and errors larger than what they concern."""

import math
from collections.abc import Iterator

from v2xsim.doubtful.doubt import Doubt
from v2xsim.doubtful.places import CAR_M
from v2xsim.engine.stations.rigs import beams_of
from v2xsim.gpu.lidar.models import Beams
from v2xsim.perception.detection.visibility_model import Visibility
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import MOUNTS, NO_RIG, ROADSIDE, Lidars, Mount
from v2xsim.world.road_users import CATALOGUE, PASSENGER

_CAR_HEIGHT_M = float(CATALOGUE.size_m[PASSENGER, 2])
_CAR_WIDTH_M = float(CATALOGUE.size_m[PASSENGER, 1])
# Distance at which even a coarse lidar should have points on a car.
_NEAR_M = 10.0
_MOST_NOISE_M, _MOST_DROPOUT = 0.5, 0.9
_DENSEST_FOG_M, _HEAVIEST_RAIN, _HEAVIEST_SNOW, _BRIGHTEST = 10.0, 150.0, 10.0, 0.95
# Errors of a box above which it never overlaps a car by half, and false positives that outnumber the road users of a crossing.
_DETECTOR_LIMITS = {
    "center_sigma_m": (1.0, "m"),
    "yaw_sigma_deg": (45.0, "deg"),
    "size_sigma_m": (1.0, "m"),
    "false_per_frame": (20.0, ""),
}
_ERROR_LIMITS = {
    "gnss_sigma_m": (20.0, "m", "satellite navigation is wrong by 0.1 to 10 m"),
    "heading_sigma_deg": (45.0, "deg", "headings are wrong by 0.1 to 5 degrees"),
    "clock_sigma_ms": (
        1000.0,
        "ms",
        "clocks synchronised by satellites are wrong by less than 1 ms, others by tens of milliseconds",
    ),
}


def sensing_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield what is doubtful about lidars, the detector, and the errors of stations."""
    lidars = scenario.lidars
    # With `count` 0 and nobody named, there are no lidars to doubt.
    if lidars.count != 0 or lidars.include or lidars.carry or scenario.stations.roadside:
        for key, mount, base_m in _mounts(scenario):
            yield from _mount(key, mount, beams_of(lidars.model_of(mount)), base_m)
        if lidars.range_noise_m > _MOST_NOISE_M:
            yield Doubt(
                "lidars.range_noise_m",
                f"{lidars.range_noise_m:g} m",
                "boxes of cars are 2 m wide; lidars measure with 0.01 to 0.1 m",
            )
        if lidars.dropout >= _MOST_DROPOUT:
            effect = "no return is left" if lidars.dropout == 1.0 else "hardly any return is left"
            yield Doubt("lidars.dropout", f"{lidars.dropout:g}", f"{effect}; shares of 0 to 0.2 are usual")
        yield from _air(lidars)
        yield from _detector(scenario)
    for key, (limit, unit, usual) in _ERROR_LIMITS.items():
        value = getattr(scenario.errors, key)
        if value > limit:
            yield Doubt(
                f"errors.{key}",
                f"{value:g} {unit}",
                f"with such errors, data of other stations does not fit the ego's frame; {usual}",
            )


def _air(lidars: Lidars) -> Iterator[Doubt]:
    """Yield what is doubtful about the power of returns and the weather."""
    air = lidars.air
    if air.fog_visibility_m is not None and air.fog_visibility_m < _DENSEST_FOG_M:
        yield Doubt(
            "lidars.air.fog_visibility_m",
            f"{air.fog_visibility_m:g} m",
            "lidars see hardly anything; dense fog has 50 m",
        )
    if air.rain_mm_per_h > _HEAVIEST_RAIN:
        yield Doubt("lidars.air.rain_mm_per_h", f"{air.rain_mm_per_h:g} mm/h", "heavy rain has 50 mm/h")
    if air.snow_mm_per_h > _HEAVIEST_SNOW:
        yield Doubt(
            "lidars.air.snow_mm_per_h", f"{air.snow_mm_per_h:g} mm/h", "heavy snowfall has 2.5 mm/h of melted water"
        )
    if lidars.range_reflectivity is not None and lidars.range_reflectivity > _BRIGHTEST:
        yield Doubt(
            "lidars.range_reflectivity",
            f"{lidars.range_reflectivity:g}",
            "only white surfaces are seen at the range; data sheets state 0.1 to 0.8",
        )


def _mounts(scenario: Scenario) -> Iterator[tuple[str, Mount, float]]:
    """Yield each mount of a rig with its key and the least height from which its own height counts."""
    lidars = scenario.lidars
    heights_m: dict[str, float] = {}
    for unit in scenario.stations.roadside:
        rig = lidars.rig_of(unit.id, ROADSIDE) or MOUNTS
        if unit.lidar:
            heights_m[rig] = max(unit.height_m, heights_m.get(rig, 0.0))
    for rig in (MOUNTS, *lidars.rigs):
        if rig != NO_RIG:
            key = "lidars.mounts" if rig == MOUNTS else f"lidars.rigs.{rig}"
            for number, mount in enumerate(lidars.mounts_of(rig)):
                yield f"{key}.{number}", mount, heights_m.get(rig, _CAR_HEIGHT_M)


def _mount(key: str, mount: Mount, beams: Beams, base_m: float) -> Iterator[Doubt]:
    above_m, tilt_deg = base_m + mount.z_m, abs(mount.pitch_deg) + abs(mount.roll_deg)
    lowest_deg, highest_deg = (math.degrees(beams.elevation_rad[row]) for row in (0, -1))
    subject = f"{'.'.join(key.split('.')[:2])}.model"
    shortest_m = max(CAR_M, above_m)
    if beams.range_m < shortest_m:
        what = "the length of a car" if shortest_m == CAR_M else "its height above ground"
        yield Doubt(
            f"{key} range_m", f"{beams.range_m:g} m", f"this is less than {what} ({shortest_m:g} m), so it sees no road user; 50 to 250 m are usual", 1,
            f"{subject}.range_m",
        )  # fmt: skip
    if lowest_deg - tilt_deg >= 0.0 and above_m > _CAR_HEIGHT_M:
        yield Doubt(
            f"{key} lowest_deg", f"{lowest_deg:g} deg",
            f"no beam of this lidar {above_m:g} m above ground points down, so it sees no car; -25 to -10 are usual", 1, f"{subject}.lowest_deg",
        )  # fmt: skip
    steepest_deg = -(highest_deg + tilt_deg)
    if (0.0 < steepest_deg < 90.0 and above_m / math.tan(math.radians(steepest_deg)) < CAR_M) or steepest_deg >= 90.0:
        yield Doubt(
            f"{key} highest_deg", f"{highest_deg:g} deg",
            f"all beams of this lidar {above_m:g} m above ground meet the ground less than the length of a car away; 0 to 15 are usual", 1,
            f"{subject}.highest_deg",
        )  # fmt: skip
    gap_m = 2.0 * math.pi * _NEAR_M / beams.columns
    if gap_m > _CAR_WIDTH_M:
        yield Doubt(
            f"{key} columns", f"{beams.columns}",
            f"the beams are {gap_m:.1f} m apart at a distance of {_NEAR_M:g} m, so a car there falls between them; 900 to 3600 are usual", 1,
            f"{subject}.columns",
        )  # fmt: skip


def _detector(scenario: Scenario) -> Iterator[Doubt]:
    detector = scenario.detector
    if not isinstance(detector, Visibility):
        return
    most = max(
        (_points_on_a_car(beams_of(scenario.lidars.model_of(mount))) for _, mount, _ in _mounts(scenario)),
        default=math.inf,
    )
    if detector.half_points > most:
        yield Doubt(
            "detector.half_points", f"{detector.half_points:g}",
            f"even a car {_NEAR_M:g} m away has only about {most:.0f} lidar points, so hardly any road user is ever detected; 5 to 50 are usual",
        )  # fmt: skip
    if detector.steepness < 0.1:
        yield Doubt(
            "detector.steepness", f"{detector.steepness:g}",
            "every road user with a point is detected in half of the frames, however many points it has; 1 to 3 are usual",
        )  # fmt: skip
    for key, (limit, unit) in _DETECTOR_LIMITS.items():
        value = getattr(detector, key)
        if value > limit:
            usual = type(detector).__dataclass_fields__[key].default
            yield Doubt(
                f"detector.{key}",
                f"{value:g} {unit}".strip(),
                f"with such errors, hardly any detection is right; the default is {usual:g}",
            )


def _points_on_a_car(beams: Beams) -> float:
    """Return about how many rays of a lidar meet the side of a car near it."""
    wide_rad, high_rad = 2.0 * math.atan(CAR_M / 2.0 / _NEAR_M), math.atan(_CAR_HEIGHT_M / _NEAR_M)
    span_rad = float(beams.elevation_rad[-1] - beams.elevation_rad[0])
    rows = len(beams.elevation_rad) * min(1.0, high_rad / span_rad if span_rad > 0.0 else 1.0)
    return max(1.0, rows) * max(1.0, beams.columns * wide_rad / (2.0 * math.pi))
