{{- /* Whether KEDA sets the replicas: of what consumes a queue. */ -}}
{{- define "octet.scaled-by-queue" -}}
{{- $service := index .root.Values.services .name | default dict -}}
{{- if and .root.Values.keda.enabled $service.consumes }}true{{ end -}}
{{- end }}

{{- /* Whether Argo Rollouts runs the pods; their Deployment is then only the template. */ -}}
{{- define "octet.rolled-out" -}}
{{- if and .root.Values.argoRollouts.enabled (eq .name .root.Values.argoRollouts.service) }}true{{ end -}}
{{- end }}

{{- /* Whether the mesh, and not the number of pods, decides the canary's share. */ -}}
{{- define "octet.rollout-routes" -}}
{{- if and (include "octet.rolled-out" .) (include "octet.sidecars" .root) .callers }}true{{ end -}}
{{- end }}

{{- /* What an autoscaler scales. */ -}}
{{- define "octet.scale-target" -}}
{{- if include "octet.rolled-out" . -}}
{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: {{ .name }}}
{{- else -}}
{apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
{{- end -}}
{{- end }}
