"""Checks that each value reaches the field of Kubernetes that it stands for, and that no other rendering has it."""

from cases import CASES
from render import pods

A = ("Deployment", "service-a")
POD = "spec.template.spec"
MAIN = f"{POD}.containers.0"
SELECTOR = {"matchLabels": {"app.kubernetes.io/name": "mongodb", "app.kubernetes.io/instance": "octet"}}
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}

# In the case "every knob": the value, its object, the field, and what the field is or, for a list, contains.
KNOBS = [
    ("global.imageRegistry", A, f"{MAIN}.image", "mirror.example.com:5000/octet:0.1.0"),
    ("global.imageRegistry", ("StatefulSet", "mongodb"), f"{MAIN}.image", "mirror.example.com:5000/library/mongo:8.0.29"),
    ("commonLabels", A, "metadata.labels.team", "mesh"),
    ("commonLabels", A, "spec.template.metadata.labels.team", "mesh"),
    ("commonLabels", ("Service", "mongo-express"), "metadata.labels.team", "mesh"),
    ("resources", A, f"{MAIN}.resources.limits.cpu", "1"),
    ("resources", ("StatefulSet", "rabbitmq"), f"{MAIN}.resources.limits.cpu", "2"),
    ("resources", ("Deployment", "mongo-express"), f"{MAIN}.resources.limits.cpu", "500m"),
    ("resources", ("CronJob", "octet-load"), f"spec.jobTemplate.{MAIN}.resources.limits.cpu", "300m"),
    ("resources", ("Job", "octet-test"), f"{MAIN}.resources.limits.cpu", "200m"),
    ("hpa.memory", ("HorizontalPodAutoscaler", "service-a"), "spec.metrics", [
        {"type": "ContainerResource", "containerResource": {
            "container": "service-a", "name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}}}]),
    ("hpa.behavior", ("HorizontalPodAutoscaler", "gateway"), "spec.behavior.scaleDown.stabilizationWindowSeconds", 60),
    ("pdb.minAvailable", ("PodDisruptionBudget", "service-a"), "spec.minAvailable", "50%"),
    ("env", A, f"{MAIN}.env", {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "own-secret", "key": "token"}}}),
    ("env", A, f"{MAIN}.env", {"name": "PLAIN", "value": "x"}),
    ("envFrom", A, f"{MAIN}.envFrom", {"secretRef": {"name": "own-secret"}, "prefix": "OWN_"}),
    ("extraVolumes", A, f"{POD}.volumes", {"name": "extra", "configMap": {"name": "own-config"}}),
    ("extraVolumeMounts", A, f"{MAIN}.volumeMounts", {"name": "extra", "mountPath": "/etc/extra", "readOnly": True}),
    ("extraVolumes", ("Deployment", "collector"), f"{POD}.volumes", {"name": "extra", "emptyDir": {}}),
    ("extraVolumeMounts", ("Deployment", "collector"), f"{MAIN}.volumeMounts", {"name": "extra", "mountPath": "/scratch"}),
    ("initContainers", A, f"{POD}.initContainers.0.name", "wait"),
    ("podAnnotations", A, "spec.template.metadata.annotations.example\\.com/pod", "a"),
    ("podAnnotations", ("StatefulSet", "rabbitmq"), "spec.template.metadata.annotations.example\\.com/pod", "broker"),
    ("podAnnotations", ("CronJob", "octet-load"), "spec.jobTemplate.spec.template.metadata.annotations.example\\.com/pod", "load"),
    ("podLabels", A, "spec.template.metadata.labels.tier", "front"),
    ("podLabels", ("StatefulSet", "rabbitmq"), "spec.template.metadata.labels.tier", "queue"),
    ("podLabels", ("Deployment", "mongo-express"), "spec.template.metadata.labels.tier", "tools"),
    ("podLabels", ("Job", "octet-test"), "spec.template.metadata.labels.tier", "test"),
    ("serviceAnnotations", ("Service", "service-a"), "metadata.annotations",
     {"example.com/all": "yes", "example.com/own": "a"}),
    ("serviceAnnotations", ("Service", "rabbitmq"), "metadata.annotations", {"example.com/own": "broker"}),
    ("serviceAnnotations", ("Service", "mongo-express"), "metadata.annotations", {"example.com/own": "console"}),
    ("trafficDistribution", ("Service", "service-b"), "spec.trafficDistribution", "PreferSameZone"),
    ("serviceAccount", A, f"{POD}.serviceAccountName", "own-account"),
    ("serviceAccount", ("ServiceAccount", "service-b"), "metadata.annotations", {"example.com/role": "all"}),
    ("serviceAccount", ("StatefulSet", "rabbitmq"), f"{POD}.serviceAccountName", "own-broker"),
    ("serviceAccount", ("ServiceAccount", "own-broker"), "metadata.annotations", {"example.com/role": "broker"}),
    ("serviceAccount", ("CronJob", "octet-load"), f"spec.jobTemplate.{POD}.serviceAccountName", "own-load"),
    ("probes", A, f"{MAIN}.startupProbe",
     {"grpc": {"port": 50051, "service": "liveness"}, "periodSeconds": 1, "failureThreshold": 90}),
    ("probes", A, f"{MAIN}.livenessProbe.initialDelaySeconds", 7),
    ("probes", A, f"{MAIN}.livenessProbe.periodSeconds", 20),
    ("probes", A, f"{MAIN}.readinessProbe.timeoutSeconds", 4),
    ("probes", A, f"{MAIN}.readinessProbe.successThreshold", 2),
    ("probes", ("StatefulSet", "rabbitmq"), f"{MAIN}.livenessProbe.periodSeconds", 90),
    ("probes", ("StatefulSet", "mongodb"), f"{MAIN}.readinessProbe.timeoutSeconds", 15),
    ("probes", ("Deployment", "mongo-express"), f"{MAIN}.startupProbe.failureThreshold", 40),
    ("podSecurityContext", A, f"{POD}.securityContext.supplementalGroups", [4000]),
    ("podSecurityContext", A, f"{POD}.securityContext.runAsUser", 7000),
    ("podSecurityContext", ("StatefulSet", "rabbitmq"), f"{POD}.securityContext.runAsUser", 7001),
    ("containerSecurityContext", A, f"{MAIN}.securityContext", {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        "seLinuxOptions": {"level": "s0:c1,c2"}}),
    ("containerSecurityContext", ("StatefulSet", "rabbitmq"), f"{MAIN}.securityContext.runAsGroup", 7001),
    ("extraIngress", ("NetworkPolicy", "service-a"), "spec.ingress",
     {"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 50051, "protocol": "TCP"}]}),
    ("extraEgress", ("NetworkPolicy", "service-a"), "spec.egress",
     {"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}], "ports": [{"port": 443, "protocol": "TCP"}]}),
    ("networkPolicy.extraEgress", ("NetworkPolicy", "octet-test"), "spec.egress",
     {"to": [{"ipBlock": {"cidr": "10.3.0.0/16"}}]}),
    ("networkPolicy.dnsPorts", ("NetworkPolicy", "mongodb"), "spec.egress.0.ports", {"port": 5353, "protocol": "UDP"}),
    ("networkPolicy.tracesTo", ("NetworkPolicy", "service-a"), "spec.egress",
     {"to": [PEER], "ports": [{"port": 4318, "protocol": "TCP"}]}),
    ("gateway.nodePort", ("Service", "gateway"), "spec.ports.0.nodePort", 30080),
    ("gateway.loadBalancerClass", ("Service", "gateway"), "spec.loadBalancerClass", "example.com/internal"),
    ("secretKeys", ("Deployment", "service-d"), f"{POD}.volumes", {
        "name": "rabbitmq", "secret": {"secretName": "own-rabbitmq", "items": [{"key": "uri", "path": "connection"}],
                                       "defaultMode": 0o440}}),
    ("secretKeys", ("StatefulSet", "rabbitmq"), f"{MAIN}.env", {
        "name": "RABBITMQ_DEFAULT_PASS", "valueFrom": {"secretKeyRef": {"name": "own-rabbitmq", "key": "pass"}}}),
    ("secretKeys", ("Deployment", "mongo-express"), f"{MAIN}.env", {
        "name": "ME_CONFIG_BASICAUTH_USERNAME", "valueFrom": {"secretKeyRef": {"name": "mongo-express", "key": "user"}}}),
    ("storage.enabled", ("StatefulSet", "rabbitmq"), f"{POD}.volumes", {"name": "data", "emptyDir": {}}),
    ("storage.enabled", ("StatefulSet", "rabbitmq"), "spec.volumeClaimTemplates", None),
    ("ingress.tls", ("Ingress", "octet"), "spec.tls",
     [{"secretName": "octet-tls", "hosts": ["octet.example.com", "api.octet.example.com"]}]),
    ("ingress.tls", ("Ingress", "octet-grpc"), "spec.tls", [{"secretName": "octet-tls", "hosts": ["api.octet.example.com"]}]),
    ("gatewayApi.parentRefs", ("HTTPRoute", "octet"), "spec.parentRefs",
     [{"name": "shared", "namespace": "infra", "sectionName": "https"}]),
    ("extraObjects", ("ConfigMap", "more"), "metadata.namespace", "octet"),
    ("extraObjects", ("ConfigMap", "octet-text"), "metadata.name", "octet-text"),
    ("nodeSelector", ("StatefulSet", "rabbitmq"), f"{POD}.nodeSelector", {"pool": "data"}),
    ("tolerations", ("Job", "octet-test"), f"{POD}.tolerations", None),
    ("priorityClassName", ("StatefulSet", "mongodb"), f"{POD}.priorityClassName", "critical"),
    ("topologySpreadConstraints", ("StatefulSet", "mongodb"), f"{POD}.topologySpreadConstraints", [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": SELECTOR}]),
]

# On every pod, except where its own values above replace them.
ON_EVERY_POD = {
    "imagePullSecrets": [{"name": "registry"}],
    "runtimeClassName": "gvisor",
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.10"], "options": [{"name": "ndots", "value": "2"}]},
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "arch", "operator": "In", "values": ["arm64"]}]}]}}},
    "nodeSelector": {"pool": "octet"},
    "tolerations": [{"key": "octet", "operator": "Exists"}],
    "priorityClassName": "important",
}
REPLACED = {("StatefulSet/rabbitmq", "nodeSelector"), ("Job/octet-test", "tolerations"),
            ("StatefulSet/mongodb", "priorityClassName")}

# In the case "external servers by selector".
BROKER = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "broker"}}}
DATABASE = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "database"}}}
EXTERNAL = [
    ("external.peers", ("NetworkPolicy", "service-d"), "spec.egress",
     {"to": [BROKER], "ports": [{"port": 5671, "protocol": "TCP"}]}),
    ("external.peers", ("NetworkPolicy", "service-c"), "spec.egress",
     {"to": [DATABASE], "ports": [{"port": 27018, "protocol": "TCP"}]}),
    ("external.secretKeys", ("Deployment", "service-d"), f"{POD}.volumes", {
        "name": "rabbitmq", "secret": {"secretName": "own-rabbitmq", "items": [{"key": "uri", "path": "connection"}],
                                       "defaultMode": 0o440}}),
    ("external.caBundle", ("Deployment", "service-d"), f"{POD}.volumes", {
        "name": "rabbitmq-ca", "configMap": {"name": "own-ca", "items": [{"key": "ca.pem", "path": "ca.pem"}]}}),
    ("external.caBundle", ("Deployment", "service-f"), f"{MAIN}.volumeMounts",
     {"name": "rabbitmq-ca", "mountPath": "/etc/octet/rabbitmq-ca", "readOnly": True}),
]

