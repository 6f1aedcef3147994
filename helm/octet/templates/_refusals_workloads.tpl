{{- /* Refusals of values that concern one workload, its pods and its Service. */ -}}
{{- define "octet.refuse-workloads" -}}
{{- $accounts := dict -}}
{{- range $name, $workload := include "octet.workloads" . | fromYaml -}}
  {{- $place := ternary (printf "services.%s" $name) $name (hasKey $.Values.services $name) -}}
  {{- include "octet.refuse-scaling" (dict "place" $place "workload" $workload) -}}
  {{- include "octet.refuse-pod-metadata" (dict "root" $ "place" $place "settings" $workload) -}}
  {{- range $volume := $workload.extraVolumes -}}
    {{- if has $volume.name (list "topology" "faults" "mongodb" "rabbitmq" "mongodb-ca" "rabbitmq-ca") -}}
      {{- fail (printf "%s.extraVolumes: the chart uses the name %s itself" $place $volume.name) -}}
    {{- end -}}
  {{- end -}}
  {{- range $container := $workload.initContainers -}}
    {{- if eq $container.name $name }}{{ fail (printf "%s.initContainers: the workload's own container is called %s" $place $name) }}{{ end -}}
  {{- end -}}
  {{- $account := include "octet.account" (dict "root" $ "name" $name) -}}
  {{- if and $.Values.istio.enabled (hasKey $accounts $account) -}}
    {{- fail (printf "istio.enabled: %s and %s share the ServiceAccount %s; Istio tells workloads apart by it, so each needs its own" (get $accounts $account) $name $account) -}}
  {{- end -}}
  {{- $_ := set $accounts $account $name -}}
{{- end -}}
{{- if and .Values.gateway.nodePort (eq .Values.gateway.serviceType "ClusterIP") -}}
  {{- fail "gateway.nodePort: needs gateway.serviceType NodePort or LoadBalancer" -}}
{{- end -}}
{{- if and .Values.gateway.loadBalancerClass (ne .Values.gateway.serviceType "LoadBalancer") -}}
  {{- fail "gateway.loadBalancerClass: needs gateway.serviceType LoadBalancer" -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-scaling" -}}
{{- if .workload.hpa.enabled -}}
  {{- if gt (int .workload.hpa.minReplicas) (int .workload.hpa.maxReplicas) -}}
    {{- fail (printf "%s.hpa: minReplicas %d exceeds maxReplicas %d" .place (int .workload.hpa.minReplicas) (int .workload.hpa.maxReplicas)) -}}
  {{- end -}}
  {{- if not (or .workload.hpa.cpu .workload.hpa.memory) -}}
    {{- fail (printf "%s.hpa: cpu and memory are both 0; set at least one" .place) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- /* Labels and annotations that the chart sets: a second one of that name would replace it. */ -}}
{{- define "octet.refuse-metadata" -}}
{{- if not .Values.enabled -}}
  {{- fail "enabled: false is for the condition of a parent chart's dependency (condition: octet.enabled); here it would install nothing" -}}
{{- end -}}
{{- include "octet.refuse-labels" (dict "place" "commonLabels" "labels" .Values.commonLabels) -}}
{{- $others := dict "rabbitmq.bundled" .Values.rabbitmq.bundled "mongodb.bundled" .Values.mongodb.bundled "mongoExpress" .Values.mongoExpress "loadGenerator" .Values.loadGenerator "lake" .Values.lake "tests" .Values.tests -}}
{{- range $place, $settings := $others -}}
  {{- include "octet.refuse-pod-metadata" (dict "root" $ "place" $place "settings" $settings) -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-pod-metadata" -}}
{{- include "octet.refuse-labels" (dict "place" (printf "%s.podLabels" .place) "labels" .settings.podLabels) -}}
{{- range $annotation, $_ := (.settings.podAnnotations | default dict) -}}
  {{- if or (has $annotation (list "kubectl.kubernetes.io/default-container" "checksum/topology")) (and $.root.Values.scrapeAnnotations (hasPrefix "prometheus.io/" $annotation)) -}}
    {{- fail (printf "%s.podAnnotations: the chart sets %s itself" $.place $annotation) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "octet.refuse-labels" -}}
{{- range $label, $_ := (.labels | default dict) -}}
  {{- if or (has $label (list "app" "version" "helm.sh/chart")) (hasPrefix "app.kubernetes.io/" $label) -}}
    {{- fail (printf "%s: the chart sets the label %s itself" $.place $label) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- /* The network policy and the mesh admit the port of the values; the service connects to that of the connection string. */ -}}
{{- define "octet.refuse-port" -}}
{{- $external := (index .root.Values .server).external -}}
{{- $connection := $external.connection -}}
{{- if $external.existingSecret -}}
  {{- $secret := lookup "v1" "Secret" .root.Release.Namespace $external.existingSecret | default dict -}}
  {{- $connection = get ($secret.data | default dict) $external.secretKeys.connection | b64dec -}}
{{- end -}}
{{- range include "octet.ports-of-connection" $connection | fromYamlArray -}}
  {{- if ne (toString .) (toString $external.port) -}}
    {{- fail (printf "%s.external.port: it is %v, but the connection string has port %v; set the same" $.server $external.port .) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- /* Of every host, as a YAML list; empty for mongodb+srv, whose ports are in DNS. */ -}}
{{- define "octet.ports-of-connection" -}}
{{- $ports := list -}}
{{- $scheme := regexFind "^[a-z+]+" . -}}
{{- $standard := get (dict "amqp" "5672" "amqps" "5671" "mongodb" "27017") $scheme -}}
{{- if $standard -}}
  {{- $authority := regexReplaceAll "[/?].*$" (trimPrefix (printf "%s://" $scheme) .) "" -}}
  {{- range $host := regexReplaceAll "^.*@" $authority "" | splitList "," -}}
    {{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
    {{- $ports = append $ports ($port | default $standard) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end }}
