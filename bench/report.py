"""The result as Markdown to read and JSON to compute with."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path

import figures
from figures import MIB, Metric, Spread
from turn import Turn
from variant import RUNNER, Variant

# Version of the JSON's shape, for comparing files over time.
SCHEMA = 1

# Percentage of the machine used by others during a turn, above which figures get a warning.
QUIET = 5


@dataclass(frozen=True)
class Result:
    """The result of a run."""

    machine: dict[str, object]
    seconds: float
    rounds: int
    users: list[int]
    variants: list[Variant]
    turns: list[Turn]

    @property
    def failed(self) -> int:
        """Requests that were not answered with 200, warm-up included."""
        return sum(turn.load.not_ok + turn.warm_up_not_ok for turn in self.turns)

    @property
    def pairs(self) -> list[tuple[Variant, Variant]]:
        return list(combinations(self.variants, 2))


def save(result: Result, directory: Path) -> Path:
    """Writes both forms, named by date and commit, and returns the Markdown's path."""
    directory.mkdir(parents=True, exist_ok=True)
    date = datetime.fromisoformat(str(result.machine["date"])).strftime("%Y%m%dT%H%M%SZ")
    commit = str(result.machine["commit"]).split(",")[0]
    path = directory / f"{date}-{commit}.md"
    path.write_text(markdown(result), encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(_data(result), indent=1) + "\n", encoding="utf-8")
    return path


def markdown(result: Result) -> str:
    """To read, also in a terminal."""
    parts = ["# Octet's bench", _verdict(result), *_warning(result), _circumstances(result)]
    for users in result.users:
        parts += [f"## {_users(users)}", _compared(result, figures.UNDER_LOAD, users)]
    parts += ["## At rest", _compared(result, figures.AT_REST, None)]
    for users in result.users:
        parts += [f"## Per process, {_users(users)}", _per_process(result, users)]
    return "\n\n".join(parts) + "\n"


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


def _verdict(result: Result) -> str:
    requests = sum(turn.load.ok + turn.load.not_ok + turn.warm_up_not_ok for turn in result.turns)
    if not result.failed:
        return f"All of {requests:,} requests were answered with 200."
    failed = f"{result.failed:,} of {requests:,} requests were not answered with 200"
    lines = [f"**NOT CLEAN: {failed}. Do not quote these figures.**", ""]
    for turn in result.turns:
        reasons = {f"status {status}": count for status, count in turn.load.answers.items() if status != 200}
        reasons |= turn.load.errors
        if turn.warm_up_not_ok:
            reasons["during warm-up"] = turn.warm_up_not_ok
        if reasons:
            listed = ", ".join(f"{count:,} × {reason}" for reason, count in reasons.items())
            lines.append(f"- round {turn.round}, {_users(turn.users)}, {turn.variant}: {listed}")
    return "\n".join(lines)


def _warning(result: Result) -> list[str]:
    others = figures.spread(result.turns, figures.OTHERS)
    if others is None or others.most <= QUIET:
        return []
    return [
        f"**NOT QUIET: other processes used {_cell(others, 0)} % of the machine."
        " Absolute figures are too low, ratios uncertain.**"
    ]


def _circumstances(result: Result) -> str:
    machine = result.machine
    load = {when: " ".join(map(str, machine[f"load_average_{when}"])) for when in ("before", "after")}
    return "\n".join(
        [
            f"- {machine['date']}, commit {machine['commit']}, {machine['octet']}",
            f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']:,} MiB,"
            f" Linux {machine['kernel']}",
            f"- {machine['rustc']}; hey {machine['hey']}",
            f"- load average before {load['before']}, after {load['after']}",
            f"- rounds: {result.rounds}, each load {result.seconds:g} s; figures are median (least–most) over"
            " the rounds, ratios those of pairs within a round",
        ]
    )


