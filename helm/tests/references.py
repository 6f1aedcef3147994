"""Checks that what objects refer to exists: ports, pods, Secrets, accounts."""

from cases import EXISTING
from graph import of_kind
from render import name_of, pods


def faults(objects):
    """One line per dangling reference."""
    return [*_ports(objects), *_selectors(objects), *_references(objects), *_peers(objects)]


def _peers(objects):
    """A list of peers without one admits everyone."""
    for policy in of_kind(objects, "NetworkPolicy"):
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            if any(peers in rule and not rule[peers] for rule in policy["spec"].get(direction) or []):
                yield f"{name_of(policy)}: a rule of {direction} has no peer, which means every peer"


def _ports(objects):
    labelled = list(pods(objects))
    for service in of_kind(objects, "Service"):
        name = service["metadata"]["name"]
        behind = [pod for pod in labelled if _matches(service["spec"]["selector"], pod, service)]
        if not behind:
            yield f"{name_of(service)}: selects no pod"
        for port in service["spec"]["ports"]:
            for pod in behind:
                known = {entry["name"]: entry["containerPort"]
                         for container in pod.spec["containers"] for entry in container["ports"]}
                if port["targetPort"] not in known:
                    yield f"{name_of(service)}: {pod.name} has no port {port['targetPort']}"
                elif known[port["targetPort"]] != port["port"]:
                    yield f"{name_of(service)}: port {port['port']} leads to {known[port['targetPort']]}"
        if name.startswith("service-") and not name.endswith("-admin"):
            protocols = {(port["name"], port.get("appProtocol"))
                         for port in service["spec"]["ports"] if port["port"] == 50051}
            if protocols != {("grpc", "grpc")}:
                yield f"{name_of(service)}: port 50051 is {protocols}, which a mesh does not recognise as gRPC"
    for pod in labelled:
        for container in pod.spec["containers"]:
            known = {entry["name"] for entry in container.get("ports", [])}
            numbers = {entry["containerPort"] for entry in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                look = container.get(probe, {})
                target = look.get("httpGet", look.get("tcpSocket", look.get("grpc", {}))).get("port")
                if target is not None and target not in known | numbers:
                    yield f"{pod.name}: {probe} uses port {target}, which does not exist"


def _matches(selector, pod, found):
    same = found["metadata"].get("namespace") == pod.namespace
    return same and all(pod.labels.get(key) == value for key, value in selector.items())


def _selectors(objects):
    labelled = list(pods(objects))
    for found in objects:
        spec = found.get("spec") or {}
        if found["kind"] in ("PodDisruptionBudget", "NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"):
            chosen = (spec.get("selector") or spec.get("podSelector") or {}).get("matchLabels")
        elif found["kind"] == "Sidecar":
            chosen = spec["workloadSelector"]["labels"]
        else:
            continue
        # istiod creates the waypoint's pods.
        made = {"gateway.networking.k8s.io/gateway-name": "octet-waypoint"}
        if chosen is not None and chosen != made and not any(_matches(chosen, pod, found) for pod in labelled):
            yield f"{name_of(found)}: selects no pod"
    deployments = {found["metadata"]["name"]: found for found in of_kind(objects, "Deployment")}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        reference = scaler["spec"]["scaleTargetRef"]
        owners = [found for found in of_kind(objects, reference["kind"]) if found["metadata"]["name"] == reference["name"]]
        target = deployments.get(reference["name"])
        measured = {metric["containerResource"]["container"] for metric in scaler["spec"]["metrics"]}
        if not owners or target is None or "replicas" in owners[0]["spec"]:
            yield f"{name_of(scaler)}: no such {reference['kind']}, or it sets replicas"
        elif measured != {target["spec"]["template"]["spec"]["containers"][0]["name"]}:
            yield f"{name_of(scaler)}: measures {sorted(measured)}, which is not its container"


def _references(objects):
    known = EXISTING | {found["metadata"]["name"] for found in objects if found["kind"] in ("Secret", "ConfigMap")}
    accounts = {(found["metadata"]["namespace"], found["metadata"]["name"])
                for found in of_kind(objects, "ServiceAccount")}
    for pod in pods(objects):
        names = {volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
                 for volume in pod.spec.get("volumes", [])}
        for container in pod.spec["containers"]:
            names |= {source.get("name") for entry in container.get("env", []) for source in entry.get("valueFrom", {}).values()}
            names |= {entry.get(source, {}).get("name")
                      for entry in container.get("envFrom", []) for source in ("secretRef", "configMapRef")}
        for name in sorted(names - known - {None}):
            yield f"{pod.name}: refers to {name}, which nothing creates"
        account = pod.spec["serviceAccountName"]
        if (pod.namespace, account) not in accounts and account not in EXISTING:
            yield f"{pod.name}: its ServiceAccount is missing"
