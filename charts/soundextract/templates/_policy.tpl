{{/* NetworkPolicies. Everything is denied to all pods of a release in both directions
     (policy.yaml), and each part has a policy that permits what it needs. */}}

{{/* sx.policy is the policy of a part. Ingress: to the ports "ports" from the components
     "from", or from everyone with "public"; to the ports "peers" among the part's own
     pods; to the ports "keda" from KEDA, if it is installed; to the ports "metrics" from
     global.metrics.namespace. Egress: to the components "to" at the ports that they
     serve, to an external MongoDB or RabbitMQ in their place, to the ports "peers" of the
     part's own pods, to the peers "egress", in YAML, from services to the collector of
     traces in global.traces.namespace, and, for pods that connect to anything, to DNS. */}}
{{- define "sx.policy" -}}
{{- if .root.Values.global.networkPolicies }}
{{- $global := .root.Values.global }}
{{- $served := dict "auth" 8741 "gateway" 8740 "notifier" 8743 "mongodb" 27017 "rabbitmq" (ternary 5671 5672 $global.tls.enabled) }}
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
    {{- if or .public .from }}
    - ports:
        {{- include "sx.policyPorts" .ports | trim | nindent 8 }}
      {{- if not .public }}
      from:
        {{- range .from }}
        - podSelector:
            matchLabels:
              {{- include "sx.selector" (dict "root" $.root "component" .) | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if .peers }}
    - ports:
        {{- include "sx.policyPorts" .peers | trim | nindent 8 }}
      from:
        - podSelector:
            matchLabels:
              {{- include "sx.selector" . | nindent 14 }}
    {{- end }}
    {{- if and .keda (.root.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject") }}
    - ports:
        {{- include "sx.policyPorts" .keda | trim | nindent 8 }}
      from:
        - namespaceSelector: {}
          podSelector:
            matchLabels: {app: keda-operator}
    {{- end }}
    {{- if and .metrics $global.metrics.namespace }}
    - ports:
        {{- include "sx.policyPorts" .metrics | trim | nindent 8 }}
      from:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ $global.metrics.namespace }}}
    {{- end }}
  egress:
    {{- if or .to .peers .egress }}
    - ports:
        {{- /* Policies see the port of the DNS server's pod, which is 5353 in OpenShift. */}}
        {{- range list 53 5353 }}
        - {port: {{ . }}, protocol: UDP}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
      to:
        {{- toYaml $global.dns.peers | nindent 8 }}
    {{- end }}
    {{- range .to }}
    {{- $target := dict "root" $.root "component" . }}
    {{- if include "sx.externalSecret" $target }}
    - to:
        {{- include "sx.externalNetworks" $target | nindent 8 }}
    {{- else }}
    - ports: [{port: {{ get $served . }}}]
      to:
        - podSelector:
            matchLabels:
              {{- include "sx.selector" $target | nindent 14 }}
    {{- end }}
    {{- end }}
    {{- if .peers }}
    - ports:
        {{- include "sx.policyPorts" .peers | trim | nindent 8 }}
      to:
        - podSelector:
            matchLabels:
              {{- include "sx.selector" . | nindent 14 }}
    {{- end }}
    {{- if and .metrics .to $global.traces.namespace }}
    - ports: [{port: 4318}]
      to:
        - namespaceSelector:
            matchLabels: {kubernetes.io/metadata.name: {{ $global.traces.namespace }}}
    {{- end }}
    {{- with .egress }}
    - to:
        {{- . | trim | nindent 8 }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "sx.policyPorts" -}}
{{- range . }}
- {port: {{ . }}}
{{- end }}
{{- end -}}

{{/* sx.externalNetworks are the networks of an external MongoDB or RabbitMQ. Their
     addresses are in a Secret, which a policy cannot read. */}}
{{- define "sx.externalNetworks" -}}
{{- $name := ternary "externalMongodbNetworks" "externalRabbitmqNetworks" (eq .component "mongodb") -}}
{{- $networks := get .root.Values.global $name -}}
{{- if not $networks -}}
{{- fail (printf "global.%s is empty: list the networks of the server, such as 10.20.0.0/16 (0.0.0.0/0 is every address but those of metadata services)" $name) -}}
{{- end -}}
{{- range $networks }}
{{ include "sx.network" . }}
{{- end }}
{{- end -}}

