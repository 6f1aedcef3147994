"""A stand-in for the kubelet and the controllers of a namespace: pods of a rendering, run by containerd.

It does what the chart's pods need, and raises a Fault for what it does not know.
"""

import concurrent.futures
import itertools
import threading
import time
import uuid

import probes
import volumes
from cri import EXITED, RUNNING
from node import DNS
from place import Fault, until

NAMESPACE = "octet"
# What the kubelet hides from containers that are not privileged.
MASKED = ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
MULTIPLES = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9, "m": 0.001}
SUFFIXES = itertools.count(1)


class Pod:
    """A pod. `ready` is what its Services go by."""

    def __init__(self, owner, directory, name=None):
        template = owner["spec"]["template"] if owner["kind"] != "Pod" else owner
        self.owner, self.spec, self.labels = owner, template["spec"], template["metadata"]["labels"]
        self.namespace = owner["metadata"].get("namespace", NAMESPACE)
        self.workload = owner["metadata"]["name"]
        self.name = name or f"{self.workload}-{next(SUFFIXES):x}"
        self.directory = directory / self.name
        self.uid = str(uuid.uuid4())
        self.sandbox = self.address = self.config = self.netns = None
        self.containers = {}
        self.ready = self.started = self.ending = False
        self.restarts = 0
        self.failure = None
        self.ended = threading.Event()


