package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kubernetes is the location of a server that sx install installed in a cluster.
type Kubernetes struct {
	Kubeconfig string `yaml:"kubeconfig,omitempty"` // path; "" is kubectl's default
	Context    string `yaml:"context,omitempty"`    // of the kubeconfig; "" is its current one
	Namespace  string `yaml:"namespace"`
	Release    string `yaml:"release"`
}

const keyKubernetes = "kubernetes"

// GatewayService returns the name of the release's Service that users connect to.
func (k Kubernetes) GatewayService() string { return k.Release + "-gateway" }

// String describes the location to the user.
func (k Kubernetes) String() string {
	text := fmt.Sprintf("namespace %s, release %s", k.Namespace, k.Release)
	if k.Context != "" {
		text = fmt.Sprintf("context %s, %s", k.Context, text)
	}
	return text
}

// gatewayPort is the port of the gateway's Service.
const gatewayPort = 8740

// URL returns the server's address. The address of a server that is reached through
// the cluster is valid only inside the cluster.
func (c Context) URL() string {
	switch {
	case c.Server != "":
		return strings.TrimRight(c.Server, "/")
	case c.Kubernetes != (Kubernetes{}):
		return fmt.Sprintf("http://%s.%s.svc:%d", c.Kubernetes.GatewayService(), c.Kubernetes.Namespace, gatewayPort)
	}
	return ""
}

// ID identifies the server of a context in stored state, such as sign-ins: by its data
// directory if sx up started it, by its location if it is reached through the cluster,
// else by its URL. Two local servers may have the same address, one after the other.
func (c Context) ID() string {
	switch k := c.Kubernetes; {
	case c.Data != "":
		return "local " + c.Data
	case c.Server != "":
		return c.URL()
	default:
		return strings.TrimRight(strings.Join([]string{"kubernetes", k.Context, k.Namespace, k.Release, k.Kubeconfig}, " "), " ")
	}
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

// Installed returns the name of the context of an installation, or "".
func (f *File) Installed(at Kubernetes) string {
	for _, name := range f.ContextNames() {
		if f.Contexts[name].Kubernetes == at {
			return name
		}
	}
	return ""
}

// maxContextName leaves room for a number after the name.
const maxContextName = 59

// NameFor returns the name for the context of an installation: the one it has, or
// else an unused one made from the Kubernetes context and from the namespace and the
// release where they are not the defaults.
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
	return f.unused(base)
}

// unused returns the name, with a number if it is taken.
func (f *File) unused(base string) string {
	name := base
	for n := 2; ; n++ {
		if _, taken := f.Contexts[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// plainName turns any text into a valid context name. It keeps the end of a long
// one, because cloud providers put the account before the cluster.
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
