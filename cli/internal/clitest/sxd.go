package clitest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// The behaviours of the fake sxd.
const (
	Well          = "well"
	NoFFmpeg      = "no ffmpeg"
	Panics        = "panics"
	NeverReady    = "never ready"
	IgnoresStop   = "ignores the request to stop"
	FailsInTheEnd = "fails in the end"
)

// EnvSXD is the environment variable that makes a test program with Main a fake sxd. Its
// value is the behaviour.
const EnvSXD = "TEST_FAKE_SXD"

// Main is the TestMain of packages whose tests start a fake sxd.
func Main(m *testing.M) {
	if behaviour := os.Getenv(EnvSXD); behaviour != "" {
		os.Exit(SXD(context.Background(), behaviour, os.Args[1:], os.Stderr)) //nolint:forbidigo // this is a main function
	}
	m.Run()
}

// SXD behaves like sxd in a process of its own, as far as the instance file, the
// health endpoint and signals are concerned. It returns the exit code.
func SXD(ctx context.Context, behaviour string, args []string, stderr io.Writer) int {
	say := func(text string) { _, _ = fmt.Fprintln(stderr, text) }
	fs := flag.NewFlagSet("sxd", flag.ContinueOnError)
	addr, data := fs.String("addr", "", ""), fs.String("data", "", "")
	password := fs.String("owner-password-file", "", "")
	for _, name := range api.LocalSettings() {
		fs.String(name, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return 64
	}
	say(`{"level":"INFO","msg":"starting"}`)
	switch behaviour {
	case NoFFmpeg:
		say(`{"level":"ERROR","msg":"exiting after an error","error":"ffmpeg not found","hint":"install it with: apt-get install ffmpeg"}`)
		return 1
	case Panics:
		say("panic: oh no")
		return 2
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		say(`{"level":"ERROR","msg":"exiting after an error","error":"cannot listen at ` + *addr + `","hint":"choose another address"}`)
		return 1
	}
	instance := sx.NewID()
	srv := &http.Server{Handler: health(instance, behaviour != NeverReady), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	raw, err := json.Marshal(map[string]any{
		"pid": os.Getpid(), "addr": l.Addr().String(), "url": "http://" + l.Addr().String(),
		"instance": instance, "version": "test", "owner": "owner",
	})
	if err != nil {
		return 1
	}
	tcp, ok := l.Addr().(*net.TCPAddr)
	switch token := filepath.Join(*data, api.OwnerTokenFile); {
	case ok && tcp.IP.IsLoopback():
		if err := os.WriteFile(token, []byte(api.OwnerTokenPrefix+"test\n"), 0o600); err != nil {
			return 1
		}
	case *password == "":
		say(`{"level":"ERROR","msg":"exiting after an error","error":"the owner has no password","code":"unauthenticated","hint":"set one"}`)
		return 1
	default:
		_ = os.Remove(token)
	}
	file := filepath.Join(*data, "sxd.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return 1
	}
	<-ctx.Done()
	if behaviour == IgnoresStop {
		select {} // until the process is killed
	}
	_ = srv.Close()
	if behaviour == FailsInTheEnd {
		return 3
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 1
	}
	return 0
}

func health(instance string, ready bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(api.PathHealth, func(w http.ResponseWriter, _ *http.Request) {
		api.Write(w, http.StatusOK, api.Health{Status: "ok", Instance: instance, Version: "test"})
	})
	mux.HandleFunc(api.PathReady, func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			api.WriteError(w, sx.NewError(sx.CodeUnavailable, "starting"))
			return
		}
		api.Write(w, http.StatusOK, api.Health{Status: "ok", Instance: instance, Version: "test"})
	})
	return mux
}
