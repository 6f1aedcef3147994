"""From turns to figures: each variant's, and ratios between two of them."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from turn import Turn
from variant import RUNNER

MIB = 1024 * 1024


@dataclass(frozen=True)
class Metric:
    """A quantity with at most one number per turn."""

    key: str
    title: str
    digits: int
    of: Callable[[Turn], float | None]


@dataclass(frozen=True)
class Spread:
    """A number's spread over the rounds."""

    least: float
    median: float
    most: float

    @classmethod
    def over(cls, values: Iterable[float | None]) -> "Spread | None":
        """None when no round has a value."""
        there = [value for value in values if value is not None]
        return cls(min(there), statistics.median(there), max(there)) if there else None


def per_thousand(turn: Turn, seconds: float) -> float | None:
    """CPU-seconds per 1,000 requests that were answered with 200."""
    return seconds / turn.load.ok * 1000 if turn.load.ok else None


def serving_sum(by_process: dict[str, float]) -> float | None:
    """The sum over the serving processes, without the runner."""
    values = [value for name, value in by_process.items() if name != RUNNER]
    return sum(values) if values else None


def _cpu_per_thousand(turn: Turn) -> float | None:
    return per_thousand(turn, serving_sum(turn.cpu_seconds) or 0.0)


def _sum_mib(by_process: dict[str, int]) -> float | None:
    total = serving_sum(by_process)
    return None if total is None else total / MIB


CPU = Metric("cpu_seconds_per_1000", "CPU-s/1,000", 3, _cpu_per_thousand)
RSS_IDLE = Metric("rss_idle_mib", "RSS idle MiB", 1, lambda turn: _sum_mib(turn.rss_idle))
RSS_LOADED = Metric("rss_loaded_mib", "RSS loaded MiB", 1, lambda turn: _sum_mib(turn.rss_loaded))

UNDER_LOAD = (
    Metric("requests_per_second", "requests/s", 0, lambda turn: turn.load.ok / turn.load.seconds),
    Metric("p50_ms", "p50 ms", 1, lambda turn: turn.load.latency_ms[50]),
    Metric("p95_ms", "p95 ms", 1, lambda turn: turn.load.latency_ms[95]),
    Metric("p99_ms", "p99 ms", 1, lambda turn: turn.load.latency_ms[99]),
    CPU,
    RSS_LOADED,
)

AT_REST = (
    Metric("start_ms", "start to first greeting ms", 0, lambda turn: turn.start_ms),
    RSS_IDLE,
)

OTHERS = Metric("others_percent", "others' CPU %", 0, lambda turn: turn.others_share * 100)


def of(turns: Sequence[Turn], variant: str, users: int | None = None) -> list[Turn]:
    """One variant's turns, with one number of users or with all."""
    return [turn for turn in turns if turn.variant == variant and users in (None, turn.users)]


def spread(turns: Iterable[Turn], metric: Metric) -> Spread | None:
    """The spread of one metric over `turns`."""
    return Spread.over(map(metric.of, turns))


def ratio(
    turns: Sequence[Turn], metric: Metric, above: str, below: str, users: int | None = None
) -> Spread | None:
    """The ratio of `above` to `below`, taken within each round, because the machine drifts between rounds."""
    partners = {(turn.round, turn.users): turn for turn in of(turns, below, users)}

    def one(turn: Turn) -> float | None:
        value, base = metric.of(turn), metric.of(partners[turn.round, turn.users])
        return value / base if value is not None and base else None

    return Spread.over(one(turn) for turn in of(turns, above, users))
