#!/usr/bin/env python3
"""Tests the checks: each fault is planted in valid manifests and must be found."""

import copy
import sys

import alerts
import facts
import knobs
import planted_ambient
import planted_delivery
import planted_eks
import planted_language
import policy
import schemas
import workloads
from cases import CASES, LOAD, TOPOLOGIES, sets
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


def by_proxies(objects):
    return list(facts.proxies(objects, {"127.0.0.6", "192.168.0.0/16"}))


def by_knobs(rendered):
    return list(knobs.faults(rendered))


def by_workloads_of_openshift(rendered):
    return list(workloads.faults(rendered["openshift"], fixed_user=False))


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


def extra_edge(objects):
    rule = pick(objects, "AuthorizationPolicy", "service-g")["spec"]["rules"][0]
    rule["from"][0]["source"]["principals"].append("cluster.local/ns/octet/sa/service-a")


def edge_missing_from_network(objects):
    pick(objects, "NetworkPolicy", "service-h")["spec"]["ingress"].pop(0)


def peers_lost(objects):
    pick(objects, "NetworkPolicy", "mongodb")["spec"]["ingress"][0]["from"] = None


def edge_missing_from_sidecar(objects):
    pick(objects, "Sidecar", "service-b")["spec"]["egress"][0]["hosts"].pop(0)


def admin_port_blocked(objects):
    rules = pick(objects, "NetworkPolicy", "gateway")["spec"]["egress"]
    rules.remove(next(rule for rule in rules if rule["ports"][0]["port"] == 9001
                      and rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "service-b"))


def only_ready_pods(objects):
    pick(objects, "Service", "service-b-admin")["spec"]["publishNotReadyAddresses"] = False


def process_not_read(objects):
    entries = container(objects, "gateway")["env"]
    entry = next(entry for entry in entries if entry["name"] == "ADMIN_ADDRESSES")
    entry["value"] = entry["value"].replace("service-b=service-b-admin:9001,", "")


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


def selector_without_pods(objects):
    pick(objects, "PodDisruptionBudget", "service-a")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "a"


def secret_that_does_not_exist(objects):
    volumes = pick(objects, "Deployment", "service-c")["spec"]["template"]["spec"]["volumes"]
    next(volume for volume in volumes if volume["name"] == "mongodb")["secret"]["secretName"] = "octet-mongo"


def spans_of_clients_refused(objects):
    rule = pick(objects, "AuthorizationPolicy", "collector")["spec"]["rules"][0]
    rule["from"][0]["source"]["principals"].remove("cluster.local/ns/octet/sa/octet-load")


def spans_of_clients_blocked(objects):
    pick(objects, "NetworkPolicy", "octet-test")["spec"]["egress"].pop()


def alb_not_trusted(objects):
    entries = container(objects, "gateway")["env"]
    next(entry for entry in entries if entry["name"] == "TRUSTED_PROXIES")["value"] = "127.0.0.6"


def old_cors(objects):
    pick(objects, "VirtualService", "octet")["spec"]["http"][0]["corsPolicy"]["allowOrigin"] = ["*"]


def unsafe_retries(objects):
    pick(objects, "VirtualService", "service-b")["spec"]["http"][0]["retries"]["retryOn"] = "5xx"


def greeting_changed(objects):
    config = pick(objects, "ConfigMap", "octet-topology")["data"]
    config["topology.toml"] = config["topology.toml"].replace("Bonjour", "Salut")


def affinity_lost(rendered):
    del pick(rendered["every knob"], "Deployment", "service-h")["spec"]["template"]["spec"]["affinity"]


def pull_secrets_lost(rendered):
    del pick(rendered["every knob"], "Job", "octet-test")["spec"]["template"]["spec"]["imagePullSecrets"]


def variable_from_secret_lost(rendered):
    container(rendered["every knob"], "service-a")["env"].pop()
    container(rendered["every knob"], "service-a")["env"].pop(-1)


def probe_replaced(rendered):
    del container(rendered["every knob"], "service-a")["startupProbe"]["grpc"]


def peers_replaced_by_networks(rendered):
    for rule in pick(rendered["external servers by selector"], "NetworkPolicy", "service-d")["spec"]["egress"]:
        if "to" in rule and "podSelector" in rule["to"][0]:
            rule["to"] = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]


def always_on(rendered):
    container(rendered["console and load"], "service-a")["livenessProbe"]["initialDelaySeconds"] = 7


def account_created_twice(rendered):
    rendered["every knob"].append({"kind": "ServiceAccount", "metadata": {"name": "own-account", "namespace": "octet"}})


def user_on_openshift(rendered):
    pick(rendered["openshift"], "StatefulSet", "mongodb")["spec"]["template"]["spec"]["securityContext"]["fsGroup"] = 999


