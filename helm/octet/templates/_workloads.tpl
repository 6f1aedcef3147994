{{- /*
Every process as YAML, by name: its values merged over `defaults`, and what follows from the graph.

  component           service, gateway or collector
  arguments           of the program
  port, adminPort     where it serves
  otlp                where the collector takes OTLP: ports by name
  calls               upstreams
  callers             workloads that call it on `port`
  usesStore, usesQueue
  collectorPorts      the collector's ports that it, or its sidecar, reports to or reads from
*/ -}}
{{- define "octet.workloads" -}}
{{- $values := .Values -}}
{{- $workloads := dict -}}
{{- $reports := include "octet.report-ports" . | fromYamlArray -}}
{{- range $name, $service := $values.services -}}
  {{- $callers := list -}}
  {{- range $caller, $other := $values.services -}}
    {{- if has $name (include "octet.upstreams" $other.calls | fromYamlArray) }}{{ $callers = append $callers $caller }}{{ end -}}
  {{- end -}}
  {{- if eq $name $values.entry }}{{ $callers = append $callers "gateway" }}{{ end -}}
  {{- $facts := dict
      "component" "service" "arguments" (list "service" $name) "port" 50051 "adminPort" 9001
      "calls" (include "octet.upstreams" $service.calls | fromYamlArray) "callers" $callers "collectorPorts" $reports
      "usesStore" (not (empty $service.store))
      "usesQueue" (not (and (empty $service.publishes) (empty $service.consumes))) -}}
  {{- $_ := set $workloads $name (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $service) $facts) -}}
{{- end -}}
{{- $reads := ternary (list "9411") list $values.collector.enabled -}}
{{- $facts := dict
    "component" "gateway" "arguments" (list "gateway") "port" 8080 "adminPort" 9000
    "calls" (list $values.entry) "callers" (list) "collectorPorts" (concat $reads $reports | uniq) "usesStore" false "usesQueue" false -}}
{{- $_ := set $workloads "gateway" (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.gateway) $facts) -}}
{{- if $values.collector.enabled -}}
  {{- $facts := dict
      "component" "collector" "arguments" (list "collector") "port" 9411 "adminPort" 9412 "replicas" 1
      "otlp" (dict "grpc-otlp" 4317 "http-otlp" 4318)
      "calls" (list) "callers" (list) "collectorPorts" (list) "usesStore" false "usesQueue" false
      "hpa" (dict "enabled" false) "pdb" (dict "enabled" false) -}}
  {{- $_ := set $workloads "collector" (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.collector) $facts) -}}
{{- end -}}
{{- toYaml $workloads -}}
{{- end }}

{{- /* The collector's ports that processes, or their sidecars, report to, as a YAML list. */ -}}
{{- define "octet.report-ports" -}}
{{- $ports := list -}}
{{- if and .Values.collector.enabled (empty .Values.tracing.endpoint) -}}
  {{- $ports = index (dict "zipkin" (list "9411") "otlp" (list "4318") "none" list) .Values.tracing.exporter -}}
{{- end -}}
{{- if eq (include "octet.sidecars-to-collector" .) "true" -}}
  {{- $ports = concat $ports (include "octet.proxy-ports" . | fromYamlArray) -}}
{{- end -}}
{{- uniq $ports | toYaml -}}
{{- end }}

{{- /* Where proxies report: by Envoy's Zipkin tracer or its OpenTelemetry tracer, which the mesh's provider decides. */ -}}
{{- define "octet.proxy-ports" -}}
{{- list "9411" "4317" | toYaml -}}
{{- end }}

{{- /* The workloads that reach a port of the collector, as a YAML list. */ -}}
{{- define "octet.collector-callers" -}}
{{- $names := list -}}
{{- $port := .port -}}
{{- range $name, $workload := include "octet.workloads" .root | fromYaml -}}
  {{- if has $port $workload.collectorPorts }}{{ $names = append $names $name }}{{ end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}

{{- /* Whether every sidecar of the namespace reports there, clients included: Telemetry applies to the namespace. */ -}}
{{- define "octet.sidecars-to-collector" -}}
{{- and (eq (include "octet.sidecars" .) "true") (eq (include "octet.proxies-to-collector" .) "true") -}}
{{- end }}

{{- /* Whether any proxy reports there: sidecars, or the waypoint; and the ingress gateway. ztunnel has no spans. */ -}}
{{- define "octet.proxies-to-collector" -}}
{{- and .Values.collector.enabled .Values.istio.enabled (not (empty .Values.istio.telemetry.tracingProvider)) -}}
{{- end }}

{{- /* Clients within the namespace that are not in the graph, as a YAML list. */ -}}
{{- define "octet.clients" -}}
{{- ternary (list "octet-load" "octet-test") (list "octet-test") .Values.loadGenerator.enabled | toYaml -}}
{{- end }}

{{- /* The running versions of a workload, separated by a space: v1, and v2 for the canary's service. */ -}}
{{- define "octet.versions" -}}
v1{{ if and .root.Values.canary.enabled (eq .name .root.Values.canary.service) }} v2{{ end }}
{{- end }}

{{- /* The services of a response, in its order: depth first, as declared. */ -}}
{{- define "octet.answer" -}}
{{- if gt (len .path) (len .root.Values.services) -}}
{{- fail (printf "services: the calls form a cycle: %s" (join " calls " (append .path .name))) -}}
{{- end -}}
{{- .name -}}
{{- $path := append .path .name -}}
{{- $service := index .root.Values.services .name -}}
{{- range include "octet.upstreams" $service.calls | fromYamlArray }} {{ include "octet.answer" (dict "root" $.root "name" . "path" $path) }}{{ end -}}
{{- end }}
