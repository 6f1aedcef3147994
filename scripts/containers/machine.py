"""Whether this machine can run containers, and what a run has left on it."""

import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

from place import Skip, run

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def check():
    """Raises Skip with the first reason why no containers can run here."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise Skip("containers need Linux and root")
    if not shutil.which("apt-get") or not pathlib.Path("/etc/debian_version").exists():
        raise Skip("the stand-in images are made of Debian's packages, and this is not Debian")
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode:
        raise Skip("this machine does not allow new namespaces")
    if not pathlib.Path("/proc/sys/net/bridge").exists():
        raise Skip("the kernel has no packet filters on bridges (br_netfilter)")
    if not any(os.access(place, os.W_OK) for place in (CGROUPS / "memory", CGROUPS / "cgroup.subtree_control")):
        raise Skip("cgroups cannot be changed")
    with tempfile.TemporaryDirectory(prefix="octet-overlay-") as directory:
        parts = [pathlib.Path(directory, name) for name in ("lower", "upper", "work", "merged")]
        for part in parts:
            part.mkdir()
        lower, upper, work, merged = parts
        script = 'mount -t overlay overlay -o "lowerdir=$0,upperdir=$1,workdir=$2" "$3"'
        if subprocess.run(["unshare", "--mount", "sh", "-c", script, lower, upper, work, merged], capture_output=True).returncode:
            raise Skip(f"no overlay can be mounted over {tempfile.gettempdir()}")


def snapshot(mark):
    """What a run could leave: mounts, links, named networks, packet filters, processes and control groups of its own."""
    filters = run("iptables-save", check=False).stdout if shutil.which("iptables-save") else ""
    return {
        "mount": {line.split(" ", 3)[3] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()},
        "link": set(os.listdir("/sys/class/net")),
        "network": set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set(),
        "packet filter": {line for line in filters.splitlines() if line.startswith("-A")},
        "process": {f"{process}: {line}" for process, line in _processes() if mark in line},
        "control group": {str(found) for found in groups(mark)},
        "state": {place for place in ("/var/lib/cni", "/run/containerd", "/run/docker", "/var/lib/docker")
                  if os.path.exists(place)},
    }


def left(before, after):
    """What is there after a run and was not before."""
    return [f"{kind} {found}" for kind in after for found in sorted(after[kind] - before[kind])]


def _processes():
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = pathlib.Path("/proc", process, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(process) != os.getpid():
                yield process, line
        except OSError:
            continue


def groups(mark):
    """Control groups of a run, the innermost first."""
    found = [place for top in [CGROUPS, *CGROUPS.glob("*/")] for place in top.glob(f"*{mark}*")]
    inner = [pathlib.Path(place) for group in found for place, _, _ in os.walk(group, topdown=False)]
    return list(dict.fromkeys(inner))


def remove_groups(mark):
    """Control groups outlive a namespace that was killed."""
    for group in groups(mark):
        try:
            group.rmdir()
        except OSError:
            continue
