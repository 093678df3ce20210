"""Echoes of the air itself: how many fog droplets, raindrops and snowflakes a beam meets that echo more strongly than a given power.

Both models give a rate of echoes per metre of the beam. Echoes are independent of each other, so the number of echoes stronger than a
power x and nearer than a range r has a Poisson distribution, with the mean H(x, r) that a `Clutter` tabulates.

Fog has countless droplets. Its mean power from range r is that of a soft target: P = pi beta dR exp(-2 alpha r) / r^2, with the
backscatter coefficient beta and the length dR of half a pulse. It fluctuates with an exponential distribution from one dR to the next, so
the rate is -ln(1 - exp(-x / P)) / dR.

Rain and snow are few particles with N0 exp(-D / D0) of them per volume and diameter. One of diameter D returns
P = rho exp(-2 alpha r) (D / w)^2 / r^2 from a beam of width w = divergence r, and never more than its whole width. The rate is
the number of particles per metre of the beam that are large enough for x.

References:
    Fog: soft target of Rasshofer, Spies, Spies 2011 as Hahner et al. 2021 (arXiv 2108.05249) use it: beta = 0.046 / visibility, nearest
        range with full overlap 1.0 m (read in public copies of their program). That power fluctuates exponentially is recalled (speckle).
    Rain: Marshall and Palmer 1948, N0 = 8000 per m3 and mm, 1 / D0 = 4.1 R^-0.21 per mm, and the comparison of the strongest particle with
        the target, as in LISA (Kilic et al., arXiv 2107.07004; program read). rho is Fresnel's ((n - 1) / (n + 1))^2 = 0.020 for n = 1.328.
    Snow: N0 = 7600 S^-0.87 per m3 and mm (as in LISA), 1 / D0 = 2.55 S^-0.48 per mm (Gunn and Marshall 1958, as in LISA and Hahner et al.
        2022), rho = 0.9 (Hahner et al. 2022, program read).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from v2xsim.gpu.lidar.effects.echoes import pulse_separation_m
from v2xsim.gpu.lidar.effects.extinction import fog_extinction_per_m, rain_extinction_per_m, snow_extinction_per_m

_LEVELS, _RANGES = 128, 257
# Echoes rarer than one in so many rays are left out.
_RAREST = 1e-7

WATER, FLAKE = 0.0198, 0.9
"""Reflectivity of a raindrop and of a snowflake."""


@dataclass(frozen=True)
class Sensor:
    """What decides which echoes of the air a lidar reports.

    Attributes:
        least_power: Power of the weakest return that it detects (`intensity.least_power`).
        range_m: Largest distance at which it gets a return.
        divergence_rad: Full angle of its beam; if the two directions differ, the root of their product.
        pulse_s: Length of its pulse.
        nearest_m: It reports no echo of the air nearer than this; above 0.
        least_reflectivity: It reports no echo of the air that is weaker than a surface of this reflectivity, met squarely at the same distance;
            0 for no limit. A sensor is less sensitive at short range, or fog of any visibility would return more from 1 m than a wall from
            50 m. Data sheets do not state it, and the number of echoes depends on it strongly.
    """

    least_power: float
    range_m: float
    divergence_rad: float = 2.1e-3
    pulse_s: float = 6e-9
    nearest_m: float = 1.0
    least_reflectivity: float = 0.0

    def __post_init__(self) -> None:
        if not (self.least_power > 0 and self.divergence_rad > 0 and self.pulse_s > 0):
            raise ValueError("least_power, divergence_rad and pulse_s of a sensor must be above 0")
        if not 0.0 <= self.least_reflectivity < 1.0:
            raise ValueError(f"least_reflectivity must be 0 or more and below 1, got {self.least_reflectivity}")
        if not 0 < self.nearest_m < self.range_m < math.inf:
            raise ValueError(f"nearest_m must be above 0 and below range_m, got {self.nearest_m} and {self.range_m} m")


@dataclass(frozen=True, eq=False)
class Clutter:
    """The echoes of the air along any ray of a sensor.

    Attributes:
        sensor: The sensor.
        extinction_per_m: Extinction coefficient of the air.
        log_power: Natural logarithms of the powers of the rows of `none`, evenly spaced; the first is that of the weakest return.
        range_m: Ranges of the columns of `none`, in rising order.
        none: Probability exp(-H) that there is no echo stronger than a power and nearer than a range.
        scale: Power of an echo at 1 m without extinction: pi beta dR for fog; rho / divergence^2 for particles, per square metre of D^2.
        mean_diameter_m: Mean diameter D0 of particles; 0 for fog.
        reflectivity: Reflectivity of particles: one that fills the beam returns no more; 0 for fog.
    """

    sensor: Sensor
    extinction_per_m: float
    log_power: Float[np.ndarray, " powers"]
    range_m: Float[np.ndarray, " ranges"]
    none: Float[np.ndarray, "powers ranges"]
    scale: float
    mean_diameter_m: float
    reflectivity: float


# Echoes per metre of beam that are stronger than each power (a column), at each range (a row).
_Rate = Callable[[np.ndarray, np.ndarray], np.ndarray]


@lru_cache(maxsize=64)
def fog(sensor: Sensor, visibility_m: float) -> Clutter:
    """Return the echoes of fog of a meteorological optical range."""
    extinction = fog_extinction_per_m(visibility_m)
    gate_m = pulse_separation_m(sensor.pulse_s)
    scale = math.pi * 0.046 / visibility_m * gate_m

    def rate(power: np.ndarray, range_m: np.ndarray) -> np.ndarray:
        # -ln(1 - exp(-y)), also where exp(-y) is tiny.
        return -np.log1p(-np.exp(-power * range_m**2 * np.exp(2.0 * extinction * range_m) / scale)) / gate_m

    return _tabulated(sensor, extinction, rate, scale, 0.0, 0.0) if scale > 0 else clear(sensor)


@lru_cache(maxsize=64)
def rain(sensor: Sensor, rain_mm_per_h: float) -> Clutter:
    """Return the echoes of raindrops at a rain rate."""
    extinction = rain_extinction_per_m(rain_mm_per_h)
    if rain_mm_per_h == 0.0:
        return clear(sensor)
    return particles(sensor, extinction, 8000.0, 4.1 * rain_mm_per_h**-0.21, WATER)


@lru_cache(maxsize=64)
def snow(sensor: Sensor, snow_mm_per_h: float, is_wet: bool = False) -> Clutter:
    """Return the echoes of snowflakes at a rate of melted water per hour."""
    extinction = snow_extinction_per_m(snow_mm_per_h, is_wet)
    if snow_mm_per_h == 0.0:
        return clear(sensor)
    return particles(sensor, extinction, 7600.0 * snow_mm_per_h**-0.87, 2.55 * snow_mm_per_h**-0.48, FLAKE)


def clear(sensor: Sensor) -> Clutter:
    """Return clear air, without echoes."""
    return Clutter(
        sensor, 0.0, np.log(sensor.least_power) + np.arange(2.0), np.array([sensor.nearest_m, sensor.range_m]),
        np.ones((2, 2)), 0.0, 0.0, 0.0,
    )  # fmt: skip


def particles(
    sensor: Sensor, extinction_per_m: float, number_per_m3_mm: float, slope_per_mm: float, reflectivity: float
) -> Clutter:
    """Return the echoes of particles with exponentially distributed diameters.

    Args:
        sensor: The sensor.
        extinction_per_m: Extinction coefficient of the air with the particles.
        number_per_m3_mm: Number of particles per cubic metre and millimetre of diameter, at diameter 0: N0.
        slope_per_mm: How fast their number falls with the diameter: 1 / D0.
        reflectivity: Reflectivity of a particle, seen as a disc, above 0.
    """
    divergence, per_m3 = sensor.divergence_rad, number_per_m3_mm / slope_per_mm

    def rate(power: np.ndarray, range_m: np.ndarray) -> np.ndarray:
        share = power * range_m**2 * np.exp(2.0 * extinction_per_m * range_m) / reflectivity
        least_mm = 1e3 * divergence * range_m * np.sqrt(share)
        area_m2 = 0.25 * math.pi * (divergence * range_m) ** 2
        return np.where(share <= 1.0, per_m3 * area_m2 * np.exp(-slope_per_mm * least_mm), 0.0)

    scale = reflectivity / divergence**2
    return _tabulated(sensor, extinction_per_m, rate, scale, 1e-3 / slope_per_mm, reflectivity)


def _tabulated(
    sensor: Sensor, extinction_per_m: float, rate: _Rate, scale: float, mean_diameter_m: float, reflectivity: float
) -> Clutter:
    """Return the table of the echoes of a rate."""

    def heard(power: np.ndarray, range_m: np.ndarray) -> np.ndarray:
        return rate(np.maximum(power, sensor.least_reflectivity / range_m**2), range_m)

    # How far and up to which power there are echoes at all.
    far_m = np.geomspace(sensor.nearest_m, sensor.range_m, 1025)
    least = sensor.least_power
    rest = _integral(heard(np.array([[least]]), far_m), far_m)[0]
    reach_m = float(far_m[min(int(np.searchsorted(rest, rest[-1] - _RAREST)) + 1, len(far_m) - 1)])
    power = least * np.geomspace(1.0, 1e12, 241)
    total = _integral(heard(power[:, None], far_m), far_m)[:, -1]
    top = float(power[min(max(int(np.count_nonzero(total > _RAREST)), 1), len(power) - 1)])

    log_power = np.linspace(math.log(least), math.log(top), _LEVELS)
    range_m = np.geomspace(sensor.nearest_m, reach_m, _RANGES)
    mean = _integral(heard(np.exp(log_power)[:, None], range_m), range_m)
    none = np.exp(-mean)
    return Clutter(sensor, extinction_per_m, log_power, range_m, none, scale, mean_diameter_m, reflectivity)


def _integral(
    rate_per_m: Float[np.ndarray, "powers ranges"], range_m: Float[np.ndarray, " ranges"]
) -> Float[np.ndarray, "powers ranges"]:
    """Return the integral of each row up to each range, by trapezoids in the logarithm of the range."""
    density = rate_per_m * range_m
    step = np.diff(np.log(range_m))
    rising = np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]) * step, axis=1)
    return np.concatenate([np.zeros((len(density), 1)), rising], axis=1)
