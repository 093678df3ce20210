"""The command line, also as `python -m v2xsim`."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    try:
        # Imported here: an interrupt while the command line is still loading is caught too.
        from v2xsim.cli.app import app

        app(prog_name="v2xsim")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has closed the pipe, as `head` does. The interpreter must not flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        # CPython remembers an interrupt that ended code compiled from text (a dataclass, a kernel), even if it was
        # caught, and would then die of the signal instead of using our exit code. Running other such code clears that
        # memory.
        exec("")


if __name__ == "__main__":
    main()
