"""Checks of every rendering beyond what a schema can express."""

import pathlib
import tempfile

import ambient
import delivery
import graph
import language
import references
from graph import of_kind, selected
from render import name_of, topology

SAFE_RETRIES = "connect-failure,refused-stream"


def faults(objects, own_topology):
    """One line per error in one rendering."""
    return [*_graph(objects, own_topology), *_edges(objects, own_topology), *_environment(objects, own_topology),
            *_admin_services(objects),
            *references.faults(objects), *_istio(objects), *ambient.faults(objects), *delivery.faults(objects, own_topology),
            *language.faults(objects)]


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
    istio, mode = bool(of_kind(objects, "PeerAuthentication")), ambient.of(objects)
    configured = variables(deployments["service-a"])
    collector = "collector" in deployments
    proxies = collector and any("tracing" in found["spec"] for found in of_kind(objects, "Telemetry"))
    sidecars = proxies and not mode.on
    reports = {callee for variable, callee in (("OTEL_EXPORTER_ZIPKIN_ENDPOINT", graph.COLLECTOR),
                                               ("OTEL_EXPORTER_OTLP_ENDPOINT", graph.OTLP))
               if configured.get(variable, "").startswith(f"http://{':'.join(callee)}")}
    reports |= set(graph.PROXIES if sidecars else ())
    ports = {server: port for server, port in graph.SERVERS.items() if server in bundled}
    expected = graph.expected(own, reports if collector else (), collector, ports)
    if "mongodb" in bundled and graph.copies_stores(objects):
        expected.add((graph.LAKE, "mongodb", graph.SERVERS["mongodb"]))
    # Telemetry applies to the namespace, so the sidecars of clients report as well.
    clients = {(client, *callee) for client in graph.clients(objects)
               for callee in (graph.GATEWAY, *(graph.PROXIES if sidecars else []))}

    admin = _admin_reads(deployments)
    # The console's, in its own namespace, is there in any case.
    if any(selected(policy["spec"]["podSelector"]) == "gateway" for policy in of_kind(objects, "NetworkPolicy")):
        everyones = graph.open_to_all(objects)
        for direction in ("ingress", "egress"):
            edges, others = graph.of_network(objects, direction)
            wanted, asked = mode.network(expected | admin, proxies), mode.network(clients)
            if direction == "ingress":
                edges, others, wanted, asked = ({edge for edge in some if edge[1:] not in everyones}
                                                for some in (edges, others, wanted, asked))
            yield from _difference(f"NetworkPolicies ({direction})", edges, wanted)
            yield from _difference(f"NetworkPolicies ({direction}) of clients", others, asked)
    if istio:
        edges, others = graph.of_authorization(objects)
        yield from _difference("AuthorizationPolicies", edges, mode.authorized(expected, proxies))
        yield from _difference("AuthorizationPolicies for others", others,
                               _others(objects, clients, mode.ingress_reports(objects, proxies)))
    if mode.waypoint:
        at_waypoint, _ = graph.of_authorization(objects, lambda policy: not graph.at_pods(policy))
        calls = {edge for edge in expected if edge[2] == graph.GREETING}
        yield from _difference("AuthorizationPolicies of the waypoint", at_waypoint, calls)
    if istio and not mode.on:
        servers = {(service["name"], server) for service in own["services"] for server in graph.SERVERS
                   if graph.uses(service, server)}
        pairs = {(caller, callee) for caller, callee, _ in expected} | servers
        pairs |= {(caller, f"{callee}-admin") for caller, callee, _ in admin}
        yield from _difference("Sidecars", graph.of_sidecars(objects, external), pairs)


def _admin_reads(deployments):
    """The admin ports that the gateway reads, if it does: those of all processes."""
    if "ADMIN_ADDRESSES" not in variables(deployments["gateway"]):
        return set()
    return {("gateway", name.removesuffix("-v2"), variables(deployment)["ADMIN_PORT"])
            for name, deployment in deployments.items() if "ADMIN_PORT" in variables(deployment)}


