"""An error for people: shown as a sentence, without a stack trace."""


class Trouble(Exception):
    """The bench cannot continue; the text says why and, where known, what to do."""
