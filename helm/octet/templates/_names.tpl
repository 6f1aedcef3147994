{{- /* Names and labels. Every helper that needs the release takes (dict "root" $ …). */ -}}

{{- define "octet.release-labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: octet
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Selects the pods of `name`, of any version. */ -}}
{{- define "octet.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "octet.labels" -}}
{{ include "octet.selector" . }}
{{ include "octet.release-labels" .root }}
{{- end }}

{{- /* With the labels by which Istio and Kiali name workloads. */ -}}
{{- define "octet.pod-labels" -}}
{{ include "octet.selector" . }}
app.kubernetes.io/part-of: octet
app.kubernetes.io/component: {{ .component }}
app: {{ .name }}
version: {{ .version | default "v1" }}
{{- if include "octet.ambient" .root }}
# In ambient mode whatever the namespace's labels say.
istio.io/dataplane-mode: ambient
sidecar.istio.io/inject: "false"
{{- end }}
{{- with merge dict (.podLabels | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* As container engines decide, a repository's first part is a registry if it has a dot or a port. */ -}}
{{- define "octet.image" -}}
{{- $parts := splitList "/" .image.repository -}}
{{- with (.root.Values.global | default dict).imageRegistry -}}
  {{- if and (gt (len $parts) 1) (regexMatch "[.:]|^localhost$" (first $parts)) }}{{ $parts = rest $parts }}{{ end -}}
  {{- $parts = prepend $parts (trimSuffix "/" .) -}}
{{- end -}}
{{ join "/" $parts }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag }}{{ end }}
{{- end }}

{{- define "octet.host" -}}
{{ .name }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end }}

{{- /* Of the pods called `name`, or of another's `account`. */ -}}
{{- define "octet.principal" -}}
{{- $account := .account -}}
{{- if not $account }}{{ $account = include "octet.account" . }}{{ end -}}
{{ .root.Values.istio.trustDomain }}/ns/{{ .namespace | default .root.Release.Namespace }}/sa/{{ $account }}
{{- end }}
