"""Errors of opened runs."""

from v2xsim.errors import UserError


class OpenError(UserError):
    """A folder is not a finished run that can be read; the message has the path and the repair."""


class NotRecordedError(OpenError):
    """A run did not record what is asked of it; the message names the key that records it."""


class NoTableError(OpenError, KeyError):
    """A run has no table of this name."""

    def __str__(self) -> str:
        return str(self.args[0])
