"""Renders the chart, and finds the tools that check it."""

import json
import os
import pathlib
import subprocess
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / ".tools"
CHART = ROOT / "helm/octet"
NAMESPACE = "octet"

# PyYAML, kubernetes-validate and cfn-lint are installed there.
sys.path.insert(0, str(TOOLS / "deploy"))
os.environ["PATH"] = f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}"

try:
    import yaml
except ImportError:
    sys.exit("the tools of the checks are missing: run `make lint-deploy`, which installs them")


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as Kubernetes reads it: `=` is text, and a duplicate key is an error."""


def _mapping(loader, node):
    loader.flatten_mapping(node)
    found = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def objects(text):
    """Every object of a stream of documents."""
    return [found for found in yaml.load_all(text, Loader) if found]


def run(*command, given=None, check=True, environment=None):
    """A finished process, its output as text. With `check`, a failure is shown and stops the checks."""
    done = subprocess.run([str(part) for part in command], input=given, capture_output=True, text=True,
                          env={**os.environ, **(environment or {})})
    if check and done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done


def helm(action, arguments, check=True, chart=CHART):
    """`helm ACTION` with the chart, in the namespace that users take."""
    release = [] if action == "lint" else ["octet"]
    extra = ["--strict"] if action == "lint" else ["--dry-run=client"] if action == "install" else []
    return run("helm", action, *release, chart, "--namespace", NAMESPACE, *extra, *arguments, check=check)


def render(arguments, chart=CHART):
    """The chart's objects."""
    return objects(helm("template", arguments, chart=chart).stdout)


def octet():
    """The program: OCTET, or what `cargo build` made."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    program = pathlib.Path(os.environ.get("OCTET") or target / "debug/octet")
    if not program.exists():
        sys.exit(f"{program} is missing: run `make lint-deploy`, which builds it")
    return program


def topology(file=None):
    """The graph as the program reads it: built in, or from a file."""
    environment = {"TOPOLOGY": str(file)} if file else {}
    return json.loads(run(octet(), "topology", "show", "--format", "json", environment=environment).stdout)


def name_of(found):
    """How messages name an object."""
    return f"{found.get('kind')}/{found.get('metadata', {}).get('name')}"


def pods(all_objects):
    """Every pod template: its object's name, its labels and its spec."""
    for found in all_objects:
        spec = found.get("spec") or {}
        if found["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        template = found if found["kind"] == "Pod" else spec.get("template")
        if found["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"):
            yield types.SimpleNamespace(
                name=name_of(found), labels=template["metadata"]["labels"], spec=template["spec"],
                namespace=found["metadata"].get("namespace"), owner=found)
