// Command bench compares SoundExtract with the simplest program that does the same
// work, alternating between the two, and prints the ratios. A missed target is not an
// error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/soundextract/sx/cli/acceptance/programs"
)

const pairs = 5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		exit(errors.New("usage: bench DIRECTORY-OF-SX-AND-SXD"))
	}
	if len(os.Args) == 3 && os.Args[1] == "bare" {
		exit(bare(ctx, os.Args[2]))
	}
	exit(run(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bare runs the server that uploads are compared with, which writes the body of each
// PUT request to one file and syncs it to disk before it responds.
func bare(ctx context.Context, dir string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Create(filepath.Join(dir, "bare"))
		if err == nil {
			_, err = io.Copy(f, r.Body)
		}
		if err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.Serve(l)
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sx-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{ctx: ctx, dir: dir, bin: programs.Bin{Dir: os.Args[1]}, data: filepath.Join(dir, "data")}
	defer func() { programs.Kill(b.data) }()
	for _, step := range []func() error{b.start, b.upload, b.convert, b.memory, b.services} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	ctx       context.Context //nolint:containedctx // one run, one context
	dir, data string
	bin       programs.Bin
}

func (b *bench) sx(args ...string) error {
	return b.timed(b.bin.Command(b.ctx, b.dir, args...))
}

func (b *bench) timed(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func (b *bench) start() error {
	if err := b.sx("up", "--detach", "--addr", "127.0.0.1:0", "--data", b.data); err != nil {
		return err
	}
	return b.register()
}

func (b *bench) register() error {
	register := b.bin.Command(b.ctx, b.dir, "register", "bench", "--password-stdin")
	register.Stdin = strings.NewReader("a password for the benchmark\n")
	return b.timed(register)
}

// pair runs a and z alternately, each after ready. It returns the medians of their
// times in seconds and of the pairwise ratio a/z and difference a-z.
func (b *bench) pair(ready, a, z func() error) (am, zm, ratio, diff float64, err error) {
	var as, zs, ratios, diffs []float64
	for range pairs {
		ta, err := clock(ready, a)
		if err != nil {
			return 0, 0, 0, 0, err
		}
		tz, err := clock(ready, z)
		if err != nil {
			return 0, 0, 0, 0, err
		}
		as, zs, ratios, diffs = append(as, ta), append(zs, tz), append(ratios, ta/tz), append(diffs, ta-tz)
	}
	return median(as), median(zs), median(ratios), median(diffs), nil
}

func clock(ready, fn func() error) (float64, error) {
	if err := ready(); err != nil {
		return 0, err
	}
	start := time.Now()
	err := fn()
	return time.Since(start).Seconds(), err
}

// idle removes the jobs of an earlier run and waits until the disk has written
// everything.
func (b *bench) idle() error {
	out, err := b.bin.Command(b.ctx, b.dir, "jobs", "--all").Output()
	if err != nil {
		return fmt.Errorf("list the jobs: %w", err)
	}
	args := []string{"rm", "--yes"}
	for line := range strings.Lines(string(out)) {
		id, _, _ := strings.Cut(line, "\t")
		args = append(args, id)
	}
	if len(args) > 2 {
		if err := b.sx(args...); err != nil {
			return err
		}
	}
	return b.timed(exec.CommandContext(b.ctx, "sync"))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
