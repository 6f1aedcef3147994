"""Checks that the rules and dashboards in the chart equal the repository's files, and that promtool accepts them."""

import json
import pathlib
import tempfile

from graph import of_kind
from render import CHART, run, yaml

# The same alerts for processes that octet-kubernetes has for containers.
LEFT_OUT = "octet-processes"


def faults(objects):
    """One line per difference, and per error of promtool."""
    return [fault for rule in of_kind(objects, "PrometheusRule") for fault in _rules(rule)] + list(_dashboards(objects))


def _rules(rule):
    groups = rule["spec"]["groups"]
    own = yaml.safe_load((CHART / "alerts/octet.rules.yaml").read_text())["groups"]
    if groups != [group for group in own if group["name"] != LEFT_OUT]:
        yield "PrometheusRule: differs from alerts/octet.rules.yaml"
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "rules.yaml")
        file.write_text(yaml.safe_dump({"groups": groups}, allow_unicode=True))
        done = run("promtool", "check", "rules", "--lint-fatal", file, check=False)
    if done.returncode != 0:
        yield f"PrometheusRule: {done.stdout}{done.stderr}"


def _dashboards(objects):
    shipped = {key: json.loads(value) for config in of_kind(objects, "ConfigMap")
               if "grafana_dashboard" in config["metadata"].get("labels", {}) for key, value in config["data"].items()}
    own = {f"octet-{file.name}": json.loads(file.read_text()) for file in (CHART / "dashboards").glob("*.json")}
    if shipped and shipped != own:
        yield "the dashboards differ from helm/octet/dashboards"
