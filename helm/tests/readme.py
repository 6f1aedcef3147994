#!/usr/bin/env python3
"""Writes the chart's README from the comments and defaults of values.yaml.

    helm/tests/readme.py write    `make manifests` runs it
    helm/tests/readme.py check    compares it with values.yaml and values.yaml with the schema; `make lint-deploy` runs it
"""

import json
import sys

from render import CHART, yaml

README = CHART / "README.md"
HEAD = """# The chart of Octet

<!-- Generated from values.yaml by "make manifests": change that. -->

Eight gRPC services, a gateway, a collector of traces, and the servers that they use. It needs Kubernetes 1.32 or later and
an image of your own:

```sh
helm upgrade --install octet helm/octet --namespace octet --create-namespace --set image.repository=REGISTRY/octet
```

`values-laptop.yaml`, `values-istio.yaml`, `values-eks.yaml` and `values-openshift.yaml` are usual installations; the
repository's `docs/kubernetes.md` describes them. `values.schema.json` refuses unknown fields.

## Values
"""
# One row each, and not one per field.
WHOLE = {"services", "resources", "requests", "limits"}
# Fields that a place takes from `defaults`, and need not list itself.
SHARED = ("gateway", "collector", "rabbitmq.bundled", "mongodb.bundled", "mongoExpress", "loadGenerator", "lake", "tests")


def page():
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    rows = [row for key, value in yaml.compose(text).value for row in _rows(lines, "", key, value)]
    table = ["| value | default | meaning |", "|---|---|---|"]
    table += [f"| `{path}` | {f'`{default}`' if default else ''} | {meaning} |" for path, default, meaning in rows]
    return HEAD + "\n" + "\n".join(table) + "\n"


def _rows(lines, prefix, key, value):
    """The field, then those below it. A mapping over several lines has no default of its own."""
    path = f"{prefix}{key.value}"
    meaning = _comment(lines, key.start_mark.line)
    nested = isinstance(value, yaml.MappingNode) and not value.flow_style and key.value not in WHOLE
    if not nested or meaning:
        yield path, "" if nested or key.value == "services" else _default(value), meaning
    if nested:
        for inner, below in value.value:
            yield from _rows(lines, f"{path}.", inner, below)


def _comment(lines, line):
    """The comment above a line, as one text."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("# "):
        first -= 1
    return " ".join(text.strip().removeprefix("# ") for text in lines[first:line]).replace("|", "\\|")


def _default(node):
    found = yaml.SafeLoader("").construct_object(node, deep=True)
    return json.dumps(found, ensure_ascii=False).replace("|", "\\|")


def faults():
    if not README.exists() or README.read_text() != page():
        yield f"{README}: differs from values.yaml: run `make manifests`"
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    yield from (f"values.yaml: {path} is in the schema, but not here" for path in _missing(schema, schema, values, ""))


def _missing(schema, node, values, prefix):
    """Fields of the schema that values.yaml does not show."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if not isinstance(values, dict):
        return
    shared = schema["properties"]["defaults"]["properties"] if prefix.rstrip(".") in SHARED else {}
    for name, below in node.get("properties", {}).items():
        if name in values:
            yield from _missing(schema, below, values[name], f"{prefix}{name}.")
        elif values and name not in shared and name not in ("cpu", "memory", "ephemeral-storage"):
            yield f"{prefix}{name}"


def main():
    if sys.argv[1:] == ["write"]:
        README.write_text(page())
    elif sys.argv[1:] == ["check"]:
        found = list(faults())
        if found:
            sys.exit("\n".join(found))
    else:
        sys.exit("usage: helm/tests/readme.py write|check")


if __name__ == "__main__":
    main()
