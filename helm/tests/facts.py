"""What has to be true of every rendering, beyond what any schema says."""

import pathlib
import tempfile

import graph
from cases import EXISTING
from graph import of_kind
from render import name_of, pods, topology

SAFE_RETRIES = "connect-failure,refused-stream"


def faults(objects, own_topology):
    """A line for each thing that is wrong with one rendering."""
    return [*_graph(objects, own_topology), *_edges(objects, own_topology), *_environment(objects, own_topology),
            *_ports(objects), *_selectors(objects), *_references(objects), *_istio(objects)]


def of_workloads(objects):
    """What also holds for what the chart does not own: restricted pods, pinned images."""
    for pod in pods(objects):
        yield from _restricted(pod)
        for container in [*pod.spec["containers"], *pod.spec.get("initContainers", [])]:
            if not pinned(container["image"]):
                yield f"{pod.name}: the image {container['image']} is not pinned: name a version or a digest"


def pinned(image):
    name, _, digest = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    return digest.startswith("sha256:") or tag not in ("", "latest")


def _restricted(pod):
    security = pod.spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser", 0) > 0:
        yield f"{pod.name}: runs as root, or may"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{pod.name}: has no seccomp profile"
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield f"{pod.name}: has a token of the API server"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{pod.name}: {key}"
    if any("hostPath" in volume for volume in pod.spec.get("volumes", [])):
        yield f"{pod.name}: mounts a path of the node"
    for container in pod.spec["containers"]:
        own = container.get("securityContext", {})
        if own.get("runAsUser", 1) == 0 or own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{pod.name}, {container['name']}: may become root"
        if own.get("readOnlyRootFilesystem") is not True or own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{pod.name}, {container['name']}: writable root, or capabilities"
        if "memory" not in container["resources"]["limits"] or "cpu" not in container["resources"]["requests"]:
            yield f"{pod.name}, {container['name']}: no limit of memory, or no request of CPU"


def _graph(objects, own):
    (config,) = [found for found in of_kind(objects, "ConfigMap") if found["metadata"]["name"] == "octet-topology"]
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "topology.toml")
        file.write_text(config["data"]["topology.toml"])
        if topology(file) != own:
            yield "the rendered topology differs from services/topology/topology.toml"


def _deployments(objects):
    return {found["metadata"]["name"]: found for found in of_kind(objects, "Deployment")}


