{{- /* The graph as a topology file. TOML's basic strings accept JSON's escapes. */ -}}
{{- define "octet.topology" -}}
entry = {{ .Values.entry | toJson }}
{{- range $name, $service := .Values.services }}

[[service]]
name = {{ $name | toJson }}
greeting = {{ $service.greeting | toJson }}
{{- with $service.calls }}
calls = {{ toJson . }}
{{- end }}
{{- with $service.store }}
store = { database = {{ .database | toJson }}, collection = {{ .collection | toJson }} }
{{- end }}
{{- with $service.publishes }}
publishes = {{ toJson . }}
{{- end }}
{{- with $service.consumes }}
consumes = {{ toJson . }}
{{- end }}
{{- with $service.policy }}
policy = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}
