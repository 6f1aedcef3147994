{{- /* Refusals of edges and faults: a process whose topology has them would not start. */ -}}
{{- define "octet.refuse-behaviour" -}}
{{- $calls := list (printf "gateway>%s" .Values.entry) -}}
{{- range $name, $service := .Values.services -}}
  {{- range include "octet.upstreams" $service.calls | fromYamlArray }}{{ $calls = append $calls (printf "%s>%s" $name .) }}{{ end -}}
{{- end -}}
{{- $seen := list -}}
{{- range $edge := .Values.edges -}}
  {{- if not (include "octet.calls-at" (dict "calls" $calls "at" $edge.at)) -}}
    {{- fail (printf "edges: no service makes the call %s; calls are %s" $edge.at (join ", " $calls)) -}}
  {{- end -}}
  {{- if has $edge.at $seen }}{{ fail (printf "edges: %s is in it twice" $edge.at) }}{{ end -}}
  {{- $seen = append $seen $edge.at -}}
  {{- if and (hasPrefix "gateway>" $edge.at) (or $edge.share $edge.times $edge.payload) -}}
    {{- fail (printf "edges: %s: share, times and payload are not for calls of the gateway" $edge.at) -}}
  {{- end -}}
  {{- if and $edge.balance (not $.Values.clientBalancing.enabled) -}}
    {{- fail (printf "edges: %s: balance needs clientBalancing.enabled: a Service has one address" $edge.at) -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.clientBalancing.enabled .Values.istio.enabled -}}
  {{- fail "clientBalancing.enabled: Istio's proxies balance calls, and do not route those to a headless Service; turn one of them off" -}}
{{- end -}}
{{- if and .Values.clientBalancing.enabled .Values.canary.enabled -}}
  {{- fail "clientBalancing.enabled: the canary's route splits calls to a Service, not to a headless one; turn one of them off" -}}
{{- end -}}
{{- if and .Values.faults.rules (not .Values.faults.enabled) -}}
  {{- fail "faults.rules: needs faults.enabled" -}}
{{- end -}}
{{- range $rule := .Values.faults.rules -}}
  {{- $at := regexFind "at=[^ ]+" $rule | trimPrefix "at=" -}}
  {{- if contains "#" $at -}}
    {{- fail (printf "faults.rules: %s: pods of a Deployment have no numbers, so that no replica can be named" $at) -}}
  {{- end -}}
  {{- $names := splitList ">" $at -}}
  {{- $isCall := and (eq (len $names) 2) (not (has (last $names) (list "store" "queue"))) -}}
  {{- if and $isCall (not (include "octet.calls-at" (dict "calls" $calls "at" $at))) -}}
    {{- fail (printf "faults.rules: no service makes the call %s; calls are %s" $at (join ", " $calls)) -}}
  {{- end -}}
  {{- if not (or $isCall (eq (first $names) "*") (hasKey $.Values.services (first $names))) -}}
    {{- fail (printf "faults.rules: %s is not a service; services are %s" (first $names) (join ", " (keys $.Values.services | sortAlpha))) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- /* "true" if one of the calls has the address `at`, in which `*` stands for any name. */ -}}
{{- define "octet.calls-at" -}}
{{- $pattern := printf "^%s$" (replace "*" "[^>]+" .at) -}}
{{- $found := "" -}}
{{- range .calls }}{{ if regexMatch $pattern . }}{{ $found = "true" }}{{ end }}{{ end -}}
{{- $found -}}
{{- end }}
