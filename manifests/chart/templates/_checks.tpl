{{- /* What no schema can say: values that contradict each other, and an API that belongs to somebody else. */ -}}
{{- define "leadtime.checks" -}}
{{- $watched := include "leadtime.watched" . | fromJsonArray -}}
{{- if and (not .Values.rbac.createClusterScoped) (not $watched) -}}
{{- fail "rbac.createClusterScoped=false needs watchNamespace: every namespace cannot be watched by Roles" -}}
{{- end -}}
{{- if and (not .Values.rbac.createClusterScoped) .Values.adapter.enabled -}}
{{- fail "rbac.createClusterScoped=false needs adapter.enabled=false: who serves an API group asks the API server for reviews, which only a ClusterRole allows" -}}
{{- end -}}
{{- if and (not .Values.rbac.createClusterScoped) .Values.rbac.aggregateToDefaultRoles -}}
{{- fail "rbac.aggregateToDefaultRoles makes ClusterRoles, which rbac.createClusterScoped=false forbids: leave one of them out" -}}
{{- end -}}
{{- if and .Values.page.enabled (not .Values.rbac.createClusterScoped) -}}
{{- fail "page.enabled needs rbac.createClusterScoped: who may read the page is asked of the API server, which only a ClusterRole allows" -}}
{{- end -}}
{{- if and .Values.externalMetrics.enabled (not .Values.adapter.enabled) -}}
{{- fail "externalMetrics.enabled needs adapter.enabled: the adapter serves it" -}}
{{- end -}}
{{- with .Values.prometheus.autoscaler.serviceMonitor -}}
{{- if and .enabled (not .insecureSkipVerify) (not $.Values.certificates.certManager.enabled) -}}
{{- fail "prometheus.autoscaler.serviceMonitor.enabled: the autoscaler's own certificate can be verified by nobody; set certificates.certManager.enabled, or prometheus.autoscaler.serviceMonitor.insecureSkipVerify" -}}
{{- end -}}
{{- end -}}
{{- if .Values.adapter.enabled -}}
{{- range include "leadtime.apiServices" . | fromJsonArray -}}
{{- $service := dig "spec" "service" (dict) (lookup "apiregistration.k8s.io/v1" "APIService" "" .) -}}
{{- if and $service (ne (printf "%s/%s" $service.namespace $service.name) (printf "%s/leadtime-adapter" $.Release.Namespace)) -}}
{{- fail (printf "APIService %s belongs to Service %s/%s, and a cluster has one owner of it: remove that one first, or set %s" . $service.namespace $service.name (hasPrefix "v1beta1.external" . | ternary "externalMetrics.enabled=false" "apiService.create=false")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The names of the APIServices that are made, as a JSON list: each group has a value of its own. */ -}}
{{- define "leadtime.apiServices" -}}
{{- $names := list -}}
{{- if .Values.apiService.create }}{{ $names = list "v1beta1.custom.metrics.k8s.io" "v1beta2.custom.metrics.k8s.io" }}{{ end -}}
{{- if .Values.externalMetrics.enabled }}{{ $names = append $names "v1beta1.external.metrics.k8s.io" }}{{ end -}}
{{- $names | toJson -}}
{{- end }}
