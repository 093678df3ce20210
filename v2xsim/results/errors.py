"""The errors of results that cannot be written or read."""

from v2xsim.errors import UserError


class ResultsError(UserError):
    """A run's results cannot be written or read."""


class NoColumnError(ResultsError, KeyError):
    """A table has no column of this name."""

    def __str__(self) -> str:
        return str(self.args[0])
