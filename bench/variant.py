"""A variant: one thing to measure. A new one is a new entry in run.py's table."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RUNNER = "octet up"
"""What only watches over the others. It is shown, and left out of sums: a cluster has no such process."""


class Running(Protocol):
    """Processes that run and answer."""

    url: str
    """What is loaded."""

    spawned: float
    """time.perf_counter() just before the first process was spawned."""

    def check(self) -> None:
        """Raises Trouble when a process that the bench started has ended."""

    def await_ready(self) -> None:
        """Returns once nothing is starting any more."""

    def processes(self) -> dict[str, int]:
        """Id by name. The names are those of the topology, so that variants compare, and RUNNER."""


@dataclass(frozen=True)
class Variant:
    """How to start it, in an empty directory of its own; leaving the context ends it."""

    key: str
    title: str
    start: Callable[[Path], AbstractContextManager[Running]]
    greetings: int = 7
    """In one answer. A chain that answers with less did less, and would look fast."""
