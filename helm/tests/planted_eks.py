"""Faults of the cluster's, monitoring's and release's files; helm/tests/planted.py plants them."""

import amazon
import beside
import capacity
import context
import eks
from cases import CASES
from render import objects, render


def small_nodes(files):
    files["cluster"]["managedNodeGroups"][0]["instanceTypes"].append("m7i.large")


def two_nodes(files):
    files["cluster"]["managedNodeGroups"][0]["minSize"] = 2


def large_sidecars(files):
    files["istiod"]["global"]["proxy"]["resources"]["requests"]["cpu"] = "150m"


def apostrophe_in_a_group(files):
    files["servers"]["Resources"]["BrokerGroup"]["Properties"]["GroupDescription"] = "Octet's broker"


def apostrophe_in_a_rule(files):
    rules = files["servers"]["Resources"]["DatabaseGroup"]["Properties"]["SecurityGroupIngress"]
    rules[0]["Description"] = "The cluster's pods"


def key_of_aws(files):
    files["watch"]["Resources"]["Alarms"]["Properties"]["KmsMasterKeyId"] = "alias/aws/sns"


def key_without_alarms(files):
    files["watch"]["Resources"]["AlarmsKey"]["Properties"]["KeyPolicy"]["Statement"].pop()


def grpc_by_path_alone(files):
    del files["ingress"]["metadata"]["annotations"]["alb.ingress.kubernetes.io/conditions.istio-ingress"]


def conditions_without_backend(files):
    files["ingress"]["metadata"]["annotations"]["alb.ingress.kubernetes.io/conditions.gateway"] = "[]"


def sixth_value(files):
    annotations = files["ingress"]["metadata"]["annotations"]
    annotations["alb.ingress.kubernetes.io/conditions.istio-ingress"] = \
        '[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "content-type", "values": ["a", "b", "c"]}}]'


def open_endpoint(files):
    files["cluster"]["vpc"]["publicAccessCIDRs"] = ["0.0.0.0/0"]


def nodes_over_the_internet(files):
    files["cluster"]["vpc"]["clusterEndpoints"]["privateAccess"] = False


def no_default_class(files):
    del next(addon for addon in files["cluster"]["addons"] if addon["name"] == "aws-ebs-csi-driver")["configurationValues"]


def etcd_scraped(files):
    files["prometheus"]["kubeEtcd"]["enabled"] = True


def rules_of_the_scheduler(files):
    del files["prometheus"]["defaultRules"]["rules"]["kubeSchedulerAlerting"]


def known_password(files):
    files["prometheus"]["grafana"]["adminPassword"] = "prom-operator"


def any_branch_releases(files):
    subjects = _conditions(files)["StringLike"]["token.actions.githubusercontent.com:sub"]
    subjects[0] = subjects[0].replace(":ref:refs/tags/v*", ":*")


def any_repository_releases(files):
    _conditions(files)["StringLike"]["token.actions.githubusercontent.com:sub"].append("repo:${Owner}/*:ref:refs/tags/v*")


def any_audience(files):
    del _conditions(files)["StringEquals"]


def log_groups_left(files):
    files["guide"] = files["guide"].replace("/aws/amazonmq/", "")


def records_left(files):
    files["guide"] = files["guide"].replace("acm-validations.aws.", "")


def injected_expression(files):
    files["workflow"] = files["workflow"].replace("version=${TAG#v}", "version=${{ github.ref_name }}")


def moving_action(files):
    files["workflow"] = files["workflow"].replace("actions/checkout@v5", "actions/checkout@main")


def unsigned_release(files):
    files["workflow"] = files["workflow"].replace("--clobber SHA256SUMS.sigstore.json", "--clobber SHA256SUMS")


def started_once(files):
    files["workflow"] = files["workflow"].replace("  workflow_dispatch:\n", "")


def all_permissions(files):
    files["workflow"] = files["workflow"].replace("permissions:\n  contents: read\n", "permissions: write-all\n", 1)


def no_scenarios_in_the_image(files):
    files["ignored"] = files["ignored"].replace("!examples/scenarios\n", "")


