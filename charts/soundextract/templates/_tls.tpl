{{/* TLS between the parts: global.tls. The Secret of a part has the keys tls.crt, tls.key
     and ca.crt; every part trusts the authorities in its own ca.crt. */}}

{{- define "sx.tlsSecret" -}}
{{- get .root.Values.global.tls.secrets .component | default (printf "%s-tls" (include "sx.name" .)) -}}
{{- end -}}

{{- define "sx.scheme" -}}
{{- ternary "https" "http" .Values.global.tls.enabled -}}
{{- end -}}

{{/* sx.tlsVolume and sx.tlsMount are the part's Secret, which is read again when it
     changes. */}}
{{- define "sx.tlsVolume" -}}
{{- if .root.Values.global.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "sx.tlsSecret" . }}
    defaultMode: 0440
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}, {key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{- define "sx.tlsMount" -}}
{{- if .root.Values.global.tls.enabled }}
- {name: tls, mountPath: /run/tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* sx.certificate is the Certificate of a part, if cert-manager issues them: for the
     names of its Service, and for localhost, by which a pod reaches itself. "names" are
     further ones. */}}
{{- define "sx.certificate" -}}
{{- $tls := .root.Values.global.tls -}}
{{- if and $tls.enabled $tls.issuer.name }}
{{- $name := include "sx.name" . }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
spec:
  secretName: {{ include "sx.tlsSecret" . }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [digital signature, server auth]
  dnsNames:
    - {{ $name }}
    - {{ $name }}.{{ .root.Release.Namespace }}.svc
    - localhost
    {{- range .names }}
    - {{ . | quote }}
    {{- end }}
  issuerRef: {name: {{ $tls.issuer.name | quote }}, kind: {{ $tls.issuer.kind }}, group: {{ $tls.issuer.group }}}
{{- end }}
{{- end -}}
