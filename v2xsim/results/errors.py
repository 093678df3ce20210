"""The error of results that cannot be written or read."""

from v2xsim.errors import UserError


class ResultsError(UserError):
    """A run's results cannot be written or read."""
