"""A node: containerd with a bridge, and nothing of the host's. It needs network and mount namespaces of its own."""

import json
import pathlib
import subprocess

from cri import Runtime
from place import Fault, run, until

BRIDGE = "octet0"
PODS = "10.244.0.0/16"
GATEWAY = "10.244.0.1"
SERVICES = "10.96.0.0/16"
DNS = "10.97.0.10"
DOMAIN = "cluster.local"
# A second runtime, by its name as a RuntimeClass names it; it is runc again.
OTHER_RUNTIME = "other"
CNI_STATE = pathlib.Path("/var/lib/cni")

NETWORK = {"cniVersion": "0.4.0", "name": "octet", "plugins": [
    {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}


class Node:
    def __init__(self, directory, cgroup, domain=DOMAIN):
        self.directory, self.cgroup, self.domain = directory, cgroup, domain
        directory.mkdir()
        self.log = directory / "containerd.log"
        self.socket = directory / "containerd.sock"
        self.process = self.runtime = None

    def start(self):
        self._network()
        config = self.directory / "containerd.toml"
        config.write_text(self._settings())
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(["containerd", "--config", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.runtime = Runtime(self.socket)
        until("containerd", lambda: self.runtime.call("Version", timeout=5), seconds=60)
        return self.runtime.call("Version")

    def _network(self):
        run("ip", "link", "set", "lo", "up")
        # A bridge of our own from the start, so that Services have a route before the first pod.
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{GATEWAY}/16", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        run("ip", "route", "add", SERVICES, "dev", BRIDGE)
        run("ip", "address", "add", f"{DNS}/32", "dev", "lo")
        for name in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
            pathlib.Path("/proc/sys/net", name).write_text("1")
        # Shims and libcni keep state in places that cannot be chosen.
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        (self.directory / "own-cni").mkdir()
        CNI_STATE.mkdir(exist_ok=True)
        run("mount", "--bind", self.directory / "own-cni", CNI_STATE)

    def _settings(self):
        networks = self.directory / "cni"
        networks.mkdir()
        ipam = NETWORK["plugins"][0]["ipam"] | {"dataDir": str(self.directory / "addresses")}
        (networks / "10-octet.conflist").write_text(json.dumps(
            NETWORK | {"plugins": [NETWORK["plugins"][0] | {"ipam": ipam}]}))
        return f"""\
version = 2
root = "{self.directory}/root"
state = "{self.directory}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing"]
[grpc]
address = "{self.socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{self.directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "octet.test/pause:1"
# Without CAP_SYS_RESOURCE no process may lower its own score.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "runc"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{OTHER_RUNTIME}]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{OTHER_RUNTIME}.options]
BinaryName = "runc"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{networks}"
"""

    def load(self, archive):
        run("ctr", "--address", self.socket, "--namespace", "k8s.io", "images", "import", archive)

    def image(self, name):
        found = self.runtime.call("ImageStatus", image={"image": name}).image
        if not found.id:
            raise Fault(f"no image {name}: the stand-ins do not cover it")
        return found

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
