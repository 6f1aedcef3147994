"""What values do in a pod. helm/tests/values/containers.yaml sets them."""

import base64
import json
import pathlib

import lakes
from node import OTHER_RUNTIME
from place import Fault, run, until
from render import topology
from step_policies import OPEN, REFUSED, tries

DOMAIN = "cluster.example"
REPLICATED = "service-g"
INJECTED = "injected"
FAULTS = "octet-faults"


def certificates(work):
    """The objects that cannot be written down: a private CA, and a certificate of broker and S3 server."""
    place = work / "ca"
    place.mkdir()
    ca, request, certificate = (place / name for name in ("ca.pem", "request.pem", "cert.pem"))
    (place / "names").write_text("subjectAltName=DNS:own-broker,DNS:s3\n")
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(*new, "-x509", "-days", "2", "-subj", "/CN=octet test CA", "-keyout", place / "ca-key.pem", "-out", ca)
    run(*new, "-subj", "/CN=own-broker", "-keyout", place / "key.pem", "-out", request)
    run("openssl", "x509", "-req", "-days", "2", "-in", request, "-CA", ca, "-CAkey", place / "ca-key.pem", "-CAcreateserial",
        "-extfile", place / "names", "-out", certificate)
    files = {name: (place / name).read_text() for name in ("ca.pem", "cert.pem", "key.pem")}
    return [{"kind": "ConfigMap", "metadata": {"name": "own-ca", "namespace": "octet"}, "data": {"ca.pem": files["ca.pem"]}},
            {"kind": "Secret", "metadata": {"name": "own-lake", "namespace": "octet"}, "stringData": {"ca.pem": files["ca.pem"]}},
            {"kind": "Secret", "metadata": {"name": "own-tls", "namespace": "octet"},
             "data": {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}}]


def ask(cluster, client, path="/api/greeting", *options):
    url = f"http://{cluster.services.addresses['gateway']}:8080{path}"
    return cluster.inside(client, "curl", "--silent", "--show-error", "--max-time", "10", *options, url).stdout


def greet(cluster, client, seen):
    """All greetings, with a broker behind a private CA and a database with a login and keys of one's own."""
    order = topology()["order"]

    def look():
        answer = ask(cluster, client, "/api/greeting", "--fail")
        if [greeting["service"] for greeting in json.loads(answer)["greeting"]] != order:
            raise Fault(f"expected greetings of {order}, got {answer}")
        return answer

    answers = [until("greeting", look, 60), *(look() for _ in range(24))]
    seen.append(f"{len(answers)} requests through a broker with a private CA, a database with another Secret's keys and no volume, "
                f"and the domain {DOMAIN}")
    return answers


def _process(cluster, workload):
    return pathlib.Path("/proc", str(cluster.process(cluster.pod(workload))))


def _expect(found, expected):
    if found != expected:
        raise Fault(f"{found} instead of {expected}")


def environment_and_volumes(cluster, _client, seen):
    """env, valueFrom, envFrom, extraVolumes, initContainers."""
    place, pod = _process(cluster, "service-a"), cluster.pod("service-a")
    given = dict(part.split("=", 1) for part in (place / "environ").read_text().split("\0") if "=" in part)
    expected = {"PLAIN": "x", "FROM_SECRET": "secret", "FROM_FIELD": pod.name, "OWN_token": "secret", "IN_CONFIG": "in-config",
                "MAX_CONCURRENT": "200"}
    _expect({name: given.get(name) for name in expected}, expected)
    _expect((place / "root/etc/extra/IN_CONFIG").read_text(), "in-config")
    _expect((place / "root/made/file").read_text(), "made\n")
    collector = _process(cluster, "collector")
    (collector / "root/scratch/written").touch()
    mounts = {line.split()[4]: line.split()[5].split(",")[0] for line in (place / "mountinfo").read_text().splitlines()}
    _expect((mounts.get("/etc/extra"), mounts.get("/made")), ("ro", "rw"))
    seen.append("variables of values, Secret, ConfigMap and field; files of a ConfigMap, of an init container and an emptyDir")


def security_and_limits(cluster, _client, seen):
    """podSecurityContext, containerSecurityContext, CPU limits, runtimeClassName."""
    place = _process(cluster, "service-a")
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
    _expect((status["Uid"].split()[0], status["Gid"].split()[0]), ("7000", "7001"))
    if "4000" not in status["Groups"].split():
        raise Fault(f"supplemental groups: {status['Groups']}")
    _expect(_quota(place), (100_000, 100_000))
    database = _process(cluster, "mongodb")
    status = dict(line.split(":\t", 1) for line in (database / "status").read_text().splitlines() if ":\t" in line)
    _expect(status["Uid"].split()[0], "7002")
    for workload in ("service-a", "gateway", "collector", "mongodb", "octet-lake"):
        pod = cluster.pod(workload)
        info = cluster.node.runtime.call("PodSandboxStatus", pod_sandbox_id=pod.sandbox, verbose=True).info["info"]
        _expect((workload, json.loads(info)["runtimeHandler"]), (workload, OTHER_RUNTIME))
    seen.append("users and groups of one's own, a CPU limit of 1 as a quota, the runtime of another name")


