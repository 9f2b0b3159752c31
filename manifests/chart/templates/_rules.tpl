{{- /* What each role allows. tests/integration/chart holds these to the roles of manifests/base, and tests/cluster those to the API
       server's own record of what the daemons ask. */ -}}
{{- define "leadtime.rules.adapter.pods" -}}
# Which pods are alive, and what owns them.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
{{- end }}

{{- define "leadtime.rules.adapter.endpoints" -}}
# Where their pages are.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}

{{- define "leadtime.rules.nodes" -}}
# Labels only: which nodes share their GPUs; for the autoscaler also which GPUs they have, and how those were bought. Without it a
# daemon runs, and knows less.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}

{{- define "leadtime.rules.adapter.apiservices" -}}
# Keeps its own APIServices' caBundle right.
- apiGroups: [apiregistration.k8s.io]
  resources: [apiservices]
  resourceNames:
    - v1beta1.custom.metrics.k8s.io
    - v1beta2.custom.metrics.k8s.io
    - v1beta1.external.metrics.k8s.io
  verbs: [get, patch]
{{- end }}

{{- define "leadtime.rules.autoscaler.read" -}}
- apiGroups: [leadtime.dev]
  resources: [inferencescalers]
  verbs: [list, watch]
# The targets, their pods, and what sends requests to those.
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [get]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [""]
  resources: [pods, services]
  verbs: [list, watch]
# Who else sets replicas. Without it the autoscaler runs, and knows less.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
{{- end }}

{{- define "leadtime.rules.autoscaler.metrics" -}}
# Metrics: their resources are the metrics' own names. Reading those of pods is a get, and of what is outside a list.
- apiGroups: [custom.metrics.k8s.io]
  resources: ["*"]
  verbs: [get]
- apiGroups: [external.metrics.k8s.io]
  resources: ["*"]
  verbs: [list]
{{- end }}

{{- define "leadtime.rules.autoscaler.report" -}}
- apiGroups: [leadtime.dev]
  resources: [inferencescalers/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "leadtime.rules.autoscaler.act" -}}
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [patch]
# The routing label and the deletion cost; the readiness gate.
- apiGroups: [""]
  resources: [pods, pods/status]
  verbs: [patch]
{{- end }}

{{- define "leadtime.rules.kinds.read" -}}
{{- range .Values.rbac.scaledRefKinds }}
- apiGroups: [{{ .apiGroup }}]
  resources: [{{ .resource }}, {{ .resource }}/scale]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "leadtime.rules.kinds.act" -}}
{{- range .Values.rbac.scaledRefKinds }}
- apiGroups: [{{ .apiGroup }}]
  resources: [{{ .resource }}/scale]
  verbs: [patch]
{{- end }}
{{- end }}