def _admin_services(objects):
    """ADMIN_ADDRESSES names a headless Service of each process that includes pods which are not ready."""
    deployments = _deployments(objects)
    configured = variables(deployments["gateway"]).get("ADMIN_ADDRESSES")
    services = {found["metadata"]["name"]: found["spec"] for found in of_kind(objects, "Service")}
    if configured is None:
        yield from (f"Service {name}: nobody uses it" for name in services if name.endswith("-admin"))
        return
    named = dict(entry.split("=") for entry in configured.split(","))
    for _, name, port in _admin_reads(deployments):
        if named.pop(name, None) != f"{name}-admin:{port}":
            yield f"gateway: ADMIN_ADDRESSES lacks {name}"
        spec = services.get(f"{name}-admin", {})
        if spec.get("clusterIP") != "None" or spec.get("publishNotReadyAddresses") is not True:
            yield f"Service {name}-admin: does not name all pods"
        if spec.get("selector", {}).get("app.kubernetes.io/name") != name:
            yield f"Service {name}-admin: selects other pods"
    if named:
        yield f"gateway: ADMIN_ADDRESSES names {sorted(named)}, which do not run"


def _others(objects, clients, reports):
    deployments = _deployments(objects)
    ingress = "istio-ingress/istio-ingress"
    own = deployments["gateway"]["metadata"]["namespace"]
    expected = {(ingress, *graph.GATEWAY), *((f"{own}/{client}", *callee) for client, *callee in clients)}
    if reports:
        expected |= {(ingress, *callee) for callee in graph.PROXIES}
    servers = {found["metadata"]["name"] for found in of_kind(objects, "StatefulSet")}
    if "mongo-express" in deployments and "mongodb" in servers:
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
        configured = variables(deployment)
        arguments = ["service", role] if role in services else [role]
        if container["name"] != role or container["args"] != arguments:
            yield f"{name}: the container {container['name']} runs {container['args']}"
        upstreams = {key: value for key, value in configured.items() if key.startswith("SERVICE_") and key.endswith("_URL")}
        suffix = "-pods" if language.headless(objects) else ""
        if upstreams != {f"{callee.upper().replace('-', '_')}_URL": f"{callee}{suffix}:50051" for callee in calls[role]}:
            yield f"{name}: its environment names {upstreams}, but it calls {calls[role]}"
        service = services.get(role, {"store": None, "publishes": None, "consumes": None})
        for variable, server in (("MONGO_CONN_FILE", "mongodb"), ("RABBITMQ_CONN_FILE", "rabbitmq")):
            if (variable in configured) != graph.uses(service, server):
                yield f"{name}: {variable} is {configured.get(variable)}"
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for variable in ("MONGO_CONN_FILE", "RABBITMQ_CONN_FILE", "TOPOLOGY"):
            if variable in configured and not any(configured[variable].startswith(f"{mount}/") for mount in mounts):
                yield f"{name}: nothing is mounted where {variable} points"


def proxies(objects, wanted):
    """The proxies that the gateway trusts: if one on the way is missing, every client appears with its address."""
    configured = set((variables(_deployments(objects)["gateway"]).get("TRUSTED_PROXIES") or "").split(","))
    if configured != wanted:
        yield f"gateway: TRUSTED_PROXIES is {sorted(configured)}, expected {sorted(wanted)}"


def _istio(objects):
    subsets = {rule["spec"]["host"]: {subset["name"] for subset in rule["spec"].get("subsets", [])}
               for rule in of_kind(objects, "DestinationRule")}
    for service in of_kind(objects, "VirtualService"):
        for route in service["spec"]["http"]:
            if route.get("retries", {}).get("retryOn") != SAFE_RETRIES or "timeout" not in route:
                yield f"{name_of(service)}: retries more than what was provably not processed, or has no timeout"
            if "allowOrigin" in route.get("corsPolicy", {}):
                yield f"{name_of(service)}: allowOrigin, which Istio no longer reads"
            if sum(target.get("weight", 100) for target in route["route"]) != 100:
                yield f"{name_of(service)}: the weights do not add up to 100"
            for target in route["route"]:
                destination = target["destination"]
                if destination.get("subset", "v1") not in subsets.get(destination["host"], set()):
                    yield f"{name_of(service)}: no subset {destination.get('subset')} of {destination['host']}"
    for peer in of_kind(objects, "PeerAuthentication"):
        if peer["spec"]["mtls"]["mode"] != "STRICT":
            yield f"{name_of(peer)}: allows plain text"
