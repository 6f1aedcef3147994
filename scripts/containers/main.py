#!/usr/bin/env python3
"""Runs what ships in containers: the image, the chart's pods, its values that act in a pod, and
compose.yaml.

    scripts/containers/main.py            everything (`make test-containers`)
    scripts/containers/main.py --only compose       one part of it, around the program that cargo built
    scripts/containers/main.py --rabbitmq forky     the broker is that of another Debian release, by debootstrap
    scripts/containers/main.py --short    in `make test`: the Dockerfile's last stage around the program that the tests
                                          built, and the chart's pods; without the Dockerfile's other stages, the
                                          deletion of every pod, values and Compose. It is skipped, by name, where containers cannot run.

Needs root and Debian. No registry is asked: base images and servers are stand-ins of Debian's packages. All daemons and
containers run in network, mount and process namespaces of their own, which end with the run; traffic stays in there.
Reports: target/containers/junit.xml and report.md.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import images
import machine
from node import CNI_STATE
from place import ROOT, Fault, Skip, run
from report import Report

REPORTS = ROOT / "target/containers"
PARTS = ["pods", "values", "compose"]
# Processes there are killed with their namespace, whatever happens.
OWN_NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--rabbitmq", metavar="RELEASE")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        return inside(given)
    given.parts = [given.only] if given.only else ["pods"] if given.short else PARTS
    given.short = given.short or bool(given.only)
    try:
        machine.check()
    except Skip as reason:
        Report(pathlib.Path("/nonexistent")).write(REPORTS, "Containers", str(reason))
        if given.short:
            print(f"SKIPPED: containers (image, pods, network policies, rolling update): {reason}")
            return 0
        print(f"containers: {reason}", file=sys.stderr)
        return 1
    try:
        run(ROOT / "scripts/tools.sh", "containers")
    except Fault as fault:
        print(f"containers: {fault}", file=sys.stderr)
        return 1
    if given.rabbitmq and not shutil.which("debootstrap"):
        print("containers: another release's RabbitMQ needs debootstrap: apt-get install debootstrap", file=sys.stderr)
        return 1
    return outside(given)


def outside(given):
    """Makes the images, starts the parts in namespaces of their own, and looks at what is left."""
    started = time.monotonic()
    work = pathlib.Path(tempfile.mkdtemp(prefix="octet-containers-"))
    report = Report(work / "steps.json")
    before = machine.snapshot(work.name)
    failed = False
    try:
        make_images(report, work, given)
        options = ["--short"] if given.short else []
        for part in given.parts:
            done = subprocess.run([*OWN_NAMESPACES, sys.executable, __file__, "--inside", part, "--work", work, *options])
            failed = failed or done.returncode != 0
    except (Fault, OSError) as error:
        print(error, file=sys.stderr)
        failed = True
    finally:
        machine.remove_groups(work.name)
        size = int(run("du", "-sm", work).stdout.split()[0])
        steps = work / "steps.json"
        kept = steps.read_text() if steps.exists() else "[]"
        shutil.rmtree(work)
        if str(CNI_STATE) not in before["state"] and CNI_STATE.exists():
            CNI_STATE.rmdir()
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = Report(REPORTS / "steps.json")
    report.file.write_text(kept)
    left = machine.left(before, machine.snapshot(work.name))
    report.add("machine", "nothing is left", 0, [f"{size} MiB were used on disk, and nothing is left"],
               "; ".join(left) if left else None)
    report.write(REPORTS, "Containers, " + ("short form" if given.short else "whole form"))
    print(f"containers: {'failed' if failed or left else 'passed'} in {time.monotonic() - started:.0f} s; {REPORTS}/report.md")
    return int(failed or bool(left))


def make_images(report, work, given):
    from step_images import make
    store = images.Store(work / "images")
    store.directory.mkdir()
    make(report, store, given)


def inside(given):
    """A part, in namespaces of its own."""
    from part_compose import part_compose
    from part_knobs import part_knobs
    from part_pods import part_pods
    parts = {"pods": lambda: part_pods(report, given.work, given.short), "values": lambda: part_knobs(report, given.work),
             "compose": lambda: part_compose(report, given.work)}
    report = Report(given.work / "steps.json")
    try:
        parts[given.inside]()
    except (Fault, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
