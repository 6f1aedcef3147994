{{- /* Refusals of KEDA's and Argo Rollouts' values. */ -}}
{{- define "octet.refuse-delivery" -}}
{{- include "octet.refuse-keda" . -}}
{{- include "octet.refuse-rollouts" . -}}
{{- end }}

{{- define "octet.refuse-keda" -}}
{{- $keda := .Values.keda -}}
{{- if $keda.enabled -}}
  {{- $consumers := list -}}
  {{- range $name, $service := .Values.services -}}
    {{- if $service.consumes }}{{ $consumers = append $consumers $name }}{{ end -}}
  {{- end -}}
  {{- if not $consumers }}{{ fail "keda.enabled: no service consumes a queue" }}{{ end -}}
  {{- if gt (int $keda.minReplicas) (int $keda.maxReplicas) -}}
    {{- fail (printf "keda: minReplicas %d exceeds maxReplicas %d" (int $keda.minReplicas) (int $keda.maxReplicas)) -}}
  {{- end -}}
  {{- if eq $keda.trigger "prometheus" -}}
    {{- if not $keda.prometheusUrl -}}
      {{- fail "keda.prometheusUrl: the trigger prometheus needs a URL, for example http://prometheus-operated.observability:9090" -}}
    {{- end -}}
    {{- if eq (int $keda.minReplicas) 0 -}}
      {{- fail "keda.minReplicas: with the trigger prometheus at least 1: the consumer itself reports the queue's length" -}}
    {{- end -}}
    {{- if $keda.authenticationRef -}}
      {{- fail "keda.authenticationRef: only the trigger rabbitmq uses it" -}}
    {{- end -}}
  {{- else if and .Values.istio.enabled (eq .Values.rabbitmq.mode "bundled") -}}
    {{- fail "keda.trigger: KEDA is outside the mesh, and the bundled RabbitMQ accepts only mutual TLS; use keda.trigger prometheus, or an external broker" -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-rollouts" -}}
{{- $rollouts := .Values.argoRollouts -}}
{{- if $rollouts.enabled -}}
  {{- if not (hasKey .Values.services $rollouts.service) -}}
    {{- fail (printf "argoRollouts.service: %s is not a service; services are %s" $rollouts.service (join ", " (keys .Values.services | sortAlpha))) -}}
  {{- end -}}
  {{- if not $rollouts.analysis.prometheusUrl -}}
    {{- fail "argoRollouts.analysis.prometheusUrl is required, for example http://prometheus-operated.observability:9090" -}}
  {{- end -}}
  {{- if and .Values.canary.enabled (eq .Values.canary.service $rollouts.service) -}}
    {{- fail (printf "canary.service and argoRollouts.service are both %s; only one of them may split its traffic" $rollouts.service) -}}
  {{- end -}}
{{- end -}}
{{- end }}
