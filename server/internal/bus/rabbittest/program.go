package rabbittest

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

// folders are where packages put rabbitmq-server. In the first one Debian has
// the real script; the one in sbin is for its own user rabbitmq only.
var folders = []string{
	"/usr/lib/rabbitmq/bin", "", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/rabbitmq/sbin",
}

var errNotInstalled = errors.New("rabbitmq-server is not installed; run the tests with: make test, which installs it " +
	"(or name a broker in " + Variable + ")")

func find(folders []string) (program, error) {
	for _, folder := range folders {
		server, err := exec.LookPath(filepath.Join(folder, "rabbitmq-server"))
		if err != nil {
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
	return program{}, errNotInstalled
}