def variables(deployment):
    """The environment of a Deployment's only container."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def _edges(objects, own):
    deployments = _deployments(objects)
    external = {host: entry["metadata"]["name"] for entry in of_kind(objects, "ServiceEntry")
                for host in entry["spec"]["hosts"]}
    bundled = {found["metadata"]["name"] for found in of_kind(objects, "StatefulSet")}
    istio = bool(of_kind(objects, "Sidecar"))
    endpoint = variables(deployments["service-a"]).get("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "")
    spans = endpoint.startswith("http://collector:") or bool(of_kind(objects, "Telemetry"))
    collector = "collector" in deployments
    ports = {server: port for server, port in graph.SERVERS.items() if server in bundled}
    expected = graph.expected(own, spans and collector, collector, ports)

    if of_kind(objects, "NetworkPolicy") != []:
        for direction in ("ingress", "egress"):
            yield from _difference(f"NetworkPolicies ({direction})", graph.of_network(objects, direction), expected)
    if istio:
        edges, others = graph.of_authorization(objects)
        yield from _difference("AuthorizationPolicies", edges, expected)
        yield from _difference("AuthorizationPolicies for others", others, _others(objects, deployments))
        servers = {(service["name"], server) for service in own["services"] for server in graph.SERVERS
                   if graph.uses(service, server)}
        pairs = {(caller, callee) for caller, callee, _ in expected} | servers
        yield from _difference("Sidecars", graph.of_sidecars(objects, external), pairs)


def _others(objects, deployments):
    ingress = "istio-ingress/istio-ingress"
    own = deployments["gateway"]["metadata"]["namespace"]
    expected = {(ingress, "gateway", "8080"), *((f"{own}/{client}", "gateway", "8080") for client in graph.CLIENTS)}
    if of_kind(objects, "Telemetry") and "collector" in deployments:
        expected.add((ingress, *graph.COLLECTOR))
    if "mongo-express" in deployments and "mongodb" in {found["metadata"]["name"] for found in of_kind(objects, "StatefulSet")}:
        expected.add(("octet-tools/mongo-express", "mongodb", "27017"))
    for name, deployment in deployments.items():
        if "ADMIN_PORT" in variables(deployment):
            expected.add(("*", name.removesuffix("-v2"), variables(deployment)["ADMIN_PORT"]))
    return expected


def _difference(what, found, expected):
    for edge in sorted(expected - found):
        yield f"{what}: {edge} is missing"
    for edge in sorted(found - expected):
        yield f"{what}: {edge} is not in the graph"


def _environment(objects, own):
    services = {service["name"]: service for service in own["services"]}
    calls = {name: service["calls"] for name, service in services.items()} | {"gateway": [own["entry"]]}
    deployments = _deployments(objects)
    missing = {*services, "gateway"} - set(deployments)
    if missing:
        yield f"no Deployment of {sorted(missing)}"
    for name, deployment in deployments.items():
        role = name.removesuffix("-v2")
        if role not in calls:
            continue
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        told = variables(deployment)
        arguments = ["service", role] if role in services else [role]
        if container["name"] != role or container["args"] != arguments:
            yield f"{name}: the container {container['name']} runs {container['args']}"
        upstreams = {key: value for key, value in told.items() if key.startswith("SERVICE_") and key.endswith("_URL")}
        if upstreams != {f"{callee.upper().replace('-', '_')}_URL": f"{callee}:50051" for callee in calls[role]}:
            yield f"{name}: is told {upstreams}, and calls {calls[role]}"
        service = services.get(role, {"store": None, "publishes": None, "consumes": None})
        for variable, server in (("MONGO_CONN_FILE", "mongodb"), ("RABBITMQ_CONN_FILE", "rabbitmq")):
            if (variable in told) != graph.uses(service, server):
                yield f"{name}: {variable} is {told.get(variable)}"
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for variable in ("MONGO_CONN_FILE", "RABBITMQ_CONN_FILE", "TOPOLOGY"):
            if variable in told and not any(told[variable].startswith(f"{mount}/") for mount in mounts):
                yield f"{name}: nothing is mounted where {variable} points"


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
                    yield f"{name_of(service)}: {port['port']} leads to {known[port['targetPort']]}"
        if name.startswith("service-"):
            protocols = {(port["name"], port.get("appProtocol")) for port in service["spec"]["ports"] if port["port"] == 50051}
            if protocols != {("grpc", "grpc")}:
                yield f"{name_of(service)}: port 50051 is {protocols}, which a mesh does not take for gRPC"
    for pod in labelled:
        for container in pod.spec["containers"]:
            known = {entry["name"] for entry in container.get("ports", [])}
            numbers = {entry["containerPort"] for entry in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                look = container.get(probe, {})
                target = look.get("httpGet", look.get("tcpSocket", look.get("grpc", {}))).get("port")
                if target is not None and target not in known | numbers:
                    yield f"{pod.name}: {probe} asks a port {target} that is not there"


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
        if chosen is not None and not any(_matches(chosen, pod, found) for pod in labelled):
            yield f"{name_of(found)}: selects no pod"
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        target = _deployments(objects).get(scaler["spec"]["scaleTargetRef"]["name"])
        metric = scaler["spec"]["metrics"][0]["containerResource"]
        if target is None or "replicas" in target["spec"]:
            yield f"{name_of(scaler)}: no such Deployment, or one that says its replicas itself"
        elif target["spec"]["template"]["spec"]["containers"][0]["name"] != metric["container"]:
            yield f"{name_of(scaler)}: looks at a container {metric['container']} that is not there"


def _references(objects):
    known = EXISTING | {found["metadata"]["name"] for found in objects if found["kind"] in ("Secret", "ConfigMap")}
    accounts = {(found["metadata"]["namespace"], found["metadata"]["name"]) for found in of_kind(objects, "ServiceAccount")}
    for pod in pods(objects):
        names = {volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
                 for volume in pod.spec.get("volumes", [])}
        for container in pod.spec["containers"]:
            names |= {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container.get("env", []) if "valueFrom" in entry}
        for name in sorted(names - known - {None}):
            yield f"{pod.name}: wants {name}, which nobody makes"
        if (pod.namespace, pod.spec["serviceAccountName"]) not in accounts:
            yield f"{pod.name}: its ServiceAccount is missing"


def _istio(objects):
    subsets = {rule["spec"]["host"]: {subset["name"] for subset in rule["spec"]["subsets"]}
               for rule in of_kind(objects, "DestinationRule")}
    for service in of_kind(objects, "VirtualService"):
        for route in service["spec"]["http"]:
            if route.get("retries", {}).get("retryOn") != SAFE_RETRIES or "timeout" not in route:
                yield f"{name_of(service)}: retries more than what was provably not processed, or has no timeout"
            if "allowOrigin" in route.get("corsPolicy", {}):
                yield f"{name_of(service)}: allowOrigin, which Istio reads no more"
            if sum(target.get("weight", 100) for target in route["route"]) != 100:
                yield f"{name_of(service)}: the weights do not add up to 100"
            for target in route["route"]:
                destination = target["destination"]
                if destination.get("subset", "v1") not in subsets.get(destination["host"], set()):
                    yield f"{name_of(service)}: no subset {destination.get('subset')} of {destination['host']}"
    for peer in of_kind(objects, "PeerAuthentication"):
        if peer["spec"]["mtls"]["mode"] != "STRICT":
            yield f"{name_of(peer)}: plain text is let in"
