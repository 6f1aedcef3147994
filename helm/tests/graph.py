"""Which calls are allowed: by the topology, and by each kind of policy.

An edge is (caller, callee, port). Servers that the chart does not run are named by their kind.
"""

import re

from render import pods

GREETING = "50051"
# Where ztunnel receives what other pods of an ambient mesh send.
HBONE = "15008"
WAYPOINT = "octet-waypoint"
GATEWAY = ("gateway", "8080")
COLLECTOR = ("collector", "9411")
# What takes OTLP from processes.
OTLP = ("collector", "4318")
# Where proxies report: by Envoy's Zipkin tracer, or its OpenTelemetry tracer.
PROXIES = (COLLECTOR, ("collector", "4317"))
SERVERS = {"mongodb": "27017", "rabbitmq": "5672"}
# Clients in the release's namespace that are not in the graph; their edges are kept apart from the graph's.
CLIENTS = {"octet-load", "octet-test"}
# What copies databases into S3.
LAKE = "octet-lake"


def uses(service, server):
    return bool(service["store"]) if server == "mongodb" else bool(service["publishes"] or service["consumes"])


def expected(topology, reports, collector, ports):
    """The graph's edges: calls, the gateway's call, reports of spans, servers."""
    edges = {(service["name"], callee, GREETING) for service in topology["services"] for callee in service["calls"]}
    edges.add(("gateway", topology["entry"], GREETING))
    reporters = [*(service["name"] for service in topology["services"]), "gateway"]
    edges |= {(reporter, *callee) for reporter in reporters for callee in reports}
    if collector:
        edges.add(("gateway", *COLLECTOR))
    for server, port in ports.items():
        edges |= {(service["name"], server, port) for service in topology["services"] if uses(service, server)}
    return edges


def of_kind(objects, kind):
    return [found for found in objects if found["kind"] == kind]


def selected(selector):
    """The workload that a selector means, or the waypoint, whose pods istiod labels."""
    labels = selector["matchLabels"]
    return labels.get("app.kubernetes.io/name") or labels["gateway.networking.k8s.io/gateway-name"]


def at_pods(policy):
    """Whether sidecars or ztunnel enforce it, and not the waypoint."""
    return "targetRefs" not in policy["spec"]


def of_authorization(objects, enforced=at_pods):
    """What AuthorizationPolicies allow: edges within the namespace, and rules for others as (namespace/account, …)."""
    edges, others = set(), set()
    names = {pod.spec["serviceAccountName"]: pod.labels["app.kubernetes.io/name"] for pod in pods(objects)}
    for policy in filter(enforced, of_kind(objects, "AuthorizationPolicy")):
        own = policy["metadata"]["namespace"]
        for rule in policy["spec"].get("rules", []):
            (to,) = rule["to"]
            for port in to["operation"]["ports"]:
                callee = selected(policy["spec"]["selector"]) if at_pods(policy) else policy["spec"]["targetRefs"][0]["name"]
                if "from" not in rule:
                    others.add(("*", callee, port))
                    continue
                for principal in rule["from"][0]["source"]["principals"]:
                    _, namespace, account = re.fullmatch(r"([^/]+)/ns/([^/]+)/sa/([^/]+)", principal).groups()
                    caller = names.get(account, account)
                    if namespace == own and caller not in CLIENTS:
                        edges.add((caller, callee, port))
                    else:
                        others.add((f"{namespace}/{caller}", callee, port))
    return edges, others


def clients(objects):
    """The clients that exist."""
    return {found["metadata"]["name"] for found in objects if found["kind"] in ("Job", "CronJob")} & CLIENTS


def copies_stores(objects):
    """Whether the lake exists and copies the mesh's own stores."""
    return any(pod.labels["app.kubernetes.io/name"] == LAKE and
               any(volume["name"] == "mongodb" for volume in pod.spec["volumes"]) for pod in pods(objects))


def of_network(objects, direction):
    """What NetworkPolicies allow between pods, from the side of `ingress` or `egress`: the graph's edges, and clients'."""
    edges = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        own = selected(policy["spec"]["podSelector"])
        peers = "from" if direction == "ingress" else "to"
        for rule in policy["spec"].get(direction) or []:
            for peer in rule.get(peers) or []:
                if "podSelector" not in peer or "namespaceSelector" in peer:
                    continue
                other = selected(peer["podSelector"])
                for port in rule["ports"]:
                    pair = (other, own) if direction == "ingress" else (own, other)
                    edges.add((*pair, str(port["port"])))
    of_clients = {edge for edge in edges if edge[0] in CLIENTS}
    return edges - of_clients, of_clients


def open_to_all(objects):
    """What NetworkPolicies let anyone reach: (callee, port)."""
    return {(selected(policy["spec"]["podSelector"]), str(port["port"])) for policy in of_kind(objects, "NetworkPolicy")
            for rule in policy["spec"].get("ingress") or [] if "from" not in rule for port in rule["ports"]}


def of_sidecars(objects, external):
    """What Sidecars let through, without ports: (caller, callee). `external` maps a host to its server's kind."""
    edges = set()
    for sidecar in of_kind(objects, "Sidecar"):
        caller = sidecar["spec"]["workloadSelector"]["labels"]["app.kubernetes.io/name"]
        for egress in sidecar["spec"]["egress"]:
            for host in egress["hosts"]:
                namespace, name = host.split("/", 1)
                if namespace == ".":
                    edges.add((caller, external.get(name) or name.split(".")[0]))
    return edges
