"""Faults of renderings for an ambient mesh; helm/tests/planted.py plants them. Each changes the objects of one case."""

ZTUNNEL = "ambient"
WAYPOINT = "ambient, waypoint, canary"


def pick(objects, kind, name):
    (found,) = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def without_hbone(rules):
    for rule in rules:
        rule["ports"] = [port for port in rule["ports"] if port["port"] != 15008]


def hbone_not_admitted(rendered):
    without_hbone(pick(rendered[ZTUNNEL], "NetworkPolicy", "service-b")["spec"]["ingress"])


def hbone_not_allowed_out(rendered):
    without_hbone(pick(rendered[ZTUNNEL], "NetworkPolicy", "service-b")["spec"]["egress"])


def hbone_open_to_all(rendered):
    rules = pick(rendered[ZTUNNEL], "NetworkPolicy", "service-b")["spec"]["ingress"]
    rules.append({"ports": [{"port": 9001, "protocol": "TCP"}, {"port": 15008, "protocol": "TCP"}]})


def hbone_not_admitted_by_the_broker(rendered):
    without_hbone(pick(rendered[WAYPOINT], "NetworkPolicy", "rabbitmq")["spec"]["ingress"])


def probes_blocked(rendered):
    rules = pick(rendered[ZTUNNEL], "NetworkPolicy", "mongodb")["spec"]["ingress"]
    rules[:] = [rule for rule in rules if "ipBlock" not in rule["from"][0]]


def paths_at_ztunnel(rendered):
    rule = pick(rendered[ZTUNNEL], "AuthorizationPolicy", "service-b")["spec"]["rules"][0]
    rule["to"][0]["operation"]["paths"] = ["/greeting.v3.GreetingService/*"]


def methods_at_ztunnel(rendered):
    rule = pick(rendered[WAYPOINT], "AuthorizationPolicy", "gateway")["spec"]["rules"][-1]
    rule["to"][0]["operation"]["methods"] = ["GET"]


def any_path_at_waypoint(rendered):
    del pick(rendered[WAYPOINT], "AuthorizationPolicy", "service-b-calls")["spec"]["rules"][0]["to"][0]["operation"]["paths"]


def caller_lost_at_waypoint(rendered):
    pick(rendered[WAYPOINT], "AuthorizationPolicy", "service-g-calls")["spec"].pop("rules")


def past_the_waypoint(rendered):
    rule = pick(rendered[WAYPOINT], "AuthorizationPolicy", "service-b")["spec"]["rules"][0]
    rule["from"][0]["source"]["principals"].append("cluster.local/ns/octet/sa/service-a")


def past_the_waypoint_by_network(rendered):
    rules = pick(rendered[WAYPOINT], "NetworkPolicy", "service-a")["spec"]["egress"]
    to = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "service-b", "app.kubernetes.io/instance": "octet"}}}
    rules.append({"to": [to], "ports": [{"port": 15008, "protocol": "TCP"}]})


def waypoint_not_allowed_out(rendered):
    rules = pick(rendered[WAYPOINT], "NetworkPolicy", "octet-waypoint")["spec"]["egress"]
    rules[:] = [rule for rule in rules if "service-g" not in str(rule)]


def service_without_waypoint(rendered):
    del pick(rendered[WAYPOINT], "Service", "service-e")["metadata"]["labels"]["istio.io/use-waypoint"]


def route_lost(rendered):
    rendered[WAYPOINT].remove(pick(rendered[WAYPOINT], "GRPCRoute", "service-e"))


def route_to_nowhere(rendered):
    rule = pick(rendered[WAYPOINT], "GRPCRoute", "service-g")["spec"]["rules"][0]
    rule["backendRefs"][1]["name"] = "service-g-v3"


def virtual_service_of_the_mesh(rendered):
    del pick(rendered[WAYPOINT], "VirtualService", "octet")["spec"]["gateways"]


def sidecar_left(rendered):
    rendered[ZTUNNEL].append({"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {
        "name": "a", "namespace": "octet"}, "spec": {"workloadSelector": {"labels": {"app.kubernetes.io/name": "service-a"}}}})


def rule_that_nothing_applies(rendered):
    rule = pick(rendered[ZTUNNEL], "DestinationRule", "gateway")["spec"]
    rule["host"] = rule["host"].replace("gateway", "service-a")


def pod_outside_the_mesh(rendered):
    del pick(rendered[ZTUNNEL], "StatefulSet", "mongodb")["spec"]["template"]["metadata"]["labels"]["istio.io/dataplane-mode"]


def telemetry_of_nothing(rendered):
    del pick(rendered[WAYPOINT], "Telemetry", "octet")["spec"]["targetRefs"]


PLANTED = [
    (hbone_not_admitted, ZTUNNEL, "NetworkPolicies (ingress): ('service-a', 'service-b', '15008') is missing"),
    (hbone_not_allowed_out, ZTUNNEL, "NetworkPolicies (egress): ('service-b', 'service-e', '15008') is missing"),
    (hbone_open_to_all, ZTUNNEL, "NetworkPolicy/service-b: admits everyone to every port behind 15008"),
    (hbone_not_admitted_by_the_broker, WAYPOINT, "(ingress): ('service-d', 'rabbitmq', '15008') is missing"),
    (probes_blocked, ZTUNNEL, "NetworkPolicy/mongodb: refuses the kubelet's probes"),
    (paths_at_ztunnel, ZTUNNEL, "AuthorizationPolicy/service-b: ztunnel cannot enforce ['paths']"),
    (methods_at_ztunnel, WAYPOINT, "AuthorizationPolicy/gateway: ztunnel cannot enforce ['methods']"),
    (any_path_at_waypoint, WAYPOINT, "service-b-calls: the waypoint does not restrict paths"),
    (caller_lost_at_waypoint, WAYPOINT, "of the waypoint: ('service-e', 'service-g', '50051') is missing"),
    (past_the_waypoint, WAYPOINT, "AuthorizationPolicies: ('service-a', 'service-b', '50051') is not in the graph"),
    (past_the_waypoint_by_network, WAYPOINT, "(egress): ('service-a', 'service-b', '15008') is not in the graph"),
    (waypoint_not_allowed_out, WAYPOINT, "(egress): ('octet-waypoint', 'service-g', '15008') is missing"),
    (service_without_waypoint, WAYPOINT, "Service/service-e: uses the waypoint None"),
    (route_lost, WAYPOINT, "GRPCRoutes: have the parents"),
    (route_to_nowhere, WAYPOINT, "GRPCRoute/service-g: service-g-v3 is not a Service"),
    (virtual_service_of_the_mesh, WAYPOINT, "VirtualService/octet: a waypoint does not mix it"),
    (sidecar_left, ZTUNNEL, "Sidecar/a: nothing applies it"),
    (rule_that_nothing_applies, ZTUNNEL, "DestinationRules: nothing applies those of ['service-a']"),
    (pod_outside_the_mesh, ZTUNNEL, "StatefulSet/mongodb: is not in the ambient mesh"),
    (telemetry_of_nothing, WAYPOINT, "Telemetry: does not name the waypoint"),
]
