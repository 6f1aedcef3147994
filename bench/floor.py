"""The yardstick: a crate of nine bare processes that only talk gRPC, built and started here."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import child
import ports
from trouble import Trouble

BUILD_TIMEOUT = 1800

# As in the crate's run.sh, leaves first: name, argument, port, and the ports it calls.
_CHAIN = (
    ("service-f", "F", 6, ()),
    ("service-g", "G", 7, ()),
    ("service-h", "H", 8, ()),
    ("service-d", "D", 4, ()),
    ("service-c", "C", 3, ()),
    ("service-e", "E", 5, (7, 8)),
    ("service-b", "B", 2, (4, 5)),
    ("service-a", "A", 1, (2, 3)),
    ("gateway", "gateway", 0, (1,)),
)


class Floor:
    """The nine running processes."""

    def __init__(self, base: int, spawned: float) -> None:
        self._children: dict[str, child.Child] = {}
        self.url = f"http://{ports.HOST}:{base}/api/greeting"
        self.spawned = spawned

    def add(self, name: str, process: child.Child) -> None:
        self._children[name] = process

    def check(self) -> None:
        for process in self._children.values():
            process.check()

    def await_ready(self) -> None:
        """Nothing to wait for: F, which nothing calls, is ready almost as soon as it is spawned."""

    def processes(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._children.items()}


@contextmanager
def run(directory: Path, program: Path) -> Iterator[Floor]:
    """The nine processes, each started by the bench."""
    base = ports.free_block()
    floor = Floor(base, time.perf_counter())
    with ExitStack() as stack:
        for name, argument, port, calls in _CHAIN:
            addresses = [f"{ports.HOST}:{base + offset}" for offset in (port, *calls)]
            command = [program, argument, *addresses]
            floor.add(name, stack.enter_context(child.started(command, directory / f"{name}.log", {})))
        yield floor


def build(crate: Path, workshop: Path) -> Path:
    """Builds a copy of `crate` in `workshop` (the original is only read) and returns the program.

    The copy keeps the files' times, so that an unchanged crate is not rebuilt, and the lock file of the first
    build, so that the yardstick does not change between runs.
    """
    if not (crate / "Cargo.toml").is_file():
        raise Trouble(f"--floor: {crate} has no Cargo.toml")
    copy, target = workshop / "crate", workshop / "target"
    for source in sorted(crate.rglob("*")):
        relative = source.relative_to(crate)
        if source.is_file() and relative.parts[0] not in ("target", ".git"):
            destination = copy / relative
            destination.parent.mkdir(parents=True, exist_ok=True)
            # Contents and times only: the copy of a read-only original must be writable.
            shutil.copyfile(source, destination)
            times = source.stat()
            os.utime(destination, ns=(times.st_atime_ns, times.st_mtime_ns))
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", str(target.absolute())]
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    built = subprocess.run(command, cwd=copy, env=environment, timeout=BUILD_TIMEOUT)
    if built.returncode:
        raise Trouble(f"--floor: cargo failed to build {crate}")
    return target / "release" / "floor"
