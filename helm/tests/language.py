"""Checks of what the topology language adds: callers that balance over pods, faults, and RPCs and routes that stream."""

import fnmatch
import re

from graph import GREETING, of_kind
from render import ROOT, name_of, octet, run

PODS = "-pods"
FILE = "/etc/octet/faults/faults"


def faults(objects):
    """One line per error in one rendering."""
    return [*_headless(objects), *_faults(objects), *_rpcs(objects), *_routes(objects)]


def headless(objects):
    """The Services whose pods the callers balance over, by the name of the service."""
    return {found["metadata"]["name"].removesuffix(PODS): found for found in of_kind(objects, "Service")
            if found["metadata"]["name"].endswith(PODS)}


def _headless(objects):
    called = {entry["value"].split(":")[0].removesuffix(PODS) for _, container in _processes(objects)
              for entry in container["env"] if entry.get("value", "").endswith(f"{PODS}:{GREETING}")}
    found = headless(objects)
    if set(found) != called:
        yield f"Services of pods: {sorted(found)}, but callers name {sorted(called)}"
    for name, service in found.items():
        spec = service["spec"]
        if spec.get("clusterIP") != "None":
            yield f"{name_of(service)}: has an address of its own, so that callers stay with one pod"
        if spec.get("publishNotReadyAddresses"):
            yield f"{name_of(service)}: names pods that are not ready"
        if spec["selector"].get("app.kubernetes.io/name") != name:
            yield f"{name_of(service)}: selects other pods"


def _faults(objects):
    configs = [found for found in of_kind(objects, "ConfigMap") if found["metadata"]["name"] == "octet-faults"]
    for name, container in _processes(objects):
        file = next((entry["value"] for entry in container["env"] if entry["name"] == "FAULTS_FILE"), None)
        if file != (FILE if configs and name != "collector" else None):
            yield f"{name}: FAULTS_FILE is {file}"
        mounts = [mount for mount in container.get("volumeMounts", []) if mount["name"] == "faults"]
        if bool(mounts) != (file is not None):
            yield f"{name}: mounts of faults: {mounts}"
        # The kubelet updates a mounted directory, and never a single file of it.
        if any(mount["mountPath"] != "/etc/octet/faults" or "subPath" in mount for mount in mounts):
            yield f"{name}: a change of the faults would not reach it"
    for found in configs:
        # `sign` reads the faults as a process does.
        rules = [line for line in found["data"]["faults"].splitlines() if not line.startswith("#")]
        done = run(octet(), "fault", "sign", *rules, check=False, environment={"FAULT_KEY": "only-for-this-check"})
        if rules and done.returncode != 0:
            yield f"{name_of(found)}: {done.stderr.strip()}"


def _rpcs(objects):
    """Who may call a service may call each of its RPCs, those that stream too."""
    proto = (ROOT / "proto/greeting/v3/greeting.proto").read_text()
    rpcs = [f"/greeting.v3.GreetingService/{name}" for name in re.findall(r"^  rpc (\w+)\(", proto, re.MULTILINE)]
    for policy in of_kind(objects, "AuthorizationPolicy"):
        for rule in policy["spec"].get("rules", []):
            operation = rule["to"][0]["operation"]
            if "from" not in rule or operation["ports"] != [GREETING] or "paths" not in operation:
                continue
            for rpc in rpcs:
                if not any(fnmatch.fnmatchcase(rpc, path) for path in operation["paths"]):
                    yield f"{name_of(policy)}: refuses {rpc}"


def _routes(objects):
    """Each route of the gateway is reached from outside, and no timeout of a proxy ends a stream before its deadline of 5 s."""
    proto = (ROOT / "proto/greeting/v3/greeting.proto").read_text()
    for path in re.findall(r'get: "([^"]+)"', proto):
        for ingress in of_kind(objects, "Ingress"):
            # That of gRPC has the paths of RPCs.
            if ingress["metadata"]["name"].endswith("-grpc"):
                continue
            for rule in ingress["spec"]["rules"]:
                if not any(path.startswith(entry["path"]) for entry in rule["http"]["paths"]):
                    yield f"{name_of(ingress)}: does not serve {path}"
        for route in of_kind(objects, "HTTPRoute"):
            if not any(path.startswith(match.get("path", {}).get("value", "/")) for rule in route["spec"]["rules"]
                       for match in rule.get("matches", [{}])):
                yield f"{name_of(route)}: does not serve {path}"
        for service in of_kind(objects, "VirtualService"):
            if "gateways" in service["spec"] and not any(
                    path.startswith(match.get("uri", {}).get("prefix", "/")) for route in service["spec"]["http"]
                    for match in route.get("match", [{}])):
                yield f"{name_of(service)}: does not serve {path}"
    timeouts = [(name_of(found), route.get("timeout")) for found in of_kind(objects, "VirtualService")
                for route in found["spec"]["http"]]
    timeouts += [(name_of(found), rule.get("timeouts", {}).get("request")) for found in of_kind(objects, "HTTPRoute")
                 for rule in found["spec"]["rules"]]
    for name, timeout in timeouts:
        if timeout and re.fullmatch(r"\d+s", timeout) and int(timeout[:-1]) <= 5:
            yield f"{name}: its timeout {timeout} ends streams before their deadline"


def _processes(objects):
    """The name and the container of every process of Octet."""
    for found in of_kind(objects, "Deployment"):
        (container,) = found["spec"]["template"]["spec"]["containers"]
        if "ADMIN_PORT" in {entry["name"] for entry in container.get("env", [])}:
            yield found["metadata"]["name"], container
