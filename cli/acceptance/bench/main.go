// Command bench compares SoundExtract with the simplest program that does the same
// work, alternating between the two, and prints the ratios. A missed target is not an
// error.
package main

import (
	"context"
	"errors"
	"fmt"
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

const usage = `usage: bench DIRECTORY-OF-SX-AND-SXD full|short [MEASUREMENT...]`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == "bare" {
		exit(bare(ctx, os.Args[2]))
	}
	if len(os.Args) < 3 {
		exit(errors.New(usage))
	}
	exit(run(ctx, os.Args[1], os.Args[2], os.Args[3:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type measurement struct {
	name string
	run  func(*bench) error
}

// measurements run in this order: first those of the local server, then those of the
// services.
var measurements = []measurement{
	{"startup", (*bench).startup},
	{"upload", (*bench).upload},
	{"send", (*bench).send},
	{"uplink", (*bench).uplink},
	{"outage", (*bench).outage},
	{"clip", (*bench).clip},
	{"hour", (*bench).hour},
	{"together", (*bench).together},
	{"long", (*bench).long},
	{"memory", (*bench).memory},
	{"page", (*bench).page},
	{"services", (*bench).services},
}

func run(ctx context.Context, bin, size string, names []string) error {
	lengths, ok := sizes[size]
	if !ok {
		return errors.New(usage)
	}
	for _, name := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("unknown measurement %s", name)
		}
	}
	dir, err := os.MkdirTemp("", "sx-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{ctx: ctx, dir: dir, bin: programs.Bin{Dir: bin}, data: filepath.Join(dir, "data"), lengths: lengths}
	defer func() { programs.Kill(b.data) }()
	if err := errors.Join(b.up(), b.register("bench")); err != nil {
		return err
	}
	for _, m := range measurements {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		if err := m.run(b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// bench is an account, and the directory with its settings.
type bench struct {
	ctx       context.Context //nolint:containedctx // one run, one context
	dir, data string
	bin       programs.Bin
	env       []string // in addition to that of bin
	lengths   lengths
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := b.bin.Command(b.ctx, b.dir, args...)
	cmd.Env = append(cmd.Env, b.env...)
	return cmd
}

func (b *bench) sx(args ...string) error { return timed(b.command(args...)) }

func (b *bench) ffmpeg(args ...string) *exec.Cmd {
	return exec.CommandContext(b.ctx, "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
}

func timed(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func (b *bench) up() error {
	return b.sx("up", "--detach", "--addr", "127.0.0.1:0", "--data", b.data, "--registration", "open")
}

// restart restarts sxd, so that earlier work does not count. It returns its process ID.
func (b *bench) restart() (pid int, err error) {
	if err := errors.Join(b.sx("down", "--data", b.data), b.up()); err != nil {
		return 0, err
	}
	server, err := programs.Find(b.data)
	return server.PID, err
}

func (b *bench) register(name string) error {
	register := b.command("register", name, "--password-stdin")
	register.Stdin = strings.NewReader("a password for the benchmark\n")
	return timed(register)
}

// another returns another account on the same sxd, which must not be restarted.
func (b *bench) another(name string) (*bench, error) {
	server, err := programs.Find(b.data)
	if err != nil {
		return nil, err
	}
	return b.account(name, server.URL)
}

// account returns a new account of the server at a URL.
func (b *bench) account(name, url string) (*bench, error) {
	other := *b
	other.dir, other.env = filepath.Join(b.dir, name), append(slices.Clone(b.env), "SX_SERVER="+url)
	if err := os.MkdirAll(other.dir, 0o700); err != nil {
		return nil, err
	}
	return &other, other.register(name)
}

// attempts is how often each side of a comparison runs. The best counts.
const attempts = 3

// compare runs a and z alternately, each after ready, and returns their best times in
// seconds.
func compare(ready, a, z func() error) (am, zm float64, err error) {
	for range attempts {
		ta, err := clock(ready, a)
		if err != nil {
			return 0, 0, err
		}
		tz, err := clock(ready, z)
		if err != nil {
			return 0, 0, err
		}
		am, zm = best(am, ta), best(zm, tz)
	}
	return am, zm, nil
}

// best returns the shorter time, where 0 is none.
func best(a, z float64) float64 {
	if a == 0 {
		return z
	}
	return min(a, z)
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
	out, err := b.command("jobs", "--all").Output()
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
	return timed(exec.CommandContext(b.ctx, "sync"))
}
