"""The rays of a lidar as compiled code reads them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numba import njit

from v2xsim.gpu.lidar.models import Beams


class Rays(NamedTuple):
    """The rays of a lidar.

    Attributes:
        elevation: Elevation of each beam in radians.
        cos_el: Cosine of it.
        sin_el: Sine of it.
        cos_az: Cosine of the azimuth of each column.
        sin_az: Sine of it.
        range_m: Largest distance of a return.
    """

    elevation: Float[np.ndarray, " beams"]
    cos_el: Float[np.ndarray, " beams"]
    sin_el: Float[np.ndarray, " beams"]
    cos_az: Float[np.ndarray, " columns"]
    sin_az: Float[np.ndarray, " columns"]
    range_m: float


def rays_of(beams: Beams) -> Rays:
    """Return the rays of a beam pattern. It takes a tenth of the time of a scan, so callers with many scans keep the result."""
    cos_el, sin_el = _cos_sin(beams.elevation_rad)
    cos_az, sin_az = _cos_sin(beams.azimuth_rad)
    return Rays(beams.elevation_rad, cos_el, sin_el, cos_az, sin_az, float(beams.range_m))


@njit(cache=True, nogil=True)
def _cos_sin(angle):  # type: ignore[no-untyped-def]
    """Return cosine and sine as all compiled code computes them; those of numpy may differ in the last bit."""
    return np.cos(angle), np.sin(angle)