# With a cluster domain and accounts of their own, behind Istio.
MESH = [
    ("clusterDomain", ("DestinationRule", "service-b"), "spec.host", "service-b.octet.svc.cluster.example"),
    ("serviceAccount", ("AuthorizationPolicy", "service-b"), "spec.rules.0.from.0.source.principals",
     "cluster.local/ns/octet/sa/own-account"),
]

GRPC = [
    ("gatewayApi.grpcHost", ("GRPCRoute", "octet"), "spec.hostnames", ["grpc.octet.example.com"]),
    ("gatewayApi.grpcHost", ("Gateway", "octet"), "spec.listeners.2.hostname", "grpc.octet.example.com"),
    ("gatewayApi.grpcHost", ("HTTPRoute", "octet"), "spec.hostnames", ["octet.example.com", "api.octet.example.com"]),
]

EXPECTED = {"gateway api, grpc": GRPC, "every knob": KNOBS, "external servers by selector": EXTERNAL, "istio, names of its own": MESH}


def faults(rendered):
    """One line per value that is not where it belongs; `rendered` has the objects of each case."""
    plain = rendered["console and load"]
    for case, rows in EXPECTED.items():
        for value, place, path, wanted in rows:
            if not _found(rendered[case], place, path, wanted):
                yield f"{case}: {value}: {'/'.join(place)}.{path} is {_at(rendered[case], place, path)}, not {wanted}"
            if wanted is not None and _found(plain, place, path, wanted):
                yield f"{value}: {'/'.join(place)}.{path} is {wanted} without it"
    for pod in pods(rendered["every knob"]):
        for field, wanted in ON_EVERY_POD.items():
            if (pod.name, field) not in REPLACED and pod.spec.get(field) != wanted:
                yield f"every knob: {pod.name}: {field} is {pod.spec.get(field)}, not {wanted}"
        if pod.labels.get("team") != "mesh":
            yield f"every knob: {pod.name}: has no common label"
    kinds = {found["kind"] for found in rendered["every knob"]}
    if "Gateway" in kinds:
        yield "every knob: gatewayApi.parentRefs: there is a Gateway beside the existing one"
    if ("ServiceAccount", "own-account") in {(found["kind"], found["metadata"]["name"]) for found in rendered["every knob"]}:
        yield "every knob: serviceAccount.create: false creates own-account"
    for pod in pods(rendered["openshift"]):
        fixed = {"runAsUser", "runAsGroup", "fsGroup"} & pod.spec["securityContext"].keys()
        if fixed:
            yield f"openshift: {pod.name}: sets {sorted(fixed)}"


def _found(objects, place, path, wanted):
    value = _at(objects, place, path)
    return value == wanted or (isinstance(value, list) and not isinstance(wanted, list) and wanted in value)


def _at(objects, place, path):
    """The field, or nothing. A backslash keeps a dot in a key."""
    value = next((it for it in objects if (it["kind"], it["metadata"]["name"]) == place), None)
    for part in path.replace("\\.", "\0").split("."):
        part = part.replace("\0", ".")
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


assert EXPECTED.keys() <= CASES.keys()
