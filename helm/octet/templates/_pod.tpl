{{- /*
What every pod has, whoever runs in it: account, security, pull secrets, placement.

  root, name   of the release and the pods
  settings     their values
  user         the image's user and group
*/ -}}
{{- define "octet.pod" -}}
serviceAccountName: {{ include "octet.account" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{ include "octet.pod-security" . }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "octet.placement" . }}
{{- end }}

{{- /* The values of a pod that is not a workload: its own over those that `defaults` has for every pod. */ -}}
{{- define "octet.settings" -}}
{{- $shared := pick .root.Values.defaults "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "dnsPolicy" "dnsConfig" "fixedUser" -}}
{{- mustMergeOverwrite (deepCopy $shared) (deepCopy .settings) | toYaml -}}
{{- end }}

{{- /* What Kubernetes' `restricted` profile requires of a pod, and more. */ -}}
{{- define "octet.pod-security" -}}
{{- $text := include "octet.pod-security-context" . -}}
securityContext:
  {{- if .settings.podSecurityContext }}
  {{- mustMergeOverwrite (fromYaml $text) (deepCopy .settings.podSecurityContext) | toYaml | nindent 2 }}
  {{- else }}
  {{- $text | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "octet.pod-security-context" -}}
runAsNonRoot: true
{{- if .settings.fixedUser }}
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
{{- end }}
# A volume whose root has the right owner is not changed: RabbitMQ's cookie must not become readable to a group.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "octet.container-security" -}}
securityContext:
  {{- with .containerSecurityContext }}
  {{- $base := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
  {{- mustMergeOverwrite $base (deepCopy .) | toYaml | nindent 2 }}
  {{- else }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
  {{- end }}
{{- end }}

{{- define "octet.placement" -}}
{{- if or .settings.topologySpreadConstraints .spread }}
topologySpreadConstraints:
  {{- range $constraint := .settings.topologySpreadConstraints }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "octet.selector" $ | fromYaml)) }}
  - {{- merge dict $constraint $own | toYaml | nindent 4 }}
  {{- else }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "octet.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "dnsPolicy" "dnsConfig" }}
{{- with index $.settings $field }}
{{ $field }}: {{ ternary (toYaml .) (toYaml . | nindent 2) (kindIs "string" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* `text` with the chart's probes, and `probes` over it. */ -}}
{{- define "octet.probes-over" -}}
{{- $over := dict -}}
{{- range $kind, $settings := (.probes | default dict) -}}
  {{- if $settings }}{{ $_ := set $over (printf "%sProbe" $kind) $settings }}{{ end -}}
{{- end -}}
{{- if $over }}{{ mustMergeOverwrite (fromYaml .text) (deepCopy $over) | toYaml }}{{ else }}{{ .text }}{{ end -}}
{{- end }}

{{- /*
Services implement gRPC health themselves. `liveness` means that the process answers; the service's own name means
that it is ready, store and queue included: a liveness probe on that would restart whatever waits for a database.
*/ -}}
{{- define "octet.probes" -}}
{{- if eq .workload.component "service" -}}
startupProbe:
  grpc: {port: {{ .workload.port }}, service: liveness}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  grpc: {port: {{ .workload.port }}, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  grpc: {port: {{ .workload.port }}, service: {{ .name }}}
  periodSeconds: 5
  timeoutSeconds: 3
{{- else -}}
startupProbe:
  httpGet: {path: /livez, port: http-admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: http-admin}
  periodSeconds: 10
  timeoutSeconds: 3
readinessProbe:
  httpGet: {path: /readyz, port: http-admin}
  periodSeconds: 5
  timeoutSeconds: 3
{{- end }}
{{- end }}

{{- /* The name states the protocol, for meshes that use it. */ -}}
{{- define "octet.port-name" -}}
{{- if eq .component "service" }}grpc{{ else if eq .component "gateway" }}http2{{ else }}http{{ end }}
{{- end }}

{{- /* The gateway serves HTTP/1.1, REST over HTTP/2 and gRPC on one port; with h2c a proxy speaks HTTP/2 to it. */ -}}
{{- define "octet.app-protocol" -}}
{{- if eq .component "service" }}grpc{{ else if eq .component "gateway" }}kubernetes.io/h2c{{ else }}http{{ end }}
{{- end }}
