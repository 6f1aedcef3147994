"""Runs the load generator hey and reads its output."""

import re
import resource
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import child
from trouble import Trouble

# Beyond the given time: hey waits up to 20 s for a missing response.
GRACE = 30.0

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Load:
    """The result of one run of hey."""

    seconds: float
    answers: dict[int, int]
    """Responses by HTTP status."""
    errors: dict[str, int]
    """Requests without a response, by reason."""
    latency_ms: dict[int, float | None]
    """By percentile, of all responses. None where there were too few."""
    cpu_seconds: float
    """hey's own CPU time, on the same cores."""

    @property
    def ok(self) -> int:
        return self.answers.get(200, 0)

    @property
    def not_ok(self) -> int:
        return sum(self.answers.values()) - self.ok + sum(self.errors.values())


def find() -> Path:
    """The path of hey; fails with how to install it."""
    program = shutil.which("hey")
    if program is None:
        raise Trouble("hey is missing: `make tools` installs it")
    return Path(program)


def run(
    program: Path,
    url: str,
    users: int,
    seconds: float,
    output: Path,
    midway: Callable[[], None] = lambda: None,
) -> Load:
    """Loads `url` for `seconds` from `users` connections, and calls `midway` during the load."""
    command = [program, "-z", f"{seconds}s", "-c", str(users), url]
    before = _cpu_of_ended_children()
    with child.started(command, output, {}) as hey:
        status = hey.ended_within(seconds * 0.75)
        if status is None:
            midway()
            status = hey.ended_within(seconds + GRACE)
        if status is None:
            raise Trouble(f"hey did not end within {seconds + GRACE:.0f} s")
        if status:
            raise Trouble(f"hey ended with status {status}:\n{hey.output().strip()}")
        return parse(hey.output(), _cpu_of_ended_children() - before)


def parse(text: str, cpu_seconds: float) -> Load:
    """Reads hey's summary. For few requests it prints `0% in 0.0000 secs` in place of missing percentiles."""
    total = re.search(r"^\s*Total:\s+([\d.]+) secs", text, re.MULTILINE)
    if total is None:
        raise Trouble(f"hey printed no summary:\n{text.strip()[-2000:]}")
    percentiles = re.findall(r"^\s*(\d+)% in ([\d.]+) secs", text, re.MULTILINE)
    found = {int(percentile): float(seconds) * 1000 for percentile, seconds in percentiles}
    answers = re.findall(r"^\s*\[(\d+)\]\s+(\d+) responses", text, re.MULTILINE)
    _, _, failures = text.partition("Error distribution:")
    errors = re.findall(r"^\s*\[(\d+)\]\s+(\S.*)$", failures, re.MULTILINE)
    return Load(
        seconds=float(total[1]),
        answers={int(status): int(count) for status, count in answers},
        errors={reason: int(count) for count, reason in errors},
        latency_ms={percentile: found.get(percentile) for percentile in PERCENTILES},
        cpu_seconds=cpu_seconds,
    )


def _cpu_of_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
