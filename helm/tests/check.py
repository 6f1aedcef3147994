#!/usr/bin/env python3
"""Checks the chart: every values file and toggle against schemas, policies and the graph, and every refusal.

    helm/tests/check.py          everything; `make lint-deploy` runs it with its tools

It needs Python and what scripts/tools.sh installs.
"""

import pathlib
import sys
import tempfile

import alerts
import facts
import knobs
import policy
import schemas
import workloads
from cases import CASES, REFUSALS, TOPOLOGIES
from render import CHART, helm, pods, render, run, topology, yaml


def main():
    own = topology()
    found = [*_values(own), *_refusals(), *_documents()]
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        sys.exit(f"{len(found)} faults")
    print(f"helm/octet: {len(CASES)} renderings and {len(REFUSALS)} refusals are correct")


def _values(own):
    rendered = {}
    for name, arguments in CASES.items():
        lint = helm("lint", arguments, check=False)
        if lint.returncode != 0:
            yield f"{name}: {lint.stdout}{lint.stderr}"
            continue
        installed = helm("install", arguments, check=False)
        if installed.returncode != 0:
            yield f"{name}: {installed.stderr}"
            continue
        rendered[name] = render(arguments)
        expected = topology(TOPOLOGIES[name]) if name in TOPOLOGIES else own
        looks = [facts.faults(rendered[name], expected), workloads.faults(rendered[name], name != "openshift"),
                 alerts.faults(rendered[name])]
        yield from (f"{name}: {fault}" for look in looks for fault in look)
    if rendered.keys() == CASES.keys():
        yield from knobs.faults(rendered)
    yield from schemas.faults((name, found) for name, objects in rendered.items() for found in objects)
    for name in rendered.keys() & {"default", "eks behind istio", "console and load"}:
        yield from (f"{name}: {fault}" for fault in policy.faults(rendered[name]))


def _refusals():
    for arguments, sentence in REFUSALS:
        done = helm("template", arguments, check=False)
        if done.returncode == 0:
            yield f"{' '.join(arguments)}: is not refused"
        elif sentence not in done.stderr:
            yield f"{' '.join(arguments)}: the message lacks {sentence!r}: {done.stderr}"


def _documents():
    """The chart can be packaged, and the package contains what it needs."""
    with tempfile.TemporaryDirectory() as directory:
        run("helm", "package", CHART, "--destination", directory)
        (package,) = pathlib.Path(directory).iterdir()
        listing = run("tar", "--list", "--file", package).stdout.split()
        yield from _dependency(pathlib.Path(directory, "parent"), package)
    for wanted in ("octet/alerts/octet.rules.yaml", "octet/dashboards/mesh.json", "octet/values.schema.json"):
        if wanted not in listing:
            yield f"the package lacks {wanted}"
    for name in listing:
        if name.endswith(".test.yaml"):
            yield f"the package contains {name}"
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    manifest = (CHART.parent.parent / "Cargo.toml").read_text()
    if f'\nversion = "{version}"\n' not in manifest:
        yield f"Chart.yaml: appVersion {version} is not the workspace's version"


def _dependency(parent, package):
    """A parent chart can switch it on and off, and set the registry of its images."""
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / package.name).write_bytes(package.read_bytes())
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    (parent / "Chart.yaml").write_text(yaml.safe_dump({
        "apiVersion": "v2", "name": "parent", "version": "0.1.0",
        "dependencies": [{"name": "octet", "version": version, "repository": "", "condition": "octet.enabled"}]}))
    given = ["--set", "octet.image.repository=example.com/octet", "--set", "global.imageRegistry=mirror.example.com"]
    images = {container["image"].partition("/")[0] for pod in pods(render(given, chart=parent))
              for container in pod.spec["containers"]}
    if images != {"mirror.example.com"}:
        yield f"as a dependency: the images are from {sorted(images)}"
    if render([*given, "--set", "octet.enabled=false"], chart=parent):
        yield "as a dependency: octet.enabled=false still renders objects"


if __name__ == "__main__":
    main()
