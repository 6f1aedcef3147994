#!/usr/bin/env python3
"""Checks what is outside the chart: k8s/, its overlays, AWS templates and policies, and the commands of the guides.

    helm/tests/beside.py         `make lint-deploy` runs it with its tools
"""

import json
import pathlib
import re
import sys
import tempfile

import amazon
import capacity
import context
import eks
import facts
import graph
import policy
import schemas
import workloads
from cases import CASES
from graph import of_kind
from render import CHART, ROOT, Loader, helm, name_of, objects, render, run, topology, yaml

K8S = ROOT / "k8s"
OVERLAYS = ("app/base", "app/overlays/laptop", "app/overlays/eks")
# Objects to apply; the other files are values for other charts and tools.
APPLIED = ("namespaces/octet.yaml", "istio/egress.yaml", "observability/jaeger.yaml", "observability/istio.yaml",
           "eks/ingress.yaml", "eks/external-secrets.yaml", "eks/karpenter.yaml", "gitops/application.yaml")
GUIDES = ("docs/guide.md", "docs/eks.md", "docs/laptop.md", "docs/kubernetes.md", "README.md")
# Annotations of the AWS Load Balancer Controller: it ignores wrong ones, and no schema covers them.
ALB = {"group.name", "group.order", "scheme", "target-type", "listen-ports", "ssl-redirect", "ssl-policy",
       "backend-protocol-version", "healthcheck-port", "healthcheck-path", "healthcheck-protocol", "success-codes",
       "load-balancer-attributes", "certificate-arn"}
CLUSTER = {"apiVersion", "kind", "metadata", "vpc", "accessConfig", "cloudWatch", "addonsConfig", "addons", "iam",
           "managedNodeGroups"}


def main():
    found = [*_overlays(), *_applied(), *_ingress(), *_cluster(), *_policies(), *_templates(), *_agreement(), *_proxies(),
             *_commands(), *_release(), *context.faults(context.IGNORED.read_text(), context.embedded())]
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        sys.exit(f"{len(found)} faults")
    print("k8s: overlays, objects, templates, policies and the guides' commands are correct")


def load(path):
    return yaml.load((K8S / path).read_text(), Loader)


def _overlays():
    own = topology()
    rendered = {}
    for place in OVERLAYS:
        done = run("kubectl", "kustomize", K8S / place, check=False)
        if done.returncode != 0:
            yield f"k8s/{place}: {done.stderr}"
            continue
        # The test's policy selects pods that only Helm creates.
        rendered[place] = [found for found in objects(done.stdout) if found["metadata"]["name"] not in graph.CLIENTS]
        looks = [*facts.faults(rendered[place], own), *workloads.faults(rendered[place])]
        yield from (f"k8s/{place}: {fault}" for fault in looks)
        if place != "app/base" and any("octet:unset" in json.dumps(found) for found in rendered[place]):
            yield f"k8s/{place}: names no image"
    yield from schemas.faults((f"k8s/{place}", found) for place, all_of in rendered.items() for found in all_of)
    scalers = of_kind(rendered.get("app/overlays/eks", []), "HorizontalPodAutoscaler")
    scaled = {found["metadata"]["name"] for found in scalers}
    if scaled != {"gateway", *(service["name"] for service in own["services"])}:
        yield "k8s/app/overlays/eks: the autoscalers must be those of the gateway and of every service"


def _applied():
    pairs = [(f"k8s/{path}", found) for path in APPLIED for found in objects((K8S / path).read_text())]
    yield from schemas.faults(pairs)
    yield from workloads.faults([found for _, found in pairs])
    yield from policy.faults([found for label, found in pairs if found["apiVersion"] not in schemas.CUSTOM])


def _ingress():
    """Checks ALB's annotations in k8s/eks and in the chart, and that hosts are the same everywhere."""
    values = yaml.load((CHART / "values-eks.yaml").read_text(), Loader)
    rendered = objects(helm("template", CASES["eks"]).stdout)
    for found in [*of_kind(objects((K8S / "eks/ingress.yaml").read_text()), "Ingress"), *of_kind(rendered, "Ingress")]:
        for key in found["metadata"]["annotations"]:
            prefix, _, name = key.rpartition("ingress.kubernetes.io/")
            if prefix == "alb." and name not in ALB and not name.startswith("conditions."):
                yield f"{name_of(found)}: the load balancer controller does not know {key}"
        yield from amazon.rules(found)
        hosts = {rule["host"] for rule in found["spec"]["rules"]}
        if found["spec"].get("ingressClassName") != "alb" or not hosts <= set(values["hosts"].values()):
            yield f"{name_of(found)}: its class or its hosts are not those of values-eks.yaml"


