"""Which paths calls take in an ambient mesh, and checks of what only a sidecar, ztunnel or a waypoint can do."""

import types

from graph import GREETING, HBONE, PROXIES, WAYPOINT, at_pods, of_kind
from render import name_of, pods

# Fields of a rule that ztunnel cannot enforce: it would refuse everything instead.
OF_HTTP = {"hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"}
ADDRESS_OF_PROBES = "169.254.7.127/32"


def of(objects):
    """How the namespace's calls are carried, and what that makes of the graph's edges."""
    on = any(pod.labels.get("istio.io/dataplane-mode") == "ambient" for pod in pods(objects))
    waypoint = any(found["metadata"]["name"] == WAYPOINT for found in of_kind(objects, "Gateway"))
    hbone = on or any(ADDRESS_OF_PROBES in str(policy["spec"]) for policy in of_kind(objects, "NetworkPolicy"))

    def through(edges):
        """The edges, with the waypoint between a caller and the pods that it calls."""
        calls = {edge for edge in edges if edge[2] == GREETING} if waypoint else set()
        legs = {(caller, WAYPOINT, HBONE) for caller, _, _ in calls} | {(WAYPOINT, callee, HBONE) for _, callee, _ in calls}
        return edges - calls, legs

    def network(edges, proxies=False):
        """What network policies must allow: ztunnel's port beside each, as it carries them if both pods are in the mesh."""
        direct, legs = through(edges)
        if proxies and waypoint:
            direct = direct | {(WAYPOINT, *callee) for callee in PROXIES}
        return direct | legs | ({(*edge[:2], HBONE) for edge in direct} if hbone else set())

    def authorized(edges, proxies):
        """What the pods' own policies must allow: the waypoint alone, for what it has checked."""
        direct, legs = through(edges)
        spans = {(WAYPOINT, *callee) for callee in PROXIES} if proxies and waypoint else set()
        return direct | spans | {(WAYPOINT, callee, GREETING) for caller, callee, _ in legs if caller == WAYPOINT}

    def ingress_reports(found, proxies):
        """The ingress gateway reports spans where proxies do. Without any in the namespace no Telemetry says so: then both
        kinds of policies must agree, where there are both."""
        if proxies or not on or waypoint:
            return proxies
        admitting = [policy for kind in ("NetworkPolicy", "AuthorizationPolicy") for policy in of_kind(found, kind)
                     if policy["metadata"]["name"] == "collector"]
        return bool(admitting) and "istio-ingress" in str(admitting[0]["spec"])

    return types.SimpleNamespace(on=on, waypoint=waypoint, network=network, authorized=authorized,
                                 ingress_reports=ingress_reports)


def faults(objects):
    """One line per object that its data plane does not apply, or not as meant."""
    mode = of(objects)
    if not mode.on:
        if mode.waypoint:
            yield "there is a waypoint without ambient mode"
        return
    yield from _pods(objects)
    yield from _policies(objects)
    yield from _routes(objects, mode)


def _pods(objects):
    for pod in pods(objects):
        if pod.labels.get("istio.io/dataplane-mode") != "ambient" or pod.labels.get("sidecar.istio.io/inject") != "false":
            yield f"{pod.name}: is not in the ambient mesh, or gets a sidecar too"
    probed = {(pod.namespace, pod.labels["app.kubernetes.io/name"]) for pod in pods(objects)
              if any("readinessProbe" in container for container in pod.spec["containers"])}
    for policy in of_kind(objects, "NetworkPolicy"):
        name = policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/name")
        if (policy["metadata"]["namespace"], name) in probed and ADDRESS_OF_PROBES not in str(policy["spec"].get("ingress")):
            yield f"{name_of(policy)}: refuses the kubelet's probes"
        for rule in policy["spec"].get("ingress") or []:
            if "from" not in rule and {HBONE} < {str(port["port"]) for port in rule["ports"]} - {"8080"}:
                yield f"{name_of(policy)}: admits everyone to every port behind {HBONE}"


def _policies(objects):
    for policy in of_kind(objects, "AuthorizationPolicy"):
        of_http = {field for rule in policy["spec"].get("rules", []) for to in rule.get("to", [])
                   for field in to["operation"].keys() & OF_HTTP}
        if of_http and at_pods(policy):
            yield f"{name_of(policy)}: ztunnel cannot enforce {sorted(of_http)}"
        if not at_pods(policy) and policy["spec"].get("rules") and "paths" not in of_http:
            yield f"{name_of(policy)}: the waypoint does not restrict paths"


def _routes(objects, mode):
    for kind in ("Sidecar", "ServiceEntry"):
        yield from (f"{name_of(found)}: nothing applies it in ambient mode" for found in of_kind(objects, kind))
    for found in of_kind(objects, "VirtualService"):
        if not found["spec"].get("gateways"):
            yield f"{name_of(found)}: a waypoint does not mix it with GRPCRoutes"
    services = {found["metadata"]["name"]: found for found in of_kind(objects, "Service")}
    routed = {parent["name"]: route for route in of_kind(objects, "GRPCRoute") for parent in route["spec"]["parentRefs"]
              if parent.get("kind") == "Service"}
    greeting = {name for name, found in services.items() if found["metadata"]["labels"]["app.kubernetes.io/name"] == name
                and any(port["name"] == "grpc" for port in found["spec"]["ports"])}
    for name, found in services.items():
        uses = found["metadata"]["labels"].get("istio.io/use-waypoint")
        if uses != (WAYPOINT if mode.waypoint and name in greeting else None):
            yield f"{name_of(found)}: uses the waypoint {uses}"
    if set(routed) != (greeting if mode.waypoint else set()):
        yield f"GRPCRoutes: have the parents {sorted(routed)}"
    for route in routed.values():
        for backend in (backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"]):
            if backend["name"] not in services:
                yield f"{name_of(route)}: {backend['name']} is not a Service"
    hosts = {rule["spec"]["host"].split(".")[0] for rule in of_kind(objects, "DestinationRule")}
    if hosts - {"gateway"} and not mode.waypoint:
        yield f"DestinationRules: nothing applies those of {sorted(hosts - {'gateway'})}"
    telemetry = of_kind(objects, "Telemetry")
    if any("targetRefs" not in found["spec"] for found in telemetry):
        yield "Telemetry: does not name the waypoint"
