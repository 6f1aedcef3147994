{{- /* Names and labels. Every helper that needs the release takes (dict "root" $ …). */ -}}

{{- define "octet.release-labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: octet
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
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
{{- end }}

{{- define "octet.image" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end }}
{{- end }}

{{- define "octet.host" -}}
{{ .name }}.{{ .root.Release.Namespace }}.svc.cluster.local
{{- end }}

{{- define "octet.principal" -}}
{{ .root.Values.istio.trustDomain }}/ns/{{ .namespace | default .root.Release.Namespace }}/sa/{{ .name }}
{{- end }}
