{{- /* What a schema cannot express. Each message names the value and what is allowed. */ -}}
{{- define "octet.refuse" -}}
{{- $values := .Values -}}
{{- if not $values.image.repository -}}
  {{- fail "image.repository is required: the registry and name under which you pushed Octet's image, for example --set image.repository=123456789012.dkr.ecr.eu-central-1.amazonaws.com/octet" -}}
{{- end -}}
{{- $names := keys $values.services | sortAlpha -}}
{{- if not (has $values.entry $names) -}}
  {{- fail (printf "entry: %s is not a service; services are %s" $values.entry (join ", " $names)) -}}
{{- end -}}
{{- $published := list -}}
{{- $stores := dict -}}
{{- range $name, $service := $values.services -}}
  {{- if has $name (list "gateway" "collector" "rabbitmq" "mongodb") -}}
    {{- fail (printf "services.%s: the chart uses the name %s itself" $name $name) -}}
  {{- end -}}
  {{- $upstreams := include "octet.upstreams" $service.calls | fromYamlArray -}}
  {{- if ne (len $upstreams) (len (uniq $upstreams)) -}}
    {{- fail (printf "services.%s.calls: an upstream is in it twice; set times in edges" $name) -}}
  {{- end -}}
  {{- range $upstreams -}}
    {{- if eq . $name }}{{ fail (printf "services.%s.calls: a service cannot call itself" $name) }}{{ end -}}
    {{- if not (has . $names) -}}
      {{- fail (printf "services.%s.calls: %s is not a service; services are %s" $name . (join ", " $names)) -}}
    {{- end -}}
  {{- end -}}
  {{- if $service.publishes }}{{ $published = append $published $service.publishes }}{{ end -}}
  {{- if $service.store -}}
    {{- if eq $values.mongodb.mode "none" -}}
      {{- fail (printf "services.%s.store: mongodb.mode is none; set it to bundled, or to external with a connection" $name) -}}
    {{- end -}}
    {{- $place := printf "%s.%s" $service.store.database $service.store.collection -}}
    {{- if hasKey $stores $place -}}
      {{- fail (printf "services.%s.store: %s is already the store of %s; each service needs its own" $name $place (get $stores $place)) -}}
    {{- end -}}
    {{- $_ := set $stores $place $name -}}
  {{- end -}}
  {{- if and (or $service.publishes $service.consumes) (eq $values.rabbitmq.mode "none") -}}
    {{- fail (printf "services.%s: it uses a queue, but rabbitmq.mode is none; set it to bundled, or to external with a connection" $name) -}}
  {{- end -}}
  {{- include "octet.refuse-environment" (dict "place" (printf "services.%s" $name) "env" $service.env) -}}
{{- end -}}
{{- range $name, $service := $values.services -}}
  {{- if $service.consumes -}}
    {{- if not (has $service.consumes $published) -}}
      {{- fail (printf "services.%s.consumes: no service publishes to %s" $name $service.consumes) -}}
    {{- end -}}
    {{- if not $service.store -}}
      {{- fail (printf "services.%s.consumes: a consumer needs a store" $name) -}}
    {{- end -}}
  {{- end -}}
  {{- /* Also for services that the entry does not reach: this finds cycles. */ -}}
  {{- $_ := include "octet.answer" (dict "root" $ "name" $name "path" (list)) -}}
{{- end -}}
{{- range $place := list "defaults" "gateway" "collector" -}}
  {{- include "octet.refuse-environment" (dict "place" $place "env" (index $values $place).env) -}}
{{- end -}}
{{- include "octet.refuse-behaviour" . -}}
{{- include "octet.refuse-servers" . -}}
{{- include "octet.refuse-workloads" . -}}
{{- include "octet.refuse-metadata" . -}}
{{- include "octet.refuse-meshes" . -}}
{{- include "octet.refuse-delivery" . -}}
{{- include "octet.refuse-extras" . -}}
{{- end }}

