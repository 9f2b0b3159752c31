{{- /* Labels of an object of one component: (dict "root" $ "component" "adapter"). Without a component, of both. */ -}}
{{- define "leadtime.labels" -}}
{{- if .component }}
app.kubernetes.io/name: leadtime-{{ .component }}
app.kubernetes.io/component: {{ .component }}
{{- else }}
app.kubernetes.io/name: leadtime
{{- end }}
app.kubernetes.io/part-of: leadtime
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Metadata of an object: (dict "root" $ "component" "adapter" "name" NAME "namespace" NAMESPACE "annotations" MAP "labels" MAP). */ -}}
{{- define "leadtime.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "leadtime.labels" . | trim | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.additionalAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The namespaces of watchNamespace as a JSON list. */ -}}
{{- define "leadtime.watched" -}}
{{- $found := list -}}
{{- range splitList "," .Values.watchNamespace -}}
{{- with trim . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{- uniq $found | toJson -}}
{{- end }}

{{- /* A name for a cluster-wide object; two installations that watch different namespaces must not share one. */ -}}
{{- define "leadtime.clusterName" -}}
{{- if .root.Values.watchNamespace }}{{ .name }}-{{ .root.Release.Namespace }}{{ else }}{{ .name }}{{ end -}}
{{- end }}

{{- define "leadtime.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{- /* Who the rights of a component are given to. */ -}}
{{- define "leadtime.subjects" -}}
- kind: ServiceAccount
  name: {{ (index .root.Values.serviceAccount .component).name }}
  namespace: {{ .root.Release.Namespace }}
{{- end }}

{{- define "leadtime.certificate" -}}
leadtime-{{ .component }}-serving
{{- end }}

{{- /* What a pod is, apart from its one container: (dict "root" $ "component" "adapter"). */ -}}
{{- define "leadtime.pod" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ (index $values.serviceAccount .component).name }}
{{- if not (index $values.serviceAccount .component).automountServiceAccountToken }}
automountServiceAccountToken: false
{{- end }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml (index $values.podSecurityContext .component) | nindent 2 }}
{{- with index $values.topologySpreadConstraints .component }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What the containers have in common. */ -}}
{{- define "leadtime.container" -}}
{{- $values := .root.Values -}}
name: {{ .component }}
image: {{ include "leadtime.image" .root }}
{{- with $values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
env:
  - name: POD_NAMESPACE
    valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  - name: POD_NAME
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: PYTHONDONTWRITEBYTECODE
    value: "1"
  {{- with $values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - { name: https, containerPort: {{ .port }} }
  {{- if and $values.page.enabled (eq .component "autoscaler") }}
  - { name: page, containerPort: 8444 }
  {{- end }}
# No probe asks a metric source: a Prometheus that is down must not take the API or the controller with it.
startupProbe:
  httpGet: { path: /livez, port: https, scheme: HTTPS }
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /livez, port: https, scheme: HTTPS }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: https, scheme: HTTPS }
  periodSeconds: 2
  timeoutSeconds: 2
{{- with index $values.resources .component }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml (index $values.securityContext .component) | nindent 2 }}
{{- end }}

{{- /* Arguments that both daemons know, those of the user last. */ -}}
{{- define "leadtime.arguments" -}}
{{- $values := .root.Values -}}
{{- range include "leadtime.watched" .root | fromJsonArray }}
- --watch-namespace={{ . }}
{{- end }}
{{- if $values.certificates.certManager.enabled }}
- --tls-cert-file=/etc/leadtime-tls/tls.crt
- --tls-key-file=/etc/leadtime-tls/tls.key
{{- end }}
{{- with (index $values.logging .component).format }}
{{- if ne . "json" }}
- --log-format={{ . }}
{{- end }}
{{- end }}
{{- range $key, $value := index $values.extraArgs .component }}
- {{ printf "--%s=%v" $key $value | quote }}
{{- end }}
{{- end }}

{{- define "leadtime.podMetadata" -}}
{{- with index .root.Values.podAnnotations .component }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  app.kubernetes.io/name: leadtime-{{ .component }}
  {{- with index .root.Values.podLabels .component }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* One role with its binding: a ClusterRole, or with `namespace` a Role there. `unbound` leaves the binding out.
       (dict "root" $ "component" C "name" NAME "rules" YAML "namespace" NAMESPACE "unbound" BOOL) */ -}}
{{- define "leadtime.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if .namespace }}Role{{ else }}ClusterRole{{ end }}
metadata:
  {{- include "leadtime.metadata" . | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
{{- if not .unbound }}
{{ include "leadtime.binding" . }}
{{- end }}
{{- end }}

{{- /* A binding: to the role of the same name, or to `roleKind` and `roleName`. */ -}}
{{- define "leadtime.binding" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ if .namespace }}RoleBinding{{ else }}ClusterRoleBinding{{ end }}
metadata:
  {{- include "leadtime.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .roleKind | default (ternary "Role" "ClusterRole" (not (empty .namespace))) }}
  name: {{ .roleName | default .name }}
subjects:
  {{- include "leadtime.subjects" . | nindent 2 }}
{{- end }}

{{- /* The one way out that both daemons need; no label names the API server. To anybody: an ipBlock, however wide, does not match the
       nodes' own addresses on Cilium, and the API server has such a one. */ -}}
{{- define "leadtime.toApiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

{{- /* The way out to the port of each of "urls", wherever its host is. A Service may translate the port: what runs in the cluster needs
       a rule for pods beside this one. Nothing for a port that toApiServer opens. (dict "root" $ "urls" LIST) */ -}}
{{- define "leadtime.toUrls" -}}
{{- $open := list -}}
{{- range .root.Values.networkPolicy.apiServerPorts }}{{ $open = append $open (toString .) }}{{ end -}}
{{- $ports := list -}}
{{- range .urls -}}
{{- $host := regexFind "^https?://[^/?#]+" . -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" | default (hasPrefix "https:" $host | ternary "443" "80") -}}
{{- if and $host (not (has $port $open)) }}{{ $ports = append $ports $port }}{{ end -}}
{{- end -}}
{{- with uniq $ports -}}
- ports:
    {{- range . }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}
{{- end }}
