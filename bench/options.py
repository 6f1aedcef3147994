"""The command line; every number is bounded, so that a bench ends."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar


def parse(root: Path, target: Path) -> argparse.Namespace:
    """What to measure, and for how long."""
    parser = argparse.ArgumentParser(
        prog="make bench-mesh", description="Measures the mesh beside itself without stores, queue and telemetry."
    )
    parser.add_argument("--seconds", type=_number(float, 0.5, 120), help="of each load (default: 8)")
    parser.add_argument("--rounds", type=_number(int, 1, 20), help="number of rounds (default: 3)")
    parser.add_argument("--users", type=_users, help="numbers of connections (default: 1,25,250)")
    parser.add_argument("--quick", action="store_true", help="defaults of 1 second and 1 round")
    parser.add_argument("--out", type=Path, metavar="DIR", default=target / "bench", help="directory for results")
    parser.add_argument(
        "--floor", type=Path, metavar="DIR", help="a crate of bare processes, the yardstick; only read"
    )
    parser.add_argument("--otlp", action="store_true", help="traces by OTLP beside Zipkin's JSON, and nothing else")
    parser.add_argument(
        "--octet", type=Path, metavar="FILE", default=target / "release" / "octet", help="the program"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="another build of the program, as \"before\" and \"before-untraced\""
    )
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 1.0 if options.quick else 8.0
    if options.rounds is None:
        options.rounds = 1 if options.quick else 3
    if options.users is None:
        options.users = [1, 25, 250]
    for name in ("out", "floor", "octet", "against"):
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
        raise argparse.ArgumentTypeError("at most 6 numbers, without duplicates")
    return users
