"""Errors that a user can act on: the command line prints their text without a traceback and exits with code 2."""

import shlex
from pathlib import PurePath


def in_command(path: str | PurePath) -> str:
    """Return a path as a word of a command that a message gives to be copied into a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


class UserError(ValueError):
    """A request of the user cannot be fulfilled. The message states what must hold, what the user gave, and what to do."""
