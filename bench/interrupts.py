"""Signals stop the bench, but never between the start of a process and storing its id."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_depth = 0
_waiting: int | None = None
_ending = False


def install() -> None:
    """Makes SIGINT, SIGTERM and SIGHUP unwind the stack, so that everything that was started is stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _handle)


@contextmanager
def deferred() -> Iterator[None]:
    """Delays interrupts until the block ends: a spawn, or the stop of a child."""
    global _depth, _waiting
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _waiting is not None:
            number, _waiting = _waiting, None
            _end(number)


def _handle(number: int, _frame: FrameType | None) -> None:
    global _waiting
    if _depth:
        _waiting = number
    else:
        _end(number)


def _end(number: int) -> None:
    """The first interrupt stops the bench. Unwinding takes bounded time; a second interrupt does not cut it short."""
    global _ending
    if not _ending:
        _ending = True
        sys.exit(128 + number)
