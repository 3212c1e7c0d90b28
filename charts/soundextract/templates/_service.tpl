{{/* sx.deployment is the Deployment of one of the four services. "port" is its port,
     "bus" whether it uses RabbitMQ, "env" additional settings (name to value),
     "secrets" additional Secrets (name to mount path), "secretKeys" the only
     keys of a Secret that are mounted (name to list), "scaled" that an autoscaler
     controls the number of replicas, "diskless" that it has no temporary files, "grace"
     its termination grace period in seconds, "called" that others call it. */}}
{{- define "sx.deployment" -}}
{{- $https := ternary ", scheme: HTTPS" "" .root.Values.global.tls.enabled -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .root.Values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "sx.selector" . | nindent 6 }}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels:
        {{- include "sx.baseLabels" . | nindent 8 }}
        {{- with include "sx.podLabels" . }}{{ . | nindent 8 }}{{ end }}
      {{- $annotations := merge (dict) .root.Values.podAnnotations }}
      {{- with .root.Values.global.secrets.revision }}
      {{- $_ := set $annotations "soundextract.io/secrets-revision" . }}
      {{- end }}
      {{- with $annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "sx.podCommon" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .grace | default 60 }}
      securityContext:
        {{- include "sx.podSecurity" 65532 | nindent 8 }}
      containers:
        - name: {{ .component }}
          {{- include "sx.container" . | nindent 10 }}
          ports:
            - {name: http, containerPort: {{ .port }}}
            - {name: metrics, containerPort: 8749}
          {{- if and .called (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) }}
          {{- /* Endpoints are removed while the pod already terminates, so it listens a
                 little longer. Before 1.30 an API server may drop the field sleep and
                 then reject the empty handler. */}}
          lifecycle: {preStop: {sleep: {seconds: 5}}}
          {{- end }}
          env:
            # Metrics and the readiness are not on the port that users reach.
            - {name: SX_METRICS_ADDR, value: ":8749"}
            - {name: SX_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
            {{- include "sx.addressEnv" (dict "root" .root "component" "mongodb" "service" .component) | nindent 12 }}
            - {name: SX_MONGODB_DATABASE, value: {{ .root.Values.global.mongodbDatabase | quote }}}
            {{- if .bus }}
            {{- include "sx.addressEnv" (dict "root" .root "component" "rabbitmq" "service" .component) | nindent 12 }}
            {{- end }}
            {{- if .root.Values.global.tls.enabled }}
            - {name: SX_TLS_CERT, value: /run/tls/tls.crt}
            - {name: SX_TLS_KEY, value: /run/tls/tls.key}
            - {name: SX_TLS_CA, value: /run/tls/ca.crt}
            {{- end }}
            {{- range $name, $value := .env }}
            {{- if not (empty $value) }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
            {{- end }}
            {{- with .root.Values.env }}{{ toYaml . | nindent 12 }}{{ end }}
          startupProbe:
            httpGet: {path: /healthz, port: http{{ $https }}}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: http{{ $https }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: metrics{{ $https }}}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 3
          volumeMounts:
            {{- if not .diskless }}
            - {name: tmp, mountPath: /tmp}
            {{- end }}
            - {name: mongodb, mountPath: /run/secrets/mongodb, readOnly: true}
            {{- if .bus }}
            - {name: rabbitmq, mountPath: /run/secrets/rabbitmq, readOnly: true}
            {{- end }}
            {{- with include "sx.tlsMount" . }}{{ . | trim | nindent 12 }}{{ end }}
            {{- range $name, $path := .secrets }}
            - {name: {{ $name }}, mountPath: {{ $path }}, readOnly: true}
            {{- end }}
            {{- with .root.Values.volumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
      volumes:
        {{- if not .diskless }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- end }}
        {{- include "sx.addressVolume" (dict "root" .root "component" "mongodb" "service" .component) | nindent 8 }}
        {{- if .bus }}
        {{- include "sx.addressVolume" (dict "root" .root "component" "rabbitmq" "service" .component) | nindent 8 }}
        {{- end }}
        {{- with include "sx.tlsVolume" . }}{{ . | trim | nindent 8 }}{{ end }}
        {{- range $name, $path := .secrets }}
        - name: {{ $name }}
          {{- with get ($.secretKeys | default dict) $name }}
          secret:
            secretName: {{ $name }}
            items:
              {{- range . }}
              - {key: {{ . }}, path: {{ . }}}
              {{- end }}
          {{- else }}
          secret: {secretName: {{ $name }}}
          {{- end }}
        {{- end }}
        {{- with .root.Values.volumes }}{{ toYaml . | nindent 8 }}{{ end }}
{{- end -}}

{{- define "sx.clusterIP" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
  {{- if .root.Values.global.tls.enabled }}
  annotations:
    # sx finds the certificate authority of its port-forward in this Secret.
    soundextract.io/tls-secret: {{ include "sx.tlsSecret" . }}
    {{- with .annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  selector:
    {{- include "sx.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http{{ if .root.Values.global.tls.enabled }}, appProtocol: https{{ end }}}
{{- include "sx.certificate" . }}
{{- end -}}

{{/* sx.disruption lets a drain evict one pod at a time. With a single replica it would
     block the drain, so it is omitted. */}}
{{- define "sx.disruption" -}}
{{- if gt (int .replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "sx.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
