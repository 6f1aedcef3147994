{{- /* Only what was provably not processed: other retries would store and publish twice. Istio's default retries more. */ -}}
{{- define "octet.istio-retries" -}}
retries:
  attempts: 2
  retryOn: connect-failure,refused-stream
{{- end }}

{{- /* What one service may call at another. */ -}}
{{- define "octet.istio-paths" -}}
["/greeting.v3.GreetingService/*", "/grpc.health.v1.Health/*"]
{{- end }}

{{- /* The hosts between which a service's calls are split. */ -}}
{{- define "octet.version-hosts" -}}
{{- $hosts := list (include "octet.host" .) -}}
{{- if and (include "octet.waypoint" .root) .root.Values.canary.enabled (eq .name .root.Values.canary.service) -}}
{{- range $version := list "v1" "v2" }}
{{- $hosts = append $hosts (include "octet.host" (dict "root" $.root "name" (printf "%s-%s" $.name $version))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $hosts -}}
{{- end }}

{{- /* Istio accepts gRPC's codes by name. */ -}}
{{- define "octet.istio-fault" -}}
fault:
  {{- with .delay }}
  delay:
    percentage: {value: {{ .percent }}}
    fixedDelay: {{ .duration }}
  {{- end }}
  {{- with .abort }}
  abort:
    percentage: {value: {{ .percent }}}
    grpcStatus: {{ .status }}
  {{- end }}
{{- end }}

{{- /* Host names that a workload calls, as a YAML list. */ -}}
{{- define "octet.istio-hosts" -}}
{{- $root := .root -}}
{{- $hosts := list -}}
{{- range .workload.calls }}{{ $hosts = append $hosts (include "octet.host" (dict "root" $root "name" .)) }}{{ end -}}
{{- if and (eq .workload.component "gateway") $root.Values.processHealth.enabled -}}
  {{- range $name, $other := include "octet.workloads" $root | fromYaml -}}
    {{- $hosts = append $hosts (include "octet.host" (dict "root" $root "name" (printf "%s-admin" $name))) -}}
  {{- end -}}
{{- end -}}
{{- if .workload.collectorPorts }}{{ $hosts = append $hosts (include "octet.host" (dict "root" $root "name" "collector")) }}{{ end -}}
{{- range $server, $used := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue -}}
  {{- if $used -}}
    {{- $settings := index $root.Values $server -}}
    {{- if eq $settings.mode "external" -}}
      {{- $hosts = concat $hosts $settings.external.hosts -}}
    {{- else -}}
      {{- $hosts = append $hosts (include "octet.host" (dict "root" $root "name" $server)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $hosts -}}
{{- end }}

{{- /* Who reaches a port of the collector, as a YAML list: workloads, and proxies that report there. */ -}}
{{- define "octet.collector-principals" -}}
{{- $root := .root -}}
{{- $ingress := .root.Values.istio.ingress -}}
{{- $principals := list -}}
{{- $names := include "octet.collector-callers" . | fromYamlArray -}}
{{- $proxies := has .port (include "octet.proxy-ports" .root | fromYamlArray) -}}
{{- if and $proxies (eq (include "octet.sidecars-to-collector" $root) "true") -}}
  {{- $names = concat $names (include "octet.clients" $root | fromYamlArray) -}}
{{- end -}}
{{- range $names }}{{ $principals = append $principals (include "octet.principal" (dict "root" $root "name" .)) }}{{ end -}}
{{- if and $proxies (eq (include "octet.proxies-to-collector" $root) "true") -}}
  {{- if include "octet.waypoint" $root -}}
    {{- $principals = append $principals (include "octet.principal" (dict "root" $root "account" (include "octet.waypoint-name" $root))) -}}
  {{- end -}}
  {{- $principals = append $principals (include "octet.principal" (dict "root" $root "account" $ingress.serviceAccount "namespace" $ingress.namespace)) -}}
{{- end -}}
{{- toYaml $principals -}}
{{- end }}