def _cluster():
    cluster = load("eks/cluster.yaml")
    if set(cluster) - CLUSTER:
        yield f"eks/cluster.yaml: unknown {sorted(set(cluster) - CLUSTER)}"
    if cluster["metadata"]["version"] not in schemas.VERSIONS:
        yield f"eks/cluster.yaml: manifests are not checked for {cluster['metadata']['version']}"
    for group in cluster.get("managedNodeGroups", []):
        if group["amiFamily"] != "AmazonLinux2023" or not group["volumeEncrypted"] or not group["privateNetworking"]:
            yield f"eks/cluster.yaml: the node group {group['name']}"
    yield from capacity.faults(render(CASES["eks behind istio"]), cluster, load("istio/istiod.yaml"))
    if not {"api", "audit", "authenticator"} <= set(cluster["cloudWatch"]["clusterLogging"]["enableTypes"]):
        yield "eks/cluster.yaml: the control plane is not logged"
    made = re.search(r"policies=\((.*)\)", (K8S / "eks/iam.sh").read_text())[1].split()
    for entry in cluster["iam"]["podIdentityAssociations"]:
        for arn in entry.get("permissionPolicyARNs", []):
            name = arn.partition(":policy/octet-")[2]
            if name not in made or not (K8S / f"eks/iam/{name}.json").exists():
                yield f"eks/cluster.yaml: {arn} is not created by iam.sh"
        values = K8S / f"eks/{entry['serviceAccountName'].removeprefix('aws-')}.yaml"
        account = next(yaml.load_all(values.read_text(), Loader)).get("serviceAccount")
        if account and account["name"] != entry["serviceAccountName"]:
            yield f"{values.name}: its account is {account['name']}, expected {entry['serviceAccountName']}"


def _policies():
    for file in sorted((K8S / "eks/iam").glob("*.json")):
        document = json.loads(file.read_text())
        if document["Version"] != "2012-10-17" or set(document) != {"Version", "Statement"}:
            yield f"{file.name}: is not a policy of version 2012-10-17"
        for statement in document["Statement"]:
            unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
            loose = [action for action in statement["Action"] if not re.fullmatch(r"[a-z0-9-]+:\w+", action)]
            if unknown or loose or statement.get("Principal") == "*":
                yield f"{file.name}, {statement['Sid']}: {sorted(unknown)} {loose}"


def _templates():
    done = run("cfn-lint", *sorted((K8S / "eks/cloudformation").glob("*.yaml")), check=False)
    if done.returncode != 0:
        yield f"cfn-lint: {done.stdout}{done.stderr}"
    templates = {file.stem: amazon.template(file) for file in (K8S / "eks/cloudformation").glob("*.yaml")}
    for name, template in templates.items():
        yield from (f"{name}.yaml: {fault}" for look in (amazon.descriptions, amazon.topics) for fault in look(template))
    watch = templates["watch"]["Resources"]
    json.loads(watch["Dashboard"]["Properties"]["DashboardBody"])
    # CloudWatch counts in percent of a node, the rule in cores.
    cores = {capacity.cores(kind) for group in load("eks/cluster.yaml")["managedNodeGroups"] for kind in group["instanceTypes"]}
    rule = re.search(r"alert: OctetPodCpu\n.*?> ([\d.]+)\n", (CHART / "alerts/octet.rules.yaml").read_text(), re.DOTALL)
    if {float(watch["CpuAlarm"]["Properties"]["Threshold"]) * count / 100 for count in cores} != {float(rule[1])}:
        yield f"watch.yaml: CpuAlarm differs from {rule[1]} of a node's {sorted(cores)} cores"


def _release():
    return eks.faults(load, lambda name: amazon.template(K8S / f"eks/cloudformation/{name}.yaml"),
                      (ROOT / "docs/eks.md").read_text())


