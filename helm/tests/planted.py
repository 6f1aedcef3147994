#!/usr/bin/env python3
"""Shows that the checks catch what they are there for: each fault is planted in a good rendering, and has to be found."""

import copy
import sys

import alerts
import facts
import policy
import schemas
import workloads
from cases import CASES, LOAD, sets
from render import render, topology

OWN = topology()


def pick(objects, kind, name):
    (found,) = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def container(objects, name):
    return pick(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]


def by_schemas(objects):
    return schemas.faults(("planted", found) for found in objects)


def by_facts(objects):
    return list(facts.faults(objects, OWN))


def by_workloads(objects):
    return list(workloads.faults(objects))


def removed_api(objects):
    pick(objects, "PodDisruptionBudget", "service-a")["apiVersion"] = "policy/v1beta1"


def unknown_core_field(objects):
    pick(objects, "Deployment", "service-a")["spec"]["template"]["spec"]["restartPolice"] = "Always"


def unknown_istio_field(objects):
    pick(objects, "VirtualService", "service-b")["spec"]["http"][0]["retry"] = {"attempts": 2}


def wrong_istio_value(objects):
    pick(objects, "PeerAuthentication", "octet")["spec"]["mtls"]["mode"] = "STRICTLY"


def unknown_operator_field(objects):
    pick(objects, "PodMonitor", "octet")["spec"]["podMetricsEndpoints"][0]["intervall"] = "15s"


def edge_missing_from_policies(objects):
    pick(objects, "AuthorizationPolicy", "service-e")["spec"]["rules"].pop(0)


def edge_too_many(objects):
    rule = pick(objects, "AuthorizationPolicy", "service-g")["spec"]["rules"][0]
    rule["from"][0]["source"]["principals"].append("cluster.local/ns/octet/sa/service-a")


def edge_missing_from_network(objects):
    pick(objects, "NetworkPolicy", "service-h")["spec"]["ingress"].pop(0)


def edge_missing_from_sidecar(objects):
    pick(objects, "Sidecar", "service-b")["spec"]["egress"][0]["hosts"].pop(0)


def upstream_missing_from_environment(objects):
    entries = container(objects, "service-b")["env"]
    entries.remove(next(entry for entry in entries if entry["name"] == "SERVICE_E_URL"))


def queue_missing_from_environment(objects):
    entries = container(objects, "service-d")["env"]
    entries.remove(next(entry for entry in entries if entry["name"] == "RABBITMQ_CONN_FILE"))


def wrong_port_name(objects):
    pick(objects, "Service", "service-b")["spec"]["ports"][0]["name"] = "tcp-greeting"


def wrong_target_port(objects):
    pick(objects, "Service", "service-b")["spec"]["ports"][0]["targetPort"] = "http"


def unpinned_image(objects):
    container(objects, "service-a")["image"] = "registry.example.com/octet"


def latest_image(objects):
    container(objects, "service-a")["image"] = "registry.example.com:5000/octet:latest"


def root_user(objects):
    pick(objects, "Deployment", "gateway")["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = 0


def privileged_container(objects):
    container(objects, "gateway")["securityContext"]["privileged"] = True


def broken_alert(objects):
    pick(objects, "PrometheusRule", "octet")["spec"]["groups"][0]["rules"][0]["expr"] = "up{job=\"octet\" == 0"


def selector_of_nobody(objects):
    pick(objects, "PodDisruptionBudget", "service-a")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "a"


def secret_of_nobody(objects):
    volumes = pick(objects, "Deployment", "service-c")["spec"]["template"]["spec"]["volumes"]
    next(volume for volume in volumes if volume["name"] == "mongodb")["secret"]["secretName"] = "octet-mongo"


def old_cors(objects):
    pick(objects, "VirtualService", "octet")["spec"]["http"][0]["corsPolicy"]["allowOrigin"] = ["*"]


def unsafe_retries(objects):
    pick(objects, "VirtualService", "service-b")["spec"]["http"][0]["retries"]["retryOn"] = "5xx"


def greeting_changed(objects):
    config = pick(objects, "ConfigMap", "octet-topology")["data"]
    config["topology.toml"] = config["topology.toml"].replace("Bonjour", "Salut")


PLANTED = [
    (removed_api, by_schemas, "has no policy/v1beta1 PodDisruptionBudget"),
    (unknown_core_field, by_schemas, "restartPolice"),
    (unknown_istio_field, by_schemas, '"retry"'),
    (wrong_istio_value, by_schemas, "STRICTLY"),
    (unknown_operator_field, by_schemas, "intervall"),
    (edge_missing_from_policies, by_facts, "AuthorizationPolicies: ('service-b', 'service-e', '50051') is missing"),
    (edge_too_many, by_facts, "('service-a', 'service-g', '50051') is not in the graph"),
    (edge_missing_from_network, by_facts, "NetworkPolicies (ingress): ('service-e', 'service-h', '50051') is missing"),
    (edge_missing_from_sidecar, by_facts, "Sidecars: ('service-b', 'service-d') is missing"),
    (upstream_missing_from_environment, by_facts, "service-b: is told"),
    (queue_missing_from_environment, by_facts, "service-d: RABBITMQ_CONN_FILE is None"),
    (wrong_port_name, by_facts, "which a mesh does not take for gRPC"),
    (wrong_target_port, by_facts, "has no port http"),
    (unpinned_image, by_workloads, "is not pinned"),
    (latest_image, by_workloads, "is not pinned"),
    (root_user, by_workloads, "Deployment/gateway: runs as root"),
    (privileged_container, by_workloads, "may become root"),
    (privileged_container, policy.faults, "CKV_K8S_16"),
    (broken_alert, alerts.faults, "PrometheusRule: differs"),
    (broken_alert, alerts.faults, "parse"),
    (selector_of_nobody, by_facts, "PodDisruptionBudget/service-a: selects no pod"),
    (secret_of_nobody, by_facts, "wants octet-mongo, which nobody makes"),
    (old_cors, by_facts, "allowOrigin"),
    (unsafe_retries, by_facts, "retries more than"),
    (greeting_changed, by_facts, "the rendered topology differs"),
]


def main():
    good = render([*CASES["istio"], *sets(*LOAD)])
    missed = []
    for plant, check, sentence in PLANTED:
        objects = copy.deepcopy(good)
        plant(objects)
        # What is wrong is one object: the schemas need not look at all the others.
        looked_at = [found for found in objects if found not in good] if check is by_schemas else objects
        said = check(looked_at)
        if not any(sentence in fault for fault in said):
            missed.append(f"{plant.__name__}: {check.__name__} does not say {sentence!r}, but {said}")
    for line in missed:
        print(line, file=sys.stderr)
    if missed:
        sys.exit(f"{len(missed)} of {len(PLANTED)} planted faults were missed")
    print(f"helm/octet: all {len(PLANTED)} planted faults are found")


if __name__ == "__main__":
    main()