{{- define "octet.refuse-environment" -}}
{{- $own := list "PORT" "ADMIN_PORT" "TOPOLOGY" "SERVICE_NAME" "GREETING" "LOG_LEVEL" "LOG_FORMAT" "CONNECT_WAIT" "DRAIN_PAUSE" "DRAIN_GRACE" "SEED" "FAULTS_FILE" "MONGO_CONN" "MONGO_CONN_FILE" "RABBITMQ_CONN" "RABBITMQ_CONN_FILE" "STORE_URL" "QUEUE_URL" "ALLOWED_ORIGINS" "UI_API_URL" "TRUSTED_PROXIES" "TRACE_QUERY_URL" "COLLECTOR_MEMORY" "OTLP_GRPC_PORT" "OTLP_HTTP_PORT" "OTEL_TRACES_EXPORTER" "OTEL_EXPORTER_ZIPKIN_ENDPOINT" "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_TRACES_SAMPLER" "OTEL_TRACES_SAMPLER_ARG" -}}
{{- range $variable, $_ := (.env | default dict) -}}
  {{- if or (has $variable $own) (regexMatch "^SERVICE_.*_URL$" $variable) -}}
    {{- fail (printf "%s.env.%s: the chart sets this variable itself; use the corresponding value" $.place $variable) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-servers" -}}
{{- range $server := list "rabbitmq" "mongodb" -}}
  {{- $settings := index $.Values $server -}}
  {{- if eq $settings.mode "external" -}}
    {{- if and (not $settings.external.existingSecret) (not $settings.external.connection) -}}
      {{- fail (printf "%s.external: set existingSecret to the name of a Secret with the key connection, or set connection" $server) -}}
    {{- end -}}
    {{- if and $settings.external.existingSecret $settings.external.connection -}}
      {{- fail (printf "%s.external: existingSecret and connection are mutually exclusive; set one" $server) -}}
    {{- end -}}
    {{- include "octet.refuse-port" (dict "root" $ "server" $server) -}}
    {{- if and (include "octet.sidecars" $) (not $settings.external.hosts) -}}
      {{- fail (printf "%s.external.hosts: Istio needs the server's host names; list them" $server) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.tracing.exporter "otlp") (not .Values.tracing.endpoint) (not .Values.collector.enabled) -}}
  {{- fail "tracing.endpoint: without the collector, the exporter otlp needs a URL, for example http://jaeger-collector.observability:4318" -}}
{{- end -}}
{{- if and (eq .Values.tracing.exporter "zipkin") (not .Values.tracing.endpoint) (not .Values.collector.enabled) -}}
  {{- fail "tracing.endpoint: without the collector, the exporter zipkin needs a URL, for example http://zipkin.observability:9411/api/v2/spans" -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-meshes" -}}
{{- $values := .Values -}}
{{- if and $values.istio.enabled $values.gatewayApi.enabled -}}
  {{- fail "istio.enabled and gatewayApi.enabled: each creates a gateway; enable one of them" -}}
{{- end -}}
{{- if and $values.gatewayApi.enabled (not $values.gatewayApi.className) (not $values.gatewayApi.parentRefs) -}}
  {{- fail "gatewayApi.className is required: a GatewayClass from `kubectl get gatewayclass`; or name an existing Gateway in gatewayApi.parentRefs" -}}
{{- end -}}
{{- if and $values.gatewayApi.grpcHost (has $values.gatewayApi.grpcHost (list $values.hosts.ui $values.hosts.api)) -}}
  {{- fail (printf "gatewayApi.grpcHost: %s is also hosts.ui or hosts.api; a GRPCRoute and an HTTPRoute may not share a host name" $values.gatewayApi.grpcHost) -}}
{{- end -}}
{{- if and $values.gatewayApi.tlsSecret $values.gatewayApi.parentRefs -}}
  {{- fail "gatewayApi.tlsSecret: with gatewayApi.parentRefs, the existing Gateway's listeners have the certificate; leave it empty" -}}
{{- end -}}
{{- if and (or $values.istio.enabled $values.gatewayApi.enabled $values.ingress.enabled) (or (not $values.hosts.ui) (not $values.hosts.api)) -}}
  {{- fail "hosts.ui and hosts.api are required with istio.enabled, gatewayApi.enabled or ingress.enabled; they may be the same" -}}
{{- end -}}
{{- if and $values.istio.enabled $values.istio.corsOrigins $values.gateway.allowedOrigins -}}
  {{- fail "istio.corsOrigins and gateway.allowedOrigins: browsers refuse a response with two Access-Control-Allow-Origin headers; set one" -}}
{{- end -}}
{{- include "octet.refuse-ambient" . -}}
{{- range $name, $_ := $values.istio.faults -}}
  {{- if not (hasKey $values.services $name) -}}
    {{- fail (printf "istio.faults.%s: not a service; services are %s" $name (join ", " (keys $values.services | sortAlpha))) -}}
  {{- end -}}
{{- end -}}
{{- if $values.canary.enabled -}}
  {{- if not (hasKey $values.services $values.canary.service) -}}
    {{- fail (printf "canary.service: %s is not a service; services are %s" $values.canary.service (join ", " (keys $values.services | sortAlpha))) -}}
  {{- end -}}
  {{- $sum := add $values.canary.weights.v1 $values.canary.weights.v2 -}}
  {{- if ne (int $sum) 100 -}}
    {{- fail (printf "canary.weights: v1 and v2 must add up to 100, not %d" (int $sum)) -}}
  {{- end -}}
  {{- if not (or $values.istio.enabled $values.gatewayApi.enabled) -}}
    {{- fail "canary.enabled: needs istio.enabled or gatewayApi.enabled" -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-extras" -}}
{{- if and .Values.mongoExpress.enabled (not .Values.mongoExpress.existingSecret) -}}
  {{- fail (printf "mongoExpress.existingSecret is required: a Secret in the namespace %s with the keys connection, username and password" .Values.mongoExpress.namespace) -}}
{{- end -}}
{{- if and .Values.mongoExpress.enabled (eq .Values.mongodb.mode "none") -}}
  {{- fail "mongoExpress.enabled: mongodb.mode is none, so there is no database to show" -}}
{{- end -}}
{{- if and .Values.loadGenerator.enabled (or (not .Values.loadGenerator.image.repository) (not (or .Values.loadGenerator.image.tag .Values.loadGenerator.image.digest))) -}}
  {{- fail "loadGenerator.image: repository and a tag or digest are required; k8s/images/hey/Dockerfile builds it" -}}
{{- end -}}
{{- if and .Values.lake.enabled (not .Values.lake.to) -}}
  {{- fail "lake.to is required: s3://BUCKET/PREFIX" -}}
{{- end -}}
{{- if and .Values.lake.enabled (eq .Values.lake.config "") (eq .Values.mongodb.mode "none") -}}
  {{- fail "lake.config is required: mongodb.mode is none, so there are no stores to copy" -}}
{{- end -}}
{{- end }}
