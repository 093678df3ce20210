"""Check of numbers that a program gives to an opened run."""

import math
from numbers import Real


def is_finite(value: object) -> bool:
    """Return whether a value is a finite real number, of Python or of numpy."""
    # In Python a bool is a number, too.
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(float(value))
