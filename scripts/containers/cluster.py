"""A cluster of one node: pods, their Services and their NetworkPolicies."""

import json
import subprocess
import threading

import policies
from kubelet import NAMESPACE, Kubelet
from node import DNS, DOMAIN, PODS, SERVICES, Node
from place import Fault, run
from services import Dns, Services

ELSEWHERE = "elsewhere"
# The chart puts Mongo Express into a namespace of its own.
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in (NAMESPACE, f"{NAMESPACE}-tools", ELSEWHERE)}


class Cluster:
    """`objects` is a rendering for the DNS domain; `policies` can be replaced, and `apply` makes it so."""

    def __init__(self, directory, cgroup, objects, domain=DOMAIN):
        self.objects = objects
        self.policies = [found for found in objects if found["kind"] == "NetworkPolicy"]
        self.lock = threading.Lock()
        self.node = Node(directory / "node", cgroup, domain)
        self.version = self.node.start()
        self.kubelet = Kubelet(self.node, objects, directory, self.apply)
        self.services = Services(objects, NAMESPACE, domain)
        self.apply()
        self.dns = Dns(lambda name: self.services.resolve(name, self.kubelet.pods))

    def owners(self, *kinds):
        return [found for found in self.objects if found["kind"] in kinds]

    def apply(self):
        """Replaces every packet filter of the node, at once."""
        with self.lock:
            pods = list(self.kubelet.pods)
            translated, refused = self.services.rules(pods)
            chains, allowed = policies.rules(self.policies, pods, NAMESPACES)
            text = "\n".join([
                "*nat", ":PREROUTING ACCEPT", ":INPUT ACCEPT", ":OUTPUT ACCEPT", ":POSTROUTING ACCEPT", ":SERVICES -",
                f"-A PREROUTING -d {SERVICES} -j SERVICES", f"-A OUTPUT -d {SERVICES} -j SERVICES", *translated, "COMMIT",
                "*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", ":SERVICES -", ":POLICIES -",
                *(f":{chain} -" for chain in chains),
                "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                # The node itself may reach every pod, as the kubelet may.
                f"-A FORWARD -d {SERVICES} -j SERVICES", f"-A OUTPUT -d {SERVICES} -j SERVICES",
                f"-A INPUT -s {PODS} -d {DNS}/32 -j POLICIES", "-A FORWARD -j POLICIES", *refused, *allowed, "COMMIT", ""])
            done = subprocess.run(["iptables-restore", "--wait", "30"], input=text, text=True, capture_output=True, check=False)
            if done.returncode != 0:
                raise Fault(f"iptables-restore: {done.stderr}\n{text}")

    def pod(self, workload):
        """The pod of a workload that has one."""
        (found,) = [pod for pod in self.kubelet.pods if pod.workload == workload and not pod.ending]
        return found

    def stranger(self, name, namespace=NAMESPACE, labels=None, security=None):
        """A pod of the collector that the chart knows nothing of, with its image's user; its labels are its name's."""
        owner = {"kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": name}}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 20,
            "containers": [{"name": name, "image": "octet:local", "args": ["collector"], "securityContext": security or {},
                            "startupProbe": {"httpGet": {"path": "/livez", "port": 9412}, "periodSeconds": 1},
                            "ports": [{"name": "http", "containerPort": 9411}]}]}}
        return self.kubelet.start(owner, name)

    def inside(self, pod, *command, check=True, given=None, timeout=None):
        """A command of this machine in the pod's network."""
        return run("nsenter", f"--net={self.netns(pod)}", *command, check=check, given=given, timeout=timeout)

    def process(self, pod):
        """The process id of the pod's container, beside which there may have been init containers."""
        (container,) = pod.spec["containers"]
        identity = pod.containers[container["name"]]
        return json.loads(self.node.runtime.call("ContainerStatus", container_id=identity, verbose=True).info["info"])["pid"]

    def netns(self, pod):
        if pod.netns is None:
            info = self.node.runtime.call("PodSandboxStatus", pod_sandbox_id=pod.sandbox, verbose=True).info["info"]
            (pod.netns,) = [entry["path"] for entry in json.loads(info)["runtimeSpec"]["linux"]["namespaces"]
                            if entry["type"] == "network"]
        return pod.netns

    def stop(self):
        """Ends every pod without grace, and containerd."""
        for pod in list(self.kubelet.pods):
            pod.ending = True
            self.node.runtime.call("StopPodSandbox", pod_sandbox_id=pod.sandbox)
            self.node.runtime.call("RemovePodSandbox", pod_sandbox_id=pod.sandbox)
        self.dns.shutdown()
        self.node.stop()
