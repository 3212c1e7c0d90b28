package release_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// network is what the rendered NetworkPolicies permit, as Kubernetes defines it: a pod
// that policies select may do what at least one of them permits, and nothing else.
type network struct {
	t *testing.T
	rendered
	policies []*networkingv1.NetworkPolicy
}

func networkOf(t *testing.T, r rendered) network {
	t.Helper()
	n := network{t: t, rendered: r}
	for _, o := range r.objects {
		if p, ok := o.(*networkingv1.NetworkPolicy); ok {
			n.policies = append(n.policies, p)
		}
	}
	return n
}

func (n network) matches(selector *metav1.LabelSelector, all map[string]string) bool {
	n.t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		n.t.Fatal(err)
	}
	return s.Matches(labels.Set(all))
}

// of returns the policies that select the pod of a part.
func (n network) of(part string) []*networkingv1.NetworkPolicy {
	n.t.Helper()
	var found []*networkingv1.NetworkPolicy
	for _, p := range n.policies {
		if n.matches(&p.Spec.PodSelector, n.workload[part].pod.Labels) {
			found = append(found, p)
		}
	}
	return found
}

// peer is the other end of a connection: a pod of the release, a pod of another
// namespace, or an address outside the cluster.
type peer struct {
	part      string // of the release
	namespace string
	labels    map[string]string
	address   string
}

func (n network) permits(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, p peer, port int) bool {
	n.t.Helper()
	if len(ports) > 0 && !slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntValue() == port }) {
		return false
	}
	return len(peers) == 0 || slices.ContainsFunc(peers, func(allowed networkingv1.NetworkPolicyPeer) bool {
		switch {
		case allowed.IPBlock != nil:
			return p.address != "" && n.inside(*allowed.IPBlock, p.address)
		case p.address != "":
			return false
		case allowed.NamespaceSelector != nil:
			return p.namespace != "" && n.matches(allowed.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": p.namespace}) &&
				(allowed.PodSelector == nil || n.matches(allowed.PodSelector, p.labels))
		default:
			return p.part != "" && n.matches(allowed.PodSelector, n.workload[p.part].pod.Labels)
		}
	})
}

// inside also checks the exceptions as the API server does.
func (n network) inside(b networkingv1.IPBlock, address string) bool {
	n.t.Helper()
	whole, ip := n.prefix(b.CIDR), netip.MustParseAddr(address)
	in := whole.Contains(ip)
	for _, e := range b.Except {
		except := n.prefix(e)
		if !whole.Contains(except.Addr()) || except.Bits() <= whole.Bits() {
			n.t.Errorf("the exception %s is not a part of %s", e, b.CIDR)
		}
		in = in && !except.Contains(ip)
	}
	return in
}

func (n network) prefix(cidr string) netip.Prefix {
	n.t.Helper()
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p != p.Masked() {
		n.t.Fatalf("%s is not a network: %v", cidr, err)
	}
	return p
}

func (n network) egress(part string, to peer, port int) bool {
	n.t.Helper()
	return slices.ContainsFunc(n.of(part), func(p *networkingv1.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return n.permits(r.To, r.Ports, to, port) })
	})
}

func (n network) ingress(part string, from peer, port int) bool {
	n.t.Helper()
	return slices.ContainsFunc(n.of(part), func(p *networkingv1.NetworkPolicy) bool {
		return slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return n.permits(r.From, r.Ports, from, port) })
	})
}

// connections lists the connections that the pods may open among each other.
func (n network) connections() []string {
	n.t.Helper()
	var open []string
	for from := range n.workload {
		for to, w := range n.workload {
			for _, c := range w.pod.Spec.Containers {
				for _, p := range c.Ports {
					port := int(p.ContainerPort)
					if n.egress(from, peer{part: to}, port) && n.ingress(to, peer{part: from}, port) {
						open = append(open, fmt.Sprintf("%s %s:%d", from, to, port))
					}
				}
			}
		}
	}
	slices.Sort(open)
	return open
}

func eachNetwork(t *testing.T, fn func(t *testing.T, s scenario, n network)) {
	t.Helper()
	eachScenario(t, func(t *testing.T, s scenario, r rendered) {
		if s.name != "elsewhere" { // without policies
			fn(t, s, networkOf(t, r))
		}
	})
}

// TestPolicies checks that each pod, the one of helm test included, has exactly two
// policies: the one that denies everything, and the one of its part.
func TestPolicies(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, _ scenario, n network) {
		used := map[string]bool{}
		for part := range n.workload {
			var names []string
			for _, p := range n.of(part) {
				names = append(names, p.Name)
				used[p.Name] = true
				if both := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}; !slices.Equal(p.Spec.PolicyTypes, both) {
					t.Errorf("the policy %s is for %v", p.Name, p.Spec.PolicyTypes)
				}
				if p.Name == "soundextract-pods" && len(p.Spec.Ingress)+len(p.Spec.Egress) > 0 {
					t.Errorf("the policy of all pods permits %v, %v", p.Spec.Ingress, p.Spec.Egress)
				}
			}
			slices.Sort(names)
			want := []string{"soundextract-pods", "soundextract-" + part}
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("the policies %v select the pod of %s, want %v", names, part, want)
			}
		}
		if len(n.policies) > 0 {
			used["soundextract-backup"] = true // of the pods that the CronJob and sx backup start
		}
		if len(used) != len(n.policies) {
			t.Errorf("of %d policies only %v select a pod", len(n.policies), slices.Sorted(maps.Keys(used)))
		}
	})
}

