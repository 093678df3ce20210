"""Arrays that stay what they are, the error for a name that stands for nothing, and the text of a position."""

import numpy as np
from jaxtyping import Float

from v2xsim.errors import UserError
from v2xsim.scenario.explain import nearest


class NotThereError(UserError):
    """A name stands for nothing at this instant; the message has the nearest names."""


def not_there(name: object, what: str, names: tuple[str, ...], time_s: float) -> NotThereError:
    """Return the error for a name that stands for nothing at an instant.

    Args:
        name: The name.
        what: What it should be the name of, such as "station".
        names: Names that stand for something.
        time_s: Time of the instant.
    """
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"
    guess = nearest(str(name), names)
    return NotThereError(f"{name!r} must be the name of a {what} at {time_s:.12g} s; there are {listed}{guess}")


def kept(values: np.ndarray) -> np.ndarray:
    """Return a copy of an array that cannot be made writeable again."""
    copy = np.array(values)
    copy.setflags(write=False)
    return copy.view()


def place_text(pose: Float[np.ndarray, " 4"]) -> str:
    """Return the position of a pose for a reader, such as `(12.3, -4.0)` in metres."""
    return f"({pose[0]:.1f}, {pose[1]:.1f})"
