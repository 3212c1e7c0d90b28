{{/* The configuration, for a dict of root, name and peers (the headless Service). */}}
{{- define "sx.rabbitmqConf" -}}
log.console = true
log.file = false
disk_free_limit.absolute = 200MB
load_definitions = /tmp/definitions.json
# sx doctor reaches it by a port-forward.
management.tcp.ip = 127.0.0.1
{{- if .root.Values.global.tls.enabled }}
listeners.tcp = none
listeners.ssl.default = 5671
{{- range $prefix := list "ssl_options" "prometheus.ssl" }}
{{ $prefix }}.cacertfile = /run/tls/ca.crt
{{ $prefix }}.certfile = /run/tls/tls.crt
{{ $prefix }}.keyfile = /run/tls/tls.key
{{- end }}
# Clients have passwords and no certificates.
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
prometheus.ssl.port = 15691
# The plain listener cannot be turned off.
prometheus.tcp.ip = 127.0.0.1
{{- end }}
{{- $replicas := int .root.Values.replicas }}
{{- if gt $replicas 1 }}
cluster_partition_handling = pause_minority
# A queue is declared as soon as one node is available, and would have no other member.
quorum_queue.continuous_membership_reconciliation.enabled = true
quorum_queue.continuous_membership_reconciliation.target_group_size = {{ $replicas }}
cluster_formation.peer_discovery_backend = classic_config
{{- range $i := until $replicas }}
cluster_formation.classic_config.nodes.{{ add1 $i }} = rabbit@{{ $.name }}-{{ $i }}.{{ $.peers }}.{{ $.root.Release.Namespace }}.svc
{{- end }}
{{- end }}
{{- end }}
