"""Times that never end, such as the latency of a lost message: infinite numbers, and how texts and JSON show them."""

import math

NEVER = "never"
"""The word for infinity; a difference may also be minus infinity."""


def never_word(value: float) -> str:
    """Return the word for an infinite value, with its sign if it is negative."""
    return NEVER if value > 0 else f"-{NEVER}"


def json_number(value: float | None) -> float | str | None:
    """Return a value for JSON, which has no infinity: null if nothing was measured, the word for an infinite value."""
    if value is None or math.isnan(value):
        return None
    return never_word(value) if math.isinf(value) else float(value)
