"""Power of a lidar return, the intensity that a sensor reports for it, and whether the sensor detects it.

Powers are relative: 1 is the power that a perfectly white Lambertian surface returns when the beam meets it squarely, 1 m away and in
clear air. Ratios of such powers need neither the energy of the pulse nor the optics of the sensor, which data sheets do not state.

References:
    Lidar equation for a surface that is larger than the beam, P ~ reflectivity cos(incidence) exp(-2 extinction R) / R^2: used in this
        form by Kilic et al., arXiv 2107.07004 (read in their program, `python_old/atmos_models.py` of velatkilic/LISA).
    Reported reflectivity: Velodyne VLP-16 User Manual 63-9243 Rev. D, section 6.1 (0 to 100 for diffuse surfaces, 101 to 255 for
        retroreflectors); VLS-128 User Manual 63-9483 Rev. A, section 6.1 (0 to 110, and 111 to 255). Both pages read.
    Probability of detection: a threshold in normal noise; recalled, a textbook form. Data sheets leave the probability at their stated
        range open: Allegro P0176 (read) says that 50 to 99 % is usual.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit

DIFFUSE_TOP = 100
"""Reported intensity of a perfectly white Lambertian surface (Velodyne VLP-16; the VLS-128 has 110)."""


def received_power(
    reflectivity: Float[np.ndarray, "*rays"] | float,
    incidence_cos: Float[np.ndarray, "*rays"] | float,
    range_m: Float[np.ndarray, "*rays"],
    extinction_per_m: float = 0.0,
) -> Float[np.ndarray, "*rays"]:
    """Return the power of each return; 1 is a white Lambertian surface, met squarely, at 1 m in clear air.

    Args:
        reflectivity: Share of the light that a Lambertian surface returns, 0 to 1. A retroreflector sends more light back to the
            sensor than a white surface does, so it counts as more than 1.
        incidence_cos: Cosine of the angle between the ray and the normal of the surface, 0 to 1.
        range_m: Distance along the ray, above 0; infinite where the ray meets nothing, which gives power 0.
        extinction_per_m: Extinction coefficient of the air (`weather`); 0 is clear air.
    """
    plain = np.asarray(reflectivity * np.asarray(incidence_cos) / range_m**2)
    # An infinite range times an extinction of 0 is not a number.
    return plain * two_way_transmission(range_m, extinction_per_m) if extinction_per_m > 0.0 else plain


def two_way_transmission(range_m: Float[np.ndarray, "*rays"], extinction_per_m: float) -> Float[np.ndarray, "*rays"]:
    """Return the share of the light that passes the air on the way to a surface and back: exp(-2 extinction R).

    Args:
        range_m: Distance along each ray.
        extinction_per_m: Extinction coefficient of the air, at least 0.
    """
    return np.exp(-2.0 * extinction_per_m * range_m)


def least_power(stated_range_m: float, stated_reflectivity: float) -> float:
    """Return the power of the weakest return that a sensor detects, from its data sheet's range at a reflectivity.

    Args:
        stated_range_m: Range on the data sheet, for a target that the beam meets squarely, in clear air.
        stated_reflectivity: Reflectivity of that target, such as 0.1 or 0.8.

    Raises:
        ValueError: One of the two is not positive and finite.
    """
    if not (0.0 < stated_range_m < math.inf and 0.0 < stated_reflectivity < math.inf):
        raise ValueError(
            "a stated range and its reflectivity must be positive and finite, "
            f"got {stated_range_m} m at {stated_reflectivity}; take both from one line of the data sheet"
        )
    return stated_reflectivity / stated_range_m**2


def is_detected(power: Float[np.ndarray, "*rays"], least: float) -> Bool[np.ndarray, "*rays"]:
    """Return whether the sensor detects each return: whether its power is at least that of the weakest return (`least_power`)."""
    return power >= least


def longest_range_m(
    reflectivity: Float[np.ndarray, "*targets"], incidence_cos: float, least: float, extinction_per_m: float = 0.0
) -> Float[np.ndarray, "*targets"]:
    """Return the range up to which the sensor detects a target.

    In clear air this is sqrt(reflectivity cos(incidence) / least) = c. In weather it solves R exp(extinction R) = c.

    Args:
        reflectivity: Reflectivity of each target, at least 0.
        incidence_cos: Cosine of the angle of incidence, 0 to 1.
        least: Power of the weakest return, from `least_power`.
        extinction_per_m: Extinction coefficient of the air, at least 0.
    """
    clear_m = np.sqrt(np.asarray(reflectivity, float) * incidence_cos / least)
    if extinction_per_m == 0.0:
        return clear_m
    # W exp(W) = x with W = extinction R: Newton's method in ln(1 + x), which starts above the root and falls towards it.
    x = extinction_per_m * clear_m
    w = np.log1p(x)
    for _ in range(20):
        grown = np.exp(w)
        w = w - (w * grown - x) / (grown * (w + 1.0))
    return w / extinction_per_m


@njit(cache=True, nogil=True, error_model="numpy")
def _standard_normal(x):  # type: ignore[no-untyped-def]
    """Return the cumulative distribution of the standard normal distribution at each number."""
    below = np.empty(x.shape)
    for i in range(x.size):
        below.flat[i] = 0.5 * math.erfc(-x.flat[i] * math.sqrt(0.5))
    return below


def detection_probability(
    power: Float[np.ndarray, "*rays"], least: float, threshold_to_noise: float
) -> Float[np.ndarray, "*rays"]:
    """Return the probability that the sensor detects each return, with normal noise of the receiver.

    It is Phi(threshold_to_noise (power / least - 1)): half of the returns of exactly the least power are detected.

    Args:
        power: Power of each return.
        least: Power of the weakest return, from `least_power`.
        threshold_to_noise: Threshold of the receiver over the standard deviation of its noise. Sensors have 4 to 7, so that noise alone
            is hardly ever taken for a return. The greater it is, the steeper is the curve.
    """
    probability: np.ndarray = _standard_normal(threshold_to_noise * (np.asarray(power) / least - 1.0))
    return probability


def reported_intensity(
    reflectivity: Float[np.ndarray, "*rays"],
    incidence_cos: Float[np.ndarray, "*rays"] | float = 1.0,
    retroreflection: Float[np.ndarray, "*rays"] | float = 0.0,
    transmission: Float[np.ndarray, "*rays"] | float = 1.0,
    diffuse_top: int = DIFFUSE_TOP,
) -> UInt8[np.ndarray, "*rays"]:
    """Return the calibrated intensity of each return, a byte, as a sensor reports that corrects for the range.

    A diffuse surface reports diffuse_top * reflectivity * cos(incidence) * transmission, at most `diffuse_top`. A retroreflector
    reports a value from diffuse_top + 1 to 255, and 255 is an ideal one. The sensor knows the range, but neither the angle of
    incidence nor the weather, so both lower the value.

    Args:
        reflectivity: Reflectivity of each surface, 0 to 1.
        incidence_cos: Cosine of the angle of incidence, 0 to 1.
        retroreflection: Share of the light of an ideal retroreflector that the surface sends back, 0 to 1; 0 is a diffuse surface.
        transmission: Share of the light that passes the air, from `two_way_transmission`; 1 is clear air.
        diffuse_top: Value of a white Lambertian surface, below 255: 100 for the VLP-16, 110 for the VLS-128.
    """
    diffuse = np.clip(np.rint(diffuse_top * reflectivity * incidence_cos * transmission), 0, diffuse_top)
    sent_back = np.clip(retroreflection * np.asarray(transmission), 0, 1)
    bright = diffuse_top + 1 + np.rint((254 - diffuse_top) * sent_back)
    return np.where(np.asarray(retroreflection) > 0.0, bright, diffuse).astype(np.uint8)
