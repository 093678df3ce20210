"""The errors in a scenario, and the file and line of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError

Keys = tuple[str, ...]
"""The keys and list indices that lead from the top of a scenario to a value."""

# Largest number of problems in one message.
SHOWN = 5


def enumerated(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: `a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def dotted(keys: Keys) -> str:
    """Return keys as a user writes them, joined by dots.

    Characters that would break the line or disturb the terminal are escaped, and long keys are shortened.
    """
    return ".".join(key if key.isprintable() and len(key) <= 60 else repr(key[:60]) for key in keys)


class ScenarioError(UserError):
    """A scenario cannot be run. The message names the file, the line, the key, the value and what is allowed."""


class PlacedError(ValueError):
    """An error that a validator of a section raises, with the keys within the section that lead to the wrong value."""

    def __init__(self, keys: Keys, says: str) -> None:
        super().__init__(says)
        self.keys = keys


@dataclass(frozen=True)
class Problem:
    """One error in a scenario.

    Attributes:
        keys: Keys that lead to the wrong value; empty for the whole file.
        says: Message: what must hold, and what the file has instead.
        at: Keys of the line that the message names, if it is not that of `keys`.
    """

    keys: Keys
    says: str
    at: Keys = ()


@dataclass(frozen=True)
class Document:
    """The content of a file, with the line of each key, before any check.

    Attributes:
        source: Name of the file, as the user gave it.
        data: Content of the file: maps, lists and single values.
        place: For every key, its file and line, or the command-line option that set it.
        base: For keys that were set outside the file, the folder from which relative paths under them count; for no keys, the
            folder for all others.
        notes: Notes about the content that do not belong to a key.
        written: Text in the file of each value that is no text: a number, a truth value or null.
    """

    source: str
    data: Any
    place: dict[Keys, str] = field(default_factory=dict)
    base: dict[Keys, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    written: dict[Keys, str] = field(default_factory=dict)

    def folder(self, keys: Keys, own: Path) -> Path:
        """Return the folder from which a relative path in the document counts.

        Args:
            keys: Keys that lead to the path.
            own: Folder of the document's file, for paths that were set in the file.
        """
        bases = [self.base[keys[:length]] for length in range(len(keys), -1, -1) if keys[:length] in self.base]
        return bases[0] if bases else own

    def where(self, keys: Keys) -> str:
        """Return file and line of a key; if the file does not have it, those of the nearest key above it."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.place:
                return self.place[keys[:length]]
        return self.source

    def _quoted(self, problem: Problem) -> str:
        """Return the message of a problem; for a number or a truth value in place of a text, how it is written as a text."""
        text = self.written.get(problem.keys, "")
        if not text or not problem.says.startswith("must be text, got "):
            return problem.says
        got = problem.says.removeprefix("must be text, got ").partition(";")[0]
        read = "" if got == text else f", which is read as {got}"
        return f'must be text, got {text}{read}; put it into quotes: "{text}"'

    def error(self, problems: Sequence[Problem]) -> ScenarioError:
        """Return one error that lists the first few problems, one per line."""
        lines = []
        for problem in problems[:SHOWN]:
            name = dotted(problem.keys)
            lines.append(
                f"{self.where(problem.at or problem.keys)}: {name + ': ' if name else ''}{self._quoted(problem)}"
            )
        if len(problems) > SHOWN:
            lines.append(f"{self.source}: ... and {len(problems) - SHOWN} more")
        return ScenarioError("\n".join(lines))
