{{/* Templates of this chart and of its subcharts. Most take a dict of "root", the
     subchart's context ($), and "component", the name of the part. */}}

{{/* A StatefulSet's pods have a label with its name and up to 11 more characters, and
     a label's value has at most 63. */}}
{{- define "sx.name" -}}
{{- if gt (len .root.Release.Name) 43 -}}
{{- fail (printf "the release name %s has %d characters and may have at most 43: choose a shorter one" .root.Release.Name (len .root.Release.Name)) -}}
{{- end -}}
{{- printf "%s-%s" .root.Release.Name .component -}}
{{- end -}}

{{- define "sx.selector" -}}
app.kubernetes.io/name: soundextract
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* sx.labels are the labels of all objects, with those of global.labels; sx.baseLabels are
     those of the services' pods, which sx.podLabels extend. */}}
{{- define "sx.labels" -}}
{{ include "sx.baseLabels" . }}
{{- with .root.Values.global.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sx.baseLabels" -}}
{{ include "sx.selector" . }}
app.kubernetes.io/part-of: soundextract
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
helm.sh/chart: {{ printf "soundextract-%s" .root.Chart.Version | replace "+" "_" | trunc 63 | quote }}
{{- end -}}

{{/* sx.statefulLabels are the labels of the pods of MongoDB and RabbitMQ. They contain no
     version of ours: these pods restart only when what runs in them changes. */}}
{{- define "sx.statefulLabels" -}}
{{ include "sx.selector" . }}
app.kubernetes.io/part-of: soundextract
{{- end -}}

{{/* sx.metadata is the metadata of an object that is the only one of its kind in a part. */}}
{{- define "sx.metadata" -}}
name: {{ include "sx.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sx.labels" . | nindent 2 }}
{{- end -}}

{{/* sx.image is the part's image: global.imageRegistry replaces its registry, and the
     default tag is the version of the chart. */}}
{{- define "sx.image" -}}
{{- $image := .root.Values.image -}}
{{- $registry := .root.Values.global.imageRegistry | default $image.registry | trimSuffix "/" -}}
{{- $tag := $image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s/%s:%s" $registry $image.repository $tag -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The names of the Secrets. Those of an external RabbitMQ or MongoDB are the operator's. */}}
{{- define "sx.secret" -}}
{{- if eq .component "rabbitmq" -}}
{{ .root.Values.global.externalRabbitmqSecret | default (include "sx.name" .) }}
{{- else if eq .component "mongodb" -}}
{{ .root.Values.global.externalMongodbSecret | default (include "sx.name" .) }}
{{- else -}}
{{ include "sx.name" . }}
{{- end -}}
{{- end -}}
