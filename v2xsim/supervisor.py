"""A process that runs a program and ends it, with all processes that it started, as soon as the process that wanted it has ended.

Run as `python -I -S supervisor.py PROGRAM ARGUMENT ...`. Standard input is a pipe that the wanting process holds open: the pipe is closed
when that process ends, even if it is killed. This file imports no other module of v2xsim, so that it starts in a few milliseconds.
"""

import os
import select
import signal
import sys
from contextlib import suppress

# Seconds between two checks for the program's end where the system cannot wait for a process and a pipe at the same time.
_PAUSE_S = 0.02


def main() -> None:
    """Run the program of the command line; exit with its exit code, or with 128 and the number of the signal that ended it."""
    try:
        program = _started(sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)
    code = _watched(program)
    # What the program started and left behind ends too.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program, signal.SIGKILL)
    sys.exit(code if code >= 0 else 128 - code)


def _started(command: list[str]) -> int:
    """Start a program in a process group of its own, with an empty standard input; return the number of the process."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    return os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 0)], setpgroup=0,
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
    )  # fmt: skip


def _watched(program: int) -> int:
    """Wait for the end of a program, or end it when standard input is closed; return its exit code, negative for a signal."""
    ends = []
    with suppress(OSError, AttributeError):
        ends = [os.pidfd_open(program)]
    while True:
        readable, _, _ = select.select([0, *ends], [], [], None if ends else _PAUSE_S)
        pid, status = os.waitpid(program, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if 0 in readable and not os.read(0, 1):
            with suppress(ProcessLookupError):
                os.killpg(program, signal.SIGKILL)
            os.waitpid(program, 0)
            return -signal.SIGKILL


if __name__ == "__main__":
    main()
