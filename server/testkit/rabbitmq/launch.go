package rabbitmq

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/soundextract/sx/server/testkit"
)

// Files in a broker's directory.
const (
	configFile  = "rabbitmq.conf"
	pluginsFile = "enabled_plugins"
	pidFile     = "pid"
	logFile     = "broker.log"
	outFile     = "out.log"
)

// settings of a small broker. Memory and disk limits are such that neither
// stops it on a small machine.
const settings = `listeners.tcp.1 = 127.0.0.1:%d
listeners.ssl.1 = 127.0.0.1:%d
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 10MB
raft.wal_max_size_bytes = 16000000
log.console = false
`

// guard runs the broker ($1) and epmd ($2). At the end of its standard input,
// which means that the test process has exited or was killed, it kills both and
// removes the directory ($3).
const guard = `exec 3<&0 </dev/null
"$2" -port "$ERL_EPMD_PORT" -address 127.0.0.1 3<&- & epmd=$!
"$1" 3<&- & broker=$!
( read -r _ <&3
  trap '' TERM
  kill -KILL "$broker" "$epmd" $(cat "$RABBITMQ_PID_FILE")
  rm -rf "$3" ) 2>/dev/null & watch=$!
wait "$broker"
kill "$epmd" "$watch"
wait
`

// prepare creates the broker's directory and chooses its ports.
func (b *Broker) prepare() error {
	var ports [4]int
	for i := range ports {
		var err error
		if ports[i], err = testkit.FreePort(); err != nil {
			return err
		}
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "sx-rabbitmq-"); err != nil {
		return err
	}
	b.port, b.tlsPort = ports[0], ports[1]
	b.node = fmt.Sprintf("sx-test-%d@localhost", b.port)
	path := func(name string) string { return filepath.Join(b.dir, name) }
	b.env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + b.dir, // where Erlang stores the secret that nodes share
		"LANG=C.UTF-8",
		fmt.Sprintf("ERL_EPMD_PORT=%d", ports[2]),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=" + b.node,
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports[3]),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
		"RABBITMQ_CONF_ENV_FILE=/dev/null", // not that of a broker installed on the machine
		"RABBITMQ_CONFIG_FILE=" + path(configFile),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + path(pluginsFile),
		"RABBITMQ_PID_FILE=" + path(pidFile),
		"RABBITMQ_MNESIA_BASE=" + path("data"),
		"RABBITMQ_LOG_BASE=" + path("log"),
		"RABBITMQ_LOGS=" + path(logFile),
		"RUNNING_UNDER_SYSTEMD=true", // the script then becomes the broker, without a process in between
	}
	if err := writeCertificates(b.dir); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	config := fmt.Sprintf(settings, b.port, b.tlsPort, path(caFile), path(certFile), path(keyFile))
	if err := os.WriteFile(path(configFile), []byte(config), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path(pluginsFile), []byte("[].\n"), 0o600)
}

// launch starts the guard, and with it the broker.
func (b *Broker) launch(ctx context.Context) error {
	// The broker outlives ctx: only end or the guard stops it.
	b.guard = exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", guard, "guard",
		b.program.server, b.program.epmd, b.dir)
	b.guard.Env = b.env
	out, err := os.OpenFile(filepath.Join(b.dir, outFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	b.guard.Stdout, b.guard.Stderr = out, out
	if b.alive, err = b.guard.StdinPipe(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(b.dir, pidFile)); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := b.guard.Start(); err != nil {
		return err
	}
	b.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // a killed broker exits with an error
		close(ended)
	}(b.guard, b.ended)
	return nil
}
