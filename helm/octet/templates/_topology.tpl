{{- /*
The graph and its behaviour as a topology file. TOML's basic strings accept JSON's escapes. Replicas are not in it: they
are the Deployments' own, and their pods have no numbers.
*/ -}}
{{- define "octet.topology" -}}
entry = {{ .Values.entry | toJson }}
{{- if not (kindIs "invalid" .Values.seed) }}
seed = {{ int64 .Values.seed }}
{{- end }}
{{- $defaults := .Values.defaults }}
{{- range $name, $service := .Values.services }}

[[service]]
name = {{ $name | toJson }}
greeting = {{ $service.greeting | toJson }}
{{- range $field := list "calls" "publishes" "consumes" "policy" }}
{{- with index $service $field }}
{{ $field }} = {{ toJson . }}
{{- end }}
{{- end }}
{{- with $service.store }}
store = { database = {{ .database | toJson }}, collection = {{ .collection | toJson }} }
{{- end }}
{{- $behaviour := mustMergeOverwrite (deepCopy $defaults) (deepCopy $service) }}
{{- range $field := list "work" "cpu" "memory" "payload" "whenLeft" "readyAfter" }}
{{- with index $behaviour $field }}
{{ snakecase $field }} = {{ toJson . }}
{{- end }}
{{- end }}
{{- with $behaviour.limit }}
limit = { concurrent = {{ int64 .concurrent }}, queue = {{ int64 .queue }} }
{{- end }}
{{- end }}
{{- range $edge := .Values.edges }}

[[edge]]
at = {{ $edge.at | toJson }}
{{- range $field := list "share" "payload" "deadline" "balance" }}
{{- with index $edge $field }}
{{ $field }} = {{ toJson . }}
{{- end }}
{{- end }}
{{- with $edge.times }}
times = {{ int64 . }}
{{- end }}
{{- with $edge.retry }}
{{- $retry := list (printf "attempts = %d" (int64 .attempts)) }}
{{- range $field := list "on" "budget" "backoff" }}
{{- with index $edge.retry $field }}{{ $retry = append $retry (printf "%s = %s" $field (toJson .)) }}{{ end }}
{{- end }}
retry = { {{ join ", " $retry }} }
{{- end }}
{{- end }}
{{- end }}

{{- /* The upstreams of `calls`, which may be in steps, as a YAML list. */ -}}
{{- define "octet.upstreams" -}}
{{- $upstreams := list -}}
{{- range (. | default list) -}}
  {{- $upstreams = concat $upstreams (ternary . (list .) (kindIs "slice" .)) -}}
{{- end -}}
{{- toYaml $upstreams -}}
{{- end }}

{{- /* Whether every request has the same response: each call is made, and once. */ -}}
{{- define "octet.always-same" -}}
{{- $same := "true" -}}
{{- range .Values.edges }}{{ if or .share .times }}{{ $same = "" }}{{ end }}{{ end -}}
{{- $same -}}
{{- end }}
