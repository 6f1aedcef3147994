"""Octet as users start it: `octet up`, with its own directory and block of ports."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import child
import ports
from trouble import Trouble
from variant import RUNNER

# `octet up` itself times out after 30 s.
READY_TIMEOUT = 40.0

# The fields beyond calls.
_BEYOND_CALLS = ("store", "publishes", "consumes")


class Mesh:
    """A platform run by `octet up`."""

    def __init__(self, up: child.Child, data: Path, base: int, spawned: float) -> None:
        self._up = up
        self._run = data / "run"
        self.url = f"http://{ports.HOST}:{base}/api/greeting"
        self.spawned = spawned

    def check(self) -> None:
        self._up.check()

    def await_ready(self) -> None:
        """Waits for all processes: the first response may come while F, which no response needs, still starts."""
        end = time.monotonic() + READY_TIMEOUT
        while "octet is up" not in self._up.output():
            self.check()
            if time.monotonic() > end:
                raise Trouble(f"octet was not up within {READY_TIMEOUT:.0f} s:\n{self._up.output()}")
            time.sleep(0.01)

    def processes(self) -> dict[str, int]:
        ids = {RUNNER: self._up.pid}
        for file in sorted(self._run.glob("*.pid")):
            # While a process restarts, its file may be missing or empty.
            with suppress(FileNotFoundError, ValueError):
                ids[file.stem] = int(file.read_text())
        ids.pop("up", None)
        return ids


@contextmanager
def run(
    directory: Path, octet: Path, topology: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Mesh]:
    """A mesh of the built-in or another topology; `environment` is all that it inherits."""
    base = ports.free_block()
    data = directory / "data"
    command: list[str | Path] = [octet, "up", "--base-port", str(base), "--data", data]
    if topology is not None:
        command += ["--topology", topology]
    spawned = time.perf_counter()
    with child.started(command, directory / "octet-up.log", environment or {}) as up:
        yield Mesh(up, data, base, spawned)


def check_bare(octet: Path, bare: Path) -> None:
    """Fails unless the bare topology is the built-in one without stores and queue.

    The graph is stated once, in services/topology/topology.toml; a copy that drifted would be another mesh.
    """
    wanted = _topology(octet, {})
    for service in wanted["services"]:
        service.update(dict.fromkeys(_BEYOND_CALLS))
    if _topology(octet, {"TOPOLOGY": str(bare)}) != wanted:
        raise Trouble(f"{bare} must equal the built-in topology without stores and queue: update it")


def _topology(octet: Path, environment: Mapping[str, str]) -> dict:
    command = [octet, "topology", "show", "--format", "json"]
    shown = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=30)
    if shown.returncode:
        raise Trouble(f"octet topology show: {shown.stderr.strip()}")
    return json.loads(shown.stdout)
