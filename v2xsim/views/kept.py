"""Arrays that stay what they are, and the error for a name that stands for nothing."""

import numpy as np

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
