package rabbitmq_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/rabbitmq"
)

// child is the environment variable that makes this test program start a broker
// and wait to be killed.
const child = "SX_TEST_RABBITTEST_CHILD"

func TestBrokerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	testkit.SkipShort(t)
	if os.Getenv(child) != "" {
		b := rabbitmq.Start(t)
		_, authority := b.TLSURI()
		fmt.Println("broker", b.URI(), filepath.Dir(authority)) //nolint:forbidigo // the parent reads it
		select {}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBrokerEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var uri, dir string
	lines := bufio.NewScanner(out)
	for uri == "" && lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "broker %s %s", &uri, &dir); err != nil {
			t.Log(lines.Text())
		}
	}
	if uri == "" {
		t.Fatal("the child started no broker")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	testkit.EventuallyWithin(t, time.Minute, "the broker exits and its directory is removed", func() bool {
		conn, dialErr := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if dialErr == nil {
			_ = conn.Close()
		}
		_, statErr := os.Stat(dir)
		return dialErr != nil && os.IsNotExist(statErr)
	})
}
