"""The chart with values of one's own, each of which is looked at in the running container; and the chart's lake."""

import images
import step_images
import step_knobs
import step_pods
from cluster import Cluster


def part_knobs(report, work):
    objects = step_images.with_knobs() + step_knobs.certificates(work)
    (work / "values").mkdir()
    cluster = Cluster(work / "values", f"/{work.name}", objects, step_knobs.DOMAIN)
    try:
        with report.step("values", "containerd"):
            for name in sorted({*step_images.of_knobs(), images.PAUSE}):
                cluster.node.load(step_images.archive(work / "images", name))
        with report.step("values", "start") as seen:
            step_pods.start(cluster, seen)
        client = cluster.stranger("client")
        cluster.kubelet.ready([client], 60)
        with report.step("values", "greetings") as seen:
            answers = step_knobs.greet(cluster, client, seen)
        for look in step_knobs.LOOKS:
            with report.step("values", look.__name__.replace("_", " ")) as seen:
                look(cluster, client, seen)
        with report.step("values", "the chart's lake") as seen:
            step_knobs.lake(cluster, answers, seen)
    finally:
        cluster.stop()
