{{- /* The name of the ServiceAccount of the pods called `name`. */ -}}
{{- define "octet.account" -}}
{{- $values := .root.Values -}}
{{- $workloads := merge dict (dict "gateway" $values.gateway "collector" $values.collector) $values.services -}}
{{- $others := dict "rabbitmq" $values.rabbitmq.bundled "mongodb" $values.mongodb.bundled "mongo-express" $values.mongoExpress "octet-load" $values.loadGenerator "octet-lake" $values.lake "octet-test" $values.tests -}}
{{- $shared := ternary $values.defaults.serviceAccount.name "" (hasKey $workloads .name) -}}
{{- $own := get (merge dict $workloads $others) .name | default dict -}}
{{- (get $own "serviceAccount" | default dict).name | default $shared | default .name -}}
{{- end }}

{{- /* One document; empty where the account exists already. */ -}}
{{- define "octet.service-account" -}}
{{- $settings := .settings.serviceAccount | default dict -}}
{{- if ne (toString $settings.create) "false" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "octet.account" . }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels: {{- include "octet.labels" . | nindent 4 }}
  {{- with merge dict (.annotations | default dict) ($settings.annotations | default dict) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end }}
