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

{{- /* What every pod may reach: DNS, and the control plane that its sidecar needs. */ -}}
{{- define "octet.egress-basics" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- if include "octet.sidecars" . }}
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
    {{- if .root.Values.networkPolicy.metricsFrom }}
    {{- include "octet.pod-ports" (dict "root" .root "ports" (list .workload.adminPort)) | nindent 4 }}
    {{- else }}
    {{- /* Not ztunnel's port: a rule without peers would open all ports behind it to everyone. */}}
    - {port: {{ .workload.adminPort }}, protocol: TCP}
    {{- end }}
    {{- if include "octet.sidecars" .root }}
    - {port: 15020, protocol: TCP}
    - {port: 15090, protocol: TCP}
    {{- end }}
{{- with include "octet.ingress-probes" (dict "root" .root "ports" (list .workload.port .workload.adminPort)) }}
{{ . }}
{{- end }}
{{- $named := or .root.Values.networkPolicy.metricsFrom (include "octet.hbone" .root) }}
{{- if and $named .root.Values.processHealth.enabled }}
# The gateway reads the state of all processes.
- from:
    - {{- include "octet.peer" (dict "root" .root "name" "gateway") | nindent 6 }}
  ports:
    {{- include "octet.pod-ports" (dict "root" .root "ports" (list .workload.adminPort)) | nindent 4 }}
{{- end }}
{{- end }}

{{- /* In ambient mode Istio's CNI plugin gives the kubelet's probes this address. */ -}}
{{- define "octet.ingress-probes" -}}
{{- if include "octet.hbone" .root -}}
- from:
    - ipBlock: {cidr: 169.254.7.127/32}
  ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}

{{- /* For pods whose process has no metrics, the sidecar's: Prometheus scrapes every sidecar. */ -}}
{{- define "octet.ingress-sidecar-metrics" -}}
{{- if include "octet.sidecars" . -}}
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
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list .workload.port)) | nindent 4 }}
{{- else if eq .workload.component "collector" }}
{{- $proxyPorts := include "octet.proxy-ports" $root | fromYamlArray }}
{{- range $port := list "9411" "4317" "4318" }}
{{- $callers := include "octet.collector-callers" (dict "root" $root "port" $port) | fromYamlArray }}
{{- $proxies := and (has $port $proxyPorts) (eq (include "octet.proxies-to-collector" $root) "true") }}
{{- if or $callers $proxies }}
- from:
    {{- range $callers }}
    - {{- include "octet.peer" (dict "root" $root "name" .) | nindent 6 }}
    {{- end }}
    {{- if $proxies }}
    {{- if eq (include "octet.sidecars-to-collector" $root) "true" }}
    {{- range $name := $clients }}
    - {{- include "octet.peer" (dict "root" $root "name" $name) | nindent 6 }}
    {{- end }}
    {{- end }}
    - {{- include "octet.namespace-peer" $values.istio.ingress.namespace | nindent 6 }}
    {{- if include "octet.waypoint" $root }}
    - {{- include "octet.waypoint-peer" $root | nindent 6 }}
    {{- end }}
    {{- end }}
  ports:
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list $port)) | nindent 4 }}
{{- end }}
{{- end }}
{{- else if .workload.callers }}
{{- $viaWaypoint := and (eq .workload.component "service") (include "octet.waypoint" $root) }}
- from:
    {{- if $viaWaypoint }}
    - {{- include "octet.waypoint-peer" $root | nindent 6 }}
    {{- else }}
    {{- range .workload.callers }}
    - {{- include "octet.peer" (dict "root" $root "name" .) | nindent 6 }}
    {{- end }}
    {{- end }}
  ports:
    {{- if $viaWaypoint }}
    - {port: 15008, protocol: TCP}
    {{- else }}
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list .workload.port)) | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "octet.egress-calls" -}}
{{- $root := .root -}}
{{- if and .workload.calls (include "octet.waypoint" $root) }}
- to:
    - {{- include "octet.waypoint-peer" $root | nindent 6 }}
  ports:
    - {port: 15008, protocol: TCP}
{{- else }}
{{- range .workload.calls }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" .) | nindent 6 }}
  ports:
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list 50051)) | nindent 4 }}
{{- end }}
{{- end }}
{{- if and (eq .workload.component "gateway") $root.Values.processHealth.enabled }}
{{- range $name, $other := include "octet.workloads" $root | fromYaml }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" $name) | nindent 6 }}
  ports:
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list $other.adminPort)) | nindent 4 }}
{{- end }}
{{- end }}
{{- with .workload.collectorPorts }}
- to:
    - {{- include "octet.peer" (dict "root" $root "name" "collector") | nindent 6 }}
  ports:
    {{- include "octet.pod-ports" (dict "root" $root "ports" .) | nindent 4 }}
{{- end }}
{{- range $server, $used := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue }}
{{- if $used }}
{{- include "octet.egress-store" (dict "root" $root "server" $server) }}
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
    {{- if $root.Values.networkPolicy.tracesTo }}
    {{- include "octet.pod-ports" (dict "root" $root "ports" (list (include "octet.port-of-url" .))) | nindent 4 }}
    {{- else }}
    - {port: {{ include "octet.port-of-url" . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* To a server of stores or queues, bundled or external. */ -}}
{{- define "octet.egress-store" -}}
{{- $settings := index .root.Values .server }}
- to:
    {{- if and (eq $settings.mode "external") $settings.external.peers }}
    {{- toYaml $settings.external.peers | nindent 4 }}
    {{- else if eq $settings.mode "external" }}
    {{- range $settings.external.cidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
    {{- else }}
    - {{- include "octet.peer" (dict "root" .root "name" .server) | nindent 6 }}
    {{- end }}
  ports:
    {{- $port := include "octet.server-port" (dict "root" .root "server" .server) }}
    {{- if and (eq $settings.mode "external") (not $settings.external.peers) }}
    - {port: {{ $port }}, protocol: TCP}
    {{- else }}
    {{- include "octet.pod-ports" (dict "root" .root "ports" (list $port)) | nindent 4 }}
    {{- end }}
{{- end }}