def root_on_openshift(rendered):
    pick(rendered["openshift"], "Deployment", "gateway")["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = 0


def by_facts_of(case):
    def look(rendered):
        return list(facts.faults(rendered[case], topology(TOPOLOGIES[case]) if case in TOPOLOGIES else OWN))
    return look


CASES_OF = (*planted_ambient.PLANTED, *planted_delivery.PLANTED, *planted_language.PLANTED)

PLANTED_CASES = [(plant, by_facts_of(case), sentence)
                 for plant, case, sentence in CASES_OF]

PLANTED = [
    (removed_api, by_schemas, "has no policy/v1beta1 PodDisruptionBudget"),
    (unknown_core_field, by_schemas, "restartPolice"),
    (unknown_istio_field, by_schemas, '"retry"'),
    (wrong_istio_value, by_schemas, "STRICTLY"),
    (unknown_operator_field, by_schemas, "intervall"),
    (edge_missing_from_policies, by_facts, "AuthorizationPolicies: ('service-b', 'service-e', '50051') is missing"),
    (extra_edge, by_facts, "('service-a', 'service-g', '50051') is not in the graph"),
    (edge_missing_from_network, by_facts, "NetworkPolicies (ingress): ('service-e', 'service-h', '50051') is missing"),
    (peers_lost, by_facts, "NetworkPolicy/mongodb: a rule of ingress has no peer"),
    (edge_missing_from_sidecar, by_facts, "Sidecars: ('service-b', 'service-d') is missing"),
    (admin_port_blocked, by_facts, "NetworkPolicies (egress): ('gateway', 'service-b', '9001') is missing"),
    (only_ready_pods, by_facts, "Service service-b-admin: does not name all pods"),
    (process_not_read, by_facts, "gateway: ADMIN_ADDRESSES lacks service-b"),
    (upstream_missing_from_environment, by_facts, "service-b: its environment names"),
    (queue_missing_from_environment, by_facts, "service-d: RABBITMQ_CONN_FILE is None"),
    (wrong_port_name, by_facts, "which a mesh does not recognise as gRPC"),
    (wrong_target_port, by_facts, "has no port http"),
    (unpinned_image, by_workloads, "is not pinned"),
    (latest_image, by_workloads, "is not pinned"),
    (root_user, by_workloads, "Deployment/gateway: runs as root"),
    (privileged_container, by_workloads, "may become root"),
    (privileged_container, policy.faults, "CKV_K8S_16"),
    (broken_alert, alerts.faults, "PrometheusRule: differs"),
    (broken_alert, alerts.faults, "parse"),
    (selector_without_pods, by_facts, "PodDisruptionBudget/service-a: selects no pod"),
    (secret_that_does_not_exist, by_facts, "refers to octet-mongo, which nothing creates"),
    (spans_of_clients_refused, by_facts, "others: ('octet/octet-load', 'collector', '9411') is missing"),
    (spans_of_clients_blocked, by_facts, "(egress) of clients: ('octet-test', 'collector', '9411') is missing"),
    (alb_not_trusted, by_proxies, "TRUSTED_PROXIES is ['127.0.0.6'], expected"),
    (old_cors, by_facts, "allowOrigin"),
    (unsafe_retries, by_facts, "retries more than"),
    (greeting_changed, by_facts, "the rendered topology differs"),
]

# In renderings with values of every kind.
PLANTED_KNOBS = [
    (affinity_lost, by_knobs, "Deployment/service-h: affinity is None"),
    (pull_secrets_lost, by_knobs, "Job/octet-test: imagePullSecrets is None"),
    (variable_from_secret_lost, by_knobs, "every knob: env: Deployment/service-a"),
    (probe_replaced, by_knobs, "every knob: probes: Deployment/service-a"),
    (peers_replaced_by_networks, by_knobs, "external.peers: NetworkPolicy/service-d"),
    (always_on, by_knobs, "livenessProbe.initialDelaySeconds is 7 without it"),
    (account_created_twice, by_knobs, "serviceAccount.create: false creates own-account"),
    (user_on_openshift, by_knobs, "openshift: StatefulSet/mongodb: sets ['fsGroup']"),
    (root_on_openshift, by_workloads_of_openshift, "Deployment/gateway: runs as root"),
]

def main():
    good = render([*CASES["istio"], *sets("processHealth.enabled=true", *LOAD)])
    rendered = {case: render(CASES[case]) for case in (*knobs.EXPECTED, "openshift", "console and load")}
    unexpected = by_knobs(rendered)
    others = {case: render(CASES[case]) for _, case, _ in CASES_OF}
    missed = [*unexpected, *_missed(PLANTED, good), *_missed(PLANTED_KNOBS, rendered), *_missed(PLANTED_CASES, others),
              *_missed_kinds(others), *_missed(planted_eks.PLANTED, planted_eks.files())]
    for line in missed:
        print(line, file=sys.stderr)
    count = sum(map(len, (PLANTED, PLANTED_KNOBS, PLANTED_CASES, planted_delivery.UNKNOWN_FIELDS, planted_eks.PLANTED)))
    if missed:
        sys.exit(f"{len(missed)} of {count} planted faults were missed")
    print(f"helm/octet: all {count} planted faults are found")


def _missed(planted, good):
    for plant, check, sentence in planted:
        bad = copy.deepcopy(good)
        plant(bad)
        # Only one object is wrong: the schemas need not check the others.
        said = check([found for found in bad if found not in good] if check is by_schemas else bad)
        if not any(sentence in fault for fault in said):
            yield f"{plant.__name__}: {check.__name__} expected {sentence!r}, got {said}"


def _missed_kinds(rendered):
    for kind, name, case, field in planted_delivery.UNKNOWN_FIELDS:
        bad = copy.deepcopy(pick(rendered[case], kind, name))
        bad["spec"][field] = {}
        if not any(field in fault for fault in by_schemas([bad])):
            yield f"{kind}/{name}: the models accept {field}"


if __name__ == "__main__":
    main()
