"""NetworkPolicies: the graph's calls are open and all others refused; without a policy, what it refused is open."""

import json
import sys

import graph
from cluster import ELSEWHERE
from place import Fault
from render import topology

# Where the pods listen that the graph's edges lead to, and a stranger.
PORTS = {"gateway": 8080, "collector": 9411, "mongodb": 27017, "rabbitmq": 5672}
STRANGER = 9411
REFUSED, OPEN = "refused by a policy", "open"

CONNECT = """
import concurrent.futures, errno, json, socket, sys
def look(target):
    try:
        socket.create_connection(target, 10).close()
        return "open"
    except OSError as error:
        return "refused by a policy" if error.errno == errno.EHOSTUNREACH else repr(error)
targets = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(16) as threads:
    print(json.dumps(list(threads.map(look, map(tuple, targets)))))
"""


def tries(cluster, pod, targets):
    """How connections from a pod to others end: to (pod, port) each."""
    given = json.dumps([(target.address, port) for target, port in targets])
    return json.loads(cluster.inside(pod, sys.executable, "-c", CONNECT, given=given).stdout)


def port(pod):
    return PORTS.get(pod.workload, 50051 if pod.workload.startswith("service-") else STRANGER)


def edges(cluster, seen):
    """From every pod of the chart to every other one: open exactly where the graph has an edge."""
    pods = [pod for pod in cluster.kubelet.pods if pod.workload in _workloads(cluster)]
    found = {}
    for pod, ends in zip(pods, cluster.kubelet.together(lambda pod: tries(cluster, pod, [(to, port(to)) for to in pods]), pods)):
        found |= {(pod.workload, to.workload): end for to, end in zip(pods, ends) if to is not pod}
    expected = {edge[:2] for edge in graph.expected(topology(), [graph.COLLECTOR], True, graph.SERVERS)}
    wrong = [f"{caller} to {callee}: {end}" for (caller, callee), end in found.items()
             if end != (OPEN if (caller, callee) in expected else REFUSED)]
    if wrong or expected - found.keys():
        raise Fault(f"connections: {wrong}; not tried: {expected - found.keys()}")
    seen.append(f"{len(expected)} edges of the graph open, {len(found) - len(expected)} other pairs refused")
    kept, cluster.policies = cluster.policies, []
    cluster.apply()
    try:
        without = [end for ends in cluster.kubelet.together(lambda pod: tries(cluster, pod, [(to, port(to)) for to in pods]), pods)
                   for end in ends if end != OPEN]
        if without:
            raise Fault(f"without policies: {without}")
    finally:
        cluster.policies = kept
        cluster.apply()
    seen.append("without policies all are open")


def _workloads(cluster):
    return {owner["metadata"]["name"] for owner in cluster.owners("Deployment", "StatefulSet")}


def each(cluster, seen):
    """Each policy alone: what it refuses to and from a stranger works without it."""
    labels = next(job for job in cluster.owners("Job"))["spec"]["template"]["metadata"]["labels"]
    strangers = [cluster.stranger("stranger"), cluster.stranger("stranger-elsewhere", ELSEWHERE),
                 cluster.stranger("octet-test", labels=labels)]
    cluster.kubelet.ready(strangers, 60)
    here, far, job = strangers
    pods = {pod.workload: pod for pod in cluster.kubelet.pods}
    policies = list(cluster.policies)
    for policy in policies:
        name = policy["metadata"]["name"]
        pod = pods[name]
        # The gateway is for everybody; what it refuses is its own calls, and other ports.
        inward = [] if name == "gateway" else [(here, pod, port(pod)), (far, pod, port(pod))]
        outward = [(pod, here, STRANGER), (pod, far, STRANGER)]
        _counter_proof(cluster, policies, policy, [*inward, *outward])
    for pod in (here, far):
        if tries(cluster, pod, [(pods["gateway"], 8080)]) != [OPEN]:
            raise Fault(f"{pod.name} does not reach the gateway")
    cluster.kubelet.together(cluster.kubelet.end, strangers)
    seen.append(f"{len(policies)} policies refuse a stranger and calls to it, and only while they are there")


def _counter_proof(cluster, policies, policy, calls):
    name = policy["metadata"]["name"]
    with_it = [tries(cluster, caller, [(callee, number)])[0] for caller, callee, number in calls]
    cluster.policies = [other for other in policies if other is not policy]
    cluster.apply()
    try:
        without = [tries(cluster, caller, [(callee, number)])[0] for caller, callee, number in calls]
    finally:
        cluster.policies = policies
        cluster.apply()
    for (caller, callee, number), first, second in zip(calls, with_it, without):
        if (first, second) != (REFUSED, OPEN):
            raise Fault(f"NetworkPolicy/{name}: {caller.name} to {callee.name}:{number}: {first}; without it: {second}")
