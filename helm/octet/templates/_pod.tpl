{{- /* What Kubernetes' `restricted` profile requires of a pod, and more. */ -}}
{{- define "octet.pod-security" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  # A volume whose root has the right owner is not changed: RabbitMQ's cookie must not become readable to a group.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "octet.container-security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "octet.pull-secrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "octet.placement" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "octet.selector" (dict "root" $.root "name" $.name) | nindent 8 }}
  {{- end }}
{{- with .workload.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .workload.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
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
