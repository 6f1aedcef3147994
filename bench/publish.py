#!/usr/bin/env python3
"""`make bench-publish`: how fast D publishes to RabbitMQ, compared with a bare lapin publisher, 25 callers each."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import child
import interrupts
import ports
from trouble import Trouble

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute() / "release"
EXAMPLES = TARGET / "examples"

ROUNDS = 5
CALLS = 10_000
PATIENCE = 60.0


def main() -> int:
    interrupts.install()
    with tempfile.TemporaryDirectory(prefix="octet-bench-") as scratch, started_broker(Path(scratch)) as url:
        base = ports.free_block()
        address = f"{ports.HOST}:{base}"
        environment = {
            "PATH": os.environ["PATH"],
            "RABBITMQ_CONN": url,
            "PORT": address,
            "ADMIN_PORT": f"{ports.HOST}:{base + 1}",
        }
        command = [TARGET / "octet", "service", "service-d"]
        with child.started(command, Path(scratch, "service-d"), environment) as service:
            rounds = []
            # The first round is a warm-up.
            for number in range(ROUNDS + 1):
                service.check()
                rates = measured([EXAMPLES / "publish_rate", "1"], environment)
                rates |= measured([EXAMPLES / "call_rate", address, str(CALLS)], environment)
                if number > 0:
                    rounds.append(rates)
                    print(f"bench: round {number}/{ROUNDS}, {rates}", file=sys.stderr, flush=True)
    print(markdown(rounds))
    return 0


class started_broker:
    """Starts a RabbitMQ node; the value is its URL."""

    def __init__(self, scratch: Path) -> None:
        self._output = scratch / "broker"
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._started = child.started([EXAMPLES / "broker"], self._output, environment)

    def __enter__(self) -> str:
        broker = self._started.__enter__()
        end = time.monotonic() + PATIENCE
        while not broker.output().endswith("\n"):
            broker.check()
            if time.monotonic() > end:
                raise Trouble(f"the broker did not start within {PATIENCE:.0f} s")
            time.sleep(0.05)
        return broker.output().strip()

    def __exit__(self, *failure: object) -> None:
        self._started.__exit__(*failure)


def measured(command: list[str | Path], environment: dict[str, str]) -> dict[str, float]:
    """The result of a measuring program."""
    # The first call may arrive before D has connected to its broker.
    for last in (False, True):
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        if run.returncode == 0:
            return json.loads(run.stdout)
        if last:
            raise Trouble(f"{Path(command[0]).name}: {run.stderr.strip()}")
        time.sleep(1)
    raise AssertionError


def markdown(rounds: list[dict[str, float]]) -> str:
    """Medians, and the spread of the ratios taken within each round."""
    kinds = {
        "bare_lapin_per_second": "bare lapin",
        "adapter_per_second": "the adapter",
        "calls_per_second": "D, called by gRPC",
    }
    lines = ["| 25 callers, RabbitMQ, confirmed | messages/s | of bare lapin |", "|---|---|---|"]
    for kind, name in kinds.items():
        ratios = sorted(rates[kind] / rates["bare_lapin_per_second"] for rates in rounds)
        rate = median(rates[kind] for rates in rounds)
        lines.append(f"| {name} | {rate:,.0f} | {median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f}) |")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(f"bench: {trouble}", file=sys.stderr)
        sys.exit(1)
