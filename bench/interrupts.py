"""Ctrl-C and its like: they end the bench, but never between a process's start and our knowing its id."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_depth = 0
_waiting: int | None = None
_ending = False


def install() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP unwind the stack, so that whatever was started is ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _handle)


@contextmanager
def deferred() -> Iterator[None]:
    """Holds interrupts back until the block is through: a spawn, or the ending of what was spawned."""
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
    """The first interrupt ends the bench. Unwinding is bounded in time; no second one may cut it short."""
    global _ending
    if not _ending:
        _ending = True
        sys.exit(128 + number)
