"""Checks of what KEDA and Argo Rollouts get: that it names what exists, and leaves one owner of replicas and weights."""

import pathlib
import re
import tempfile

from graph import of_kind, selected
from render import ROOT, name_of, run

QUERIES = ROOT / "docs/queries.md"
# The document's example of a new version's pods.
EXAMPLE = {"namespace": "octet", "service": "service-g", "pods": "5d8f9c7b6d"}


def faults(objects, own):
    """One line per error."""
    return [*_scaled(objects, own), *_rollouts(objects)]


def _of(objects, kind):
    return {found["metadata"]["name"]: found for found in of_kind(objects, kind)}


def _scaled(objects, own):
    scaled = _of(objects, "ScaledObject")
    queues = {service["name"]: service["consumes"] for service in own["services"] if service["consumes"]}
    if scaled and scaled.keys() != queues.keys():
        yield f"ScaledObjects: are of {sorted(scaled)}, but consumers are {sorted(queues)}"
    logins = {"own-login", *_of(objects, "TriggerAuthentication")}
    for name, found in scaled.items():
        reference = found["spec"]["scaleTargetRef"]
        target = _of(objects, reference["kind"]).get(reference["name"])
        if target is None or "replicas" in target["spec"] or (reference["kind"], name) != (target["kind"], reference["name"]):
            yield f"{name_of(found)}: no such {reference['kind']}, or it sets replicas"
        if name in _of(objects, "HorizontalPodAutoscaler"):
            yield f"{name_of(found)}: KEDA makes a second HorizontalPodAutoscaler"
        kinds = [trigger["type"] for trigger in found["spec"]["triggers"]]
        if len(set(kinds)) != len(kinds) or not {"rabbitmq", "prometheus"} & set(kinds):
            yield f"{name_of(found)}: has the triggers {kinds}"
        for trigger in found["spec"]["triggers"]:
            yield from (f"{name_of(found)}: {fault}" for fault in _trigger(objects, name, trigger, queues, logins))


def _trigger(objects, name, trigger, queues, logins):
    given = trigger["metadata"]
    # KEDA reads text alone.
    if any(not isinstance(value, str) for value in given.values()):
        yield f"the metadata of {trigger['type']} is not text"
    if trigger["type"] == "rabbitmq":
        if given["queueName"] != queues.get(name):
            yield f"asks for the queue {given['queueName']}"
        if trigger["authenticationRef"]["name"] not in logins:
            yield f"there is no TriggerAuthentication {trigger['authenticationRef']['name']}"
        if "rabbitmq" in _of(objects, "StatefulSet"):
            if "rabbitmq.octet.svc." not in given.get("host", ""):
                yield "KEDA does not find the bundled broker from its own namespace"
            policies = [policy for policy in of_kind(objects, "NetworkPolicy")
                        if selected(policy["spec"]["podSelector"]) == "rabbitmq"]
            admitted = [peer for policy in policies for rule in policy["spec"]["ingress"] for peer in rule.get("from", [])]
            keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
            # Without policies everything is admitted.
            if policies and keda not in admitted:
                yield "the broker's network policy refuses KEDA"
    elif trigger["type"] == "prometheus":
        yield from parsed(given["query"])
    elif given.get("containerName") != name:
        yield f"{trigger['type']} is not that of the container {name}"


def _rollouts(objects):
    deployments = _of(objects, "Deployment")
    templates = _of(objects, "AnalysisTemplate")
    for name, found in _of(objects, "Rollout").items():
        template = deployments.get(found["spec"]["workloadRef"]["name"], {"spec": {}})
        if template["spec"].get("replicas") != 0:
            yield f"{name_of(found)}: its Deployment runs pods of its own, or is missing"
        canary = found["spec"]["strategy"]["canary"]
        used = {entry["templateName"] for entry in canary["analysis"]["templates"]}
        if used - templates.keys():
            yield f"{name_of(found)}: no AnalysisTemplate {sorted(used - templates.keys())}"
        given = {argument["name"] for argument in canary["analysis"]["args"]}
        for template in (templates[entry] for entry in used & templates.keys()):
            if {argument["name"] for argument in template["spec"]["args"]} != given:
                yield f"{name_of(template)}: its arguments are not {sorted(given)}"
            yield from _analysis(template, name)
        routed = canary.get("trafficRouting", {}).get("istio")
        services = _of(objects, "VirtualService")
        if (routed is not None) != (name in services):
            yield f"{name_of(found)}: the mesh's routes are not its own"
        elif routed:
            yield from _routes(name, routed, services, _of(objects, "DestinationRule"))


def _routes(name, routed, services, rules):
    (route,) = [route for route in services[routed["virtualService"]["name"]]["spec"]["http"]
                if route["name"] in routed["virtualService"]["routes"]]
    rule = routed["destinationRule"]
    weights = {target["destination"]["subset"]: target["weight"] for target in route["route"]}
    if weights != {rule["stableSubsetName"]: 100, rule["canarySubsetName"]: 0}:
        yield f"Rollout/{name}: its route starts with {weights}"
    if {rule["stableSubsetName"], rule["canarySubsetName"]} != {subset["name"] for subset in rules[rule["name"]]["spec"]["subsets"]}:
        yield f"Rollout/{name}: its DestinationRule has other subsets"


def _analysis(template, service):
    text = " ".join(QUERIES.read_text().split())
    for metric in template["spec"]["metrics"]:
        query = metric["provider"]["prometheus"]["query"]
        if f'pod=~"{service}-{{{{args.pods}}}}-.*"' not in query:
            yield f"{name_of(template)}: {metric['name']} is not of the new pods alone"
        shown = query.replace("{{args.pods}}", EXAMPLE["pods"]).replace(service, EXAMPLE["service"])
        if " ".join(shown.split()) not in text:
            yield f"{name_of(template)}: the query of {metric['name']} is not in docs/queries.md"
        limit = re.fullmatch(r"len\(result\) > 0 && result\[0\] <= ([\d.]+)", metric["successCondition"])
        if not limit or metric["failureCondition"] != f"len(result) > 0 && result[0] > {limit[1]}":
            yield f"{name_of(template)}: {metric['name']} has a verdict without traffic, or two"
        yield from (f"{name_of(template)}: {fault}" for fault in parsed(query.replace("{{args.pods}}", "a")))


def parsed(query):
    """What promtool says of a query."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "rule.yaml")
        indented = query.replace("\n", "\n" + " " * 10)
        file.write_text(f"groups:\n  - name: a\n    rules:\n      - record: a:b\n        expr: |\n          {indented}\n")
        done = run("promtool", "check", "rules", file, check=False)
    if done.returncode != 0:
        yield f"promtool: {done.stdout}{done.stderr}"
