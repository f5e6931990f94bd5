{{- define "exporter.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "exporter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "exporter.labels" -}}
{{ include "exporter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* What stands before every path, as the exporter reads it: with a slash before it and none behind. */ -}}
{{- define "exporter.prefix" -}}
{{- with (.Values.config.web | default dict).route_prefix -}}
{{- printf "/%s" (trimAll "/" .) | trimSuffix "/" -}}
{{- end -}}
{{- end }}

{{- define "exporter.scheme" -}}
{{- ternary "https" "http" (not (empty (.Values.config.web | default dict).tls)) -}}
{{- end }}

{{- /* How Kubernetes asks how it is: it has no password and no certificate, and cannot read `config_file`. */ -}}
{{- define "exporter.asks" -}}
{{- $web := .Values.config.web | default dict -}}
{{- $known := eq ($web.tls | default dict).client_auth_type "RequireAndVerifyClientCert" -}}
{{- $closed := or $known (not (empty $web.basic_auth_users)) (not (empty $web.config_file)) -}}
{{- eq .Values.probes "auto" | ternary (ternary "command" "http" $closed) .Values.probes -}}
{{- end }}

{{- /* Ask for a path: a list of the path and the chart's root. */ -}}
{{- define "exporter.probe" -}}
{{- $root := index . 1 -}}
{{- if eq (include "exporter.asks" $root) "command" -}}
exec: {command: [electric-agents-exporter, healthcheck, --config, /etc/electric-agents-exporter/config.yaml]}
{{- else -}}
httpGet:
  path: {{ include "exporter.prefix" $root }}{{ index . 0 }}
  port: metrics
  {{- if eq (include "exporter.scheme" $root) "https" }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}
