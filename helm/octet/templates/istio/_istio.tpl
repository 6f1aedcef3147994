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
{{- if .workload.reachesCollector }}{{ $hosts = append $hosts (include "octet.host" (dict "root" $root "name" "collector")) }}{{ end -}}
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
