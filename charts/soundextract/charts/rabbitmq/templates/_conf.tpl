{{/* The configuration, for a dict of root, name and peers (the headless Service). */}}
{{- define "sx.rabbitmqConf" -}}
log.console = true
log.file = false
disk_free_limit.absolute = 200MB
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
