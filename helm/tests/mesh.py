"""The containers of a rendering as processes of this host, set up and probed as the kubelet does."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from graph import of_kind
from language import headless
from render import ROOT, octet, run

sys.path.insert(0, str(ROOT / "bench"))
import ports

# Seconds that any step may take: the cores may be busy.
PATIENCE = 60


class Fault(Exception):
    """A failure that a pod would have."""


def free_port(block=[]):
    """A port that no other test gets."""
    if not block:
        base = ports.free_block()
        block.extend(range(base, base + ports.BLOCK))
    return block.pop()


class Mesh:
    """Containers of the rendered Deployments, as processes."""

    def __init__(self, objects, servers, directory):
        self.objects, self.servers, self.directory = objects, servers, directory
        self.deployments = {found["metadata"]["name"]: found for found in of_kind(objects, "Deployment")}
        # One process of each; where callers balance, one for each replica.
        self.replicas = {name: [name, *(f"{name}-{number}" for number in range(2, self._replicas(name) + 1))]
                         for name in headless(objects)}
        self.deployments |= {copy: self.deployments[name] for name, copies in self.replicas.items() for copy in copies}
        self.ports = {name: {port["containerPort"]: free_port() for port in self._container(name)["ports"]}
                      for name in self.deployments}
        self.processes = {}

    def _replicas(self, name):
        return self.deployments[name]["spec"]["replicas"]

    def _container(self, name):
        (container,) = self.deployments[name]["spec"]["template"]["spec"]["containers"]
        return container

    def __enter__(self):
        # In any order: pods do not wait for their upstreams either.
        for name in self.deployments:
            self._start(name)
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(PATIENCE)

    def _start(self, name):
        home = self.directory / name
        home.mkdir()
        container = self._container(name)
        files = {mount["mountPath"]: self._volume(name, mount["name"], home) for mount in container.get("volumeMounts", [])}
        variables = {entry["name"]: self._value(name, entry["name"], entry["value"], files) for entry in container["env"]}
        log = (home / "log").open("wb")
        # Only what the pod would have: no variable of this process is inherited.
        self.processes[name] = subprocess.Popen([octet(), *container["args"]], cwd=home, env=variables, stdout=log,
                                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def _value(self, name, variable, value, files):
        if variable in ("PORT", "ADMIN_PORT", "OTLP_GRPC_PORT", "OTLP_HTTP_PORT"):
            return f"127.0.0.1:{self.ports[name][int(value)]}"
        for mount, place in files.items():
            if value.startswith(f"{mount}/"):
                return str(place / value.removeprefix(f"{mount}/"))
        # host:port, alone or in a URL.
        return re.sub(r"^(http://)?([a-z][a-z0-9-]*):(\d+)",
                      lambda at: f"{at[1] or ''}{self._address(at[2], int(at[3]))}", value)

    def _address(self, host, port):
        """Resolves a Service's port: by its selector to a pod, by the target's name to the pod's port. A headless one has
        the addresses of all pods."""
        services = [found for found in of_kind(self.objects, "Service") if found["metadata"]["name"] == host]
        if not services:
            raise Fault(f"{host} is not a Service")
        targets = [entry["targetPort"] for entry in services[0]["spec"]["ports"] if entry["port"] == port]
        selector = services[0]["spec"]["selector"].items()
        found = []
        for name, deployment in self.deployments.items():
            if selector <= deployment["spec"]["template"]["metadata"]["labels"].items():
                for entry in self._container(name)["ports"]:
                    if [entry["name"]] == targets:
                        found.append(f"127.0.0.1:{self.ports[name][entry['containerPort']]}")
        if not found:
            raise Fault(f"{host}:{port} leads nowhere")
        return ",".join(found if services[0]["spec"].get("clusterIP") == "None" else found[:1])

    def _volume(self, name, volume, home):
        """A volume's files, laid out as the kubelet does."""
        volumes = self.deployments[name]["spec"]["template"]["spec"]["volumes"]
        (source,) = [entry for entry in volumes if entry["name"] == volume]
        place = home / "mounted" / volume
        place.mkdir(parents=True)
        if "configMap" in source:
            (config,) = [found for found in of_kind(self.objects, "ConfigMap")
                         if found["metadata"]["name"] == source["configMap"]["name"]]
            for key, text in config["data"].items():
                (place / key).write_text(text)
        else:
            (secret,) = [found for found in of_kind(self.objects, "Secret")
                         if found["metadata"]["name"] == source["secret"]["secretName"]]
            for item in source["secret"]["items"]:
                (place / item["path"]).write_text(self._connection(volume, secret["stringData"][item["key"]]))
        return place

    def _connection(self, volume, rendered):
        """The rendered string, pointed at the real server: what follows the host is unchanged."""
        start = rf"^[a-z]+://octet:[A-Za-z0-9]+@{volume}:(5672|27017)"
        if not re.match(start, rendered):
            raise Fault(f"the connection of {volume} is {rendered}")
        own = re.match(r"^[a-z]+://[^/?]+", self.servers[volume])[0]
        tail = re.sub(start, "", rendered)
        return own + (tail if volume == "rabbitmq" else "/")

    def _log(self, name):
        return (self.directory / name / "log").read_text()

    def _until(self, name, what, look):
        started = time.monotonic()
        while True:
            if self.processes[name].poll() is not None:
                raise Fault(f"{name} ended with {self.processes[name].returncode}: {self._log(name)}")
            try:
                return look()
            except (Fault, OSError) as error:
                if time.monotonic() - started > PATIENCE:
                    raise Fault(f"{name}: {what}: {error}\n{self._log(name)}") from error
            time.sleep(0.1)

    def probes(self, name):
        """Every probe of the container, as the kubelet calls it."""
        container = self._container(name)
        by_name = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            look = container[probe]
            if "grpc" in look:
                address = f"127.0.0.1:{self.ports[name][look['grpc']['port']]}"
                self._until(name, probe, lambda: grpc_health(address, look["grpc"]["service"]))
            else:
                port = self.ports[name][by_name[look["httpGet"]["port"]]]
                self._until(name, probe, lambda: get(f"http://127.0.0.1:{port}{look['httpGet']['path']}"))

    def greet(self):
        return json.loads(self._until("gateway", "a greeting", lambda: self.ask("/api/greeting")))

    def ask(self, path, headers={}):
        """A response of the gateway."""
        return get(f"http://{self._address('gateway', 8080)}{path}", headers)

    def balanced(self, name):
        """Each replica has had calls."""
        for copy in self.replicas[name]:
            metrics = get(f"http://127.0.0.1:{self.ports[copy][9001]}/metrics")
            if not re.search(r'^grpc_server_handled_total\{.*grpc_method="Greeting".*\} [1-9]', metrics, re.MULTILINE):
                raise Fault(f"{copy} had no call:\n{metrics}")

    def faulted(self, path, headers, code):
        """A rendered fault acts, until its ConfigMap changes."""
        try:
            raise Fault(f"the fault did not act: {self.ask(path, headers)}")
        except Fault as fault:
            if f": {code} " not in str(fault) or "injected:" not in str(fault):
                raise
        for name in self.processes:
            for file in (self.directory / name / "mounted/faults").glob("faults"):
                changed = file.with_name("changed")
                changed.write_text("")
                changed.replace(file)
        self._until("gateway", "a greeting without faults", lambda: self.ask(path, headers))

    def audit(self, answers):
        file = self.directory / "answers"
        file.write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
        environment = {"MONGO_CONN": self.servers["mongodb"], "RABBITMQ_CONN": self.servers["rabbitmq"]}
        done = run(octet(), "audit", "--answered", file, "--wait", "30s", environment=environment, check=False)
        if done.returncode != 0:
            raise Fault(f"the audit reports {done.stdout}{done.stderr}")

    def traced(self):
        """The gateway finds one trace over all services in the collector."""
        address = self._address("gateway", 8080)
        copies = {copy for copies in self.replicas.values() for copy in copies[1:]}
        expected = {"gateway", *(name for name in self.deployments.keys() - copies if name.startswith("service-"))}

        def look():
            traces = json.loads(get(f"http://{address}/zipkin/api/v2/traces?limit=10"))
            if not any({span["localEndpoint"]["serviceName"] for span in trace} >= expected for trace in traces):
                raise Fault(f"no trace has all of {sorted(expected)}")

        self._until("collector", "a whole trace", look)

    def tested(self):
        """Runs `helm test`'s command on this mesh, and checks that it fails for another response."""
        (job,) = [found for found in of_kind(self.objects, "Job") if found["metadata"]["name"] == "octet-test"]
        (container,) = job["spec"]["template"]["spec"]["containers"]
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        environment["URL"] = environment["URL"].replace("gateway:8080", self._address("gateway", 8080))
        done = run(*container["command"], environment=environment, check=False)
        if done.returncode != 0:
            raise Fault(f"helm test reports {done.stdout}{done.stderr}")
        if run(*container["command"], environment={**environment, "EXPECTED": "service-a"}, check=False).returncode == 0:
            raise Fault("helm test accepts any response")

    def end(self):
        """SIGTERM, as the kubelet sends it: each process drains and exits with 0."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            if process.wait(PATIENCE) != 0:
                raise Fault(f"{name} ended with {process.returncode}: {self._log(name)}")


def get(url, headers={}):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Fault(f"{url}: {error.code} {error.read().decode()}") from error


def grpc_health(address, service):
    asked = json.dumps({"service": service})
    done = run("grpcurl", "-plaintext", "-max-time", "5", "-d", asked, address, "grpc.health.v1.Health/Check", check=False)
    if done.returncode != 0 or json.loads(done.stdout) != {"status": "SERVING"}:
        raise Fault(f"health of {service!r}: {done.stdout}{done.stderr}")