def _compared(result: Result, metrics: Sequence[Metric], users: int | None) -> str:
    """Each variant's figures, then each pair's ratios."""
    rows = [["", *(metric.title for metric in metrics), figures.OTHERS.title]]
    for variant in result.variants:
        turns = figures.of(result.turns, variant.key, users)
        shown = (*metrics, figures.OTHERS)
        cells = (_cell(figures.spread(turns, metric), metric.digits) for metric in shown)
        rows.append([variant.title, *cells])
    for above, below in result.pairs:
        ratios = (figures.ratio(result.turns, metric, above.key, below.key, users) for metric in metrics)
        rows.append([f"{above.key} / {below.key}", *(_cell(ratio, 2) for ratio in ratios), ""])
    return _table(rows)


def _per_process(result: Result, users: int) -> str:
    """Medians. The sum row is the median of the sums, not the sum of the medians."""
    turns = {variant.key: figures.of(result.turns, variant.key, users) for variant in result.variants}
    kinds = ("CPU-s/1,000", "idle MiB", "loaded MiB")
    rows = [["", *(f"{key}: {kind}" for key in turns for kind in kinds)]]
    names = sorted({name for of in turns.values() for turn in of for name in turn.cpu_seconds} - {RUNNER})
    for name in names:
        rows.append([name, *(cell for of in turns.values() for cell in _process_cells(of, name))])
    sums = (figures.CPU, figures.RSS_IDLE, figures.RSS_LOADED)
    cells = (_median(figures.spread(of, metric), metric.digits) for of in turns.values() for metric in sums)
    rows.append(["sum", *cells])
    rows.append([f"({RUNNER})", *(cell for of in turns.values() for cell in _process_cells(of, RUNNER))])
    return _table(rows)


def _process_cells(turns: list[Turn], name: str) -> list[str]:
    there = [turn for turn in turns if name in turn.cpu_seconds]
    cpu = Spread.over(figures.per_thousand(turn, turn.cpu_seconds[name]) for turn in there)
    idle = Spread.over(turn.rss_idle[name] / MIB for turn in there)
    loaded = Spread.over(turn.rss_loaded[name] / MIB for turn in there if turn.rss_loaded)
    return [_median(cpu, 3), _median(idle, 1), _median(loaded, 1)]


def _median(spread: Spread | None, digits: int) -> str:
    return "–" if spread is None else f"{spread.median:,.{digits}f}"


def _cell(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "–"
    least, median, most = (f"{value:,.{digits}f}" for value in (spread.least, spread.median, spread.most))
    return median if least == most else f"{median} ({least}–{most})"


def _table(rows: list[list[str]]) -> str:
    """Columns are as wide as their widest cell, so that a terminal shows a table too."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    lines = [
        "| " + " | ".join(cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in line) + " |"
        for line in (enumerate(zip(row, widths)) for row in rows)
    ]
    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _data(result: Result) -> dict[str, object]:
    """Every turn, and the figures derived from them."""

    def fields(spread: Spread | None) -> dict[str, float] | None:
        return asdict(spread) if spread else None

    groups: list[tuple[int | None, Sequence[Metric]]] = [
        *((users, figures.UNDER_LOAD) for users in result.users),
        (None, figures.AT_REST),
    ]
    return {
        "schema": SCHEMA,
        "clean": not result.failed,
        "failed_requests": result.failed,
        "machine": result.machine,
        "parameters": {"seconds": result.seconds, "rounds": result.rounds, "users": result.users},
        "variants": {variant.key: variant.title for variant in result.variants},
        "figures": [
            {
                "users": users,
                "variant": variant.key,
                "metric": metric.key,
                "over_rounds": fields(figures.spread(figures.of(result.turns, variant.key, users), metric)),
            }
            for users, metrics in groups
            for variant in result.variants
            for metric in (*metrics, figures.OTHERS)
        ],
        "ratios": [
            {
                "users": users,
                "above": above.key,
                "below": below.key,
                "metric": metric.key,
                "over_rounds": fields(figures.ratio(result.turns, metric, above.key, below.key, users)),
            }
            for users, metrics in groups
            for above, below in result.pairs
            for metric in metrics
        ],
        "turns": [asdict(turn) for turn in result.turns],
    }
