{{- /* What only a sidecar does, or only a waypoint. */ -}}
{{- define "octet.refuse-ambient" -}}
{{- $istio := .Values.istio -}}
{{- if and $istio.waypoint.enabled (not (include "octet.ambient" .)) -}}
  {{- fail "istio.waypoint.enabled: needs istio.enabled with istio.mode ambient; sidecars do the waypoint's work themselves" -}}
{{- end -}}
{{- if include "octet.ambient" . -}}
  {{- if $istio.faults -}}
    {{- fail "istio.faults: not supported with istio.mode ambient: ztunnel injects no faults, and a VirtualService must not be mixed with the waypoint's routes; use istio.mode sidecar" -}}
  {{- end -}}
  {{- if $istio.registryOnly -}}
    {{- fail "istio.registryOnly: not supported with istio.mode ambient: ztunnel passes unknown hosts through; use networkPolicy and the servers' external.cidrs" -}}
  {{- end -}}
  {{- if $istio.egressNamespace -}}
    {{- fail "istio.egressNamespace: not supported with istio.mode ambient: the egress gateway's routes are for sidecars; leave it empty" -}}
  {{- end -}}
  {{- if and .Values.canary.enabled (not $istio.waypoint.enabled) -}}
    {{- fail "canary.enabled: with istio.mode ambient it needs istio.waypoint.enabled: ztunnel does not split traffic" -}}
  {{- end -}}
{{- end -}}
{{- end }}
