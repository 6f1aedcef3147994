#!/usr/bin/env python3
"""Checks every PromQL expression that Octet ships: in dashboards, alert rules and docs/queries.md.

    scripts/signals.py check     promtool parses them all; dashboards and rules follow our conventions
    scripts/signals.py series    the series that they name, one per line; a test of the mesh looks for Octet's own
                                 in a real Prometheus
    scripts/signals.py queries   the expressions, one JSON string per line; the same test runs them in a real Prometheus

It needs Python's standard library and promtool.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DASHBOARDS = ROOT / "helm/octet/dashboards"
RULES = ROOT / "helm/octet/alerts/octet.rules.yaml"
RULE_TESTS = ROOT / "helm/octet/alerts/octet.rules.test.yaml"
QUERIES = ROOT / "docs/queries.md"

# Grafana's variables, and values for them.
VARIABLES = {
    "$__rate_interval": "5m",
    "$__interval": "1m",
    "$__range": "1h",
    "$service": "service-a",
}
# Prefixes of other programs' series.
FOREIGN = ("container_", "kube_", "istio_", "rabbitmq_", "up")
OWN = ("octet_", "grpc_", "http_server_", "process_")

WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "and", "or", "unless", "offset",
         "inf", "nan", "start", "end"}


class Fault(Exception):
    """What is wrong in a file."""


def of_dashboard(path):
    """Every expression of a dashboard, with variables filled in, and where it is."""
    board = json.loads(path.read_text())
    check_board(path, board)
    found = []

    def walk(value, place):
        if isinstance(value, dict):
            place = value.get("title") or place
            if isinstance(value.get("expr"), str):
                found.append((f"{path.name}, {place}", filled(value["expr"], path)))
            for inner in value.values():
                walk(inner, place)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, place)

    walk(board, board["title"])
    for variable in board["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.+), *\w+\)", str(variable.get("definition", "")))
        if match:
            found.append((f"{path.name}, ${variable['name']}", match.group(1)))
    return found


def check_board(path, board):
    faults = []
    if "id" in board:
        faults.append("has an id, which belongs to one Grafana: remove it")
    if not board.get("uid", "").startswith("octet-"):
        faults.append("needs a uid that starts with octet-")
    if board.get("schemaVersion", 0) < 41:
        faults.append("has an old schemaVersion")
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        for part in [panel, *panel["targets"]]:
            if part.get("datasource", {}).get("uid") != "${datasource}":
                faults.append(f"{panel['title']}: the data source must be the variable ${{datasource}}")
        if not panel["fieldConfig"]["defaults"].get("unit"):
            faults.append(f"{panel['title']}: needs a unit")
    boxes = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
    for index, (title, one) in enumerate(boxes):
        for other_title, other in boxes[:index]:
            if (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
                    and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]):
                faults.append(f"{title} overlaps {other_title}")
    if faults:
        raise Fault("\n".join(f"{path.name}: {fault}" for fault in faults))


def filled(expression, path):
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    left = re.search(r"\$\w+|\$\{", expression)
    if left:
        raise Fault(f"{path.name}: unknown variable {left.group()} in {expression}")
    return expression


def of_rules():
    """Every alert's expression: a scalar on one line, or a block indented deeper than `expr`."""
    found, alert = [], "?"
    lines = iter(RULES.read_text().splitlines())
    for line in lines:
        if match := re.match(r" *- alert: (\w+)$", line):
            alert = match.group(1)
        elif match := re.match(r"( *)expr: (.*)$", line):
            indent, expression = len(match.group(1)), match.group(2)
            if expression == "|":
                block = []
                for line in lines:
                    if line.strip() and len(line) - len(line.lstrip()) <= indent:
                        break
                    block.append(line.strip())
                expression = "\n".join(block)
            found.append((f"{RULES.name}, {alert}", expression))
    return found


def check_rules():
    alerts = set(re.findall(r"- alert: (\w+)$", RULES.read_text(), re.M))
    tested = set(re.findall(r"^ +-? ?alertname: (\w+)\n.*\n +exp_alerts:$", RULE_TESTS.read_text(), re.M))
    if untested := sorted(alerts - tested):
        raise Fault(f"{RULE_TESTS.name}: no test fires {', '.join(untested)}")
    documented = QUERIES.read_text()
    if missing := sorted(alert for alert in alerts if alert not in documented):
        raise Fault(f"{QUERIES.name}: does not explain {', '.join(missing)}")


def of_queries():
    """Every ```promql block: expressions separated by blank lines."""
    found = []
    text = QUERIES.read_text()
    for block in re.finditer(r"^```promql\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, block.start()) + 1
        for expression in re.split(r"\n\s*\n", block.group(1).strip()):
            found.append((f"{QUERIES.name}:{line}", expression))
    return found


def expressions():
    found = [pair for path in sorted(DASHBOARDS.glob("*.json")) for pair in of_dashboard(path)]
    found += of_rules() + of_queries()
    if len(found) < 50:
        raise Fault(f"only {len(found)} expressions found: this script no longer reads the files")
    return found


def parse(found):
    """Parses each with promtool, as a recording rule: JSON is YAML."""
    rules = [{"record": f"check:{number}", "expr": expression} for number, (_, expression) in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "check", "rules": rules}]}, file)
        file.flush()
        ran = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True, check=False)
    if ran.returncode:
        said = re.sub(
            r'"check:(\d+)"', lambda number: f"{found[int(number.group(1))][0]}: {found[int(number.group(1))][1]}",
            ran.stdout + ran.stderr)
        raise Fault(said)


def series(expression):
    """The names of series in an expression that promtool has parsed."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"|#.*', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", r"\1 ", bare)
    bare = re.sub(r"\boffset\s+\w+", "", bare)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\w)(?!\s*\()", bare)
    # An aggregation may precede its labels: `sum by (…) (…)`.
    aggregations = set(re.findall(r"\b(\w+)\s+(?:by|without)\b", bare))
    return {name for name in names if name.lower() not in WORDS and name not in aggregations}


def all_series(found):
    names = set()
    for place, expression in found:
        for name in series(expression):
            if not name.startswith(OWN + FOREIGN) and name != "ALERTS":
                raise Fault(f"{place}: nothing exports {name}")
            names.add(name)
    return sorted(names)


def main(arguments):
    try:
        found = expressions()
        match arguments:
            case ["check"]:
                parse(found)
                check_rules()
                print(f"{len(found)} expressions over {len(all_series(found))} series: all parse")
            case ["series"]:
                print("\n".join(all_series(found)))
            case ["queries"]:
                print("\n".join(json.dumps(expression) for _, expression in found))
            case _:
                print(__doc__, file=sys.stderr)
                return 64
    except Fault as fault:
        print(f"signals: {fault}", file=sys.stderr)
        return 1
    except FileNotFoundError as missing:
        print(f"signals: {missing.filename} is missing: run `make tools`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
