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
	epmd   string // Erlang's name service, in which the nodes of a machine find each other
}

// directories are where rabbitmq-server may be. "" is PATH, which comes first: it is
// how one chooses between several. But Debian has the real script in
// /usr/lib/rabbitmq/bin; the one in /usr/sbin is for its own user rabbitmq only.
var directories = []string{
	"", "/usr/lib/rabbitmq/bin", sbin, "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/rabbitmq/sbin",
}

const sbin = "/usr/sbin"

// ErrNotInstalled says that there is no RabbitMQ to start.
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
			return program{}, fmt.Errorf("%s is there, but Erlang's epmd is not on PATH: %w", server, err)
		}
		return p, nil
	}
	return program{}, ErrNotInstalled
}
