package watch

import (
	"strings"

	"github.com/soundextract/sx/install/kube"
)

// commands fills in the commands that the operator types next.
type commands struct {
	target  kube.Target
	release string
}

func (c commands) kubectl(args ...string) string {
	return c.line("kubectl", args)
}

// install is the sx install of this release with what it should say differently.
func (c commands) install(args ...string) string {
	if c.release != kube.DefaultRelease {
		args = append(args, "--release", c.release)
	}
	return c.line("sx install", args)
}

func (c commands) line(program string, args []string) string {
	words := []string{program}
	if c.target.Kubeconfig != "" {
		words = append(words, "--kubeconfig", quote(c.target.Kubeconfig))
	}
	if c.target.Context != "" {
		words = append(words, "--context", quote(c.target.Context))
	}
	words = append(words, "-n", quote(c.target.Namespace))
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// quote makes s one word of a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
