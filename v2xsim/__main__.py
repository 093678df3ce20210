"""The entry point of the command line: `v2xsim` and `python -m v2xsim` run this module."""

import os
import sys


def main() -> None:
    """Run the command that the command-line arguments name, and exit with the command's exit code."""
    try:
        # Imported inside the try block, so that an interrupt while the command line is loading is caught too.
        from v2xsim.cli.app import app

        app(prog_name="v2xsim")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The program that reads our output has closed the pipe, as `head` does. Python must not write to it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        # If an interrupt ended code compiled from text (a dataclass, a kernel), CPython remembers it even after it was
        # caught, and would end by the signal instead of with our exit code. Running other compiled text clears that state.
        exec("")


if __name__ == "__main__":
    main()
