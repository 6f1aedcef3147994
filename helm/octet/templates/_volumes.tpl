{{- define "octet.mounts" -}}
{{- if ne .workload.component "collector" }}
- {name: topology, mountPath: /etc/octet/topology, readOnly: true}
{{- end }}
{{- if .workload.usesStore }}
- {name: mongodb, mountPath: /etc/octet/mongodb, readOnly: true}
{{- if include "octet.ca-bundle" .root }}
- {name: mongodb-ca, mountPath: /etc/octet/mongodb-ca, readOnly: true}
{{- end }}
{{- end }}
{{- if .workload.usesQueue }}
- {name: rabbitmq, mountPath: /etc/octet/rabbitmq, readOnly: true}
{{- end }}
{{- end }}

{{- define "octet.volumes" -}}
{{- if ne .workload.component "collector" }}
- name: topology
  configMap: {name: octet-topology}
{{- end }}
{{- range $server, $used := dict "mongodb" .workload.usesStore "rabbitmq" .workload.usesQueue }}
{{- if $used }}
- name: {{ $server }}
  secret:
    secretName: {{ include "octet.connection-secret" (dict "root" $.root "server" $server) }}
    # Only the connection: services do not need the server's own password.
    items: [{key: connection, path: connection}]
    defaultMode: 0440
{{- end }}
{{- end }}
{{- if and .workload.usesStore (include "octet.ca-bundle" .root) }}
- name: mongodb-ca
  configMap:
    name: {{ .root.Values.mongodb.external.caBundle.configMap }}
    items:
      - key: {{ .root.Values.mongodb.external.caBundle.key }}
        path: {{ .root.Values.mongodb.external.caBundle.key }}
{{- end }}
{{- end }}

{{- define "octet.ca-bundle" -}}
{{- if eq .Values.mongodb.mode "external" }}{{ .Values.mongodb.external.caBundle.configMap }}{{ end -}}
{{- end }}
