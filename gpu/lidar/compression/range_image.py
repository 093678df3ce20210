"""A scan as its ranges, beam by beam: the natural encoding of a rotating lidar, whose directions the receiver knows.

A range is a whole number of steps. Where a beam has a return, the difference from its return before is stored, which is small on
smooth surfaces, and a bit for each ray tells whether it has a return.
"""

import struct

import numpy as np
from jaxtyping import Float, Float32

from v2xsim.gpu.lidar.compression.entropy import Coder, from_planes, planes, signed, small
from v2xsim.gpu.lidar.compression.message import joined, opened

_KIND, _LAYOUT = 2, "<fHHI"
_MOST_STEPS = 65_535


def encoded(
    range_m: Float[np.ndarray, "beams columns"] | Float32[np.ndarray, "beams columns"],
    step_m: float,
    coder: Coder = "zlib",
) -> bytes:
    """Return the ranges of a scan as bytes.

    Args:
        range_m: Range of each ray, at least 0; infinite where it has no return. At most 65,535 beams and columns.
        step_m: Step of the ranges, above 0: 0.001 is a millimetre. It is stored in single precision, and ranges are multiples of the
            stored step.
        coder: General coder of the bytes.

    Raises:
        ValueError: The step is not positive, a range is negative or not a number, or one is longer than 65,535 steps.
    """
    step = float(np.float32(step_m))
    beams, columns = range_m.shape
    has = range_m < np.inf
    found = np.asarray(range_m[has], np.float64)
    if not step > 0.0 or max(beams, columns) > 65_535 or np.isnan(range_m).any() or found.min(initial=0.0) < 0.0:
        raise ValueError(f"a range image needs a step above 0 and ranges of at least 0, got a step of {step_m} m")
    steps = np.rint(found / step).astype(np.int64)
    if steps.max(initial=0) > _MOST_STEPS:
        raise ValueError(
            f"a range of {found.max():.1f} m has more than {_MOST_STEPS} steps of {step_m} m; take a step of at least "
            f"{found.max() / _MOST_STEPS:.2g} m"
        )
    head = struct.pack(_LAYOUT, step, beams, columns, len(steps))
    return joined(_KIND, coder, head, np.packbits(has).tobytes() + planes(small(np.diff(steps, prepend=0))))


def decoded(data: bytes) -> Float32[np.ndarray, "beams columns"]:
    """Return the ranges, each at most half a step off; infinite where a ray has no return.

    Raises:
        ValueError: The bytes are not those of `encoded`.
    """
    (step, beams, columns, count), body = opened(data, _KIND, _LAYOUT)
    rays = int(beams) * int(columns)
    bits = np.frombuffer(body[: (rays + 7) // 8], np.uint8)
    has = np.unpackbits(bits, count=rays).astype(bool) if 8 * len(bits) >= rays else np.zeros(0, bool)
    if np.count_nonzero(has) != count:
        raise ValueError("a range image is damaged; decode the whole of what was encoded")
    range_m = np.full(rays, np.inf, np.float32)
    range_m[has] = np.cumsum(signed(from_planes(body[(rays + 7) // 8 :], int(count)))) * float(step)
    return range_m.reshape(int(beams), int(columns))
