"""The command line, every number within bounds: a bench that cannot end is not one."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar


def parse(root: Path, target: Path) -> argparse.Namespace:
    """What to measure, and for how long."""
    parser = argparse.ArgumentParser(
        prog="make bench-mesh", description="Measures the mesh against itself without stores, queue and telemetry."
    )
    parser.add_argument("--seconds", type=_number(float, 0.5, 120), help="of load, each time (default: 8)")
    parser.add_argument("--rounds", type=_number(int, 1, 20), help="how often all is repeated (default: 3)")
    parser.add_argument("--users", type=_users, help="connections, a list (default: 1,25,250)")
    parser.add_argument("--quick", action="store_true", help="1 second and 1 round, where not said otherwise")
    parser.add_argument("--out", type=Path, metavar="DIR", default=target / "bench", help="for results")
    parser.add_argument(
        "--floor", type=Path, metavar="DIR", help="a crate of bare processes, the yardstick; only read"
    )
    parser.add_argument(
        "--octet", type=Path, metavar="FILE", default=target / "release" / "octet", help="the program"
    )
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 1.0 if options.quick else 8.0
    if options.rounds is None:
        options.rounds = 1 if options.quick else 3
    if options.users is None:
        options.users = [1, 25, 250]
    for name in ("out", "floor", "octet"):
        path = getattr(options, name)
        setattr(options, name, path and path.absolute())
    return options


Number = TypeVar("Number", int, float)


def _number(kind: Callable[[str], Number], least: Number, most: Number) -> Callable[[str], Number]:
    def number(text: str) -> Number:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return number


def _users(text: str) -> list[int]:
    one = _number(int, 1, 1000)
    try:
        users = [one(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a list of whole numbers") from error
    if len(users) > 6 or len(set(users)) < len(users):
        raise argparse.ArgumentTypeError("at most 6 numbers, none of them twice")
    return users
