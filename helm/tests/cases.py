"""The values that the chart is rendered with: values files, every toggle, and what it must refuse."""

import pathlib

from render import CHART

OWN = pathlib.Path(__file__).resolve().parent / "values"

IMAGE = ["--set", "image.repository=registry.example.com/octet"]


def values(*names):
    return [part for name in names for part in ("--values", str(CHART / f"values-{name}.yaml"))]


def own(name):
    """Values of these tests."""
    return ["--values", str(OWN / f"{name}.yaml")]


def sets(*assignments):
    return [part for assignment in assignments for part in ("--set", assignment)]


HOSTS = ("hosts.ui=octet.example.com", "hosts.api=api.octet.example.com")
GATEWAY_API = ("gatewayApi.enabled=true", "gatewayApi.className=istio", *HOSTS)
LOAD = ("loadGenerator.enabled=true", "loadGenerator.image.repository=registry.example.com/hey",
        "loadGenerator.image.tag=0.1.4")
LAKE = ("lake.enabled=true", "lake.to=s3://octet-lake/raw", "lake.region=eu-central-1")
WAYPOINT = ("istio.mode=ambient", "istio.waypoint.enabled=true")
ROLLOUTS = ("argoRollouts.enabled=true", "argoRollouts.analysis.prometheusUrl=http://prometheus-operated.observability:9090")

