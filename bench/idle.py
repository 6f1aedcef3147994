#!/usr/bin/env python3
"""`make bench-gateway`, second part: 25 users beside 5,000 idle connections, compared with 25 users alone."""

import os
import resource
import socket
import sys
import tempfile
from pathlib import Path
from statistics import median

import hey
import interrupts
import mesh
from trouble import Trouble

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute() / "release"

IDLE = 5_000
USERS = 25
SECONDS = 5.0
ROUNDS = 3

# The limit: at most twice the 99th percentile.
MOST = 2.0

# For the mesh, which inherits the limit, and for the clients here.
FILES = 2 * IDLE + 1_000


def main() -> int:
    interrupts.install()
    allow_files()
    program = hey.find()
    with tempfile.TemporaryDirectory(prefix="octet-bench-") as scratch:
        environment = {"PATH": os.environ["PATH"], "LOG_LEVEL": "warn"}
        with mesh.run(Path(scratch), TARGET / "octet", environment=environment) as up:
            up.await_ready()
            output = Path(scratch, "hey")
            # Warms up.
            hey.run(program, up.url, USERS, 2.0, output)
            rounds = [one_round(program, up, output) for _ in range(ROUNDS)]
    ratios = [beside / alone for alone, beside in rounds]
    for alone, beside in rounds:
        print(f"p99 of {USERS} users: {alone:.1f} ms alone, {beside:.1f} ms beside {IDLE} idle connections")
    verdict = "within the limit" if median(ratios) <= MOST else "ABOVE THE LIMIT"
    print(f"ratio {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}), limit {MOST}: {verdict}")
    return 0 if median(ratios) <= MOST else 1


def one_round(program: Path, up: mesh.Mesh, output: Path) -> tuple[float, float]:
    """The 99th percentile alone, and beside idle connections."""
    up.check()
    alone = p99(hey.run(program, up.url, USERS, SECONDS, output))
    host, port = up.url.removeprefix("http://").split("/")[0].split(":")
    idle = [opened(host, int(port)) for _ in range(IDLE)]
    try:
        beside = p99(hey.run(program, up.url, USERS, SECONDS, output))
        gone = sum(1 for connection in idle if not is_open(connection))
        if gone:
            raise Trouble(f"{gone} of {IDLE} idle connections were closed")
    finally:
        for connection in idle:
            connection.close()
    return alone, beside


def opened(host: str, port: int) -> socket.socket:
    """A connection that sends one request and is idle afterwards."""
    connection = socket.create_connection((host, port), timeout=10)
    connection.sendall(b"GET /api/topology HTTP/1.1\r\nhost: idle\r\n\r\n")
    connection.recv(65536)
    connection.setblocking(False)
    return connection


def is_open(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def p99(load: hey.Load) -> float:
    found = load.latency_ms[99]
    if load.not_ok or found is None:
        raise Trouble(f"some requests were not answered with 200: {load.answers} {load.errors}")
    return found


def allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FILES:
        raise Trouble(f"{FILES} open files are needed, but only {most} allowed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, most))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"bench: {trouble}")
