{{/* sx.claim is the volume claim for a part's data. Its labels contain no version,
     because Kubernetes does not allow them to change. */}}
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