# Name, arguments. The first five are the usual installations.
CASES = {
    "default": IMAGE,
    "laptop": [*IMAGE, *values("laptop")],
    "istio": [*IMAGE, *values("istio")],
    "eks": [*IMAGE, *values("eks")],
    "eks behind istio": [*IMAGE, *values("eks", "istio")],
    "servers by connection": [*IMAGE, *sets(
        "rabbitmq.mode=external", "rabbitmq.external.connection=amqps://u:p@mq.example.com:5671/%2f",
        "mongodb.mode=external", "mongodb.external.connection=mongodb://u:p@db.example.com/?tls=true")],
    "own secrets": [*IMAGE, *sets(
        "rabbitmq.bundled.existingSecret=own-rabbitmq", "mongodb.bundled.existingSecret=own-mongodb")],
    "no collector": [*IMAGE, *sets("collector.enabled=false", "tracing.exporter=none")],
    "otlp": [*IMAGE, *sets("tracing.exporter=otlp", "tracing.endpoint=http://jaeger.observability:4318",
                           "tracing.sampler=parentbased_traceidratio", "tracing.samplerArgument=0.1",
                           "gateway.traceQueryUrl=http://zipkin.observability:9411")],
    "otlp to the collector": [*IMAGE, *sets("tracing.exporter=otlp")],
    "istio, otlp to the collector": [*IMAGE, *values("istio"), *sets("tracing.exporter=otlp")],
    "digest and pull secret": [*IMAGE, *sets(f"image.digest=sha256:{'0' * 64}", "image.pullSecrets={registry}")],
    "no policies": [*IMAGE, *sets("networkPolicy.enabled=false", "defaults.pdb.enabled=false")],
    "autoscaled": [*IMAGE, *sets("defaults.hpa.enabled=true")],
    "placed": [*IMAGE, *sets("defaults.nodeSelector.pool=octet", "defaults.tolerations[0].key=octet",
                             "defaults.tolerations[0].operator=Exists", "defaults.env.MAX_CONCURRENT=200")],
    "scraped by annotation": [*IMAGE, *sets("scrapeAnnotations=true")],
    "prometheus operator": [*IMAGE, *sets("podMonitor.enabled=true", "prometheusRule.enabled=true",
                                          "dashboards.enabled=true")],
    "lake of the mesh's stores": [*IMAGE, *sets(*LAKE, "scrapeAnnotations=true", "podMonitor.enabled=true")],
    "lake of other databases, by cron": [*IMAGE, *sets(
        *LAKE, "lake.mode=cron", "lake.existingSecret=lake-databases", "lake.config=[source.orders]",
        "lake.extraEgress[0].ports[0].port=5432", "lake.extraEgress[0].to[0].ipBlock.cidr=10.0.0.0/16",
        "lake.serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::111122223333:role/octet-lake")],
    "istio, lake": [*IMAGE, *values("istio"), *sets(*LAKE)],
    "ingress": [*IMAGE, *sets("ingress.enabled=true", "ingress.className=nginx", *HOSTS)],
    "page on another origin": [*IMAGE, *sets("gateway.allowedOrigins={https://page.example.com}",
                                         "gateway.serviceType=LoadBalancer")],
    "process health": [*IMAGE, *sets("processHealth.enabled=true",
                                     "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=observability")],
    # Every variable that the chart may set; helm/tests/processes.py runs the program with them.
    "all settings": [*IMAGE, *sets(
        "gateway.allowedOrigins={https://page.example.com}", "gateway.apiUrl=https://api.example.com",
        "gateway.trustedProxies={127.0.0.6,192.168.0.0/16}", "tracing.sampler=parentbased_traceidratio",
        "tracing.samplerArgument=1.0", "defaults.env.MAX_CONCURRENT=200", "processHealth.enabled=true")],
    "gateway api": [*IMAGE, *sets(*GATEWAY_API)],
    "gateway api, tls, canary": [*IMAGE, *sets(
        *GATEWAY_API, "gatewayApi.tlsSecret=octet-tls", "canary.enabled=true", "canary.tag=0.2.0")],
    "istio, everything": [*IMAGE, *values("istio"), *sets(
        "processHealth.enabled=true", "canary.enabled=true", "canary.greeting=Ahlan wa sahlan", "istio.tlsSecret=octet-tls",
        "istio.registryOnly=true", "istio.egressNamespace=istio-egress", "istio.telemetry.accessLogs=true",
        "istio.faults.service-e.delay.percent=10", "istio.faults.service-e.delay.duration=2s",
        "istio.faults.service-g.abort.percent=5", "istio.faults.service-g.abort.status=UNAVAILABLE",
        "mongoExpress.enabled=true", "mongoExpress.existingSecret=mongo-express", *LOAD)],
    "gateway api, grpc": [*IMAGE, *sets(*GATEWAY_API, "gatewayApi.grpcHost=grpc.octet.example.com")],
    "openshift": [*IMAGE, *values("openshift")],
    "every knob": own("knobs"),
    "external servers by selector": own("external"),
    "istio, names of its own": [*IMAGE, *values("istio"), *sets(
        "clusterDomain=cluster.example", "services.service-a.serviceAccount.name=own-account")],
    "ambient": [*IMAGE, *values("istio"), *sets("istio.mode=ambient", "processHealth.enabled=true", *LOAD)],
    "ambient, waypoint, canary": [*IMAGE, *values("istio"), *sets(
        *WAYPOINT, "istio.waypoint.replicas=3", "canary.enabled=true", "canary.tag=0.2.0", "mongoExpress.enabled=true",
        "mongoExpress.existingSecret=mongo-express")],
    "eks, ambient, waypoint": [*IMAGE, *values("eks", "istio"), *sets(*WAYPOINT)],
    "istio, clients in ambient mode": [*IMAGE, *values("istio"), *sets("networkPolicy.hbone=true", *LOAD)],
    "in an ambient namespace": [*IMAGE, *sets("networkPolicy.hbone=true", "processHealth.enabled=true")],
    "keda, broker": [*IMAGE, *sets("keda.enabled=true", "keda.minReplicas=0", "services.service-f.hpa.enabled=true",
                                   "services.service-f.hpa.memory=70",
                                   "services.service-f.hpa.behavior.scaleDown.stabilizationWindowSeconds=60")],
    "keda, external broker": [*IMAGE, *values("eks"), *sets("keda.enabled=true", "keda.queueLength=20")],
    "keda, prometheus": [*IMAGE, *values("istio"), *sets(
        "keda.enabled=true", "keda.trigger=prometheus", "keda.prometheusUrl=https://prometheus.observability:9090")],
    "rollouts": [*IMAGE, *sets(*ROLLOUTS)],
    "rollouts, istio": [*IMAGE, *values("istio"), *sets(*ROLLOUTS, "canary.enabled=true", "canary.service=service-h")],
    "rollout of a scaled consumer": [*IMAGE, *sets(*ROLLOUTS, "argoRollouts.service=service-f", "keda.enabled=true",
                                                   "keda.authenticationRef=own-login")],
    "language, replicas, faults": own("language"),
    "console and load": [*IMAGE, *sets("mongoExpress.enabled=true", "mongoExpress.existingSecret=mongo-express", *LOAD)],
}

