{{/* Pod Security level "restricted", for the user id that the image expects. */}}
{{- define "sx.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "sx.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* sx.podCommon has the fields that all pods have in common. */}}
{{- define "sx.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with include "sx.serviceAccount" . }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- $own := dict "matchLabels" (include "sx.selector" . | fromYaml) }}
  {{- range .root.Values.topologySpreadConstraints }}
  -
    {{- toYaml (ternary . (set (deepCopy .) "labelSelector" $own) (hasKey . "labelSelector")) | nindent 4 }}
  {{- else }}
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sx.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* sx.serviceAccount is the name of the part's service account; "" is the namespace's
     default one. */}}
{{- define "sx.serviceAccount" -}}
{{- with .root.Values.serviceAccount -}}
{{- .name | default (ternary (include "sx.name" $) "" .create) -}}
{{- end -}}
{{- end -}}

{{/* sx.podLabels are the labels that the operator adds to the pods of a part. */}}
{{- define "sx.podLabels" -}}
{{- with merge (dict) (.root.Values.podLabels | default dict) (.root.Values.global.labels | default dict) -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "sx.container" -}}
image: {{ include "sx.image" . }}
imagePullPolicy: IfNotPresent
securityContext:
  {{- include "sx.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .root.Values.resources | nindent 2 }}
{{- end -}}
