package service

import (
	"context"
	"net"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// probeLimit is shorter than what container engines wait by default.
const probeLimit = 5 * time.Second

// probe asks the program that listens on the address of the settings whether
// it lives, and gives the exit code.
func (p *Program) probe(ctx context.Context) int {
	url, err := probeURL(p.addr)
	if err != nil {
		p.complain(err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if err := ask(ctx, Transport(), url); err != nil {
		p.complain(sx.NewError(sx.CodeUnavailable, "%v", err).WithHint("look at the log of %s", p.Flags.Name()))
		return exitError
	}
	return 0
}

// probeURL is where a program that listens on addr is reached from its own machine.
func probeURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return "", Invalid("addr", "%q has no port to ask", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // both families, as the listener
	}
	return "http://" + net.JoinHostPort(host, port) + api.PathHealth, nil
}
