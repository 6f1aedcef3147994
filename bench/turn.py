"""One turn: a variant is started, loaded by one number of users, and stopped.

Nothing else of the bench runs meanwhile; what it is compared with has its turn just before or after.
"""

import http.client
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import hey
import proc
from trouble import Trouble
from variant import Running, Variant

FIRST_ANSWER_TIMEOUT = 60.0

# Between two attempts at the first response: short compared with what is measured, without being a load.
RETRY_INTERVAL = 0.002

# For connections, caches and the allocator; at most a quarter of the load.
WARM_UP = 2.0

# After start, before memory is read; and after the load, so that consuming its messages counts as its work.
SETTLE = 0.3

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Turn:
    """The result of a turn. Process names are the topology's."""

    round: int
    variant: str
    users: int
    start_ms: float
    load: hey.Load
    warm_up_not_ok: int
    cpu_seconds: dict[str, float]
    rss_idle: dict[str, int]
    rss_loaded: dict[str, int]
    others_share: float
    """The share of the machine's CPU time that neither the variant nor hey used."""


def measure(
    variant: Variant, number: int, users: int, seconds: float, program: Path, directory: Path
) -> Turn:
    """Takes one turn with hey's `program`, in `directory`, which it creates and removes."""
    directory.mkdir()
    try:
        with variant.start(directory) as running:
            start_ms = _first_answer(running, variant.greetings)
            running.await_ready()
            time.sleep(SETTLE)
            pids = running.processes()
            rss_idle = _each(pids, proc.resident_bytes)
            rss_loaded: dict[str, int] = {}

            warm_up = min(WARM_UP, seconds / 4)
            warmed = hey.run(program, running.url, users, warm_up, directory / "warm-up.log")

            started, busy, cpu = time.monotonic(), proc.busy_seconds(), _each(pids, proc.cpu_seconds)
            load = hey.run(
                program, running.url, users, seconds, directory / "hey.log",
                midway=lambda: rss_loaded.update(_each(pids, proc.resident_bytes)),
            )
            time.sleep(SETTLE)
            now = running.processes()
            died = [name for name, pid in pids.items() if now.get(name) != pid]
            if died:
                raise ProcessLookupError(f"{', '.join(died)} died")
            spent = {name: after - cpu[name] for name, after in _each(pids, proc.cpu_seconds).items()}
            busy, elapsed = proc.busy_seconds() - busy, time.monotonic() - started
            running.check()

            others = max(0.0, busy - sum(spent.values()) - load.cpu_seconds)
            return Turn(
                round=number,
                variant=variant.key,
                users=users,
                start_ms=start_ms,
                load=load,
                warm_up_not_ok=warmed.not_ok,
                cpu_seconds=spent,
                rss_idle=rss_idle,
                rss_loaded=rss_loaded,
                others_share=others / (elapsed * proc.cores()),
            )
    except ProcessLookupError as gone:
        raise Trouble(f"{variant.title}, {users} users: {gone}, so nothing can be compared") from gone
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _first_answer(running: Running, greetings: int) -> float:
    """Milliseconds from the spawn to the first 200, which must be a complete response."""
    end = time.monotonic() + FIRST_ANSWER_TIMEOUT
    while time.monotonic() < end:
        running.check()
        body = _ask(running.url)
        if body is not None:
            answered = time.perf_counter()
            if len(json.loads(body)["greeting"]) != greetings:
                raise Trouble(f"{running.url} must return {greetings} greetings, not {body.decode()}")
            return (answered - running.spawned) * 1000
        time.sleep(RETRY_INTERVAL)
    raise Trouble(f"{running.url} did not answer with 200 within {FIRST_ANSWER_TIMEOUT:.0f} s")


def _ask(url: str) -> bytes | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        body = response.read()
        return body if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _each(pids: dict[str, int], read: Callable[[int], Number]) -> dict[str, Number]:
    """The result of `read` for every process; names a process that is gone."""
    values = {}
    for name, pid in pids.items():
        try:
            values[name] = read(pid)
        except ProcessLookupError as gone:
            raise ProcessLookupError(f"{name} died") from gone
    return values
