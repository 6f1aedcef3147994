{{- /*
Every process as YAML, by name: its values merged over `defaults`, and what follows from the graph.

  component           service, gateway or collector
  arguments           of the program
  port, adminPort     where it serves
  otlp                where the collector takes OTLP: ports by name
  calls               upstreams
  callers             workloads that call it on `port`
  usesStore, usesQueue, reachesCollector
*/ -}}
{{- define "octet.workloads" -}}
{{- $values := .Values -}}
{{- $workloads := dict -}}
{{- $spans := eq (include "octet.spans-to-collector" .) "true" -}}
{{- range $name, $service := $values.services -}}
  {{- $callers := list -}}
  {{- range $caller, $other := $values.services -}}
    {{- if has $name ($other.calls | default list) }}{{ $callers = append $callers $caller }}{{ end -}}
  {{- end -}}
  {{- if eq $name $values.entry }}{{ $callers = append $callers "gateway" }}{{ end -}}
  {{- $facts := dict
      "component" "service" "arguments" (list "service" $name) "port" 50051 "adminPort" 9001
      "calls" ($service.calls | default list) "callers" $callers "reachesCollector" $spans
      "usesStore" (not (empty $service.store))
      "usesQueue" (not (and (empty $service.publishes) (empty $service.consumes))) -}}
  {{- $_ := set $workloads $name (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $service) $facts) -}}
{{- end -}}
{{- $facts := dict
    "component" "gateway" "arguments" (list "gateway") "port" 8080 "adminPort" 9000
    "calls" (list $values.entry) "callers" (list) "reachesCollector" $values.collector.enabled "usesStore" false "usesQueue" false -}}
{{- $_ := set $workloads "gateway" (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.gateway) $facts) -}}
{{- if $values.collector.enabled -}}
  {{- $facts := dict
      "component" "collector" "arguments" (list "collector") "port" 9411 "adminPort" 9412 "replicas" 1
      "otlp" (dict "grpc-otlp" 4317 "http-otlp" 4318)
      "calls" (list) "callers" (list "gateway") "reachesCollector" false "usesStore" false "usesQueue" false
      "hpa" (dict "enabled" false) "pdb" (dict "enabled" false) -}}
  {{- if $spans }}{{ $_ := set $facts "callers" (keys $workloads | sortAlpha) }}{{ end -}}
  {{- $_ := set $workloads "collector" (mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.collector) $facts) -}}
{{- end -}}
{{- toYaml $workloads -}}
{{- end }}

{{- /* Whether processes, or their sidecars, report to the collector. */ -}}
{{- define "octet.spans-to-collector" -}}
{{- $own := and (eq .Values.tracing.exporter "zipkin") (empty .Values.tracing.endpoint) -}}
{{- or (and .Values.collector.enabled $own) (eq (include "octet.sidecars-to-collector" .) "true") -}}
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
{{- range ($service.calls | default list) }} {{ include "octet.answer" (dict "root" $.root "name" . "path" $path) }}{{ end -}}
{{- end }}