def _quota(process):
    """The CPU quota and its period, of either version of cgroups."""
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            place = pathlib.Path(f"/sys/fs/cgroup/{controllers}{path}")
            place = place if place.exists() else pathlib.Path(f"/sys/fs/cgroup/cpu{path}")
            return tuple(int((place / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        if not controllers and (file := pathlib.Path(f"/sys/fs/cgroup{path}", "cpu.max")).exists():
            return tuple(map(int, file.read_text().split()))
    raise Fault("no control group with a CPU limit")


def names(cluster, _client, seen):
    """dnsConfig, in a cluster of another domain, in which all names resolve because none contains a domain."""
    text = (_process(cluster, "service-a") / "root/etc/resolv.conf").read_text()
    for part in (f"octet.svc.{DOMAIN}", "ndots:3"):
        if part not in text:
            raise Fault(f"/etc/resolv.conf without {part}: {text}")
    seen.append(f"/etc/resolv.conf with {DOMAIN} and ndots:3")


def balancing(cluster, client, seen):
    """clientBalancing: a caller reaches every replica, and a new one after another has gone."""
    pods = [pod for pod in cluster.kubelet.pods if pod.workload == REPLICATED]
    (owner,) = [owner for owner in cluster.owners("Deployment") if owner["metadata"]["name"] == REPLICATED]
    replacement = cluster.kubelet.start(owner)
    cluster.kubelet.ready([replacement], 60)
    cluster.kubelet.end(pods[0])
    expected = {pod.name for pod in [*pods[1:], replacement]}

    def look():
        found = set()
        for _ in range(12):
            answer = json.loads(ask(cluster, client, "/api/greeting", "--fail"))
            found |= {greeting["hostname"] for greeting in answer["greeting"] if greeting["service"] == REPLICATED}
        if found != expected:
            raise Fault(f"replicas that answered: {sorted(found)} instead of {sorted(expected)}")

    until("balancing", look, 90)
    seen.append(f"{len(expected)} replicas answer; one is new, one has gone")


def faults(cluster, client, seen):
    """faults: a rule of the ConfigMap applies, and no longer after the file in the running pods has changed."""
    def status(identity):
        return ask(cluster, client, "/api/greeting", "--output", "/dev/null", "--write-out", "%{http_code}", "--header",
                   f"x-request-id: {identity}")
    _expect((status(INJECTED), status("another")), ("409", "200"))
    # As the kubelet does it after an edit of the ConfigMap.
    for pod in cluster.kubelet.pods:
        for file in (pod.directory / "volumes").glob("faults/*"):
            # One write, because the program watches the file.
            file.write_text("\n")

    def look():
        _expect(status(INJECTED), "200")

    until("the fault has gone", look, 30)
    seen.append("a rule of the ConfigMap fails the requests that it names, and none after the file has changed")


def process_health(cluster, client, seen):
    """processHealth: the gateway reports every process."""
    own = [pod for pod in cluster.kubelet.pods if pod.workload in ("gateway", "collector") or pod.workload.startswith("service-")]

    def look():
        _expect(len(json.loads(ask(cluster, client, "/api/processes", "--fail"))["processes"]), len(own))

    until("all processes", look, 30)
    seen.append(f"the gateway reports all {len(own)} processes")


def peers(cluster, _client, seen):
    """extraIngress, extraEgress, metricsFrom: open for the pods that they name, and for no other."""
    friend, other = (cluster.stranger(name) for name in ("friend", "other"))
    cluster.kubelet.ready([friend, other], 60)
    service = cluster.pod("service-a")
    for caller, expected in ((friend, OPEN), (other, REFUSED)):
        _expect((caller.name, tries(cluster, caller, [(service, 50051), (service, 9001)])), (caller.name, [expected] * 2))
        _expect((caller.name, tries(cluster, service, [(caller, 9411)])), (caller.name, [expected]))
    cluster.kubelet.together(cluster.kubelet.end, [friend, other])
    seen.append("calls, metrics and calls of one's own open for the pods that are named, refused for another")


LOOKS = (environment_and_volumes, security_and_limits, names, balancing, faults, process_health, peers)


def lake(cluster, answers, seen):
    """`lake.enabled`: every greeting in the bucket, checked by `octet lake` in the pod of the chart."""
    pod = cluster.pod("octet-lake")
    (container,) = pod.containers.values()

    def octet_lake(*arguments):
        command = ["/usr/local/bin/octet", "lake", *arguments, "--to", "s3://lake/raw"]
        done = cluster.node.runtime.call("ExecSync", timeout=65, container_id=container, cmd=command, timeout_=60)
        if done.exit_code != 0:
            raise Fault(f"{command}: status {done.exit_code}: {(done.stdout + done.stderr).decode()[-1000:]}")
        return done.stdout.decode()

    rows = lakes.complete(octet_lake, answers)
    if pod.restarts:
        raise Fault(f"octet-lake restarted {pod.restarts} times: {cluster.kubelet.log(pod)}")
    ((code, seconds),) = cluster.kubelet.end(pod).values()
    _expect(code, 0)
    seen.append(f"{rows} rows of {len(lakes.TOPICS)} topics in S3 (moto) with TLS by a private CA, verified; SIGTERM ended it with 0 in {seconds:.1f} s")