def _agreement():
    """Checks values that two files repeat."""
    istio = yaml.load((CHART / "values-istio.yaml").read_text(), Loader)
    defaults = yaml.load((CHART / "values.yaml").read_text(), Loader)["istio"]
    istiod = load("istio/istiod.yaml")["meshConfig"]["extensionProviders"]
    providers = {provider["name"]: provider["zipkin"] for provider in istiod}
    provider = providers.get(istio["istio"]["telemetry"]["tracingProvider"], {})
    if (provider.get("service"), provider.get("port")) != ("collector.octet.svc.cluster.local", 9411):
        yield "istio/istiod.yaml: lacks the tracing provider of values-istio.yaml"
    namespaces = {found["metadata"]["name"] for found in objects((K8S / "namespaces/octet.yaml").read_text())}
    wanted = {"octet", "octet-tools", "observability", "istio-system", defaults["ingress"]["namespace"]}
    if namespaces != wanted:
        yield f"namespaces/octet.yaml: has {sorted(namespaces)}, expected {sorted(wanted)}"
    monitors = objects((K8S / "observability/istio.yaml").read_text())
    if any(found["metadata"]["labels"] != istio["podMonitor"]["labels"] for found in monitors):
        yield "observability/istio.yaml: its labels must be those by which Prometheus finds the chart's monitor"
    if load("istio/ingress.yaml")["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "istio/ingress.yaml: its namespace requires a seccomp profile"
    release = r"istio-release\S+ (?:\\\n#\s+)?--version (\S+)"
    stated = {match for file in K8S.rglob("*.yaml") for match in re.findall(release, file.read_text())}
    if len(stated) != 1:
        yield f"k8s/istio: its charts must have one version, not {sorted(stated)}"
    for file in sorted(K8S.rglob("*.yaml")):
        for command in re.findall(r"^# helm upgrade (?:.*\\\n#)*.*", file.read_text(), re.MULTILINE):
            if "--version" not in command or f"k8s/{file.relative_to(K8S)}" not in command and "--values" in command:
                yield f"{file.relative_to(ROOT)}: its command must pin a version and name this file"


def _proxies():
    """Behind the ALB and Istio the gateway trusts both, in every place that has the release's own values."""
    (own,) = re.findall(r"^cat > my\.yaml <<END\n(.*?)^END$", (ROOT / "docs/eks.md").read_text(), re.MULTILINE | re.DOTALL)
    argo = load("gitops/application.yaml")["spec"]["source"]["helm"]
    files = [f"values-{name}.yaml" for name in ("eks", "istio")]
    if argo["valueFiles"] != files:
        yield f"gitops/application.yaml: its values are {argo['valueFiles']}, expected {files}"
    network = load("eks/cluster.yaml")["vpc"]["cidr"]
    for where, text in (("docs/eks.md, my.yaml", own), ("gitops/application.yaml", json.dumps(argo["valuesObject"]))):
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, "my.yaml")
            # Placeholders of hosts are upper-case, which the chart refuses.
            filled = re.sub(r"\b[A-Z][A-Z0-9-]+\b", lambda word: word[0].lower(), text.replace("$REGISTRY", "registry"))
            file.write_text(filled)
            rendered = render([*CASES["eks behind istio"], "--values", file])
        yield from (f"{where}: {fault}" for fault in facts.proxies(rendered, {"127.0.0.6", network}))


def _commands():
    """Shell in guides, notes and comments parses, and the files that it names exist."""
    notes = run("helm", "install", "octet", CHART, "--namespace", "octet", "--dry-run=client",
                *CASES["istio, everything"]).stdout.partition("NOTES:\n")[2]
    shell = {"NOTES.txt": "\n".join(line for line in notes.splitlines() if line.startswith("  "))}
    for guide in GUIDES:
        blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", (ROOT / guide).read_text(), re.MULTILINE | re.DOTALL)
        if not blocks:
            yield f"{guide}: has no command"
        shell |= {f"{guide}, block {number}": block for number, block in enumerate(blocks, 1)}
    for where, text in shell.items():
        if not text.strip():
            yield f"{where}: is empty"
        parsed = run("bash", "-n", given=text, check=False)
        if parsed.returncode != 0:
            yield f"{where}: {parsed.stderr}"
        for path in re.findall(r"(?<![\w/.-])(?:k8s|helm|scripts|docs|compose)/[\w./-]+", text):
            if not (ROOT / path.rstrip(".")).exists():
                yield f"{where}: {path} does not exist"
        # Values of other charts are not checked: their commands name a repository.
        own = "\n".join(line for line in text.replace("\\\n", " ").splitlines()
                        if " --repo " not in line and " oci://public.ecr.aws/" not in line)
        for values in re.findall(r"--set(?:-string)? ([\w.]+)=", own):
            first = values.split(".")[0]
            if where != "README.md" and first not in yaml.load((CHART / "values.yaml").read_text(), Loader):
                yield f"{where}: --set {values} is not a value of the chart"


if __name__ == "__main__":
    main()
