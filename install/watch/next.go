package watch

import (
	"slices"
	"strings"

	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/nextcmd"
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
	var kept nextcmd.Flags
	kept = kept.Keep("--kubeconfig", c.target.Kubeconfig, "").Keep("--context", c.target.Context, "").Keep("-n", c.target.Namespace, "")
	return nextcmd.Line(slices.Concat(strings.Fields(program), kept, args)...)
}
