"""The command line, also as `python -m v2xsim`."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name, and leave with its exit code."""
    try:
        # Here, so that an interrupt while the command line is still being loaded is caught too.
        from v2xsim.cli.app import app

        app(prog_name="v2xsim")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does. The interpreter must not try to flush into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        # CPython remembers an interrupt that ended code made from text (a dataclass, a kernel), even if it was caught, and
        # would die of the signal instead of leaving with our exit code. Running other such code lets it forget.
        exec("")


if __name__ == "__main__":
    main()