class Kubelet:
    def __init__(self, node, objects, directory, changed):
        """`changed` is called without arguments after pods became ready, or are ending."""
        self.node, self.runtime, self.objects = node, node.runtime, objects
        self.directory, self.changed = directory, changed
        self.pods, self.lock = [], threading.Lock()
        for name in ("pods", "claims", "logs"):
            (directory / name).mkdir()

    def up(self, owner):
        """Starts all pods of a workload."""
        count = owner["spec"].get("replicas", 1)
        stateful = owner["kind"] == "StatefulSet"
        return self.together(lambda index: self.start(owner, f"{owner['metadata']['name']}-{index}" if stateful else None),
                             range(count))

    @staticmethod
    def together(action, items):
        items = list(items)
        with concurrent.futures.ThreadPoolExecutor(max(1, len(items))) as threads:
            return list(threads.map(action, items))

    def start(self, owner, name=None):
        """Creates a pod, starts its containers, and calls its probes from then on."""
        pod = Pod(owner, self.directory / "pods", name)
        pod.directory.mkdir(parents=True, exist_ok=True)
        pod.config = self._sandbox(pod)
        runtime = pod.spec.get("runtimeClassName", "")
        pod.sandbox = self.runtime.call("RunPodSandbox", config=pod.config, runtime_handler=runtime).pod_sandbox_id
        status = self.runtime.call("PodSandboxStatus", pod_sandbox_id=pod.sandbox, verbose=True)
        pod.address = status.status.network.ip
        places = volumes.lay_out(pod, self.objects, self.directory / "claims")
        with self.lock:
            self.pods.append(pod)
        # Its policies apply before its first container runs.
        self.changed()
        for container in pod.spec.get("initContainers", []):
            self._create(pod, container, places)
            until(f"{pod.name}: {container['name']}", lambda: self._finished(pod, container["name"]))
        for container in pod.spec["containers"]:
            self._create(pod, container, places)
        threading.Thread(target=self._watch, args=(pod, places), daemon=True).start()
        return pod

    def _sandbox(self, pod):
        if pod.spec.get("dnsPolicy", "ClusterFirst") != "ClusterFirst" or pod.spec.get("hostNetwork"):
            raise Fault(f"{pod.name}: the stand-in knows neither its dnsPolicy nor hostNetwork")
        return {
            "metadata": {"name": pod.name, "uid": pod.uid, "namespace": pod.namespace},
            "hostname": pod.name, "log_directory": str(self.directory / "logs"), "dns_config": self._dns(pod),
            "linux": {"cgroup_parent": self.node.cgroup, "security_context": {
                "namespace_options": {"pid": 1}, "seccomp": {"profile_type": 0}}},
        }

    def _dns(self, pod):
        """The cluster's resolver, with what the pod's dnsConfig adds or replaces."""
        own = pod.spec.get("dnsConfig", {})
        options = {"ndots": "5"} | {option["name"]: option.get("value") for option in own.get("options", [])}
        domain = self.node.domain
        return {"servers": [DNS, *own.get("nameservers", [])],
                "options": [f"{name}:{value}" if value is not None else name for name, value in options.items()],
                "searches": [f"{pod.namespace}.svc.{domain}", f"svc.{domain}", domain, *own.get("searches", [])]}

    def _create(self, pod, container, places):
        name = container["name"]
        image = self.node.image(container["image"])
        mounts = [{"container_path": mount["mountPath"], "readonly": mount.get("readOnly", False),
                   "host_path": str(places[mount["name"]] / mount.get("subPath", ""))}
                  for mount in container.get("volumeMounts", [])]
        mounts.append({"container_path": "/etc/hosts", "host_path": str(volumes.hosts(pod))})
        environment = volumes.variables(pod, container, self.objects)
        created = self.runtime.call("CreateContainer", pod_sandbox_id=pod.sandbox, sandbox_config=pod.config, config={
            "metadata": {"name": name, "attempt": pod.restarts}, "image": {"image": image.id},
            "command": container.get("command", []), "args": container.get("args", []),
            "working_dir": container.get("workingDir", ""), "mounts": mounts,
            "envs": [{"key": key, "value": value} for key, value in environment.items()],
            "log_path": f"{pod.name}-{name}-{pod.restarts}.log",
            "linux": {"resources": _resources(container), "security_context": _security(pod, container, image)}})
        pod.containers[name] = created.container_id
        self.runtime.call("StartContainer", container_id=created.container_id)

    def status(self, pod, name):
        return self.runtime.call("ContainerStatus", container_id=pod.containers[name]).status

    def _finished(self, pod, name):
        status = self.status(pod, name)
        if status.state != EXITED:
            raise Fault("it has not finished")
        return status.exit_code

    def _watch(self, pod, places):
        """Restarts containers that end, and calls probes, until the pod ends."""
        due, failed = {}, {}
        restart = pod.spec.get("restartPolicy", "Always") == "Always"
        if not any(_probes(container) for container in pod.spec["containers"]):
            pod.ready = pod.started = True
            self.changed()
        while not pod.ending:
            try:
                for container in pod.spec["containers"]:
                    if restart and self.status(pod, container["name"]).state != RUNNING and not pod.ending:
                        self._restart(pod, container, places, "it ended")
                    self._probe(pod, container, due, failed, places)
            except Fault as fault:
                if not pod.ending:
                    pod.failure = fault
                    return
            time.sleep(0.2)

    def _probe(self, pod, container, due, failed, places):
        wanted = _probes(container)
        kinds = ["startupProbe"] if "startupProbe" in wanted and not pod.started else ["readinessProbe", "livenessProbe"]
        for kind in kinds:
            probe = wanted.get(kind)
            if probe is None or time.monotonic() < due.get(kind, 0) or pod.ending:
                continue
            due[kind] = time.monotonic() + probe.get("periodSeconds", 10)
            try:
                probes.call(pod, container, probe, self.runtime)
                failed[kind] = 0
                if kind == "startupProbe":
                    pod.started = True
                elif kind == "readinessProbe":
                    self._is_ready(pod, True)
            except (Fault, OSError) as error:
                failed[kind] = failed.get(kind, 0) + 1
                if failed[kind] < probe.get("failureThreshold", 3):
                    continue
                if kind == "readinessProbe":
                    self._is_ready(pod, False)
                else:
                    failed.clear()
                    self._restart(pod, container, places, f"{kind}: {error}")
        if "readinessProbe" not in wanted and pod.started:
            self._is_ready(pod, True)

    def _is_ready(self, pod, ready):
        if pod.ready != ready and not pod.ending:
            pod.ready = ready
            self.changed()

    def _restart(self, pod, container, places, reason):
        pod.restarts += 1
        pod.started = False
        self._is_ready(pod, False)
        if pod.restarts > 5:
            raise Fault(f"{pod.name} restarted {pod.restarts} times, at last because {reason}\n{self.log(pod)}")
        self.runtime.call("StopContainer", container_id=pod.containers[container["name"]], timeout_=10)
        self._create(pod, container, places)

    def log(self, pod):
        files = sorted((self.directory / "logs").glob(f"{pod.name}-*"))
        return "".join(file.read_text(errors="replace")[-3000:] for file in files)

    def end(self, pod):
        """Deletes a pod: its endpoints go while preStop runs, then SIGTERM and the grace period.

        Returns each container's exit code, and the seconds from SIGTERM to its end.
        """
        pod.ending, pod.ready = True, False
        self.changed()
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        started = time.monotonic()
        ends = {}
        for container in pod.spec["containers"]:
            for kind, hook in (container.get("lifecycle", {}).get("preStop") or {}).items():
                if kind != "sleep":
                    raise Fault(f"{pod.name}: the stand-in does not know preStop: {kind}")
                time.sleep(hook["seconds"])
            left = max(2, grace - int(time.monotonic() - started))
            signalled = time.monotonic()
            identity = pod.containers[container["name"]]
            self.runtime.call("StopContainer", timeout=left + 30, container_id=identity, timeout_=left)
            ends[container["name"]] = (self.status(pod, container["name"]).exit_code, time.monotonic() - signalled)
        self.runtime.call("StopPodSandbox", pod_sandbox_id=pod.sandbox)
        self.runtime.call("RemovePodSandbox", pod_sandbox_id=pod.sandbox)
        with self.lock:
            self.pods.remove(pod)
        self.changed()
        pod.ended.set()
        return ends

    def ready(self, pods, seconds):
        """Waits until the pods are ready."""
        def look():
            for pod in pods:
                if pod.failure:
                    raise SystemError(f"{pod.failure}")
            waiting = [pod.name for pod in pods if not pod.ready]
            if waiting:
                raise Fault(f"{', '.join(waiting)} not ready")
        try:
            until("pods", look, seconds)
        except Fault as fault:
            logs = "\n".join(f"{pod.name}:\n{self.log(pod)}" for pod in pods if not pod.ready)
            raise Fault(f"{fault}\n{logs}") from fault

    def job(self, owner):
        """Runs a Job's pod to its end; returns its exit code and its output."""
        pod = self.start(owner)
        (container,) = pod.spec["containers"]
        code = until(f"Job/{pod.workload}", lambda: self._finished(pod, container["name"]),
                     owner["spec"].get("activeDeadlineSeconds", 120))
        output = self.log(pod)
        self.end(pod)
        return code, output