# Topologies other than the built-in one.
TOPOLOGIES = {"language, replicas, faults": OWN / "language.toml"}

# Secrets, ConfigMaps and ServiceAccounts that a case expects to find.
EXISTING = {"own-rabbitmq", "own-mongodb", "mongo-express", "octet-rabbitmq", "octet-mongodb", "documentdb-ca",
            "own-secret", "own-config", "own-ca", "own-account", "lake-databases"}

# Wrong values, and a part of the refusal's message.
REFUSALS = [
    ([], "image.repository is required"),
    ([*IMAGE, *sets("entry=service-z")], "entry: service-z is not a service"),
    ([*IMAGE, *sets("services.service-b.calls={service-d,service-x}")],
     "services.service-b.calls: service-x is not a service; services are service-a, "),
    ([*IMAGE, *sets("services.service-b.calls={service-b}")], "services.service-b.calls: a service cannot call itself"),
    ([*IMAGE, *sets("services.service-h.calls={service-b}")], "the calls form a cycle"),
    ([*IMAGE, *sets("services.service-c.calls={service-d,service-d}")], "items at 0 and 1 are equal"),
    ([*IMAGE, *sets("mongodb.mode=none")], "services.service-c.store: mongodb.mode is none"),
    ([*IMAGE, *sets("rabbitmq.mode=none")], "services.service-d: it uses a queue, but rabbitmq.mode is none"),
    ([*IMAGE, *sets("rabbitmq.mode=external")], "rabbitmq.external: set existingSecret"),
    ([*IMAGE, *sets("mongodb.mode=external", "mongodb.external.existingSecret=a",
                    "mongodb.external.connection=mongodb://b")], "mutually exclusive"),
    ([*IMAGE, *values("istio"), *sets("mongodb.mode=external", "mongodb.external.existingSecret=a")],
     "mongodb.external.hosts: Istio needs"),
    ([*IMAGE, *sets("mongodb.external.connection=postgres://a")], "does not match pattern"),
    ([*IMAGE, *sets("services.service-g.store.database=service-h")], "is already the store of service-g"),
    ([*IMAGE, *sets("services.service-d.publishes=other")], "no service publishes to service-d.greeting"),
    ([*IMAGE, *sets("services.service-f.store=null")], "a consumer needs a store"),
    ([*IMAGE, *sets("services.gateway.greeting=hi")], "the chart uses the name gateway itself"),
    ([*IMAGE, *sets("services.service-b.env.SERVICE_D_URL=x")], "the chart sets this variable itself"),
    ([*IMAGE, *sets("defaults.env.PORT=1")], "defaults.env.PORT: the chart sets this variable itself"),
    ([*IMAGE, *values("istio"), *sets("canary.enabled=true", "canary.weights.v1=80")],
     "canary.weights: v1 and v2 must add up to 100, not 90"),
    ([*IMAGE, *values("istio"), *sets("canary.enabled=true", "canary.weights.v1=101", "canary.weights.v2=-1")],
     "canary/weights"),
    ([*IMAGE, *values("istio"), *sets("canary.enabled=true", "canary.service=service-z")],
     "canary.service: service-z is not a service"),
    ([*IMAGE, *sets("canary.enabled=true")], "canary.enabled: needs istio.enabled or gatewayApi.enabled"),
    ([*IMAGE, *values("istio"), *sets("istio.faults.service-z.delay.percent=1", "istio.faults.service-z.delay.duration=1s")],
     "istio.faults.service-z: not a service"),
    ([*IMAGE, *values("istio"), *sets("istio.faults.service-e.delay.percent=101",
                                      "istio.faults.service-e.delay.duration=1s")], "maximum"),
    ([*IMAGE, *values("istio"), *sets(*GATEWAY_API)], "each creates a gateway"),
    ([*IMAGE, *values("istio"), *sets("gateway.allowedOrigins={https://page.example.com}")],
     "istio.corsOrigins and gateway.allowedOrigins"),
    ([*IMAGE, *sets("gatewayApi.enabled=true", *HOSTS)], "gatewayApi.className is required"),
    ([*IMAGE, *sets("istio.enabled=true")], "hosts.ui and hosts.api are required"),
    ([*IMAGE, *sets("ingress.enabled=true")], "hosts.ui and hosts.api are required"),
    ([*IMAGE, *sets("istio.corsOrigins={*}")], "does not match pattern"),
    ([*IMAGE, *sets("tracing.exporter=otlp", "collector.enabled=false")],
     "tracing.endpoint: without the collector, the exporter otlp needs"),
    ([*IMAGE, *sets("collector.enabled=false")], "without the collector, the exporter zipkin needs"),
    ([*IMAGE, *sets("mongoExpress.enabled=true")], "mongoExpress.existingSecret is required"),
    ([*IMAGE, *sets("loadGenerator.enabled=true")], "loadGenerator.image: repository and a tag or digest are required"),
    ([*IMAGE, *sets("lake.enabled=true")], "lake.to is required"),
    ([*IMAGE, *sets("lake.enabled=true", "lake.to=/data")], "does not match pattern"),
    ([*IMAGE, *sets(*LAKE, "mongodb.mode=none", "lake.mode=sometimes")], "lake/mode"),
    ([*IMAGE, *sets(*LAKE, "lake.endpoint=http://minio:9000")], "lake/endpoint"),
    ([*IMAGE, *sets("image.tag=latest")], "'not' failed"),
    ([*IMAGE, *sets("services.service-b.call={service-d}")], "additional properties 'call' not allowed"),
    ([*IMAGE, *sets("replicas=3")], "additional properties 'replicas' not allowed"),
    ([*IMAGE, *sets("services.Service-I.greeting=hi")], "propertyName 'Service-I'"),
    ([*IMAGE, *sets("services.service-b.greeting=")], "service-b/greeting"),
    ([*IMAGE, *sets("connectWait=soon")], "connectWait"),
    ([*IMAGE, *sets("enabled=false")], "enabled: false is for the condition of a parent chart's dependency"),
    ([*IMAGE, *sets("commonLabels.app=x")], "commonLabels: the chart sets the label app itself"),
    ([*IMAGE, *sets("services.service-b.podLabels.version=v3")],
     "services.service-b.podLabels: the chart sets the label version itself"),
    ([*IMAGE, *sets(r"tests.podLabels.app\.kubernetes\.io/name=x")], "tests.podLabels: the chart sets the label"),
    ([*IMAGE, *sets(r"defaults.podAnnotations.checksum/topology=x")], "podAnnotations: the chart sets checksum/topology"),
    ([*IMAGE, *sets("commonLabels.team=two words")], "does not match pattern"),
    ([*IMAGE, *sets("rabbitmq.mode=external", "rabbitmq.external.connection=amqp://mq.example.com")],
     "rabbitmq.external.port: it is 5671, but the connection string has port 5672"),
    ([*IMAGE, *sets("mongodb.mode=external", r"mongodb.external.connection=mongodb://u:p@a\,b:27018/?x=@c:1")],
     "mongodb.external.port: it is 27017, but the connection string has port 27018"),
    ([*IMAGE, *sets("services.service-b.hpa.enabled=true", "services.service-b.hpa.minReplicas=7")],
     "services.service-b.hpa: minReplicas 7 exceeds maxReplicas 6"),
    ([*IMAGE, *sets("defaults.hpa.enabled=true", "defaults.hpa.cpu=0")], "hpa: cpu and memory are both 0"),
    ([*IMAGE, *sets("defaults.hpa.behavior.scaleUp.selectPolicy=Most")], "selectPolicy"),
    ([*IMAGE, *sets("defaults.pdb.minAvailable=half")], "minAvailable"),
    ([*IMAGE, *sets("gateway.nodePort=30080")], "gateway.nodePort: needs gateway.serviceType NodePort"),
    ([*IMAGE, *sets("gateway.serviceType=NodePort", "gateway.loadBalancerClass=a/b")],
     "gateway.loadBalancerClass: needs gateway.serviceType LoadBalancer"),
    ([*IMAGE, *sets("services.service-c.extraVolumes[0].name=mongodb", "services.service-c.extraVolumes[0].emptyDir.medium=Memory")],
     "services.service-c.extraVolumes: the chart uses the name mongodb itself"),
    ([*IMAGE, *sets("services.service-b.extraVolumes[0].name=alone")], "minProperties"),
    ([*IMAGE, *sets("services.service-b.initContainers[0].name=service-b", "services.service-b.initContainers[0].image=a:1")],
     "services.service-b.initContainers: the workload's own container"),
    ([*IMAGE, *values("istio"), *sets("services.service-b.serviceAccount.name=service-c")],
     "service-b and service-c share the ServiceAccount service-c"),
    ([*IMAGE, *sets("defaults.probes.readiness.path=/ready")], "additional properties 'path' not allowed"),
    ([*IMAGE, *sets("defaults.probes.liveness.successThreshold=2")], "additional properties 'successThreshold' not allowed"),
    ([*IMAGE, *sets("defaults.env.TOKEN.valueFrom.secret=x")], "additional properties 'secret' not allowed"),
    ([*IMAGE, *sets("defaults.envFrom[0].name=x")], "envFrom/0"),
    ([*IMAGE, *sets("defaults.dnsPolicy=Own")], "dnsPolicy"),
    ([*IMAGE, *sets("defaults.trafficDistribution=Near")], "trafficDistribution"),
    ([*IMAGE, *sets("rabbitmq.bundled.env.A=b")], "additional properties 'env' not allowed"),
    ([*IMAGE, *sets("networkPolicy.dnsPorts={70000}")], "networkPolicy/dnsPorts/0"),
    ([*IMAGE, *sets("gatewayApi.enabled=true", "gatewayApi.parentRefs[0].name=shared", "gatewayApi.tlsSecret=a", *HOSTS)],
     "gatewayApi.tlsSecret: with gatewayApi.parentRefs"),
    ([*IMAGE, *sets(*GATEWAY_API, "gatewayApi.grpcHost=api.octet.example.com")],
     "gatewayApi.grpcHost: api.octet.example.com is also hosts.ui or hosts.api"),
    ([*IMAGE, *values("istio"), *sets("istio.mode=both")], "istio/mode"),
    ([*IMAGE, *values("istio"), *sets("istio.waypoint.enabled=true")], "istio.waypoint.enabled: needs istio.enabled with"),
    ([*IMAGE, *sets(*WAYPOINT)], "istio.waypoint.enabled: needs istio.enabled with"),
    ([*IMAGE, *values("istio"), *sets(*WAYPOINT, "istio.faults.service-e.abort.percent=5",
                                      "istio.faults.service-e.abort.status=UNAVAILABLE")],
     "istio.faults: not supported with istio.mode ambient"),
    ([*IMAGE, *values("istio"), *sets(*WAYPOINT, "istio.registryOnly=true")],
     "istio.registryOnly: not supported with istio.mode ambient"),
    ([*IMAGE, *values("istio"), *sets(*WAYPOINT, "istio.egressNamespace=istio-egress")],
     "istio.egressNamespace: not supported with istio.mode ambient"),
    ([*IMAGE, *values("istio"), *sets("istio.mode=ambient", "canary.enabled=true")],
     "canary.enabled: with istio.mode ambient it needs istio.waypoint.enabled"),
    ([*IMAGE, *values("istio"), *sets(*WAYPOINT, "istio.waypoint.replicas=0")], "istio/waypoint/replicas"),
    ([*IMAGE, *sets("keda.enabled=true", "services.service-d.publishes=null", "services.service-f=null")],
     "keda.enabled: no service consumes a queue"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.minReplicas=7")], "keda: minReplicas 7 exceeds maxReplicas 6"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.trigger=cron")], "keda/trigger"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.trigger=prometheus")], "keda.prometheusUrl: the trigger prometheus needs"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.trigger=prometheus", "keda.prometheusUrl=http://a", "keda.minReplicas=0")],
     "keda.minReplicas: with the trigger prometheus at least 1"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.trigger=prometheus", "keda.prometheusUrl=http://a", "keda.authenticationRef=a")],
     "keda.authenticationRef: only the trigger rabbitmq"),
    ([*IMAGE, *values("istio"), *sets("keda.enabled=true")], "keda.trigger: KEDA is outside the mesh"),
    ([*IMAGE, *sets("keda.enabled=true", "keda.queueLength=0")], "keda/queueLength"),
    ([*IMAGE, *sets("argoRollouts.enabled=true")], "argoRollouts.analysis.prometheusUrl is required"),
    ([*IMAGE, *sets(*ROLLOUTS, "argoRollouts.service=service-z")], "argoRollouts.service: service-z is not a service"),
    ([*IMAGE, *values("istio"), *sets(*ROLLOUTS, "canary.enabled=true")],
     "canary.service and argoRollouts.service are both service-g"),
    ([*IMAGE, *sets(*ROLLOUTS, "argoRollouts.analysis.maxErrorRatio=2")], "argoRollouts/analysis/maxErrorRatio"),
    ([*IMAGE, *sets("extraObjects[0].kind=Service")], "extraObjects/0"),
    ([*IMAGE, *sets("services.service-g.work=fast")], "services/service-g/work"),
    ([*IMAGE, *sets("services.service-g.work=5ms..1x")], "services/service-g/work"),
    ([*IMAGE, *sets("defaults.memory=10MB")], "defaults/memory"),
    ([*IMAGE, *sets("defaults.limit.queue=5")], "defaults/limit"),
    ([*IMAGE, *sets("services.service-g.whenLeft=go")], "services/service-g/whenLeft"),
    ([*IMAGE, *sets("seed=-1")], "seed"),
    ([*IMAGE, *sets("services.service-a.calls[0]={service-b}", "services.service-a.calls[1]={service-c,service-b}")],
     "services.service-a.calls: an upstream is in it twice"),
    ([*IMAGE, *sets("services.service-a.calls[0]={service-b}", "services.service-a.calls[1]=service-c")],
     "services/service-a/calls"),
    ([*IMAGE, *sets("edges[0].at=service-a>service-g")], "edges: no service makes the call service-a>service-g"),
    ([*IMAGE, *sets("edges[0].at=*>service-g", "edges[1].at=*>service-g")], "edges: *>service-g is in it twice"),
    ([*IMAGE, *sets("edges[0].at=gateway>service-a", "edges[0].times=2")], "are not for calls of the gateway"),
    ([*IMAGE, *sets("edges[0].at=*>service-g", "edges[0].share=0.5")], "edges/0/share"),
    ([*IMAGE, *sets("edges[0].at=*>service-g", "edges[0].retry.budget=20%")], "edges/0/retry"),
    ([*IMAGE, *sets("edges[0].at=*>service-g", "edges[0].balance=round_robin")],
     "edges: *>service-g: balance needs clientBalancing.enabled"),
    ([*IMAGE, *values("istio"), *sets("clientBalancing.enabled=true")], "clientBalancing.enabled: Istio's proxies balance"),
    ([*IMAGE, *sets(*GATEWAY_API, "canary.enabled=true", "clientBalancing.enabled=true")],
     "clientBalancing.enabled: the canary's route"),
    ([*IMAGE, *sets("faults.rules[0]=at=service-g drop=true")], "faults.rules: needs faults.enabled"),
    ([*IMAGE, *sets("faults.enabled=true", "faults.rules[0]=at=service-g")], "faults/rules/0"),
    ([*IMAGE, *sets("faults.enabled=true", "faults.rules[0]=at=service-g#2 drop=true")],
     "faults.rules: service-g#2: pods of a Deployment have no numbers"),
    ([*IMAGE, *sets("faults.enabled=true", "faults.rules[0]=at=service-a>service-g drop=true")],
     "faults.rules: no service makes the call service-a>service-g"),
    ([*IMAGE, *sets("faults.enabled=true", "faults.rules[0]=at=service-z drop=true")],
     "faults.rules: service-z is not a service"),
    ([*IMAGE, *sets("defaults.env.FAULTS_FILE=x")], "defaults.env.FAULTS_FILE: the chart sets this variable itself"),
]
