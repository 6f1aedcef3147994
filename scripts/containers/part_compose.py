"""compose.yaml in Docker: everything up, servers killed, the lake, and everything gone."""

import step_compose
import step_images
from docker import Docker
from place import Fault


def part_compose(report, work):
    docker = Docker(work / "compose", f"/{work.name}")
    try:
        with report.step("compose", "Docker") as seen:
            version = docker.start()
            for name in step_images.of_compose():
                docker.docker("load", "--quiet", "--input", step_images.archive(work / "images", name))
            docker.lay_out()
            seen.append(f"Docker {version}")
        with report.step("compose", "up") as seen:
            step_compose.up(docker, seen)
        with report.step("compose", "greetings") as seen:
            answers = step_compose.greet(docker, seen)
        with report.step("compose", "Prometheus") as seen:
            step_compose.targets(seen)
        for server in ("rabbitmq", "mongodb"):
            with report.step("compose", f"{server} killed") as seen:
                answers += step_compose.killed(docker, server, answers, seen)
        with report.step("compose", "lake") as seen:
            step_compose.lake(docker, answers, seen)
        with report.step("compose", "down -v") as seen:
            step_compose.down(docker, seen)
    except Fault:
        if docker.project.exists():
            print(docker.unwell(), flush=True)
        raise
    finally:
        docker.stop()
