"""Checks every pod, the chart's and others: restricted security, and pinned images."""

from render import pods


def faults(objects, fixed_user=True):
    """One line per pod that may do more than it should, and per image that may change. Without `fixed_user` the platform
    chooses the user."""
    for pod in pods(objects):
        yield from _restricted(pod, fixed_user)
        for container in [*pod.spec["containers"], *pod.spec.get("initContainers", [])]:
            if not pinned(container["image"]):
                yield f"{pod.name}: the image {container['image']} is not pinned: name a version or a digest"


def pinned(image):
    name, _, digest = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    return digest.startswith("sha256:") or tag not in ("", "latest")


def _restricted(pod, fixed_user):
    security = pod.spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser", 0 if fixed_user else 1) > 0:
        yield f"{pod.name}: runs as root, or may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{pod.name}: has no seccomp profile"
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield f"{pod.name}: mounts an API server token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield f"{pod.name}: {key}"
    if any("hostPath" in volume for volume in pod.spec.get("volumes", [])):
        yield f"{pod.name}: mounts a path of the node"
    for container in pod.spec["containers"]:
        own = container.get("securityContext", {})
        if own.get("runAsUser", 1) == 0 or own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{pod.name}, {container['name']}: may become root"
        if own.get("readOnlyRootFilesystem") is not True or own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{pod.name}, {container['name']}: root filesystem is writable, or has capabilities"
        if "memory" not in container["resources"]["limits"] or "cpu" not in container["resources"]["requests"]:
            yield f"{pod.name}, {container['name']}: no memory limit, or no CPU request"
