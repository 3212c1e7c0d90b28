package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kubernetes is where in which cluster sx install put a server.
type Kubernetes struct {
	Kubeconfig string `yaml:"kubeconfig,omitempty"` // path; "" is where kubectl looks
	Context    string `yaml:"context,omitempty"`    // of the kubeconfig; "" is its current one
	Namespace  string `yaml:"namespace"`
	Release    string `yaml:"release"`
}

const keyKubernetes = "kubernetes"

// GatewayService is the service of a release that users' requests go to.
func (k Kubernetes) GatewayService() string { return k.Release + "-gateway" }

// String names the place for a person.
func (k Kubernetes) String() string {
	text := fmt.Sprintf("namespace %s, release %s", k.Namespace, k.Release)
	if k.Context != "" {
		text = fmt.Sprintf("context %s, %s", k.Context, text)
	}
	return text
}

// gatewayPort is that of the gateway's service.
const gatewayPort = 8740

// URL is the server's address. That of a server which is reached through the
// cluster means something in the cluster alone.
func (c Context) URL() string {
	switch {
	case c.Server != "":
		return strings.TrimRight(c.Server, "/")
	case c.Kubernetes != (Kubernetes{}):
		return fmt.Sprintf("http://%s.%s.svc:%d", c.Kubernetes.GatewayService(), c.Kubernetes.Namespace, gatewayPort)
	}
	return ""
}

func (f *File) checkKubernetes(context string, node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return f.wrong("line %d: context %s: kubernetes must have a namespace and a release", node.Line, context)
	}
	known := []string{"kubeconfig", "context", "namespace", "release"}
	for key, value := range pairs(node) {
		if !slices.Contains(known, key.Value) || value.Kind != yaml.ScalarNode {
			return f.wrong("line %d: context %s: kubernetes can have %s, not %q", key.Line, context, strings.Join(known, ", "), key.Value)
		}
	}
	for _, must := range []string{"namespace", "release"} {
		if value := get(node, must); value == nil || value.Value == "" {
			return f.wrong("line %d: context %s: kubernetes has no %s", node.Line, context, must)
		}
	}
	return nil
}

func (k Kubernetes) node() *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, pair := range [][2]string{{"kubeconfig", k.Kubeconfig}, {"context", k.Context}, {"namespace", k.Namespace}, {"release", k.Release}} {
		if pair[1] != "" {
			set(node, pair[0], scalar(pair[1]))
		}
	}
	return node
}

// Installed finds the context of what sx install put somewhere, "" if there is none.
func (f *File) Installed(at Kubernetes) string {
	for _, name := range f.ContextNames() {
		if f.Contexts[name].Kubernetes == at {
			return name
		}
	}
	return ""
}

// maxContextName leaves room for a number behind a name.
const maxContextName = 59

// NameFor gives the name for the context of an installation: the one it has,
// else one made of the Kubernetes context's name, and of what differs from the
// usual namespace and release, that no other context has.
func (f *File) NameFor(at Kubernetes, usual Kubernetes) string {
	if name := f.Installed(at); name != "" {
		return name
	}
	parts := []string{at.Context}
	for _, p := range [][2]string{{at.Namespace, usual.Namespace}, {at.Release, usual.Release}} {
		if p[0] != p[1] {
			parts = append(parts, p[0])
		}
	}
	base := plainName(strings.Join(parts, "-"))
	if base == "" {
		base = plainName(at.Release)
	}
	name := base
	for n := 2; ; n++ {
		if _, taken := f.Contexts[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// plainName makes a context's name of any text. The end of a long one tells
// more: cloud providers put the account before the cluster.
func plainName(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	name := b.String()
	return strings.Trim(name[max(0, len(name)-maxContextName):], "-")
}
