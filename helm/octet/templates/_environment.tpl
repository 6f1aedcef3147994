{{- /* The environment of one process; docs/configuration.md describes the variables. */ -}}
{{- define "octet.environment" -}}
{{- $values := .root.Values -}}
{{- $workload := .workload -}}
{{- $set := list (list "PORT" $workload.port) (list "ADMIN_PORT" $workload.adminPort) -}}
{{- $set = append $set (list "LOG_LEVEL" $values.logs.level) -}}
{{- $set = append $set (list "LOG_FORMAT" $values.logs.format) -}}
{{- $set = append $set (list "DRAIN_PAUSE" $values.drain.pause) -}}
{{- $set = append $set (list "DRAIN_GRACE" $values.drain.grace) -}}
{{- if ne $workload.component "collector" -}}
  {{- $set = append $set (list "TOPOLOGY" "/etc/octet/topology/topology.toml") -}}
  {{- $set = append $set (list "CONNECT_WAIT" $values.connectWait) -}}
  {{- $suffix := ternary "-pods" "" $values.clientBalancing.enabled -}}
  {{- range $workload.calls -}}
    {{- $set = append $set (list (printf "%s_URL" (. | upper | replace "-" "_")) (printf "%s%s:50051" . $suffix)) -}}
  {{- end -}}
  {{- if $values.faults.enabled }}{{ $set = append $set (list "FAULTS_FILE" "/etc/octet/faults/faults") }}{{ end -}}
  {{- $set = concat $set (include "octet.tracing-environment" $.root | fromYamlArray) -}}
{{- end -}}
{{- if $workload.usesStore }}{{ $set = append $set (list "MONGO_CONN_FILE" "/etc/octet/mongodb/connection") }}{{ end -}}
{{- if $workload.usesQueue }}{{ $set = append $set (list "RABBITMQ_CONN_FILE" "/etc/octet/rabbitmq/connection") }}{{ end -}}
{{- if eq $workload.component "gateway" -}}
  {{- $query := $workload.traceQueryUrl | default (ternary "http://collector:9411" "" $values.collector.enabled) -}}
  {{- if $query }}{{ $set = append $set (list "TRACE_QUERY_URL" $query) }}{{ end -}}
  {{- if $values.processHealth.enabled -}}
    {{- $addresses := list -}}
    {{- range $name, $other := include "octet.workloads" $.root | fromYaml -}}
      {{- $addresses = append $addresses (printf "%s=%s-admin:%v" $name $name $other.adminPort) -}}
    {{- end -}}
    {{- $set = append $set (list "ADMIN_ADDRESSES" (join "," $addresses)) -}}
  {{- end -}}
  {{- with $workload.apiUrl }}{{ $set = append $set (list "UI_API_URL" .) }}{{ end -}}
  {{- with $workload.trustedProxies }}{{ $set = append $set (list "TRUSTED_PROXIES" (join "," .)) }}{{ end -}}
  {{- with $workload.allowedOrigins }}{{ $set = append $set (list "ALLOWED_ORIGINS" (join "," .)) }}{{ end -}}
{{- end -}}
{{- if eq $workload.component "collector" }}
  {{- $set = append $set (list "OTLP_GRPC_PORT" (index $workload.otlp "grpc-otlp")) -}}
  {{- $set = append $set (list "OTLP_HTTP_PORT" (index $workload.otlp "http-otlp")) -}}
  {{- $set = append $set (list "COLLECTOR_MEMORY" $workload.memory) }}
{{- end -}}
{{- with .greeting }}{{ $set = append $set (list "GREETING" .) }}{{ end -}}
{{- range $variable, $value := ($workload.env | default dict) }}{{ $set = append $set (list $variable $value) }}{{ end -}}
{{- range $pair := $set }}
- name: {{ index $pair 0 }}
  {{- if kindIs "map" (index $pair 1) }}
  {{- index $pair 1 | toYaml | nindent 2 }}
  {{- else }}
  value: {{ index $pair 1 | toString | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "octet.tracing-environment" -}}
{{- $tracing := .Values.tracing -}}
{{- $set := list (list "OTEL_TRACES_EXPORTER" $tracing.exporter) -}}
{{- if eq $tracing.exporter "zipkin" -}}
  {{- $set = append $set (list "OTEL_EXPORTER_ZIPKIN_ENDPOINT" ($tracing.endpoint | default "http://collector:9411/api/v2/spans")) -}}
{{- else if eq $tracing.exporter "otlp" -}}
  {{- $set = append $set (list "OTEL_EXPORTER_OTLP_ENDPOINT" ($tracing.endpoint | default "http://collector:4318")) -}}
{{- end -}}
{{- with $tracing.sampler }}{{ $set = append $set (list "OTEL_TRACES_SAMPLER" .) }}{{ end -}}
{{- with $tracing.samplerArgument }}{{ $set = append $set (list "OTEL_TRACES_SAMPLER_ARG" .) }}{{ end -}}
{{- toYaml $set -}}
{{- end }}
