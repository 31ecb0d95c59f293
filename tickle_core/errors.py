"""The one error that people are meant to see."""


class TickleError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do.

    The stage door prints the message alone, on one line, and exits with code 1.
    """
