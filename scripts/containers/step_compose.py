"""What compose.yaml promises, on the ports that it publishes."""

import json
import os
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

import lakes
from place import Fault, run, until
from render import octet, topology, yaml
from step_pods import GREETINGS

GATEWAY, ZIPKIN, PROMETHEUS = (f"http://127.0.0.1:{port}" for port in (8080, 9411, 9090))
# The defaults of compose.yaml.
CONNECTIONS = {"MONGO_CONN": "mongodb://octet:local-only@127.0.0.1:27017/?authSource=admin",
               "RABBITMQ_CONN": "amqp://octet:local-only@127.0.0.1:5672/%2f"}
IMAGE = "octet:local"
USER = {"lake": "1000"}
# A call's deadline is 5 s.
PATIENCE = 10


def up(docker, seen):
    """Every container healthy, and those of the image as confined as the file says."""
    started = time.monotonic()
    docker.compose("up", "--wait", "--wait-timeout", "300", "--no-build", "--pull", "never")
    services = docker.services()
    seen.append(f"{len(services)} containers healthy after {time.monotonic() - started:.0f} s")
    _confined(docker, services)
    seen.append("those of the image without root, without capabilities and on a read-only root")


def _confined(docker, services):
    for service in services:
        found = docker.inspect(service)
        if found["Config"]["Image"] != IMAGE:
            continue
        process = pathlib.Path("/proc", str(found["State"]["Pid"]))
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        state = {"Uid": status["Uid"].split()[0], "CapEff": int(status["CapEff"], 16), "CapBnd": int(status["CapBnd"], 16),
                 "NoNewPrivs": status["NoNewPrivs"]}
        expected = {"Uid": USER.get(service, "65532"), "CapEff": 0, "CapBnd": 0, "NoNewPrivs": "1"}
        if state != expected:
            raise Fault(f"{service}: {state} instead of {expected}")
        try:
            (process / "root/written").touch()
        except OSError:
            continue
        raise Fault(f"{service}: its root is writable")


def get(url):
    """The response's body; a failure is a Fault."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        raise Fault(f"{url}: {error.code} {error.read().decode(errors='replace')[:500]}") from error


def ask():
    answer = get(f"{GATEWAY}/api/greeting")
    if [greeting["service"] for greeting in json.loads(answer)["greeting"]] != topology()["order"]:
        raise Fault(f"expected greetings of {topology()['order']}, got {answer}")
    return answer


def greet(_docker, seen):
    """Requests, the audit, and a trace over all services."""
    answers = [until("greeting", ask, 60), *(ask() for _ in range(GREETINGS - 1))]
    audit(answers)

    def traced():
        expected = {"gateway", *(name for name in _octets() if name.startswith("service-"))}
        for trace in json.loads(get(f"{ZIPKIN}/api/v2/traces?limit=10")):
            if {span["localEndpoint"]["serviceName"] for span in trace} >= expected:
                return
        raise Fault("no trace has every service")

    until("a whole trace", traced, 60)
    seen.append(f"{GREETINGS} requests with {len(topology()['order'])} greetings each, a clean audit, a trace over all services")
    return answers


def _octets():
    """The services of compose.yaml that run the image, without profiles."""
    from step_images import COMPOSE
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    return [name for name, service in services.items() if service["image"] == IMAGE and "profiles" not in service]


def audit(answers):
    given = "".join(f"{answer.strip()}\n" for answer in answers)
    done = run(octet(), "audit", "--answered", "-", "--wait", "60s", environment=CONNECTIONS, given=given, check=False)
    if done.returncode != 0:
        raise Fault(f"the audit reports {done.stdout}{done.stderr}")


def targets(seen):
    """Prometheus scrapes every process, has its rules, and counts requests."""
    expected = set(_octets())

    def scraped():
        active = json.loads(get(f"{PROMETHEUS}/api/v1/targets"))["data"]["activeTargets"]
        up = {target["labels"]["service"] for target in active if target["health"] == "up"}
        if up != expected:
            raise Fault(f"up: {sorted(up)}; down: {[target['lastError'] for target in active if target['health'] != 'up']}")
        query = urllib.parse.quote('sum(http_server_request_duration_seconds_count{service="gateway"})')
        result = json.loads(get(f"{PROMETHEUS}/api/v1/query?query={query}"))["data"]["result"]
        if not result or float(result[0]["value"][1]) < GREETINGS:
            raise Fault(f"requests of the gateway: {result}")

    until("Prometheus", scraped, 60)
    groups = json.loads(get(f"{PROMETHEUS}/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    bad = [rule["name"] for rule in rules if rule["health"] == "err"]
    if bad or not rules:
        raise Fault(f"{len(rules)} rules, of which fail: {bad}")
    seen.append(f"{len(expected)} targets up, {len(rules)} rules")


def killed(docker, server, earlier, seen):
    """A server is killed while requests come: what was answered is there, and requests succeed again."""
    answers, failed = [], 0
    restarted = docker.kill(server)
    started = time.monotonic()

    def again():
        nonlocal failed
        try:
            answers.append(ask())
        except (Fault, OSError):
            failed += 1
            raise
    until(f"greeting after {server} was killed", again, 120)
    recovered = time.monotonic() - started
    answers += [ask() for _ in range(GREETINGS)]
    audit([*earlier, *answers])
    seen.append(f"Docker restarted it after {restarted:.1f} s; {failed} requests failed, and from {recovered:.1f} s later all succeeded; "
                "a clean audit")
    return answers


def lake(docker, answers, seen):
    """The profile `lake` writes every greeting, also those of later requests, into a directory."""
    place = docker.project / ".octet/lake"
    place.mkdir(parents=True)
    # LAKE_USER's default.
    os.chown(place, 1000, 1000)
    docker.compose("--profile", "lake", "up", "--wait", "--wait-timeout", "120", "--no-build", "--pull", "never")
    _confined(docker, ["lake"])
    answers = [*answers, *(ask() for _ in range(GREETINGS))]

    def octet_lake(*arguments):
        return docker.compose("exec", "--no-TTY", "lake", "/usr/local/bin/octet", "lake", *arguments, "--to", "file:///lake")

    rows = lakes.complete(octet_lake, answers)
    lakes.contains(place, answers)
    seen.append(f"{rows} rows of {len(lakes.TOPICS)} topics, among them the greetings of all {len(answers)} answers; verified; "
                "as its user without capabilities on a read-only root")


def down(docker, seen):
    """Every process of the image ends with 0 on SIGTERM, and nothing is left."""
    octets = [*_octets(), "lake"]
    started = time.monotonic()
    docker.compose("--profile", "lake", "stop")
    bad = {name: code for name in octets if (code := docker.inspect(name)["State"]["ExitCode"]) != 0}
    if bad:
        raise Fault(f"exit codes after SIGTERM: {bad}")
    seen.append(f"stopped in {time.monotonic() - started:.1f} s, {len(octets)} containers of the image with 0")
    docker.compose("--profile", "lake", "down", "--volumes")
    left = [docker.docker(*command).split() for command in (
        ("ps", "--all", "--quiet"), ("volume", "ls", "--quiet"), ("network", "ls", "--quiet", "--filter", "type=custom"))]
    if any(left):
        raise Fault(f"containers, volumes and networks are left: {left}")
    seen.append("no container, volume or network is left")
