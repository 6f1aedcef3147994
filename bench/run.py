#!/usr/bin/env python3
"""`make bench-mesh`: the mesh, the same mesh bare, and the yardstick, in turns. README.md explains the results."""

import os
import shutil
import sys
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import floor
import hey
import interrupts
import machine
import mesh
import options
import proc
import report
import turn
from trouble import Trouble
from variant import Variant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()

BARE = HERE / "bare.toml"
# By environment only: the binary has no special path for benches.
UNTRACED = {"OTEL_TRACES_EXPORTER": "none"}
OTLP = {"OTEL_TRACES_EXPORTER": "otlp"}
TELEMETRY_OFF = {"LOG_LEVEL": "off", **UNTRACED}


def variants(octet: Path, floor_crate: Path | None, before: Path | None, *, otlp: bool) -> list[Variant]:
    """What is compared: each with all that follow."""
    if otlp:
        ways = [("http", "http/protobuf"), ("grpc", "grpc")]
        by_otlp = [
            Variant(
                f"otlp-{key}",
                f"otlp-{key}: each request traced, by OTLP over {protocol}",
                partial(mesh.run, octet=octet, environment=OTLP | {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}),
            )
            for key, protocol in ways
        ]
        return [*by_otlp, Variant("zipkin", "zipkin: each request traced, by Zipkin's JSON", partial(mesh.run, octet=octet))]
    chosen = [
        Variant("on", "on: everything, each request traced", partial(mesh.run, octet=octet)),
        Variant("untraced", "untraced: no spans", partial(mesh.run, octet=octet, environment=UNTRACED)),
        Variant(
            "bare",
            "bare: no store, queue, telemetry",
            partial(mesh.run, octet=octet, topology=BARE, environment=TELEMETRY_OFF),
        ),
    ]
    if before is not None:
        chosen += [
            Variant("before", "before: everything, by the other build", partial(mesh.run, octet=before)),
            Variant(
                "before-untraced",
                "before-untraced: no spans, by the other build",
                partial(mesh.run, octet=before, environment=UNTRACED),
            ),
        ]
    if floor_crate is not None:
        program = floor.build(floor_crate, TARGET / "bench-floor")
        chosen.append(Variant("floor", "floor: the yardstick", partial(floor.run, program=program)))
    return chosen


def main() -> int:
    interrupts.install()
    chosen = options.parse(ROOT, TARGET)
    program = hey.find()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=chosen.out, ignore_cleanup_errors=True) as scratch:
        octet = own_copy(chosen.octet, Path(scratch, "octet"))
        before = chosen.against and own_copy(chosen.against, Path(scratch, "before"))
        mesh.check_bare(octet, BARE)
        compared = variants(octet, chosen.floor, before, otlp=chosen.otlp)
        facts = machine.facts(ROOT, octet, program)

        # Variants alternate, so that what is compared is measured close in time.
        plan = list(product(range(1, chosen.rounds + 1), chosen.users, compared))
        say(f"{len(plan)} turns, about {chosen.seconds:g} s each")
        turns = []
        for number, users, variant in plan:
            turns.append(turn.measure(variant, number, users, chosen.seconds, program, Path(scratch, "turn")))
            say(f"round {number}/{chosen.rounds}, {summary(turns[-1])}")
        facts["load_average_after"] = proc.load_average()

    result = report.Result(facts, chosen.seconds, chosen.rounds, chosen.users, compared, turns)
    path = report.save(result, chosen.out)
    print(report.markdown(result))
    say(f"saved as {path} and {path.with_suffix('.json').name}")
    if result.failed:
        say(f"NOT CLEAN: {result.failed:,} requests were not answered with 200")
        return 1
    return 0


def own_copy(octet: Path, copy: Path) -> Path:
    """A copy of the program, so that a rebuild meanwhile does not change what is measured."""
    if not octet.is_file():
        raise Trouble(f"{octet} is missing: run `make build`")
    return Path(shutil.copy(octet, copy))


def summary(taken: turn.Turn) -> str:
    p50 = taken.load.latency_ms[50]
    rate, failed = taken.load.ok / taken.load.seconds, taken.load.not_ok
    text = f"users {taken.users}, {taken.variant}: {rate:,.0f} requests/s"
    text += "" if p50 is None else f", p50 {p50:.1f} ms"
    return text + (f", {failed:,} NOT ANSWERED WITH 200" if failed else "")


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        say(str(trouble))
        sys.exit(1)
