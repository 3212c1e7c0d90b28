package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// startup compares the CPU time of sx version with that of helm version, whose packages
// sx contains: the same version of Helm, built from its module.
func (b *bench) startup() error {
	helm, err := b.helm()
	if err != nil {
		return err
	}
	const runs = 20
	ours, helms := 0.0, 0.0
	for range runs {
		for _, of := range []struct {
			cmd  *exec.Cmd
			best *float64
		}{{b.command("version"), &ours}, {exec.CommandContext(b.ctx, helm, "version"), &helms}} {
			if err := timed(of.cmd); err != nil {
				return err
			}
			*of.best = best(*of.best, exited(of.cmd))
		}
	}
	fmt.Printf("startup: %.0f ms of CPU time for sx version, %.0f ms for helm version: %.2f times (target 0.7)\n",
		1000*ours, 1000*helms, ours/helms)
	return nil
}

// helm builds the Helm that sx contains.
func (b *bench) helm() (path string, err error) {
	const module = "helm.sh/helm/v3"
	list := exec.CommandContext(b.ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
	version, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the version of Helm: %w", err)
	}
	install := exec.CommandContext(b.ctx, "go", "install", "-trimpath", "-ldflags", "-s -w", module+"/cmd/helm@"+strings.TrimSpace(string(version)))
	install.Env = append(install.Environ(), "GOBIN="+b.dir, "CGO_ENABLED=0")
	return filepath.Join(b.dir, "helm"), timed(install)
}
