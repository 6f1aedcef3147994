#!/usr/bin/env python3
"""`make bench-size`: meshes of 1, 8 and 64 services, and 64 services in 127 processes, in turns.

What a hop costs must not grow with the number of services. An entry calls groups of seven services (one that calls six), so
that a mesh of 64 has the shape of nine meshes of 8.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import hey
import interrupts
import mesh
import options
import turn
from trouble import Trouble
from variant import RUNNER, Variant

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()

# Groups of seven below the entry, and replicas of every service but the entry.
SIZES = [(0, 1), (1, 1), (9, 1), (9, 2)]
USERS = 10

# The mesh's processes that no hop needs once, whatever its size.
ONCE = ("gateway", "collector", RUNNER)


def topology(groups: int, replicas: int) -> str:
    names = [f"g{group}" for group in range(groups)]
    text = f'entry = "root"\n\n[defaults]\nreplicas = {replicas}\n\n'
    text += f'[[service]]\nname = "root"\nreplicas = 1\ncalls = {_list(names)}\n\n'
    for group in names:
        leaves = [f"{group}-{leaf}" for leaf in range(6)]
        text += f'[[service]]\nname = "{group}"\ncalls = {_list(leaves)}\n\n'
        text += "".join(f'[[service]]\nname = "{leaf}"\n\n' for leaf in leaves)
    return text


def _list(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def main() -> int:
    interrupts.install()
    chosen = options.parse(ROOT, TARGET)
    if not chosen.octet.is_file():
        raise Trouble(f"{chosen.octet} is missing: run `make build`")
    program = hey.find()
    chosen.out.mkdir(parents=True, exist_ok=True)
    turns: dict[tuple[int, int], list[turn.Turn]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory(prefix="size-", dir=chosen.out, ignore_cleanup_errors=True) as scratch:
        for number in range(1, chosen.rounds + 1):
            for groups, replicas in SIZES:
                file = Path(scratch, f"{groups}-{replicas}.toml")
                file.write_text(topology(groups, replicas))
                services = 1 + 7 * groups
                key = f"{services}x{replicas}"
                start = partial(mesh.run, octet=chosen.octet, topology=file)
                variant = Variant(key, key, start, greetings=services)
                taken = turn.measure(variant, number, USERS, chosen.seconds, program, Path(scratch, "turn"))
                turns[groups, replicas].append(taken)
                print(f"bench: round {number}/{chosen.rounds}, {key}: {taken.load.ok:,} requests", file=sys.stderr, flush=True)
    print(markdown(turns))
    failed = sum(taken.load.not_ok for each in turns.values() for taken in each)
    if failed:
        print(f"bench: NOT CLEAN: {failed:,} requests were not answered with 200", file=sys.stderr)
    return 1 if failed else 0


def markdown(turns: dict[tuple[int, int], list[turn.Turn]]) -> str:
    base = [_hop(taken, 8) for taken in turns[1, 1]]
    lines = [
        f"{USERS} users; medians (least–most). A hop is a call that a service serves; the entry's is one of them.",
        "",
        "| services | processes of services | start to first greeting, s | CPU-ms a hop, services | beside 8 services | CPU-ms a hop, collector | "
        "RSS a process under load, MiB | requests/s | others' CPU |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (groups, replicas), taken in turns.items():
        services = 1 + 7 * groups
        processes = 1 + 7 * groups * replicas
        ratios = [_hop(one, services) / other for one, other in zip(taken, base, strict=True)]
        cells = [
            str(services),
            str(processes),
            _spread(taken, lambda one: one.start_ms / 1000, 2),
            _spread(taken, lambda one: _hop(one, services), 3),
            f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            _spread(taken, lambda one: one.cpu_seconds["collector"] * 1000 / (one.load.ok * services), 3),
            _spread(taken, _resident, 1),
            _spread(taken, lambda one: one.load.ok / one.load.seconds, 0),
            _spread(taken, lambda one: one.others_share * 100, 0) + " %",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _hop(taken: turn.Turn, services: int) -> float:
    """CPU milliseconds of the services for one call."""
    spent = sum(seconds for name, seconds in taken.cpu_seconds.items() if name not in ONCE)
    return spent * 1000 / (taken.load.ok * services)


def _resident(taken: turn.Turn) -> float:
    of_services = [size for name, size in taken.rss_loaded.items() if name not in ONCE]
    return sum(of_services) / len(of_services) / 2**20


def _spread(turns: list[turn.Turn], figure: Callable[[turn.Turn], float], digits: int) -> str:
    values = [figure(taken) for taken in turns]
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(f"bench: {trouble}", file=sys.stderr)
        sys.exit(1)
