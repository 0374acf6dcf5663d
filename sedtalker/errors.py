"""The one exception that reaches a user."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong and what to do; the command line prints it and exits with code 2.
    """
