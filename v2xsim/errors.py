"""Errors that a user can act on: the command line prints their text without a traceback and exits with code 2."""


class UserError(ValueError):
    """A request of the user cannot be fulfilled. The message has what must hold, what came, and what to do."""