{{/* sx.network is a network without the addresses at which clouds serve metadata and
     credentials: link-local ones, and those of Azure, Alibaba Cloud and Oracle Cloud; with
     IPv6, those of AWS, Google Cloud, Oracle Cloud and Scaleway, and the link-local ones
     of IPv4 behind NAT64. An exception has to be a part of the network. */}}
{{- define "sx.network" -}}
{{- $network := . -}}
{{- $except := list -}}
{{- if contains ":" $network -}}
  {{- if has $network (list "::/0" "fc00::/7" "fd00::/8") -}}
    {{- $except = list "fd00:ec2::/32" "fd20:ce::254/128" "fd00:c1::a9fe:a9fe/128" "fd00:42::42/128" -}}
  {{- end -}}
  {{- if eq $network "::/0" -}}
    {{- $except = concat $except (list "fe80::/10" "64:ff9b::a9fe:0/112") -}}
  {{- end -}}
{{- else -}}
  {{- range list "169.254.0.0/16" "168.63.129.16/32" "100.100.100.200/32" "192.0.0.192/32" -}}
    {{- if include "sx.contains" (dict "network" $network "part" .) -}}
      {{- $except = append $except . -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
- ipBlock:
    cidr: {{ $network | quote }}
    {{- with $except }}
    except: {{ toJson . }}
    {{- end }}
{{- end -}}

{{/* sx.contains is whether an IPv4 network contains a smaller one, "part". */}}
{{- define "sx.contains" -}}
{{- $bits := splitList "/" .network | last | int -}}
{{- $partBits := splitList "/" .part | last | int -}}
{{- $size := 1 -}}
{{- range until (int (sub 32 $bits)) }}{{ $size = mul $size 2 }}{{ end -}}
{{- $start := div (include "sx.ipv4" .network | int64) $size -}}
{{- if and (lt $bits $partBits) (eq $start (div (include "sx.ipv4" .part | int64) $size)) }}true{{ end -}}
{{- end -}}

{{/* sx.ipv4 is the address of a network as a number. */}}
{{- define "sx.ipv4" -}}
{{- $number := 0 -}}
{{- range splitList "/" . | first | splitList "." }}{{ $number = add (mul $number 256) (int64 .) }}{{ end -}}
{{- $number -}}
{{- end -}}

{{/* sx.public is every public address: no private, shared, loopback, link-local or
     reserved one, so no metadata service either. The notifier itself refuses the same
     (server/internal/notifier/ipfilter.go). */}}
{{- define "sx.public" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      {{- range list "0.0.0.0/8" "10.0.0.0/8" "100.64.0.0/10" "127.0.0.0/8" "168.63.129.16/32" "169.254.0.0/16" "172.16.0.0/12" "192.0.0.0/24" "192.0.2.0/24" "192.88.99.0/24" "192.168.0.0/16" "198.18.0.0/15" "198.51.100.0/24" "203.0.113.0/24" "224.0.0.0/3" }}
      - {{ . }}
      {{- end }}
- ipBlock:
    cidr: "2000::/3"
    except: ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
# IPv4 behind NAT64
- ipBlock:
    cidr: "64:ff9b::/96"
    except:
      {{- range list "64:ff9b::/104" "64:ff9b::a00:0/104" "64:ff9b::6440:0/106" "64:ff9b::7f00:0/104" "64:ff9b::a83f:8110/128" "64:ff9b::a9fe:0/112" "64:ff9b::ac10:0/108" "64:ff9b::c000:0/120" "64:ff9b::c0a8:0/112" "64:ff9b::c612:0/111" "64:ff9b::e000:0/99" }}
      - {{ . | quote }}
      {{- end }}
{{- end -}}
