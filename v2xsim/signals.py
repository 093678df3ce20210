"""Signals that ask a process to end: they raise an exception, as Ctrl-C does, so that the process cleans up."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Ctrl-C; `kill`, `timeout`, scancel and a machine that shuts down; the end of a terminal or of a connection; and the warnings that
# batch systems send before they kill a job; clocks that run out, failing power, and all others that end a process which does not
# catch them. SIGQUIT is left alone: it is the last resort of a user whose process does not react.
_ASKING = (
    "SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPWR", "SIGIO",
    "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX",
)  # fmt: skip
# Users press Ctrl-C twice, and batch systems repeat themselves. For this time after the first signal the process cleans up undisturbed.
_GRACE_S = 5.0


class Stopped(KeyboardInterrupt):
    """A signal asks this process to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number


_held = 0
_came: list[int] = []
_stopped_s = -_GRACE_S


def stop_at_signals() -> None:
    """Let the signals that ask a process to end raise `Stopped` in the main thread.

    A signal that the starter of the process ignores stays ignored: `nohup` does that with SIGHUP, a shell with SIGINT of background jobs.
    """
    for name in _ASKING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _asked)


def stop_at_sigterm_only() -> None:
    """Let SIGTERM raise `Stopped`, and ignore the other signals that ask a process to end: who started this process handles them."""
    for name in _ASKING:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _asked)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run a block to its end; a signal that arrives in it raises `Stopped` afterwards. For short blocks that clean up."""
    global _held
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield
        return
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if _came and not _held:
            number = _came[0]
            _came.clear()
            raise Stopped(number)


def ignore_signals() -> None:
    """Ignore the signals that ask a process to end, because it is ending."""
    for name in _ASKING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _asked:
            signal.signal(number, signal.SIG_IGN)


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was stopped: 128 and the number of the signal, as shells count."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


def name_of(stop: KeyboardInterrupt) -> str:
    """Return the name of the signal that stopped a command."""
    return signal.Signals(stop.number if isinstance(stop, Stopped) else signal.SIGINT).name


def _asked(number: int, _frame: FrameType | None) -> None:
    global _stopped_s
    if time.monotonic() - _stopped_s < _GRACE_S:
        return
    _stopped_s = time.monotonic()
    _leave_terminal()
    if _held:
        _came.append(number)
    else:
        raise Stopped(number)


def _leave_terminal() -> None:
    """Print nothing more on a terminal that has been closed: an error in a message must not hinder the process in cleaning up."""
    for descriptor in (1, 2):
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(descriptor, 0)
            if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, descriptor)
                os.close(nothing)
