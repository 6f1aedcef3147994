"""The chart's pods in a cluster of one node."""

import images
import step_images
import step_pods
import step_policies
import step_rolling
from cluster import Cluster


def part_pods(report, work, short):
    cluster = Cluster(work, f"/{work.name}", step_images.objects())
    try:
        with report.step("pods", "containerd") as seen:
            for name in sorted({*step_images.of_pods(), images.PAUSE}):
                cluster.node.load(step_images.archive(work / "images", name))
            seen.append(f"containerd {cluster.version.runtime_version}")
        with report.step("image", "alone") as seen:
            step_pods.image_alone(cluster, seen)
        with report.step("pods", "start") as seen:
            step_pods.start(cluster, seen)
        client = cluster.stranger("client")
        cluster.kubelet.ready([client], 60)
        with report.step("pods", "greetings") as seen:
            answers = step_pods.greet(cluster, client, seen)
        with report.step("pods", "helm test") as seen:
            step_pods.helm_test(cluster, seen)
        with report.step("policies", "edges") as seen:
            step_policies.edges(cluster, seen)
        with report.step("policies", "each") as seen:
            step_policies.each(cluster, seen)
        with report.step("rolling update", "every Deployment at once") as seen:
            step_rolling.update(cluster, client, seen)
        if not short:
            with report.step("rolling update", "every pod of two is deleted") as seen:
                step_rolling.deletions(cluster, client, seen)
        with report.step("pods", "audit at the end"):
            step_pods.audit(cluster, answers)
            step_pods.unharmed(cluster)
    finally:
        cluster.stop()
