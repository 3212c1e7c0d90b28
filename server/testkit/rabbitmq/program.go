package rabbitmq

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// program is an installed RabbitMQ.
type program struct {
	server string // the path of rabbitmq-server
	ctl    string
	epmd   string // Erlang's name service, by which the nodes of a machine find each other
}

// directories are searched for rabbitmq-server. "" is PATH, which comes first,
// so that users can choose between installations. Debian has the real script in
// /usr/lib/rabbitmq/bin; the one in /usr/sbin works only for the user rabbitmq.
var directories = []string{
	"", "/usr/lib/rabbitmq/bin", sbin, "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/rabbitmq/sbin",
}

const sbin = "/usr/sbin"

// ErrNotInstalled means that RabbitMQ is not installed.
var ErrNotInstalled = errors.New("rabbitmq-server is not installed, and " + Variable + " names no broker")

func find(directories []string) (program, error) {
	for _, dir := range directories {
		server, err := exec.LookPath(filepath.Join(dir, "rabbitmq-server"))
		if err != nil || dir == "" && filepath.Dir(server) == sbin {
			continue
		}
		p := program{server: server, ctl: filepath.Join(filepath.Dir(server), "rabbitmqctl")}
		if _, err := os.Stat(p.ctl); err != nil {
			continue
		}
		if p.epmd, err = exec.LookPath("epmd"); err != nil {
			return program{}, fmt.Errorf("found %s, but Erlang's epmd is not on PATH: %w", server, err)
		}
		return p, nil
	}
	return program{}, ErrNotInstalled
}
