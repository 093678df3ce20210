"""What a run can be given: types of its functions, limits of what a program may do in it, and checks of arguments."""

import os
from collections.abc import Callable
from numbers import Real
from pathlib import Path

from v2xsim.errors import UserError
from v2xsim.scenario.schema import Scenario
from v2xsim.views import FrameView, LostMessage, ReceivedMessage

Progress = Callable[[float, float, str], None]
"""Function called with the simulated seconds done, all simulated seconds, and the name of the present phase."""

OnFrame = Callable[[FrameView], None]
"""Function called with each fused frame of each ego, and the truth behind it."""

OnArrival = Callable[[str, ReceivedMessage], None]
"""Function called with the name of each station at which a message of the program arrived, and the message."""

OnLoss = Callable[[str | None, LostMessage], None]
"""Function called with the name of the station that a lost message was for, None if it was for all, and the message."""

# Largest message of a program; larger ones would fill every queue.
LARGEST_MESSAGE_BYTES = 1_000_000
# Largest number of messages of a program at one instant: without delay, functions that answer each other would never end.
MOST_MESSAGES_AT_ONCE = 100_000
# No road vehicle is faster; SUMO takes any number.
FASTEST_MPS = 150.0


class SteppingError(UserError):
    """A simulation cannot do what a program asks of it now."""


def check_arguments(scenario: Scenario, out: Path | str | None, tables: bool, threads: int | None) -> None:
    """Check arguments of `v2xsim.run` and `v2xsim.Simulation`.

    Raises:
        SteppingError: If one is wrong.
    """
    if not isinstance(scenario, Scenario):
        raise SteppingError(f"must be a scenario as v2xsim.load returns it, got {type(scenario).__name__}")
    if not isinstance(tables, bool):
        raise SteppingError(f"tables must be True or False, got {tables!r}")
    if out is not None and not os.fspath(out):
        raise SteppingError("out must be the path of a folder, got an empty text; '.' is the working folder")
    if out is not None and not tables:
        raise SteppingError("out needs the tables of the run; leave out tables=False")
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise SteppingError(f"threads must be a whole number from 1 on, or None for the default, got {threads!r}")


def check_payload(payload: object) -> None:
    """Check the content of a message of a program.

    Raises:
        SteppingError: If it is no bytes, or has none or too many.
    """
    if not isinstance(payload, bytes | bytearray) or not 0 < len(payload) <= LARGEST_MESSAGE_BYTES:
        got = f"{len(payload):,} bytes" if isinstance(payload, bytes | bytearray) else type(payload).__name__
        raise SteppingError(f"payload must be 1 to {LARGEST_MESSAGE_BYTES:,} bytes, got {got}")


class MessageLimit:
    """Counts the messages of a program at one instant: too many are a program that answers itself without time going on."""

    def __init__(self) -> None:
        self._time_s, self._sent = -1.0, 0

    def count(self, time_s: float) -> None:
        """Count a message that a program sends.

        Args:
            time_s: Present traffic time.

        Raises:
            SteppingError: If there are too many at this instant.
        """
        self._time_s, self._sent = time_s, self._sent + 1 if self._time_s == time_s else 1
        if self._sent > MOST_MESSAGES_AT_ONCE:
            raise SteppingError(
                f"at most {MOST_MESSAGES_AT_ONCE:,} messages can be sent at one instant, and at {time_s:.12g} s there are more; where "
                "messages take no time, a function that sends a message at every arrival or loss never ends"
            )


def no_progress(done: float, whole: float, phase: str) -> None:
    """Do nothing with the progress of a run."""


def is_number(value: object) -> bool:
    """Return whether a value is a number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def default_threads() -> int:
    """Return the number of threads of a run by default."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))
