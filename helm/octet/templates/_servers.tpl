{{- /* The Secret with the key `connection` of rabbitmq or mongodb. */ -}}
{{- define "octet.connection-secret" -}}
{{- $settings := index .root.Values .server -}}
{{- (index $settings $settings.mode).existingSecret | default (printf "octet-%s" .server) -}}
{{- end }}

{{- /* The name of a key in that Secret; the chart's own Secret has the names connection and password. */ -}}
{{- define "octet.secret-key" -}}
{{- $settings := index .root.Values .server -}}
{{- /* Refusals may come later than this: with the mode none there is no Secret. */ -}}
{{- $own := get $settings $settings.mode | default dict -}}
{{- ternary (get ($own.secretKeys | default dict) .key) .key (not (empty $own.existingSecret)) -}}
{{- end }}

{{- /*
The password of a bundled server: generated once, and read back from the cluster afterwards.
Without a cluster (helm template, Argo CD) every rendering would generate another: use existingSecret there.
*/ -}}
{{- define "octet.password" -}}
{{- $existing := lookup "v1" "Secret" .root.Release.Namespace (printf "octet-%s" .server) -}}
{{- if and $existing (hasKey ($existing.data | default dict) "password") -}}
{{- index $existing.data "password" | b64dec -}}
{{- else -}}
{{- randAlphaNum 32 -}}
{{- end -}}
{{- end }}

{{- define "octet.server-port" -}}
{{- $settings := index .root.Values .server -}}
{{- if eq $settings.mode "external" }}{{ $settings.external.port }}{{ else if eq .server "rabbitmq" }}5672{{ else }}27017{{ end -}}
{{- end }}

{{- /* The workloads that use a server, and the lake where it copies their stores, as a YAML list. */ -}}
{{- define "octet.server-users" -}}
{{- $field := ternary "usesQueue" "usesStore" (eq .server "rabbitmq") -}}
{{- $users := list -}}
{{- range $name, $workload := include "octet.workloads" .root | fromYaml -}}
  {{- if index $workload $field }}{{ $users = append $users $name }}{{ end -}}
{{- end -}}
{{- if and (eq .server "mongodb") .root.Values.lake.enabled (eq .root.Values.lake.config "") }}{{ $users = append $users "octet-lake" }}{{ end -}}
{{- toYaml $users -}}
{{- end }}

{{- define "octet.claim" -}}
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  {{- with .className }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests: {storage: {{ .size }}}
{{- end }}
