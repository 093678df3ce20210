"""The entry point of the command line: `v2xsim` and `python -m v2xsim` run this module."""

import os
import sys
from pathlib import Path

from v2xsim.signals import exit_code, ignore_signals, name_of, stop_at_signals


def main() -> None:
    """Run the command that the command-line arguments name, and exit with the command's exit code."""
    try:
        stop_at_signals()
        _open_closed_streams()
        _import_nothing_from_the_working_folder()
        # Imported inside the try block, so that an interrupt while the command line is loading is caught too.
        from v2xsim.cli.app import app

        try:
            app(prog_name="v2xsim")
        finally:
            from v2xsim.cli.file_errors import flushed

            # Otherwise Python would find out after the exit code is set.
            if hindered := flushed():
                print(f"error: {hindered}", file=sys.stderr)
                sys.exit(2)
    except KeyboardInterrupt as stop:
        ignore_signals()
        print(f"stopped by {name_of(stop)}: nothing was begun", file=sys.stderr)
        sys.exit(exit_code(stop))
    except BrokenPipeError:
        # The program that reads our output has closed the pipe, as `head` does. Python must not write to it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        # If an interrupt ended code compiled from text (a dataclass, a kernel), CPython remembers it even after it was
        # caught, and would end by the signal instead of with our exit code. Running other compiled text clears that state.
        exec("")


def _open_closed_streams() -> None:
    """Let output and messages lead nowhere if the starter of the process has closed them (`>&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _import_nothing_from_the_working_folder() -> None:
    """Remove the working folder from the import path, where `python -m` puts it, unless v2xsim itself is imported from there.

    Otherwise a file `simpy.py` in a folder with scenarios would run instead of the library.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        print("error: the working folder does not exist any more; change to another one", file=sys.stderr)
        sys.exit(2)
    own_root = str(Path(__file__).resolve().parent.parent)
    if sys.path and sys.path[0] in ("", here) and os.path.realpath(here) != own_root:
        del sys.path[0]


if __name__ == "__main__":
    main()
