"""A Docker daemon with compose.yaml. It needs network and mount namespaces of its own."""

import json
import os
import shutil
import signal
import subprocess
import time

from place import ROOT, Fault, run, until

# What compose.yaml mounts, in the repository.
MOUNTED = ("compose", "helm/octet/alerts", "helm/octet/dashboards")


class Docker:
    def __init__(self, directory, group):
        self.directory, self.group = directory, group
        directory.mkdir()
        self.project = directory / "project"
        self.process = None
        # The oldest daemon that the pinned Compose can be used with here speaks this version. Nobody's own settings are read.
        self.environment = {"DOCKER_HOST": f"unix://{directory}/docker.sock", "DOCKER_API_VERSION": "1.41",
                            "HOME": str(directory), "DOCKER_CONFIG": str(directory / "config")}

    def start(self):
        """Returns the daemon's version."""
        run("ip", "link", "set", "lo", "up")
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        settings = self.directory / "daemon.json"
        settings.write_text("{}")
        with (self.directory / "dockerd.log").open("wb") as log:
            # The score: without CAP_SYS_RESOURCE no process may lower its own.
            self.process = subprocess.Popen(
                ["dockerd", "--config-file", settings, "--data-root", self.directory / "data", "--exec-root", "/run/docker",
                 "--pidfile", "/run/docker.pid", "--host", self.environment["DOCKER_HOST"], "--storage-driver", "overlay2",
                 "--oom-score-adjust", "0", "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", self.group],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return until("dockerd", lambda: self.docker("version", "--format", "{{.Server.Version}}"), seconds=60).strip()

    def docker(self, *arguments, **options):
        return run("docker", *arguments, environment=self.environment, **options).stdout

    def lay_out(self):
        """A copy of what compose.yaml needs, so that its containers write nothing into the repository."""
        for name in MOUNTED:
            shutil.copytree(ROOT / name, self.project / name)
        shutil.copy(ROOT / "compose.yaml", self.project)

    def compose(self, *arguments, **options):
        return run("docker-compose", *arguments, environment=self.environment, directory=self.project, **options).stdout

    def inspect(self, service):
        """The container of a service, as Docker describes it."""
        identity = self.compose("ps", "--all", "--quiet", service).strip()
        (found,) = json.loads(self.docker("inspect", identity))
        return found

    def services(self):
        return self.compose("ps", "--all", "--services").split()

    def kill(self, service):
        """Kills a container's process from outside, as a crash does, and waits until Docker has started it again."""
        before = self.inspect(service)
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        started = time.monotonic()

        def restarted():
            now = self.inspect(service)
            if now["RestartCount"] == before["RestartCount"] or not now["State"]["Running"]:
                raise Fault(f"{service} is {now['State']['Status']}")

        until(f"{service} runs again", restarted, 60)
        return time.monotonic() - started

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)

    def unwell(self):
        """For the reader of a failure: the containers that are not healthy, with their logs and health checks."""
        found = [self.compose("ps", "--all", check=False)]
        for service in self.services():
            state = self.inspect(service)["State"]
            health = state.get("Health", {})
            if state["Status"] != "running" or health.get("Status", "healthy") != "healthy":
                found += [f"{service}: {state['Status']} {json.dumps(health.get('Log', [])[-1:])}",
                          self.compose("logs", "--no-color", "--tail", "30", service, check=False)]
        return "\n".join(found)