// TestConnections checks which pods may connect to which.
func TestConnections(t *testing.T) {
	t.Parallel()
	const (
		own = "auth mongodb:27017, converter mongodb:27017, converter rabbitmq:AMQP, " +
			"gateway auth:8741, gateway mongodb:27017, gateway notifier:8743, gateway rabbitmq:AMQP, " +
			"notifier auth:8741, notifier mongodb:27017, notifier rabbitmq:AMQP, " +
			"rabbitmq rabbitmq:25672, rabbitmq rabbitmq:4369, smoke gateway:8740"
		outside = "gateway auth:8741, gateway notifier:8743, notifier auth:8741, smoke gateway:8740"
	)
	eachNetwork(t, func(t *testing.T, s scenario, n network) {
		want := strings.ReplaceAll(own, "AMQP", "5672")
		switch s.name {
		case "outside":
			want = outside
		case "tls", "tls-everything":
			want = strings.ReplaceAll(own, "AMQP", "5671")
		}
		if got := strings.Join(n.connections(), ", "); got != want {
			t.Errorf("permitted are\n%s, want\n%s", got, want)
		}
		for part := range n.workload {
			for _, port := range []int{22, 53, 443, 4369, 5671, 5672, 8740, 8741, 8742, 8743, 8749, 15691, 15692, 27017} {
				stranger := peer{namespace: "other", labels: map[string]string{"app": "x"}}
				if got, want := n.ingress(part, stranger, port), part == "gateway" && port == 8740; got != want {
					t.Errorf("a pod of another namespace may connect to %s:%d: %v, want %v", part, port, got, want)
				}
				if n.egress(part, stranger, port) {
					t.Errorf("%s may connect to a pod of another namespace, port %d", part, port)
				}
			}
		}
	})
}

// TestDiagram compares the diagram of docs/operations.md with the connections that the
// policies permit, except those among RabbitMQ's nodes and that of helm test.
func TestDiagram(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	n := networkOf(t, read(t, scenario{}.render(t)))
	var want, got []string
	for _, c := range n.connections() {
		if !strings.HasPrefix(c, "rabbitmq ") && !strings.HasPrefix(c, "smoke ") {
			want = append(want, c)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^    (\w+) -- "(\d+)" --> (\w+)`).FindAllStringSubmatch(string(raw), -1) {
		got = append(got, m[1]+" "+m[3]+":"+m[2])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("docs/operations.md has\n%q, permitted are\n%q", got, want)
	}
}

// TestDNS checks that pods that connect to others may query the cluster's DNS and no
// other.
func TestDNS(t *testing.T) {
	t.Parallel()
	dns := peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}}
	eachNetwork(t, func(t *testing.T, _ scenario, n network) {
		for part := range n.workload {
			if got, want := n.egress(part, dns, 53), part != "mongodb"; got != want {
				t.Errorf("%s may ask the cluster's DNS: %v, want %v", part, got, want)
			}
			if n.egress(part, dns, 8080) || n.egress(part, peer{namespace: "kube-system", labels: map[string]string{"k8s-app": "metrics-server"}}, 53) {
				t.Errorf("%s may connect to more of kube-system than DNS", part)
			}
		}
	})
	elsewhere := scenario{values: `global: {dns: {peers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: openshift-dns}}}]}}`}
	n := networkOf(t, read(t, elsewhere.render(t)))
	if n.egress("gateway", dns, 53) || !n.egress("gateway", peer{namespace: "openshift-dns"}, 5353) {
		t.Error("global.dns.peers does not replace the cluster's DNS")
	}
}

// metadata are addresses at which clouds serve metadata and credentials.
var metadata = []string{
	"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fe80::a9fe:a9fe", "64:ff9b::a9fe:a9fe",
}

// TestMetadataUnreachable checks that no pod reaches a metadata service, whatever networks
// the operator lists.
func TestMetadataUnreachable(t *testing.T) {
	t.Parallel()
	unreachable := func(t *testing.T, n network) {
		t.Helper()
		for part := range n.workload {
			for _, address := range metadata {
				for _, port := range []int{53, 80, 443, 587, 5353, 27017} {
					if n.egress(part, peer{address: address}, port) {
						t.Errorf("%s reaches %s, port %d", part, address, port)
					}
				}
			}
		}
	}
	eachNetwork(t, func(t *testing.T, _ scenario, n network) { unreachable(t, n) })
	for _, wide := range []string{"0.0.0.0/0", "128.0.0.0/1", "100.64.0.0/10", "160.0.0.0/4", "192.0.0.0/8", "::/0", "fc00::/7", "fd00::/8"} {
		s := scenario{values: fmt.Sprintf(`auth: {oidc: {issuer: "https://id.example.org", clientID: sx, networks: [%[1]q]}}
