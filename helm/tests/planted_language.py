"""Faults of the topology language's part of the chart, planted in the rendering that has all of it; and of streams."""

import functools

CASE = "language, replicas, faults"


def _pick(objects, kind, name):
    (found,) = [it for it in objects if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def _container(objects, name):
    return _pick(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]


def caller_stays_with_one_pod(objects):
    del _pick(objects, "Service", "service-g-pods")["spec"]["clusterIP"]


def pods_that_are_not_ready(objects):
    _pick(objects, "Service", "service-g-pods")["spec"]["publishNotReadyAddresses"] = True


def pods_without_service(objects):
    objects.remove(_pick(objects, "Service", "service-h-pods"))


def faults_not_watched(objects):
    entries = _container(objects, "service-d")["env"]
    entries.remove(next(entry for entry in entries if entry["name"] == "FAULTS_FILE"))


def faults_of_one_file(objects):
    mounts = _container(objects, "service-d")["volumeMounts"]
    next(mount for mount in mounts if mount["name"] == "faults")["subPath"] = "faults"


def malformed_fault(objects):
    data = _pick(objects, "ConfigMap", "octet-faults")["data"]
    data["faults"] = data["faults"].replace("lose=ABORTED", "lose=BROKEN")


def edge_lost(objects):
    data = _pick(objects, "ConfigMap", "octet-topology")["data"]
    data["topology.toml"] = data["topology.toml"].replace("attempts = 3", "attempts = 4")


def steps_lost(objects):
    data = _pick(objects, "ConfigMap", "octet-topology")["data"]
    data["topology.toml"] = data["topology.toml"].replace('[["service-b"],["service-c"]]', '["service-b","service-c"]')


def streams_refused(objects):
    rule = _pick(objects, "AuthorizationPolicy", "service-e")["spec"]["rules"][0]
    rule["to"][0]["operation"]["paths"] = ["/greeting.v3.GreetingService/Greeting"]


def streams_cut(objects):
    _pick(objects, "VirtualService", "octet")["spec"]["http"][0]["timeout"] = "3s"


def stream_not_routed(objects):
    _pick(objects, "HTTPRoute", "octet")["spec"]["rules"][0]["matches"] = [{"path": {"type": "Exact", "value": "/api/greeting/x"}}]


FAULTS = [
    (caller_stays_with_one_pod, CASE, "callers stay with one pod"),
    (pods_that_are_not_ready, CASE, "names pods that are not ready"),
    (pods_without_service, CASE, "Services of pods:"),
    (faults_not_watched, CASE, "service-d: FAULTS_FILE is None"),
    (faults_of_one_file, CASE, "service-d: a change of the faults would not reach it"),
    (malformed_fault, CASE, "ConfigMap/octet-faults: "),
    (edge_lost, CASE, "the rendered topology differs"),
    (steps_lost, CASE, "the rendered topology differs"),
    (streams_refused, "istio", "AuthorizationPolicy/service-e: refuses /greeting.v3.GreetingService/GreetingStream"),
    (streams_cut, "istio", "VirtualService/octet: its timeout 3s ends streams"),
    (stream_not_routed, "gateway api", "HTTPRoute/octet: does not serve /api/greeting/stream"),
]


def _of(plant, case):
    @functools.wraps(plant)
    def planted(rendered):
        plant(rendered[case])
    return planted


PLANTED = [(_of(plant, case), case, sentence) for plant, case, sentence in FAULTS]
