"""Errors that a user can act on: the command line prints their text without a traceback and exits with code 2."""


class UserError(ValueError):
    """A request of the user cannot be fulfilled. The message states what must hold, what the user gave, and what to do."""
