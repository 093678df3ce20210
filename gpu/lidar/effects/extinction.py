"""How much light fog, rain and snow take away per metre: extinction coefficients from what weather stations report.

References:
    Fog: the meteorological optical range is the path on which 5 % of the light is left (CIE e-ILV 17-31-018 and Vaisala LT31 User's Guide,
        both read). The older meteorological range with a contrast of 2 % is not offered: for one visibility it gives 1.3 times as much.
    Rain: ITU-R P.1814-1 (09/2025), specific attenuation for drops of shape 0 (read as implemented in the public library ITU-Rpy).
    Snow: ITU-R P.1817-1 (02/2012), table 2 (read in several public implementations and quotations). It does not say whether its
        snowfall rate is that of the melted water; here it is. Observed visibilities at one rate differ by a factor of 3 to 10
        (Rasmussen et al. 1999, read as quoted).
    Goodin et al., Electronics 8(1), 89, 2019 use 0.01 R^0.6 per metre for rain (read as implemented in LISA). That is thirty times the figure of the ITU: a visibility of
        75 m in rain of 10 mm/h. It is not offered.
"""

import math

_PER_M_FROM_DB_PER_KM = math.log(10.0) / 10.0 / 1000.0
# ITU-R P.1814-1: dB/km in rain of 1 mm/h, and the exponent of the rate.
_RAIN_DB_PER_KM, _RAIN_EXPONENT = 1.2924, 0.6436


def fog_extinction_per_m(visibility_m: float) -> float:
    """Return the extinction coefficient of fog or haze: -ln(0.05) / visibility.

    Args:
        visibility_m: Meteorological optical range, above 0; infinite in clear air. Fog is below 1000 m.

    Raises:
        ValueError: The visibility is not positive.
    """
    if not visibility_m > 0.0:
        raise ValueError(f"a visibility must be above 0 m, got {visibility_m}; for clear air give math.inf")
    return -math.log(0.05) / visibility_m


def rain_extinction_per_m(rain_mm_per_h: float) -> float:
    """Return the extinction coefficient of rain: 1.2924 R^0.6436 dB/km.

    Args:
        rain_mm_per_h: Rain rate R, at least 0. Light rain is below 2.5 mm/h, heavy rain above 10 mm/h.

    Raises:
        ValueError: The rate is negative or not finite.
    """
    _check_rate(rain_mm_per_h)
    return _PER_M_FROM_DB_PER_KM * _RAIN_DB_PER_KM * rain_mm_per_h**_RAIN_EXPONENT


def snow_extinction_per_m(snow_mm_per_h: float, is_wet: bool = False, wavelength_nm: float = 905.0) -> float:
    """Return the extinction coefficient of falling snow: a S^b dB/km, with b = 1.38 for dry and 0.72 for wet snow.

    Args:
        snow_mm_per_h: Snowfall rate S, in millimetres of melted water per hour, at least 0.
        is_wet: Whether the snow is wet. The two laws cross at 0.6 mm/h; above it dry snow takes more light.
        wavelength_nm: Wavelength of the laser; it hardly matters.

    Raises:
        ValueError: The rate is negative or not finite.
    """
    _check_rate(snow_mm_per_h)
    if is_wet:
        db_per_km = (0.0001023 * wavelength_nm + 3.7855466) * snow_mm_per_h**0.72
    else:
        db_per_km = (0.0000542 * wavelength_nm + 5.4958776) * snow_mm_per_h**1.38
    return _PER_M_FROM_DB_PER_KM * db_per_km


def _check_rate(mm_per_h: float) -> None:
    if not 0.0 <= mm_per_h < math.inf:
        raise ValueError(f"a rate of rain or snow must be a number of at least 0 mm/h, got {mm_per_h}")
