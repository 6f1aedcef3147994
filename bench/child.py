"""The processes that the bench starts; it stops only these."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import interrupts
from trouble import Trouble

# `octet up` drains its processes first; a second SIGTERM makes it stop them at once.
PATIENCE = 15.0
LAST_PATIENCE = 5.0


class Child:
    """A process of ours. It writes to a file, so that it never waits for a reader."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str, output: Path) -> None:
        self._process = process
        self.name = name
        self._file = output

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        """Everything it has written."""
        return self._file.read_text(encoding="utf-8", errors="replace")

    def check(self) -> None:
        """Fails if it has ended."""
        status = self._process.poll()
        if status is not None:
            raise Trouble(f"{self.name} ended with status {status}:\n{self.output().strip()[-2000:]}")

    def ended_within(self, seconds: float) -> int | None:
        """Its exit status; None when it still runs after `seconds`."""
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Sends SIGTERM twice, then SIGKILL, each with time to act."""
        for ask, patience in (
            (self._process.terminate, PATIENCE),
            (self._process.terminate, LAST_PATIENCE),
            (self._process.kill, LAST_PATIENCE),
        ):
            ask()
            if self.ended_within(patience) is not None:
                return


@contextmanager
def started(command: Sequence[str | Path], output: Path, environment: Mapping[str, str]) -> Iterator[Child]:
    """Runs `command` while the block runs.

    Its environment is exactly `environment`: variables of this shell must not change what is measured.
    It has its own process group: Ctrl-C at the terminal is for the bench, which stops everything in order.
    It stays in the bench's session: Linux's autogroups divide the CPU by session, so nine sessions would get
    nine shares where `octet up` and its processes get one.
    """
    name = Path(command[0]).name
    child = None
    try:
        with interrupts.deferred(), output.open("wb") as file:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                process_group=0,
            )
            child = Child(process, name, output)
        yield child
    finally:
        if child is not None:
            with interrupts.deferred():
                child.end()
