"""Checks that the nodes of k8s/eks/cluster.yaml hold Octet behind Istio, by requested CPU; none are added automatically."""

from graph import of_kind
from render import pods

CORES = {"large": 2, "xlarge": 4, "2xlarge": 8}
# Thousandths of a core that the guide's charts and add-ons request, from memory and rounded up. Per node: VPC plugin,
# kube-proxy, EBS driver, CloudWatch's agent, Fluent Bit, Istio's CNI. Once: istiod, the ingress gateway, Prometheus,
# Jaeger, Kiali, CoreDNS, metrics-server and the controllers.
DAEMONS = 600
PLATFORM = 2000


def faults(objects, cluster, istiod):
    """One line where the smallest number of nodes, one of them down, or the largest, is too small."""
    sidecar = thousandths(istiod["global"]["proxy"]["resources"]["requests"]["cpu"])
    for group in cluster["managedNodeGroups"]:
        node = min(allocatable(cores(kind)) for kind in group["instanceTypes"]) - DAEMONS
        # An update or a failure takes one node; what the autoscalers request beyond may wait until you add one.
        for count, which in ((group["minSize"] - 1, "minReplicas"), (group["maxSize"], "maxReplicas")):
            room, asked = count * node - PLATFORM, requests(objects, which, sidecar)
            if asked > room:
                yield (f"eks/cluster.yaml: the group {group['name']} leaves {room}m of CPU to Octet with {count} "
                       f"node{'s' * (count > 1)}, and with {which} Octet requests {asked}m")


def cores(kind):
    return CORES[kind.partition(".")[2]]


def allocatable(count):
    """What EKS leaves to pods: it reserves 6 % of the first core, 1 % of the second, 0.5 % of two more, 0.25 % of the rest."""
    return count * 1000 - 60 - 10 * (count > 1) - 5 * min(max(count - 2, 0), 2) - 5 * max(count - 4, 0) // 2


def requests(objects, which, sidecar):
    """The total request of lasting pods, at their autoscalers' `which`, with a sidecar in each."""
    scaled = {found["spec"]["scaleTargetRef"]["name"]: found["spec"][which]
              for found in of_kind(objects, "HorizontalPodAutoscaler")}
    return sum(scaled.get(pod.owner["metadata"]["name"], pod.owner["spec"].get("replicas", 1))
               * (sidecar + sum(thousandths(container["resources"]["requests"]["cpu"])
                                for container in pod.spec["containers"]))
               for pod in pods(objects) if pod.owner["kind"] in ("Deployment", "StatefulSet"))


def thousandths(cpu):
    text = str(cpu)
    return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)
