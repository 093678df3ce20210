"""Errors that a user can act on: the command line shows their text alone and leaves with exit code 2."""


class UserError(ValueError):
    """What was asked for cannot be done as asked; the message says what must hold, what came, and what to do."""
