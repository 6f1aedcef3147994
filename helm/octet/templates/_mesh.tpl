{{- /* Which data plane carries the calls; each is "true" or empty. */ -}}
{{- define "octet.sidecars" -}}
{{- if and .Values.istio.enabled (eq .Values.istio.mode "sidecar") }}true{{ end -}}
{{- end }}

{{- define "octet.ambient" -}}
{{- if and .Values.istio.enabled (eq .Values.istio.mode "ambient") }}true{{ end -}}
{{- end }}

{{- /* A waypoint handles HTTP between services; ztunnel alone handles connections. */ -}}
{{- define "octet.waypoint" -}}
{{- if and (include "octet.ambient" .) .Values.istio.waypoint.enabled }}true{{ end -}}
{{- end }}

{{- define "octet.waypoint-name" -}}octet-waypoint{{- end }}

{{- /* The pods that istiod runs for the waypoint. */ -}}
{{- define "octet.waypoint-selector" -}}
gateway.networking.k8s.io/gateway-name: {{ include "octet.waypoint-name" . }}
{{- end }}

{{- define "octet.waypoint-peer" -}}
podSelector:
  matchLabels: {{- include "octet.waypoint-selector" . | nindent 4 }}
{{- end }}

{{- /* Whether ztunnel may carry calls between pods, so that network policies see only its port. */ -}}
{{- define "octet.hbone" -}}
{{- if or (include "octet.ambient" .) .Values.networkPolicy.hbone }}true{{ end -}}
{{- end }}

{{- /* The ports of a NetworkPolicy rule between pods: their own, and ztunnel's where it may carry the call. */ -}}
{{- define "octet.pod-ports" -}}
{{- $lines := list -}}
{{- range ternary (append .ports 15008) .ports (eq (include "octet.hbone" .root) "true") -}}
  {{- $lines = append $lines (printf "- {port: %v, protocol: TCP}" .) -}}
{{- end -}}
{{- join "\n" $lines -}}
{{- end }}
