{{- define "octet.mounts" -}}
{{- if ne .workload.component "collector" }}
- {name: topology, mountPath: /etc/octet/topology, readOnly: true}
{{- if .root.Values.faults.enabled }}
- {name: faults, mountPath: /etc/octet/faults, readOnly: true}
{{- end }}
{{- end }}
{{- range $server, $used := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue }}
{{- if $used }}
- {name: {{ $server }}, mountPath: /etc/octet/{{ $server }}, readOnly: true}
{{- if include "octet.ca-bundle" (dict "root" $.root "server" $server) }}
- {name: {{ $server }}-ca, mountPath: /etc/octet/{{ $server }}-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- with .workload.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "octet.volumes" -}}
{{- $servers := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue -}}
{{- if ne .workload.component "collector" }}
- name: topology
  configMap: {name: octet-topology}
{{- if .root.Values.faults.enabled }}
- name: faults
  configMap: {name: octet-faults}
{{- end }}
{{- end }}
{{- range $server, $used := $servers }}
{{- if $used }}
- name: {{ $server }}
  secret:
    secretName: {{ include "octet.connection-secret" (dict "root" $.root "server" $server) }}
    # Only the connection: services do not need the server's own password.
    items: [{key: {{ include "octet.secret-key" (dict "root" $.root "server" $server "key" "connection") }}, path: connection}]
    defaultMode: 0440
{{- end }}
{{- end }}
{{- range $server, $used := $servers }}
{{- if and $used (include "octet.ca-bundle" (dict "root" $.root "server" $server)) }}
{{- $bundle := (index $.root.Values $server).external.caBundle }}
- name: {{ $server }}-ca
  configMap:
    name: {{ $bundle.configMap }}
    items:
      - key: {{ $bundle.key }}
        path: {{ $bundle.key }}
{{- end }}
{{- end }}
{{- with .workload.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "octet.ca-bundle" -}}
{{- $settings := index .root.Values .server -}}
{{- if eq $settings.mode "external" }}{{ $settings.external.caBundle.configMap }}{{ end -}}
{{- end }}
