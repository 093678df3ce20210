"""Child processes: how they are started, and how they end with the process that started them."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).resolve().parent.parent
_SUPERVISOR = Path(__file__).resolve().with_name("supervisor.py")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

NOT_FOUND = 127
"""Exit code of a child whose program cannot be started, as of shells."""


def python(*arguments: str | Path) -> list[str]:
    """Return the command that runs Python without the working folder on its import path.

    Otherwise a file `simpy.py` in a folder with scenarios would run instead of the library.
    """
    return [sys.executable, "-P", *map(str, arguments)]


def environment(threads: int | None = None) -> dict[str, str]:
    """Return the environment variables of a child that imports the same v2xsim as this process, even if that is not installed.

    Args:
        threads: Number of threads of numerical libraries in the child; None for their defaults.
    """
    own = os.environ | (dict.fromkeys(_THREADS, str(threads)) if threads is not None else {})
    # An empty entry would mean the working folder.
    listed = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return own | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *listed]), "PYTHONSAFEPATH": "1"}


class Child:
    """A program that runs as a child process. It ends, with all that it started, when this process ends, even by a kill."""

    def __init__(
        self,
        command: Sequence[str | Path],
        output: IO[bytes] | int,
        env: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        """Start the program.

        Args:
            command: Program and arguments.
            output: File or pipe for the program's output and error messages.
            env: Environment variables of the program.
            folder: Working folder of the program; None for that of this process.
        """
        watched, self._held = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SUPERVISOR), *map(str, command)], stdin=watched, stdout=output, stderr=subprocess.STDOUT,
                env=env, cwd=folder,
                # Ctrl-C must reach only this process, which then ends the program.
                start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(watched)

    def end(self) -> None:
        """End the program if it still runs."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        self.process.wait()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        if self.process.stdout is not None:
            self.process.stdout.close()
