"""A variant: one thing to measure. Add new ones to run.py's table."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RUNNER = "octet up"
"""The supervisor. It is shown but not counted in sums: a cluster has no such process."""


class Running(Protocol):
    """Running processes."""

    url: str
    """The URL to load."""

    spawned: float
    """time.perf_counter() just before the first process was spawned."""

    def check(self) -> None:
        """Raises Trouble when a process that the bench started has ended."""

    def await_ready(self) -> None:
        """Returns once every process has started."""

    def processes(self) -> dict[str, int]:
        """Ids by name: the topology's names, so that variants compare, and RUNNER."""


@dataclass(frozen=True)
class Variant:
    """How to start it in an empty directory; leaving the context stops it."""

    key: str
    title: str
    start: Callable[[Path], AbstractContextManager[Running]]
    greetings: int = 7
    """In one response. A chain that returns fewer did less work, and would look fast."""