def _probes(container):
    return {kind: container[kind] for kind in ("startupProbe", "livenessProbe", "readinessProbe") if kind in container}


def quantity(text):
    """Kubernetes' quantities, such as 256Mi and 50m."""
    text = str(text)
    for suffix, factor in MULTIPLES.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)


def _resources(container):
    given = container.get("resources", {})
    limits, requests = given.get("limits", {}), given.get("requests", {})
    found = {"cpu_shares": max(2, int(quantity(requests.get("cpu", 0)) * 1024)), "oom_score_adj": 1000}
    if "memory" in limits:
        found["memory_limit_in_bytes"] = int(quantity(limits["memory"]))
    if "cpu" in limits:
        found |= {"cpu_period": 100_000, "cpu_quota": int(quantity(limits["cpu"]) * 100_000)}
    return found


def _security(pod, container, image):
    whole = pod.spec.get("securityContext", {})
    own = {**{key: whole[key] for key in ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile") if key in whole},
           **container.get("securityContext", {})}
    user = own.get("runAsUser", image.uid.value if image.HasField("uid") else None)
    if own.get("runAsNonRoot") and not user:
        raise Fault(f"{pod.name}: runAsNonRoot, but the image's user is {image.username or 'root'}")
    capabilities = own.get("capabilities", {})
    found = {
        "namespace_options": {"pid": 1}, "readonly_rootfs": own.get("readOnlyRootFilesystem", False),
        "no_new_privs": own.get("allowPrivilegeEscalation") is False,
        "capabilities": {"add_capabilities": capabilities.get("add", []), "drop_capabilities": capabilities.get("drop", [])},
        "masked_paths": MASKED, "readonly_paths": READ_ONLY,
        "supplemental_groups": [*whole.get("supplementalGroups", []), *([whole["fsGroup"]] if "fsGroup" in whole else [])],
        "seccomp": {"profile_type": 0 if own.get("seccompProfile", {}).get("type") == "RuntimeDefault" else 1},
    }
    if user is not None:
        found["run_as_user"] = {"value": user}
    if "runAsGroup" in own:
        found["run_as_group"] = {"value": own["runAsGroup"]}
    return found
