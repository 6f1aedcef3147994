"""What a person can mend: told in a sentence, without a stack trace."""


class Trouble(Exception):
    """The bench cannot go on; its text says why, and what to do where that is known."""
