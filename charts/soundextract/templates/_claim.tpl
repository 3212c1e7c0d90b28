{{/* sx.claim keeps a part's data. Its labels are never changed later, because
     Kubernetes refuses that: so they hold no version. */}}
{{- define "sx.claim" -}}
volumeClaimTemplates:
  - metadata:
      name: data
      labels:
        {{- include "sx.selector" . | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .root.Values.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .root.Values.persistence.size }}}
{{- end -}}
