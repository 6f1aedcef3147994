#!/usr/bin/env python3
"""Renders the chart with random values, graphs included, and checks each rendering like the fixed ones.

    helm/tests/random_values.py                  100 sets; `make lint-deploy` takes 4 of them
    helm/tests/random_values.py 20 7 --seed 3    sets 7 to 26 of another seed

A set depends on the seed and its number only: a failure is repeated with `1 NUMBER --seed SEED`.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile

import facts
import schemas
import workloads
from graph import of_kind
from render import CHART, helm, objects, topology, yaml

SEED = 20
LETTERS = "abcdefgh"
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}}
RULE = {"ports": [{"port": 8443, "protocol": "TCP"}]}
ACCOUNT = {"serviceAccount": {"annotations": {"example.com/role": "own"}}}
STRINGS = [{}, {"example.com/one": "1"}, {"example.com/one": "yes", "two": "true"}]
HOSTS = {"ui": "octet.example.com", "api": "api.octet.example.com"}

# Fields and some of their values; a set has each of them with the probability of one in three.
OF_EVERY_POD = {
    "nodeSelector": [{"pool": "octet"}, {"kubernetes.io/arch": "arm64", "spot": "true"}],
    "tolerations": [[{"key": "octet", "operator": "Exists"}], [{"operator": "Exists", "effect": "NoSchedule"}]],
    "affinity": [{"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {
        "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "octet"}}}}]}}],
    "topologySpreadConstraints": [
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        [{"maxSkew": 3, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2,
          "labelSelector": {"matchLabels": {"tier": "x"}}}]],
    "priorityClassName": ["important"], "runtimeClassName": ["gvisor"],
    "dnsPolicy": ["ClusterFirst", "Default"], "dnsConfig": [{"searches": ["example.com"]}],
}
OF_EVERY_OWNER = {
    "podAnnotations": STRINGS, "podLabels": [{"tier": "front"}, {"a.example.com/b": ""}], "serviceAccount": [ACCOUNT["serviceAccount"]],
    "podSecurityContext": [{"supplementalGroups": [7]}, {"runAsUser": 1000680000, "fsGroup": 1000680000}],
    "containerSecurityContext": [{"seLinuxOptions": {"level": "s0:c1,c2"}}, {"runAsUser": 2000, "runAsNonRoot": True}],
}
OF_A_WORKLOAD = {
    **OF_EVERY_POD, **OF_EVERY_OWNER,
    "replicas": [0, 1, 7], "resources": [{"limits": {"cpu": 2}}, {"requests": {"cpu": "50m", "ephemeral-storage": "1Gi"}}],
    "hpa": [{"enabled": True}, {"enabled": True, "memory": 60, "cpu": 0}, {"enabled": True, "minReplicas": 1, "maxReplicas": 100,
            "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}], "selectPolicy": "Max"}}}],
    "pdb": [{"enabled": False}, {"minAvailable": 1}, {"minAvailable": "30%"}, {"maxUnavailable": "50%"}],
    "env": [{"A": 1, "B": True, "C": "#", "D": 0.5}, {"TOKEN": {"valueFrom": {"secretKeyRef": {"name": "own-secret", "key": "a"}}}},
            {"NODE": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}}],
    "envFrom": [[{"configMapRef": {"name": "own-config", "optional": True}}], [{"secretRef": {"name": "own-secret"}}]],
    "extraVolumes": [[{"name": "extra", "emptyDir": {"sizeLimit": "1Mi"}}]],
    "initContainers": [[{"name": "wait", "image": "registry.example.com/wait:1", "resources": {"limits": {"memory": "8Mi"}}}]],
    "probes": [{"startup": {"failureThreshold": 5}}, {"liveness": {"periodSeconds": 9}, "readiness": {"successThreshold": 2}}],
    "serviceAnnotations": STRINGS, "trafficDistribution": ["PreferClose", "PreferSameZone", "PreferSameNode"],
    "extraIngress": [[{"from": [PEER], **RULE}], [{"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}]],
    "extraEgress": [[RULE], [{"to": [PEER, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], **RULE}]],
}
TIMES = ["5ms", "1ms..9ms", "p50=1ms p90=2ms p99=4ms"]
SIZES = ["1KiB", "1KiB..2KiB"]
OF_A_SERVICE = {
    "work": TIMES, "cpu": ["100us"], "memory": SIZES, "payload": SIZES, "whenLeft": ["stop", "finish"], "readyAfter": ["500ms"],
    "limit": [{"concurrent": 4}, {"concurrent": 200, "queue": 50}],
}
OF_AN_EDGE = {
    "deadline": ["300ms"], "payload": SIZES, "share": ["30%"],
    "retry": [{"attempts": 3, "on": ["UNAVAILABLE"], "budget": "20%", "backoff": "25ms"}, {"attempts": 2}],
}
EFFECTS = ["delay=300ms", "delay=1ms..9ms", "abort=UNAVAILABLE", "lose=ABORTED", "abort=NOT_FOUND share=10%"]
OF_A_SERVER = {
    **OF_EVERY_POD, **OF_EVERY_OWNER, "serviceAnnotations": STRINGS, "probes": [{"liveness": {"timeoutSeconds": 30}}],
    "resources": [{"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}}],
    "storage": [{"enabled": False}, {"size": "100Gi", "className": "fast"}],
    "existingSecret": ["own-secret"], "secretKeys": [{"connection": "uri", "password": "pass.word"}],
    "image": [{"digest": f"sha256:{'1' * 64}"}],
}
OF_THE_RELEASE = {
    "global": [{"imageRegistry": "mirror.example.com"}, {"imageRegistry": "localhost:5000/mirror", "other": {"parent": 1}}],
    "commonLabels": [{"team": "mesh"}, {"example.com/cost-center": "0042", "on": "true"}],
    "clusterDomain": ["cluster.example"], "scrapeAnnotations": [True], "connectWait": ["500ms", "1m30s"],
    "logs": [{"level": "debug,h2=info", "format": "pretty"}],
    "drain": [{"preStopSeconds": 0, "pause": "0s"}, {"terminationGracePeriodSeconds": 3600}],
    "podMonitor": [{"enabled": True, "interval": "30s"}], "dashboards": [{"enabled": True}],
    "networkPolicy": [{"enabled": False}, {"dnsPorts": [5353], "hbone": True}, {"gatewayFrom": [PEER], "metricsFrom": [PEER], "extraEgress": [RULE]}],
    "seed": [0, 7],
    "extraObjects": [["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-x', namespace: octet}\n"]],
}


def values(choice):
    """One set; `choice` is a random.Random."""
    mesh = choice.choice(["none", "none", "istio", "ambient", "gatewayApi", "ingress"])
    services = graph(choice)
    found = {
        **some(choice, OF_THE_RELEASE), "entry": choice.choice(list(services)),
        "image": {"repository": choice.choice(["octet", "registry.example.com/a/octet", "team/octet"]),
                  **some(choice, {"pullSecrets": [["one", "two"]], "tag": ["1.2.3"], "digest": [f"sha256:{'2' * 64}"]})},
        "defaults": {**some(choice, OF_A_WORKLOAD), **some(choice, OF_A_SERVICE), **some(choice, {"fixedUser": [True]})},
        **behaviour(choice, services, balances=mesh not in ("istio", "ambient")),
        "services": {f"service-{letter}": services.get(f"service-{letter}") for letter in LETTERS},
        "gateway": {**some(choice, OF_A_WORKLOAD), **choice.choice([
            {}, {"serviceType": "NodePort", "nodePort": 30080}, {"serviceType": "LoadBalancer", "loadBalancerClass": "a.b/c"}])},
        "collector": some(choice, OF_A_WORKLOAD),
        "tests": some(choice, {**OF_EVERY_POD, **OF_EVERY_OWNER}),
        "rabbitmq": server(choice, any("publishes" in it or "consumes" in it for it in services.values()),
                           "amqps://u:p@mq.example.com/%2f", 5671),
        "mongodb": server(choice, any("store" in it for it in services.values()),
                          "mongodb://u:p@db-0.example.com,db-1.example.com:27017/?tls=true", 27017),
    }
    found |= {
        "none": {}, "istio": {"istio": {"enabled": True, **some(choice, {
            "telemetry": [{"tracingProvider": "octet-collector"}, {"accessLogs": True}], "registryOnly": [True],
            "tlsSecret": ["tls"], "egressNamespace": ["istio-egress"]})}},
        "ambient": {"istio": {"enabled": True, "mode": "ambient", **some(choice, {
            "telemetry": [{"tracingProvider": "octet-collector"}], "waypoint": [{"enabled": True, "replicas": 1}]})}},
        "gatewayApi": {"gatewayApi": {"enabled": True, **choice.choice([
            {"className": "istio", "tlsSecret": "tls"}, {"parentRefs": [{"name": "shared", "namespace": "infra", "port": 443}]}])}},
        "ingress": {"ingress": {"enabled": True, **some(choice, {
            "tls": [[{}], [{"secretName": "tls", "hosts": ["a.example.com"]}]], "grpc": [{"enabled": True}],
            "annotations": STRINGS, "className": ["nginx"]})}},
    }[mesh]
    if mesh != "none":
        found["hosts"] = choice.choice([HOSTS, {"ui": HOSTS["ui"], "api": HOSTS["ui"]}])
    splits = mesh in ("istio", "gatewayApi") or found.get("istio", {}).get("waypoint", {}).get("enabled")
    if splits and not found["clientBalancing"]["enabled"] and choice.random() < 0.5:
        found["canary"] = {"enabled": True, "service": choice.choice(list(services)), "tag": "2.0.0"}
    if any("consumes" in it for it in services.values()) and choice.random() < 0.5:
        broker = mesh not in ("istio", "ambient") or found["rabbitmq"]["mode"] != "bundled"
        found["keda"] = {"enabled": True, **(some(choice, {"minReplicas": [0], "authenticationRef": ["own-login"]}) if broker
                                             else {"trigger": "prometheus", "prometheusUrl": "http://prometheus.elsewhere"})}
    if choice.random() < 0.3 and "canary" not in found:
        found["argoRollouts"] = {"enabled": True, "service": choice.choice(list(services)),
                                 "analysis": {"prometheusUrl": "https://prometheus.elsewhere", "maxErrorRatio": 0.5}}
    if choice.random() < 0.3:
        found["tracing"] = {"exporter": "otlp", "endpoint": "http://otel.elsewhere:4318"}
    if choice.random() < 0.3:
        found["loadGenerator"] = {"enabled": True, "image": {"repository": "hey", "tag": "1"},
                                  **some(choice, {**OF_EVERY_POD, **OF_EVERY_OWNER})}
    if choice.random() < 0.3 and found["mongodb"]["mode"] != "none":
        found["mongoExpress"] = {"enabled": True, "existingSecret": "mongo-express", **some(choice, {
            key: OF_A_SERVER[key] for key in OF_A_SERVER if key not in ("storage", "existingSecret", "secretKeys")})}
    return found


def behaviour(choice, services, balances):
    """What happens on edges of the graph, and faults of its services and edges."""
    edges = [(caller, callee) for caller, own in services.items() for callee in own["calls"]]
    client_balancing = balances and choice.random() < 0.5
    fields = {**OF_AN_EDGE, **({"balance": ["round_robin", "least_request"]} if client_balancing else {})}
    # An edge without a field is an error.
    chosen = [{"at": f"{caller}>{callee}", **of} for caller, callee in edges if (of := some(choice, fields))]
    at = [*services, *(f"{caller}>{callee}" for caller, callee in edges), "*"]
    rules = [f"at={choice.choice(at)} {choice.choice(EFFECTS)}" for _ in range(choice.randint(0, 3))]
    return {"edges": chosen, "clientBalancing": {"enabled": client_balancing},
            "faults": choice.choice([{}, {"enabled": True, "rules": rules}])}


def some(choice, fields):
    return {key: choice.choice(of) for key, of in fields.items() if choice.random() < 1 / 3}


def graph(choice):
    """A graph without cycles; its only consumer, if there is one, has a store and a publisher."""
    names = [f"service-{letter}" for letter in LETTERS[:choice.randint(1, len(LETTERS))]]
    services = {}
    for index, name in enumerate(names):
        own = {"greeting": choice.choice(["Hello", 'Say "hi": {{ no }} # \\', "नमस्ते"]), "calls": [],
               **some(choice, {key: of for key, of in {**OF_A_WORKLOAD, **OF_A_SERVICE}.items() if choice.random() < 0.3})}
        own["calls"] = [other for other in names[index + 1:] if choice.random() < 0.3]
        if choice.random() < 0.4:
            own["store"] = {"database": name, "collection": "greetings"}
        own["policy"] = choice.choice(["strict", "partial"])
        services[name] = own
    if len(names) > 1 and choice.random() < 0.5:
        services[names[0]]["publishes"] = "queue.one"
        services[names[-1]] |= {"consumes": "queue.one", "store": {"database": "consumer", "collection": "messages"}}
    return services


def server(choice, used, connection, port):
    mode = choice.choice(["bundled", "secret", "connection", *([] if used else ["none"])])
    if mode in ("bundled", "none"):
        return {"mode": mode, "bundled": some(choice, OF_A_SERVER)}
    secret = {"existingSecret": "own-secret"} if mode == "secret" else {"connection": connection}
    return {"mode": "external", "external": {
        **secret, "port": port, "hosts": [f"one-{port}.example.com"],
        **some(choice, {"peers": [[PEER]], "cidrs": [["10.0.0.0/8", "fd00::/8"]], "secretKeys": [{"connection": "uri"}],
                        "caBundle": [{"configMap": "own-ca", "key": "ca.pem"}]})}}


def cleared(found):
    """The set over the chart's graph, whose services would otherwise keep fields that it leaves out."""
    theirs = yaml.safe_load((CHART / "values.yaml").read_text())["services"]
    return {**found, "services": {name: own and {**dict.fromkeys(theirs[name].keys() - own.keys()), **own}
                                  for name, own in found["services"].items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100)
    parser.add_argument("first", nargs="?", type=int, default=0)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    rendered, wrong = [], 0
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "values.json")
        for number in range(given.first, given.first + given.count):
            one = cleared(values(random.Random(f"{given.seed}/{number}")))
            file.write_text(json.dumps(one))
            done = helm("template", ["--values", str(file)], check=False)
            said = [done.stderr] if done.returncode != 0 else list(_own_faults(objects(done.stdout), pathlib.Path(directory)))
            if said:
                wrong += 1
                print(f"set {number}:\n{yaml.safe_dump(one)}", *said, sep="\n", file=sys.stderr)
            elif done.returncode == 0:
                rendered += [(f"set {number}", found) for found in objects(done.stdout)]
    by_schemas = schemas.faults(rendered)
    print(*by_schemas, sep="\n", end="\n" if by_schemas else "", file=sys.stderr)
    if wrong or by_schemas:
        sys.exit(f"seed {given.seed}: {wrong} sets are wrong, {len(by_schemas)} objects do not fit the schemas")
    print(f"helm/octet: {given.count} random sets of values render correctly (seed {given.seed}, from {given.first})")


def _own_faults(found, directory):
    (config,) = [it for it in of_kind(found, "ConfigMap") if it["metadata"]["name"] == "octet-topology"]
    file = directory / "topology.toml"
    file.write_text(config["data"]["topology.toml"])
    yield from facts.faults(found, topology(file))
    yield from workloads.faults(found)


if __name__ == "__main__":
    main()
