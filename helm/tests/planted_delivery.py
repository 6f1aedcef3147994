"""Faults of renderings for KEDA and Argo Rollouts; helm/tests/planted.py plants them. Each changes the objects of one case."""

from planted_ambient import WAYPOINT, pick

BROKER = "keda, broker"
PROMETHEUS = "keda, prometheus"
ROLLOUTS = "rollouts"
ISTIO = "rollouts, istio"


def trigger(rendered, case):
    return pick(rendered[case], "ScaledObject", "service-f")["spec"]["triggers"][0]


def query(rendered, index, old, new):
    metric = pick(rendered[ROLLOUTS], "AnalysisTemplate", "service-g-canary")["spec"]["metrics"][index]
    given = metric["provider"]["prometheus"]
    given["query"] = given["query"].replace(old, new)


def replicas_beside_keda(rendered):
    pick(rendered[BROKER], "Deployment", "service-f")["spec"]["replicas"] = 2


def second_autoscaler(rendered):
    rendered[BROKER].append({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "service-f"}, "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "service-f"}, "metrics": []}})


def another_queue(rendered):
    trigger(rendered, BROKER)["metadata"]["queueName"] = "service-d.greetings"


def short_host(rendered):
    trigger(rendered, BROKER)["metadata"]["host"] = "amqp://rabbitmq:5672"


def number_in_metadata(rendered):
    trigger(rendered, BROKER)["metadata"]["value"] = 100


def no_login(rendered):
    rendered[BROKER].remove(pick(rendered[BROKER], "TriggerAuthentication", "octet-rabbitmq"))


def keda_refused_by_network(rendered):
    rules = pick(rendered[BROKER], "NetworkPolicy", "rabbitmq")["spec"]["ingress"]
    rules[:] = [rule for rule in rules if "namespaceSelector" not in rule["from"][0]]


def sidecars_cpu(rendered):
    pick(rendered[BROKER], "ScaledObject", "service-f")["spec"]["triggers"][1]["metadata"]["containerName"] = "istio-proxy"


def wrong_consumer(rendered):
    found = pick(rendered[PROMETHEUS], "ScaledObject", "service-f")
    found["metadata"]["name"] = found["spec"]["scaleTargetRef"]["name"] = "service-g"


def broken_trigger(rendered):
    trigger(rendered, PROMETHEUS)["metadata"]["query"] += ")"


def pods_of_the_deployment(rendered):
    pick(rendered[ROLLOUTS], "Deployment", "service-g")["spec"]["replicas"] = 2


def analysis_of_all_pods(rendered):
    query(rendered, 1, ', pod=~"service-g-{{args.pods}}-.*"', "")


def analysis_of_other_codes(rendered):
    query(rendered, 0, "|Unavailable", "")


def verdict_without_traffic(rendered):
    metric = pick(rendered[ROLLOUTS], "AnalysisTemplate", "service-g-canary")["spec"]["metrics"][0]
    metric["failureCondition"] = metric["failureCondition"].replace("len(result) > 0 && ", "")


def another_template(rendered):
    analysis = pick(rendered[ROLLOUTS], "Rollout", "service-g")["spec"]["strategy"]["canary"]["analysis"]
    analysis["templates"][0]["templateName"] = "service-g"


def routes_left_to_chance(rendered):
    del pick(rendered[ISTIO], "Rollout", "service-g")["spec"]["strategy"]["canary"]["trafficRouting"]


def canary_from_the_start(rendered):
    first, second = pick(rendered[ISTIO], "VirtualService", "service-g")["spec"]["http"][0]["route"]
    first["weight"], second["weight"] = 50, 50


def other_subsets(rendered):
    pick(rendered[ISTIO], "DestinationRule", "service-g")["spec"]["subsets"][1]["name"] = "v2"


PLANTED = [
    (replicas_beside_keda, BROKER, "ScaledObject/service-f: no such Deployment, or it sets replicas"),
    (second_autoscaler, BROKER, "ScaledObject/service-f: KEDA makes a second"),
    (another_queue, BROKER, "asks for the queue service-d.greetings"),
    (short_host, BROKER, "KEDA does not find the bundled broker"),
    (number_in_metadata, BROKER, "the metadata of rabbitmq is not text"),
    (no_login, BROKER, "there is no TriggerAuthentication octet-rabbitmq"),
    (keda_refused_by_network, BROKER, "the broker's network policy refuses KEDA"),
    (sidecars_cpu, BROKER, "cpu is not that of the container service-f"),
    (wrong_consumer, PROMETHEUS, "ScaledObjects: are of ['service-g']"),
    (broken_trigger, PROMETHEUS, "promtool"),
    (pods_of_the_deployment, ROLLOUTS, "Rollout/service-g: its Deployment runs pods of its own"),
    (analysis_of_all_pods, ROLLOUTS, "p99 is not of the new pods alone"),
    (analysis_of_other_codes, ROLLOUTS, "the query of errors is not in docs/queries.md"),
    (verdict_without_traffic, ROLLOUTS, "errors has a verdict without traffic"),
    (another_template, ROLLOUTS, "no AnalysisTemplate ['service-g']"),
    (routes_left_to_chance, ISTIO, "the mesh's routes are not its own"),
    (canary_from_the_start, ISTIO, "its route starts with"),
    (other_subsets, ISTIO, "its DestinationRule has other subsets"),
]

# The models of operators' kinds find them: kind, name, case, field.
UNKNOWN_FIELDS = [
    ("ScaledObject", "service-f", BROKER, "minReplicas"),
    ("TriggerAuthentication", "octet-rabbitmq", BROKER, "secretTargetRefs"),
    ("Rollout", "service-g", ROLLOUTS, "strategies"),
    ("AnalysisTemplate", "service-g-canary", ROLLOUTS, "metric"),
    ("Gateway", "octet-waypoint", WAYPOINT, "replicas"),
]
