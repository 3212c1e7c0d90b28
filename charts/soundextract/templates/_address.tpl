{{/* The addresses of MongoDB and RabbitMQ, for a dict of root, component (mongodb or
     rabbitmq) and service. Each service has its own user, whose name and password are in
     the Secret: a rotation changes both. An external one has URIs in the operator's
     Secret: one for all services, or one for each. */}}

{{- define "sx.addressEnv" -}}
{{- $prefix := ternary "SX_MONGODB" "SX_AMQP" (eq .component "mongodb") -}}
{{- if include "sx.externalSecret" . -}}
- {name: {{ $prefix }}_URI_FILE, value: /run/secrets/{{ .component }}/uri}
{{- else -}}
- {name: {{ $prefix }}_URI, value: {{ include "sx.uri" . | quote }}}
- {name: {{ $prefix }}_USERNAME_FILE, value: /run/secrets/{{ .component }}/username}
- {name: {{ $prefix }}_PASSWORD_FILE, value: /run/secrets/{{ .component }}/password}
{{- end -}}
{{- end -}}

{{- define "sx.addressVolume" -}}
- name: {{ .component }}
  secret:
    secretName: {{ include "sx.secret" . }}
    {{- if include "sx.externalSecret" . }}
    items: [{key: {{ include "sx.externalKey" . }}, path: uri}]
    {{- else }}
    items: [{key: {{ .service }}-username, path: username}, {key: {{ .service }}-password, path: password}]
    {{- end }}
{{- end -}}

{{- define "sx.externalSecret" -}}
{{- if eq .component "mongodb" }}{{ .root.Values.global.externalMongodbSecret }}{{ else if eq .component "rabbitmq" }}{{ .root.Values.global.externalRabbitmqSecret }}{{ end -}}
{{- end -}}

{{- define "sx.externalKey" -}}
{{- $each := ternary .root.Values.global.externalMongodbUsers .root.Values.global.externalRabbitmqUsers (eq .component "mongodb") -}}
{{- if $each }}{{ .service }}-uri{{ else }}uri{{ end -}}
{{- end -}}

{{/* sx.uri is the address of the release's own MongoDB or RabbitMQ, without a user. The
     host includes the namespace, because KEDA, which uses it too, runs in another. */}}
{{- define "sx.uri" -}}
{{- $tls := .root.Values.global.tls.enabled -}}
{{- $host := printf "%s.%s.svc" (include "sx.name" .) .root.Release.Namespace -}}
{{- if eq .component "mongodb" -}}
mongodb://{{ $host }}:27017/?authSource=admin{{ if $tls }}&tls=true{{ end }}
{{- else if $tls -}}
amqps://{{ $host }}:5671/
{{- else -}}
amqp://{{ $host }}:5672/
{{- end -}}
{{- end -}}
