"""Calls of SUMO's programs and library, with a helpful error if they cannot start."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from v2xsim.children import NOT_FOUND, Child, python
from v2xsim.mobility.base import MobilityError

_DEBIAN_PACKAGE = {
    "libatomic.so.1": "libatomic1", "libX11.so.6": "libx11-6", "libGL.so.1": "libgl1", "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1", "libXft.so.2": "libxft2", "libXfixes.so.3": "libxfixes3",
    "libXcursor.so.1": "libxcursor1", "libXinerama.so.1": "libxinerama1", "libGLU.so.1": "libglu1-mesa",
    "libfontconfig.so.1": "libfontconfig1", "libgomp.so.1": "libgomp1", "libstdc++.so.6": "libstdc++6",
}  # fmt: skip


def missing_library(text: str) -> str | None:
    """Return advice on what to install if a text is the system's error about a missing shared library; otherwise None."""
    match = re.search(r"([\w.+-]+\.so[\w.]*): cannot open shared object file", text)
    if match is None:
        return None
    package = _DEBIAN_PACKAGE.get(match[1])
    return f"SUMO needs {match[1]}; " + (f"install it with: apt-get install {package}" if package else "install it")


def libsumo() -> ModuleType:
    """Return the module libsumo; the first call imports it."""
    try:
        return import_module("libsumo")
    except ImportError as error:
        reason = (
            missing_library(str(error)) or f"libsumo cannot be imported ({error}); install eclipse-sumo and libsumo"
        )
        raise MobilityError(reason) from error


def sumo_home() -> Path:
    """Return the folder of the installed SUMO."""
    try:
        return Path(import_module("sumo").SUMO_HOME)
    except ImportError as error:
        raise MobilityError(f"SUMO's programs are not installed ({error}); install eclipse-sumo") from error


def environment() -> dict[str, str]:
    """Return the environment variables with which SUMO's programs and tools run."""
    home = str(sumo_home())
    proj = str(Path(home) / "data" / "proj")
    return {**os.environ, "SUMO_HOME": home, "PROJ_LIB": proj, "PROJ_DATA": proj, "PYTHONSAFEPATH": "1"}


def errors_in(output: str) -> str:
    """Return the error messages in the output of SUMO or of one of its tools, shortened to one or two lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line.removeprefix("Error:").strip() for line in lines if line.startswith("Error:")]
    useful = named or [line for line in lines if not line.startswith(("Warning:", "Quitting", "Loading", "Step"))][-2:]
    return " / ".join(dict.fromkeys(useful[:3]))[:500]


def sumo_warnings(log: Path, folders: Iterable[str] = ()) -> Counter[str]:
    """Return how often SUMO printed each kind of warning into a file, by the first warning of the kind.

    Args:
        log: File with the output of SUMO.
        folders: Temporary folders, whose names are removed from the warnings.
    """
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    with log.open(errors="replace") as lines:
        for line in lines:
            # An error after which SUMO runs on, such as an unknown vClass, is a warning, too.
            if line.startswith(("Warning:", "Error:")) and "SUMO_HOME" not in line:
                text = line.removeprefix("Warning:").removeprefix("Error:").strip()
                for folder in folders:
                    text = text.replace(f"{folder}/", "")
                text = text[:200]
                pattern = re.sub(r"'[^']*'|\d[\d.]*", "*", text)
                found[first.setdefault(pattern, text)] += 1
    return found


def run_tool(program: str, arguments: Sequence[str | Path], folder: Path, timeout_s: float = 900.0) -> str:
    """Run one of SUMO's programs or Python tools in a folder; return its output.

    Args:
        program: Name of a program ("netconvert") or of a tool below SUMO's `tools` folder ("randomTrips.py").
        arguments: Command-line arguments of the program.
        folder: Working folder of the program.
        timeout_s: Time after which the program is stopped and counts as failed.

    Raises:
        MobilityError: If the program fails; the message has the program's reason.
    """
    home = sumo_home()
    # A tool in Python needs the modules beside it, which SUMO_HOME names, and nothing of the working folder.
    start = python(home / "tools" / program) if program.endswith(".py") else [home / "bin" / program]
    try:
        with Child([*start, *arguments], subprocess.PIPE, environment(), folder) as child:
            output = child.process.communicate(timeout=timeout_s)[0].decode(errors="replace")
            code = child.process.returncode
    except OSError as error:
        raise MobilityError(f"{program} does not start ({error.strerror}); install eclipse-sumo") from error
    except subprocess.TimeoutExpired as error:
        raise MobilityError(f"{program} did not finish within {timeout_s:g} s") from error
    if code == NOT_FOUND:
        raise MobilityError(f"{program} does not start ({output.strip().rpartition(': ')[2]}); install eclipse-sumo")
    if code != 0:
        reason = missing_library(output) or errors_in(output) or f"exit status {code}"
        raise MobilityError(f"{program} failed: {reason}")
    return output


@contextmanager
def console_into(log: BinaryIO) -> Iterator[None]:
    """Redirect the console output of compiled code into a file, because standard output is only for the results of a run."""
    saved: list[tuple[int, int]] = []
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    try:
        for descriptor in (1, 2):
            with suppress(OSError):  # A process without a console has no output to redirect.
                saved.append((descriptor, os.dup(descriptor)))
                os.dup2(log.fileno(), descriptor)
        yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
