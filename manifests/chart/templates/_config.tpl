{{- /* The adapter's configuration, as text. */ -}}
{{- define "leadtime.config" -}}
# `leadtime adapter check FILE` lists every problem of a file; a change is live within seconds, a bad one is refused.
{{- if .Values.adapter.config }}
{{ toYaml .Values.adapter.config }}
{{- else if eq .Values.adapter.source "prometheus" }}
sources:
  - name: prometheus
    prometheus:
      url: {{ .Values.adapter.prometheus.url }}
rules:
  {{- range .Values.adapter.presets }}
  - preset: {{ . }}
  {{- end }}
{{- else }}
{{- with .Values.adapter.scrape }}
sources:
  - name: gpus
    scrape:
      endpoints: { namespace: {{ .gpus.namespace }}, service: {{ .gpus.service }}, port: {{ .gpus.port }} }
      interval: {{ .gpus.interval }}
  - name: engines
    scrape:
      pods: { selector: {{ .engines.selector | quote }}, port: {{ .engines.port }} }
      interval: {{ .engines.interval }}
{{- end }}
rules:
  {{- range .Values.adapter.presets }}
  - { preset: {{ . }}, source: {{ eq . "dcgm" | ternary "gpus" "engines" }} }
  {{- end }}
{{- end }}
{{ end }}

{{- /* The addresses of the Prometheus servers that the configuration asks, as a JSON list; what is in a ConfigMap of one's own is not
       known here. */ -}}
{{- define "leadtime.prometheusUrls" -}}
{{- $found := list -}}
{{- if not .Values.adapter.existingConfigMap -}}
{{- range (include "leadtime.config" . | fromYaml).sources -}}
{{- with dig "prometheus" "url" "" . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{- /* The namespaces whose Services' addresses the configuration asks for, as a JSON list. */ -}}
{{- define "leadtime.endpointNamespaces" -}}
{{- $found := list -}}
{{- range (include "leadtime.config" . | fromYaml).sources -}}
{{- with dig "scrape" "endpoints" "namespace" "" . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- uniq $found | toJson -}}
{{- end }}
