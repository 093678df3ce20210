"""What is wrong with a scenario, and where it says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError

Keys = tuple[str, ...]
"""The keys and list indices that lead from the top of a scenario to a value."""

SHOWN = 5


def dotted(keys: Keys) -> str:
    """Return keys as a user writes them; what would break the line or the screen is escaped and shortened."""
    return ".".join(key if key.isprintable() and len(key) <= 60 else repr(key[:60]) for key in keys)


class ScenarioError(UserError):
    """A scenario cannot be run; the message names the file, the line, the key, the value and what is allowed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        keys: Where it is wrong; empty for the whole file.
        says: What must hold, and what came.
    """

    keys: Keys
    says: str


@dataclass(frozen=True)
class Document:
    """What was read, before anything is known about its meaning.

    Attributes:
        source: Name of the file, as the user gave it.
        data: Plain maps, lists and scalars.
        place: File and line of every key, or the option of the command line that set it.
        base: Folder from which relative paths count, for keys that were set from elsewhere than the file.
    """

    source: str
    data: Any
    place: dict[Keys, str] = field(default_factory=dict)
    base: dict[Keys, Path] = field(default_factory=dict)

    def folder(self, keys: Keys, own: Path) -> Path:
        """Return where a relative path at these keys counts from.

        Args:
            keys: Of the path.
            own: The file's folder.
        """
        found = [self.base[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in self.base]
        return found[0] if found else own

    def where(self, keys: Keys) -> str:
        """Return the place of a key, or of the nearest one above it that was written down."""
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
