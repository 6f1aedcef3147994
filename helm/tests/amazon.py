"""Checks of what AWS refuses or does unexpectedly and no available schema covers; one line per error."""

import json
import re

from render import Loader, name_of, yaml

# For security groups, their rules and DocumentDB's subnets. EC2's list, from API_IpRange and API_CreateSecurityGroup.
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
# The limit of a listener rule: hosts, paths and header values together.
VALUES_IN_A_RULE = 5
ALB = "alb.ingress.kubernetes.io/"
GRPC = {"application/grpc", "application/grpc+*"}


class Template(Loader):
    """CloudFormation's short forms, read as their arguments."""


def _short_form(loader, _tag, node):
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return construct(node, deep=True)


Template.add_multi_constructor("!", _short_form)


def template(file):
    return yaml.load(file.read_text(), Template)


def descriptions(template):
    """Groups whose description, or a rule's, has a character that AWS refuses."""
    for name, resource in template["Resources"].items():
        own = resource.get("Properties", {})
        rules = [own, *own.get("SecurityGroupIngress", []), *own.get("SecurityGroupEgress", [])]
        if not re.fullmatch(r"AWS::(EC2::SecurityGroup\w*|DocDB::DBSubnetGroup)", resource["Type"]):
            continue
        for said in (said for rule in rules for key, said in rule.items() if key.endswith("Description")):
            if not DESCRIPTION.fullmatch(said):
                yield f"{name}: AWS refuses the description {said!r}"


def topics(template):
    """Topics that alarms cannot publish to: the policy of AWS's own key does not admit CloudWatch, and cannot be changed."""
    resources = template["Resources"]
    for name, resource in resources.items():
        if resource["Type"] != "AWS::SNS::Topic" or "KmsMasterKeyId" not in resource["Properties"]:
            continue
        key = resources.get(resource["Properties"]["KmsMasterKeyId"], {})
        allowed = {action for statement in key.get("Properties", {}).get("KeyPolicy", {}).get("Statement", [])
                   if statement["Principal"].get("Service") == "cloudwatch.amazonaws.com"
                   for action in statement["Action"]}
        if not allowed >= {"kms:Decrypt", "kms:GenerateDataKey*"}:
            yield f"{name}: its key does not let alarms publish"


def rules(ingress):
    """Checks which requests the load balancer's rules match. A gRPC target group answers 464 to everything else, including
    gRPC-Web and its preflights, which use the same paths."""
    annotations = ingress["metadata"]["annotations"]
    paths = [(rule, path) for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    backends = {path["backend"]["service"]["name"] for _, path in paths}
    for key in annotations:
        if key.startswith(f"{ALB}conditions.") and key.removeprefix(f"{ALB}conditions.") not in backends:
            yield f"{name_of(ingress)}: {key} matches no backend"
    for rule, path in paths:
        conditions = json.loads(annotations.get(f"{ALB}conditions.{path['backend']['service']['name']}", "[]"))
        headers = {condition["httpHeaderConfig"]["httpHeaderName"]: condition["httpHeaderConfig"]["values"]
                   for condition in conditions if condition["field"] == "http-header"}
        if annotations.get(f"{ALB}backend-protocol-version") == "GRPC" and set(headers.get("content-type", [])) != GRPC:
            yield f"{name_of(ingress)}: {path['path']} matches more than gRPC"
        # A prefix is two patterns: itself, and everything below it.
        patterns = 2 if path["pathType"] == "Prefix" and path["path"] != "/" else 1
        values = ("host" in rule) + patterns + sum(map(len, headers.values()))
        if values > VALUES_IN_A_RULE:
            yield f"{name_of(ingress)}: {path['path']} makes a rule with {values} values; {VALUES_IN_A_RULE} are allowed"
