{{/* sx.deployment is the Deployment of one of the four services. "port" is its port,
     "bus" whether it uses RabbitMQ, "env" additional settings (name to value),
     "secrets" additional Secrets (name to mount path), "scaled" that an autoscaler
     controls the number of replicas, "diskless" that it has no temporary files, "grace"
     its termination grace period in seconds, "called" that others call it. */}}
{{- define "sx.deployment" -}}
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
        {{- include "sx.labels" . | nindent 8 }}
      {{- with .root.Values.global.secrets.revision }}
      annotations:
        soundextract.io/secrets-revision: {{ . | quote }}
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
          {{- if and .called (semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version) }}
          {{- /* Endpoints are removed while the pod already terminates, so it listens a
                 little longer. Before 1.30 an API server may drop the field sleep and
                 then reject the empty handler. */}}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
          {{- end }}
          env:
            - {name: SX_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
            - {name: SX_MONGODB_URI_FILE, value: /run/secrets/mongodb/uri}
            - {name: SX_MONGODB_DATABASE, value: {{ .root.Values.global.mongodbDatabase | quote }}}
            {{- if .bus }}
            - {name: SX_AMQP_URI_FILE, value: /run/secrets/rabbitmq/uri}
            {{- end }}
            {{- range $name, $value := .env }}
            {{- if not (empty $value) }}
            - {name: {{ $name }}, value: {{ $value | quote }}}
            {{- end }}
            {{- end }}
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http}
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
            {{- range $name, $path := .secrets }}
            - {name: {{ $name }}, mountPath: {{ $path }}, readOnly: true}
            {{- end }}
      volumes:
        {{- if not .diskless }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- end }}
        - name: mongodb
          secret:
            secretName: {{ include "sx.secret" (dict "root" .root "component" "mongodb") }}
            items: [{key: uri, path: uri}]
        {{- if .bus }}
        - name: rabbitmq
          secret:
            secretName: {{ include "sx.secret" (dict "root" .root "component" "rabbitmq") }}
            items: [{key: uri, path: uri}]
        {{- end }}
        {{- range $name, $path := .secrets }}
        - name: {{ $name }}
          secret: {secretName: {{ $name }}}
        {{- end }}
{{- end -}}

{{- define "sx.clusterIP" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "sx.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
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

{{/* sx.policy allows ingress to the ports from the listed components ("from"), from
     everyone without "from", from nobody with "closed"; KEDA, if installed, may reach
     the ports "keda". It allows egress to the listed components ("to") and DNS, and
     with "egressAnywhere" to everything. */}}
{{- define "sx.policy" -}}
{{- if .root.Values.global.networkPolicies }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "sx.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "sx.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if not .closed }}
    - ports:
        {{- range .ports }}
        - {port: {{ . }}}
        {{- end }}
      {{- if .from }}
      from:
        {{- range .from }}
        - podSelector:
            matchLabels:
              {{- include "sx.selector" (dict "root" $.root "component" .) | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if and .keda (.root.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject") }}
    - ports:
        {{- range .keda }}
        - {port: {{ . }}}
        {{- end }}
      from:
        - namespaceSelector: {}
          podSelector:
            matchLabels: {app: keda-operator}
    {{- end }}
    {{- if .root.Values.global.metrics.namespace }}
    - ports:
        {{- range .metrics | default .ports }}
        - {port: {{ . }}}
        {{- end }}
      from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ .root.Values.global.metrics.namespace }}}
    {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- if .egressAnywhere }}
    - {}
    {{- else if .to }}
    - to:
        {{- range .to }}
        - podSelector:
            matchLabels:
              {{- include "sx.selector" (dict "root" $.root "component" .) | nindent 14 }}
        {{- end }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* sx.external is whether RabbitMQ or MongoDB are external: their addresses are not
     known, so their clients may connect to anything. */}}
{{- define "sx.external" -}}
{{- if or .Values.global.externalRabbitmqSecret .Values.global.externalMongodbSecret }}true{{ end -}}
{{- end -}}
