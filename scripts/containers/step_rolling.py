"""New pods for old ones under load: no request fails, and every process ends on SIGTERM with 0."""

import json
import signal
import subprocess
import time

from place import Fault
from render import octet

RATE = 15
# Requests that must have been sent before, between and after.
CALM = 3


class Load:
    """Requests at a constant rate from a pod to the gateway's Service, until it is stopped."""

    def __init__(self, cluster, client):
        url = f"http://{cluster.services.addresses['gateway']}:8080/api/greeting"
        self.process = subprocess.Popen(
            ["nsenter", f"--net={cluster.netns(client)}", octet(), "load", url, "--allow-remote", "--users", "50", "--rate",
             str(RATE), "--duration", "1h", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=60)
        try:
            return json.loads(output)
        except json.JSONDecodeError as error:
            raise Fault(f"octet load: {errors}") from error


def under_load(cluster, client, seen, change):
    load = Load(cluster, client)
    try:
        time.sleep(CALM)
        ends = change()
        time.sleep(CALM)
    finally:
        report = load.stop()
    if report["failed"] or not report["requests"]:
        raise Fault(f"{report['failed']} of {report['requests']} requests failed: {json.dumps(report)[:3000]}")
    bad = {name: code for name, code, _ in ends if code != 0}
    if bad:
        raise Fault(f"exit codes after SIGTERM: {bad}")
    slowest = max(seconds for _, _, seconds in ends)
    seen.append(f"{len(ends)} pods ended with 0, the slowest {slowest:.1f} s after SIGTERM; 0 of {report['requests']} requests failed")


def _end(cluster, pod):
    ((code, seconds),) = cluster.kubelet.end(pod).values()
    return pod.name, code, seconds


def update(cluster, client, seen):
    """A rolling update of every Deployment at once, each by its own strategy."""
    def one(owner):
        (old,) = [pod for pod in cluster.kubelet.pods if pod.owner is owner]
        if owner["spec"]["strategy"]["type"] == "Recreate":
            ended = _end(cluster, old)
            cluster.kubelet.ready([cluster.kubelet.start(owner)], 120)
            return ended
        cluster.kubelet.ready([cluster.kubelet.start(owner)], 120)
        return _end(cluster, old)

    under_load(cluster, client, seen, lambda: cluster.kubelet.together(one, cluster.owners("Deployment")))


def deletions(cluster, client, seen):
    """Two replicas of everything that may have two; then every pod is deleted, the second ones after the first."""
    owners = [owner for owner in cluster.owners("Deployment") if owner["spec"]["strategy"]["type"] != "Recreate"]
    first = {owner["metadata"]["name"]: [pod for pod in cluster.kubelet.pods if pod.owner is owner] for owner in owners}
    more = cluster.kubelet.together(cluster.kubelet.start, owners)
    cluster.kubelet.ready(more, 120)
    victims = [*zip(owners, (pods[0] for pods in first.values())), *zip(owners, more)]

    def delete(pair):
        owner, pod = pair
        # Its controller starts another one at once.
        replacement = cluster.kubelet.start(owner)
        ended = _end(cluster, pod)
        cluster.kubelet.ready([replacement], 120)
        return ended

    def change():
        half = len(owners)
        return [*cluster.kubelet.together(delete, victims[:half]), *cluster.kubelet.together(delete, victims[half:])]

    under_load(cluster, client, seen, change)