def files():
    (ingress,) = [found for found in objects((beside.K8S / "eks/ingress.yaml").read_text())
                  if found["metadata"]["name"] == "octet-grpc"]
    templates = {name: amazon.template(beside.K8S / f"eks/cloudformation/{name}.yaml") for name in ("servers", "watch", "release")}
    return {"cluster": beside.load("eks/cluster.yaml"), "istiod": beside.load("istio/istiod.yaml"), "ingress": ingress,
            "objects": render(CASES["eks behind istio"]), "prometheus": beside.load("observability/prometheus.yaml"),
            "guide": (beside.ROOT / "docs/eks.md").read_text(), "workflow": eks.WORKFLOW.read_text(),
            "ignored": context.IGNORED.read_text(), **templates}


def _conditions(files):
    return files["release"]["Resources"]["Release"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]


def by_capacity(files):
    return list(capacity.faults(files["objects"], files["cluster"], files["istiod"]))


def by_descriptions(files):
    return list(amazon.descriptions(files["servers"]))


def by_topics(files):
    return list(amazon.topics(files["watch"]))


def by_rules(files):
    return list(amazon.rules(files["ingress"]))


def by_cluster(files):
    return [*eks.endpoint(files["cluster"]), *eks.storage(files["cluster"])]


def by_monitoring(files):
    return list(eks.monitoring(files["prometheus"]))


def by_trust(files):
    return list(eks.trust(files["release"]))


def by_guide(files):
    return list(eks.teardown(files["guide"], ("names", "servers", "watch", "release")))


def by_workflow(files):
    return list(eks.workflow(files["workflow"]))


def by_context(files):
    return list(context.faults(files["ignored"], context.embedded()))


PLANTED = [
    (small_nodes, by_capacity, "leaves 660m of CPU to Octet with 2 nodes, and with minReplicas Octet requests 3800m"),
    (two_nodes, by_capacity, "leaves 1320m of CPU to Octet with 1 node"),
    (large_sidecars, by_capacity, "with maxReplicas Octet requests 13750m"),
    (apostrophe_in_a_group, by_descriptions, "BrokerGroup: AWS refuses"),
    (apostrophe_in_a_rule, by_descriptions, "DatabaseGroup: AWS refuses"),
    (key_of_aws, by_topics, "Alarms: its key does not let alarms publish"),
    (key_without_alarms, by_topics, "Alarms: its key does not let alarms publish"),
    (grpc_by_path_alone, by_rules, "/greeting.v3.GreetingService matches more than gRPC"),
    (conditions_without_backend, by_rules, "conditions.gateway matches no backend"),
    (sixth_value, by_rules, "makes a rule with 6 values"),
    (open_endpoint, by_cluster, "the API server answers ['0.0.0.0/0']"),
    (nodes_over_the_internet, by_cluster, "the nodes reach the API server over the internet"),
    (no_default_class, by_cluster, "no default storage class"),
    (etcd_scraped, by_monitoring, "kubeEtcd cannot be scraped"),
    (rules_of_the_scheduler, by_monitoring, "['kubeSchedulerAlerting'] is on"),
    (known_password, by_monitoring, "Grafana's password is not from a Secret"),
    (any_branch_releases, by_trust, "the role's subjects are"),
    (any_repository_releases, by_trust, "the role's subjects are"),
    (any_audience, by_trust, "accepts tokens for others"),
    (log_groups_left, by_guide, "the clean-up leaves /aws/amazonmq/"),
    (records_left, by_guide, "the clean-up leaves acm-validations.aws."),
    (injected_expression, by_workflow, "an expression in a script"),
    (moving_action, by_workflow, "actions/checkout@main has no version"),
    (unsigned_release, by_workflow, "does not publish SHA256SUMS.sigstore.json"),
    (started_once, by_workflow, "cannot be started again"),
    (all_permissions, by_workflow, "its token may do more than read"),
    (no_scenarios_in_the_image, by_context, "leaves out examples/scenarios/collapse.toml"),
]
