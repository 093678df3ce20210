"""The errors of a scenario, and the file and line of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError

Keys = tuple[str, ...]
"""The keys and list indices that lead from the top of a scenario to a value."""

# Largest number of problems in one message.
SHOWN = 5


def dotted(keys: Keys) -> str:
    """Return keys as a user writes them.

    Characters that would break the line or the screen are escaped, and long keys are shortened.
    """
    return ".".join(key if key.isprintable() and len(key) <= 60 else repr(key[:60]) for key in keys)


class ScenarioError(UserError):
    """A scenario cannot be run. The message names the file, the line, the key, the value and what is allowed."""


@dataclass(frozen=True)
class Problem:
    """One error in a scenario.

    Attributes:
        keys: Keys of the wrong value; empty for the whole file.
        says: What must hold, and what the file has instead.
    """

    keys: Keys
    says: str


@dataclass(frozen=True)
class Document:
    """The content of a file, with the line of each key, before any check.

    Attributes:
        source: Name of the file, as the user gave it.
        data: Maps, lists and scalars.
        place: File and line of every key, or the command-line option that set it.
        base: Folder for relative paths under these keys, if they were set outside the file.
    """

    source: str
    data: Any
    place: dict[Keys, str] = field(default_factory=dict)
    base: dict[Keys, Path] = field(default_factory=dict)

    def folder(self, keys: Keys, own: Path) -> Path:
        """Return the folder from which a relative path under these keys counts.

        Args:
            keys: Keys of the path.
            own: Folder of the file.
        """
        bases = [self.base[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in self.base]
        return bases[0] if bases else own

    def where(self, keys: Keys) -> str:
        """Return file and line of a key, or of the nearest key above it that the file has."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.place:
                return self.place[keys[:length]]
        return self.source

    def error(self, problems: Sequence[Problem]) -> ScenarioError:
        """Return one error that lists the first few problems, one a line."""
        lines = []
        for problem in problems[:SHOWN]:
            name = dotted(problem.keys)
            lines.append(f"{self.where(problem.keys)}: {name + ': ' if name else ''}{problem.says}")
        if len(problems) > SHOWN:
            lines.append(f"{self.source}: ... and {len(problems) - SHOWN} more")
        return ScenarioError("\n".join(lines))
