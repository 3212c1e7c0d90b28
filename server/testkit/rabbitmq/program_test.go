package rabbitmq

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissingRabbitMQ(t *testing.T) {
	t.Parallel()
	_, err := find([]string{t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "rabbitmq-server") {
		t.Errorf("without RabbitMQ the error is %v, want one that names rabbitmq-server", err)
	}
}

// TestPathComesFirst checks that PATH selects among several installations.
func TestPathComesFirst(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"rabbitmq-server", "rabbitmqctl", "epmd"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	p, err := find(directories)
	if err != nil || p.server != filepath.Join(dir, "rabbitmq-server") {
		t.Errorf("found %s, error %v", p.server, err)
	}
}
