{{- define "octet.peer" -}}
podSelector:
  matchLabels: {{- include "octet.selector" . | nindent 4 }}
{{- end }}

{{- define "octet.namespace-peer" -}}
namespaceSelector:
  matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- end }}

{{- define "octet.port-of-url" -}}
{{- $parts := (urlParse .).host | splitList ":" -}}
{{- if gt (len $parts) 1 }}{{ last $parts }}{{ else }}80{{ end -}}
{{- end }}

{{- /* What every pod may reach: DNS, and the mesh's control plane. */ -}}
{{- define "octet.egress-basics" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- if .Values.istio.enabled }}
- to:
    - {{- include "octet.namespace-peer" "istio-system" | nindent 6 }}
  ports:
    - {port: 15012, protocol: TCP}
{{- end }}
{{- end }}

{{- /* Who may read the metrics of processes and sidecars. */ -}}
{{- define "octet.ingress-metrics" -}}
- {{ with .root.Values.networkPolicy.metricsFrom -}}
  from: {{ toYaml . | nindent 4 }}
  {{ end -}}
  ports:
    - {port: {{ .workload.adminPort }}, protocol: TCP}
    {{- if .root.Values.istio.enabled }}
    - {port: 15020, protocol: TCP}
    - {port: 15090, protocol: TCP}
    {{- end }}
{{- if and .root.Values.networkPolicy.metricsFrom .root.Values.processHealth.enabled }}
# The gateway reads the state of all processes.
- from:
    - {{- include "octet.peer" (dict "root" .root "name" "gateway") | nindent 6 }}
  ports:
    - {port: {{ .workload.adminPort }}, protocol: TCP}
{{- end }}
{{- end }}

{{- /* For pods whose process has no metrics, the sidecar's: Prometheus scrapes every sidecar. */ -}}
{{- define "octet.ingress-sidecar-metrics" -}}
{{- if .Values.istio.enabled -}}
- {{ with .Values.networkPolicy.metricsFrom -}}
  from: {{ toYaml . | nindent 4 }}
  {{ end -}}
  ports:
    - {port: 15090, protocol: TCP}
{{- end }}
{{- end }}

{{- define "octet.ingress-calls" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $clients := include "octet.clients" .root | fromYamlArray -}}
{{- if eq .workload.component "gateway" }}
- {{ with $values.networkPolicy.gatewayFrom -}}
  from:
    {{- toYaml . | nindent 4 }}
    {{- range $name := $clients }}
    - {{- include "octet.peer" (dict "root" $root "name" $name) | nindent 6 }}
    {{- end }}
  {{ end -}}
  ports:
    - {port: {{ .workload.port }}, protocol: TCP}
{{- else if or .workload.callers (eq .workload.component "collector") }}
- from:
    {{- range .workload.callers }}
    - {{- include "octet.peer" (dict "root" $root "name" .) | nindent 6 }}
    {{- end }}
    {{- if and (eq .workload.component "collector") (eq (include "octet.sidecars-to-collector" $root) "true") }}
    {{- range $name := $clients }}
    - {{- include "octet.peer" (dict "root" $root "name" $name) | nindent 6 }}
    {{- end }}
    - {{- include "octet.namespace-peer" $values.istio.ingress.namespace | nindent 6 }}
    {{- end }}
  ports:
    - {port: {{ .workload.port }}, protocol: TCP}
{{- end }}
{{- end }}

{{- define "octet.egress-calls" -}}
{{- $root := .root -}}
{{- range .workload.calls }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" .) | nindent 6 }}
  ports:
    - {port: 50051, protocol: TCP}
{{- end }}
{{- if and (eq .workload.component "gateway") $root.Values.processHealth.enabled }}
{{- range $name, $other := include "octet.workloads" $root | fromYaml }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" $name) | nindent 6 }}
  ports:
    - {port: {{ $other.adminPort }}, protocol: TCP}
{{- end }}
{{- end }}
{{- if .workload.reachesCollector }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" "collector") | nindent 6 }}
  ports:
    - {port: 9411, protocol: TCP}
{{- end }}
{{- range $server, $used := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue }}
{{- if $used }}
{{- $settings := index $root.Values $server }}
- to:
    {{- if and (eq $settings.mode "external") $settings.external.peers }}
    {{- toYaml $settings.external.peers | nindent 4 }}
    {{- else if eq $settings.mode "external" }}
    {{- range $settings.external.cidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
    {{- else }}
    - {{- include "octet.peer" (dict "root" $root "name" $server) | nindent 6 }}
    {{- end }}
  ports:
    - {port: {{ include "octet.server-port" (dict "root" $root "server" $server) }}, protocol: TCP}
{{- end }}
{{- end }}
{{- if ne .workload.component "collector" }}
{{- $urls := list $root.Values.tracing.endpoint -}}
{{- if eq .workload.component "gateway" }}{{ $urls = append $urls $root.Values.gateway.traceQueryUrl }}{{ end }}
{{- range compact $urls }}
# {{ . }}
- {{ with $root.Values.networkPolicy.tracesTo -}}
  to: {{ toYaml . | nindent 4 }}
  {{ end -}}
  ports:
    - {port: {{ include "octet.port-of-url" . }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end }}