notifier: {webhookNetworks: [%[1]q], smtp: {networks: [%[1]q]}}
global: {externalMongodbSecret: m, externalMongodbNetworks: [%[1]q]}
mongodb: {enabled: false}`, wide)}
		unreachable(t, networkOf(t, read(t, s.render(t))))
	}
}

// TestAddresses checks which addresses outside the cluster a pod reaches: the notifier,
// and auth if there is an OpenID provider, public ones and the listed networks; the others,
// an external MongoDB and RabbitMQ.
func TestAddresses(t *testing.T) {
	t.Parallel()
	public := []string{"93.184.215.14", "2606:2800:21f::1", "64:ff9b::5db8:d70e"}
	private := []string{
		"10.0.0.1", "172.16.5.5", "192.168.1.1", "100.64.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255",
		"fd12::1", "::1", "2002:a00:1::1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::c0a8:101",
	}
	check := func(values string, reached func(part, address string) bool) {
		n := networkOf(t, read(t, scenario{values: values}.render(t)))
		for part := range n.workload {
			for _, address := range slices.Concat(public, private) {
				for _, port := range []int{25, 53, 443, 27017} {
					if got, want := n.egress(part, peer{address: address}, port), reached(part, address); got != want {
						t.Errorf("%s: %s reaches %s, port %d: %v, want %v", values, part, address, port, got, want)
					}
				}
			}
		}
	}
	check("", func(part, address string) bool { return part == "notifier" && slices.Contains(public, address) })
	check("notifier: {webhookNetworks: [10.0.0.0/16], smtp: {networks: [192.168.1.1/32]}}", func(part, address string) bool {
		return part == "notifier" && (slices.Contains(public, address) || address == "10.0.0.1" || address == "192.168.1.1")
	})
	check("auth: {oidc: {issuer: 'https://id.example.org', clientID: sx, networks: [10.0.0.0/16]}}", func(part, address string) bool {
		return slices.Contains([]string{"auth", "notifier"}, part) && slices.Contains(public, address) || part == "auth" && address == "10.0.0.1"
	})
	check("global: {externalRabbitmqSecret: q, externalRabbitmqNetworks: [172.16.0.0/12]}\nrabbitmq: {enabled: false}", func(part, address string) bool {
		return part == "notifier" && slices.Contains(public, address) || address == "172.16.5.5" && slices.Contains([]string{"gateway", "converter", "notifier"}, part)
	})
}

// TestCollector checks that only the services reach the collector of traces, and only if
// its namespace is given.
func TestCollector(t *testing.T) {
	t.Parallel()
	collector := peer{namespace: "monitoring", labels: map[string]string{"app": "otel-collector"}}
	for values, services := range map[string]bool{"": false, "global: {traces: {namespace: monitoring}}": true} {
		n := networkOf(t, read(t, scenario{values: values, apis: everything}.render(t)))
		for part, want := range map[string]bool{"auth": services, "gateway": services, "converter": services, "rabbitmq": false, "mongodb": false} {
			if n.egress(part, collector, 4318) != want {
				t.Errorf("%q: %s reaches the collector: %v, want %v", values, part, !want, want)
			}
		}
		if n.egress("converter", collector, 4317) {
			t.Errorf("%q: the converter reaches more than the collector's port", values)
		}
	}
}

// TestScrapers checks that only the namespace of Prometheus reads metrics, and only KEDA
// the length of the queue.
func TestScrapers(t *testing.T) {
	t.Parallel()
	s := scenario{values: "global: {metrics: {namespace: monitoring}}", apis: everything}
	n := networkOf(t, read(t, s.render(t)))
	prometheus, keda := peer{namespace: "monitoring", labels: map[string]string{"app": "prometheus"}}, peer{namespace: "keda", labels: map[string]string{"app": "keda-operator"}}
	for part, port := range map[string]int{"auth": 8749, "gateway": 8749, "converter": 8749, "notifier": 8749, "rabbitmq": 15692} {
		if !n.ingress(part, prometheus, port) {
			t.Errorf("Prometheus cannot read the metrics of %s", part)
		}
	}
	for part, port := range map[string]int{"auth": 8741, "converter": 8742, "notifier": 8743} {
		if n.ingress(part, prometheus, port) {
			t.Errorf("Prometheus reaches the API of %s", part)
		}
	}
	if n.ingress("rabbitmq", prometheus, 5672) || n.ingress("mongodb", prometheus, 27017) {
		t.Error("Prometheus reaches more than metrics")
	}
	if !n.ingress("rabbitmq", keda, 5672) || n.ingress("mongodb", keda, 27017) || n.ingress("auth", keda, 8741) {
		t.Error("KEDA reaches something other than the queue")
	}
}
