"""The chart's pods: ready, confined as the chart says, greeting, audited; and `helm test`."""

import json
import pathlib
import time

from kubelet import NAMESPACE, quantity
from place import Fault, run, until
from render import octet, topology

GREETINGS = 25
CONFINED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def image_alone(cluster, seen):
    """The image with its own user on a read-only root without capabilities, and SIGTERM."""
    pod = cluster.stranger("alone", security=CONFINED)
    cluster.kubelet.ready([pod], 60)
    _confined(cluster, pod, {"runAsUser": 65532, **CONFINED}, {})
    ((code, seconds),) = cluster.kubelet.end(pod).values()
    if code != 0:
        raise Fault(f"SIGTERM: exit code {code}")
    seen.append(f"uid 65532 without capabilities on a read-only root; SIGTERM ended it with 0 in {seconds:.1f} s")


def start(cluster, seen):
    """All workloads at once, in any order."""
    started = time.monotonic()
    owners = cluster.owners("StatefulSet", "Deployment")
    pods = [pod for pods in cluster.kubelet.together(cluster.kubelet.up, owners) for pod in pods]
    cluster.kubelet.ready(pods, 240)
    seen.append(f"{len(pods)} pods ready after {time.monotonic() - started:.0f} s")
    for pod in pods:
        (container,) = pod.spec["containers"]
        # Objects that a test puts beside the chart have none.
        if "securityContext" not in container:
            continue
        whole = pod.spec["securityContext"]
        _confined(cluster, pod, {**whole, **container["securityContext"]}, container["resources"]["limits"])
    seen.append("users, capabilities, roots, seccomp and memory limits as rendered")
    return pods


def _confined(cluster, pod, wanted, limits):
    """Compares a pod's process with its security context and its limits."""
    process = pathlib.Path("/proc", str(cluster.process(pod)))
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    found = {"Uid": status["Uid"].split()[0], "CapEff": int(status["CapEff"], 16), "CapBnd": int(status["CapBnd"], 16),
             "NoNewPrivs": status["NoNewPrivs"]}
    expected = {"Uid": str(wanted["runAsUser"]), "CapEff": 0, "CapBnd": 0, "NoNewPrivs": "1"}
    if wanted.get("seccompProfile"):
        found["Seccomp"], expected["Seccomp"] = status["Seccomp"], "2"
    if "memory" in limits:
        found["memory"], expected["memory"] = _memory(process), int(quantity(limits["memory"]))
    if found != expected:
        raise Fault(f"{pod.name}: {found} instead of {expected}")
    try:
        (process / "root/written").touch()
    except OSError:
        return
    raise Fault(f"{pod.name}: its root is writable")


def _memory(process):
    """The memory limit of a process's control group."""
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for top, name in ((f"/sys/fs/cgroup/{controllers}", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            file = pathlib.Path(f"{top}{path}", name)
            if file.exists():
                return int(file.read_text())
    return None


def greet(cluster, client, seen):
    """Requests through the gateway's Service, from a pod; then the audit, and one trace over all services."""
    order = topology()["order"]
    url = f"http://{cluster.services.addresses['gateway']}:8080"

    def look():
        answer = cluster.inside(client, "curl", "--silent", "--show-error", "--fail", "--max-time", "10",
                                f"{url}/api/greeting").stdout
        if [greeting["service"] for greeting in json.loads(answer)["greeting"]] != order:
            raise Fault(f"expected greetings of {order}, got {answer}")
        return answer

    # Readiness of a service does not cover its upstreams, so the first request may find one still connecting.
    answers = [until("greeting", look, 60), *(look() for _ in range(GREETINGS - 1))]
    audit(cluster, answers)

    def traced():
        traces = json.loads(cluster.inside(client, "curl", "--silent", "--fail", f"{url}/zipkin/api/v2/traces?limit=10").stdout)
        expected = {"gateway", *(pod.workload for pod in cluster.kubelet.pods if pod.workload.startswith("service-"))}
        if not any({span["localEndpoint"]["serviceName"] for span in trace} >= expected for trace in traces):
            raise Fault("no trace has every service")

    until("a whole trace", traced, 60)
    seen.append(f"{GREETINGS} requests with {len(order)} greetings each, a clean audit, a trace over all services")
    return answers


def audit(cluster, answers):
    """From the node, which policies do not restrict."""
    environment = {}
    for server, name in (("mongodb", "MONGO_CONN"), ("rabbitmq", "RABBITMQ_CONN")):
        (secret,) = [found for found in cluster.owners("Secret") if found["metadata"]["name"] == f"octet-{server}"]
        environment[name] = secret["stringData"]["connection"].replace(f"@{server}:", f"@{cluster.services.addresses[server]}:")
    given = "".join(f"{answer.strip()}\n" for answer in answers)
    done = run(octet(), "audit", "--answered", "-", "--wait", "60s", environment=environment, given=given, check=False)
    if done.returncode != 0:
        raise Fault(f"the audit reports {done.stdout}{done.stderr}")


def helm_test(cluster, seen):
    """The Job of `helm test`, and that it fails for another response."""
    (job,) = cluster.owners("Job")
    code, output = cluster.kubelet.job(job)
    if code != 0:
        raise Fault(f"helm test: {output}")
    other = json.loads(json.dumps(job))
    (container,) = other["spec"]["template"]["spec"]["containers"]
    next(entry for entry in container["env"] if entry["name"] == "EXPECTED")["value"] = "service-a"
    if cluster.kubelet.job(other)[0] == 0:
        raise Fault("helm test accepts any response")
    seen.append("exit code 0; another one for another response")


def unharmed(cluster):
    """No container of ours was restarted or has failed."""
    for pod in cluster.kubelet.pods:
        if pod.failure or (pod.restarts and pod.namespace == NAMESPACE):
            raise Fault(f"{pod.name} restarted {pod.restarts} times: {pod.failure}\n{cluster.kubelet.log(pod)}")
