"""Checks of the cluster, its monitoring, the release's role and workflow; one line per error."""

import ipaddress
import json
import os
import pathlib
import shutil

from render import ROOT, run, yaml

# Components of the control plane, which EKS runs out of reach, and kube-proxy: their rules would always fire.
HIDDEN = {"kubeControllerManager": ["kubeControllerManager"], "kubeEtcd": ["etcd"], "kubeProxy": ["kubeProxy"],
          "kubeScheduler": ["kubeSchedulerAlerting", "kubeSchedulerRecording"]}
WORKFLOW = ROOT / ".github/workflows/release.yaml"
TAGS = ":ref:refs/tags/v*"


def endpoint(cluster):
    """Who reaches the API server: the nodes inside the VPC, and named networks outside it."""
    vpc = cluster["vpc"]
    if not vpc["clusterEndpoints"].get("privateAccess"):
        yield "eks/cluster.yaml: the nodes reach the API server over the internet"
    networks = vpc.get("publicAccessCIDRs") or ["0.0.0.0/0"]
    if vpc["clusterEndpoints"].get("publicAccess") and any(ipaddress.ip_network(it).num_addresses > 2 ** 16 for it in networks):
        yield f"eks/cluster.yaml: the API server answers {networks}"


def storage(cluster):
    (driver,) = [addon for addon in cluster["addons"] if addon["name"] == "aws-ebs-csi-driver"]
    if json.loads(driver.get("configurationValues", "{}")).get("defaultStorageClass") != {"enabled": True}:
        yield "eks/cluster.yaml: volumes have no default storage class"


def schema(cluster):
    """eksctl's own, where it is: no package registry has it."""
    file = os.environ.get("EKSCTL_SCHEMA")
    if file:
        text = pathlib.Path(file).read_text()
    elif shutil.which("eksctl"):
        text = run("eksctl", "utils", "schema").stdout
    else:
        print("eks/cluster.yaml: not checked against eksctl's schema: eksctl is not installed, and EKSCTL_SCHEMA names no file")
        return
    import jsonschema
    found = {"$ref": "#/definitions/ClusterConfig", "definitions": json.loads(text)["definitions"]}
    for error in jsonschema.Draft7Validator(found).iter_errors(cluster):
        yield f"eks/cluster.yaml: {'.'.join(map(str, error.path))}: {error.message[:200]}"


def monitoring(prometheus):
    rules = prometheus.get("defaultRules", {}).get("rules", {})
    for component, groups in HIDDEN.items():
        on = [group for group in groups if rules.get(group) is not False]
        if prometheus.get(component, {}).get("enabled") is not False or on:
            yield f"observability/prometheus.yaml: {component} cannot be scraped on EKS, and {on or 'it'} is on"
    grafana = prometheus["grafana"]
    if not grafana.get("admin", {}).get("existingSecret") or "adminPassword" in grafana:
        yield "observability/prometheus.yaml: Grafana's password is not from a Secret"


def trust(template):
    """Only tags of the one repository may release, whichever form its subjects have."""
    (statement,) = template["Resources"]["Release"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    condition = statement["Condition"]
    prefix = "token.actions.githubusercontent.com:"
    if condition.get("StringEquals") != {f"{prefix}aud": "sts.amazonaws.com"}:
        yield "release.yaml: the role accepts tokens for others"
    subjects = condition.get("StringLike", {}).get(f"{prefix}sub", [])
    wanted = {f"repo:${{Owner}}/${{Repository}}{TAGS}", f"repo:${{Owner}}@${{OwnerId}}/${{Repository}}@${{RepositoryId}}{TAGS}"}
    if set(subjects) != wanted:
        yield f"release.yaml: the role's subjects are {subjects}"


def teardown(guide, templates):
    """What a stack's or cluster's deletion leaves behind, and costs."""
    last = guide.partition("## Cleaning up")[2].partition("## What was verified")[0]
    stacks = {f"octet-{name}" for name in templates}
    wanted = {*stacks, "/aws/containerinsights/octet", "/aws/eks/octet", "/aws/docdb/octet", "/aws/amazonmq/", "acm-validations.aws."}
    yield from (f"docs/eks.md: the clean-up leaves {name}" for name in sorted(wanted) if name not in last)


def workflow(text):
    """The release workflow, as far as no runner is needed."""
    found = yaml.safe_load(text)
    for name, job in found["jobs"].items():
        if "permissions" not in job:
            yield f"release.yaml, {name}: does not say what its token may do"
        for step in job["steps"]:
            if "uses" in step and not step["uses"].partition("@")[2].startswith("v"):
                yield f"release.yaml, {name}: {step['uses']} has no version"
            if "${{" in step.get("run", ""):
                yield f"release.yaml, {name}: an expression in a script; pass it in env"
            parsed = run("bash", "-n", given=step.get("run", ""), check=False)
            if parsed.returncode != 0:
                yield f"release.yaml, {name}: {parsed.stderr}"
    if found["permissions"] != {"contents": "read"}:
        yield "release.yaml: its token may do more than read where no job says so"
    if "workflow_dispatch" not in found[True]:
        yield "release.yaml: cannot be started again for a tag"
    for asset in (".tar.gz", ".spdx.json", "SHA256SUMS", "SHA256SUMS.sigstore.json"):
        if not any("gh release upload" in step.get("run", "") and asset in step["run"] for step in found["jobs"]["publish"]["steps"]):
            yield f"release.yaml: does not publish {asset}"


def lint():
    """actionlint's findings, where it is installed; its fork's packages are not pinned here."""
    if not shutil.which("actionlint"):
        print("release.yaml: not checked by actionlint, which is not installed")
        return
    done = run("actionlint", WORKFLOW, check=False)
    if done.returncode != 0:
        yield f"actionlint: {done.stdout}{done.stderr}"


def faults(load, template, guide):
    """All of them. `load` reads a file of k8s/, `template` one of its CloudFormation templates."""
    cluster = load("eks/cluster.yaml")
    names = ("names", "servers", "watch", "release")
    looks = [endpoint(cluster), storage(cluster), schema(cluster), monitoring(load("observability/prometheus.yaml")),
             trust(template("release")), teardown(guide, names), workflow(WORKFLOW.read_text()), lint()]
    return [fault for look in looks for fault in look]
