//go:build unix

package localstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
)

const (
	childVar = "LOCALSTORE_TEST_CHILD" // the child to run instead of the tests
	dirVar   = "LOCALSTORE_TEST_DIR"

	crashSize = 160 << 20
	// fileLimit is the largest file size of the child named full.
	fileLimit = 1 << 20
)

// children are the functions that the tests run in child processes. The
// parent reads report line by line.
var children = map[string]func(ctx context.Context, s store.Store, report io.Writer) error{
	"append": childAppend,
	"put":    childPut,
	"full":   childFull,
	"loss":   childLoss,
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVar)
	if name == "" {
		m.Run()
		return
	}
	report := os.NewFile(3, "report")
	if name == "full" {
		// A write beyond the limit then fails as on a full disk.
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: fileLimit, Max: fileLimit}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
	}
	s, err := localstore.Open(context.Background(), localstore.Config{Dir: os.Getenv(dirVar)})
	if err != nil {
		panic(err)
	}
	if err := children[name](context.Background(), s, report); err != nil {
		panic(err)
	}
	if err := s.Close(); err != nil {
		panic(err)
	}
}

// spawn starts a child and returns its reports.
func spawn(t *testing.T, name, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+name, dirVar+"="+dir)
	cmd.ExtraFiles = []*os.File{w}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of the child: %s", out.String())
		}
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return cmd, bufio.NewScanner(r)
}

// kill kills the child and waits until it has released its lock.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child ended before it was killed")
	}
}

// endless reads bytes that depend on their offset.
type endless struct {
	block []byte
	at    int64
}

func newEndless(at int64) *endless {
	block := make([]byte, 1<<20+7) // not a multiple of any other size
	_, _ = rand.NewChaCha8([32]byte{1}).Read(block)
	return &endless{block: block, at: at}
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.block[e.at%int64(len(e.block)):])
	e.at += int64(n)
	return n, nil
}

func endlessSum(t *testing.T, size int64) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.CopyN(h, newEndless(0), size); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// childAppend continues the upload v1 and reports its offsets. When it has all
// bytes, it waits to be killed.
func childAppend(ctx context.Context, s store.Store, report io.Writer) error {
	up, err := s.Videos.Stat(ctx, "v1")
	if err != nil {
		return err
	}
	go func() {
		src := io.LimitReader(newEndless(up.Offset), up.Size-up.Offset)
		if _, err := s.Videos.Append(ctx, "v1", up.Offset, src); err != nil {
			panic(err)
		}
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		up, err := s.Videos.Stat(ctx, "v1")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(report, up.Offset); err != nil {
			return err
		}
	}
	return nil
}

// TestKilledWhileAppending kills the process repeatedly: no byte below a reported
// offset may be lost.
func TestKilledWhileAppending(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	if err := s.Videos.Create(ctx, "v1", "a.mp4", crashSize); err != nil {
		t.Fatal(err)
	}
	start, midway := int64(0), 0
	for start < crashSize {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cmd, lines := spawn(t, "append", dir)
		reported := start
		for more := rand.IntN(30); more > 0 && lines.Scan(); {
			if _, err := fmt.Sscan(lines.Text(), &reported); err != nil {
				t.Fatal(err)
			}
			if reported > start {
				more--
			}
		}
		kill(t, cmd)
		s = open(t, dir)
		up, err := s.Videos.Stat(ctx, "v1")
		if err != nil {
			t.Fatal(err)
		}
		if up.Offset < reported {
			t.Fatalf("offset %d was reported, but now it is %d", reported, up.Offset)
		}
		if start = up.Offset; start > 0 && start < crashSize {
			midway++
		}
	}
	t.Logf("killed %d times midway", midway)
	up, err := s.Videos.Complete(ctx, "v1")
	if err != nil {
		t.Fatal(err)
	}
	want := endlessSum(t, crashSize)
	if up.SHA256 != want {
		t.Errorf("the digest is %s, want %s", up.SHA256, want)
	}
	b, err := s.Videos.Open(ctx, "v1")
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, b); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("the digest of the bytes is %s, want %s", got, want)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// childPut reports when half of a track is stored, and waits to be killed.
func childPut(ctx context.Context, s store.Store, report io.Writer) error {
	half := io.LimitReader(newEndless(0), 1<<20)
	_, err := s.Tracks.Put(ctx, "job-1", "a.mp3", store.Head{Size: 1000, Bytes: func() ([]byte, error) { return make([]byte, 1000), nil }}, readerFunc(func(p []byte) (int, error) {
		n, err := half.Read(p)
		if err == io.EOF {
			_, _ = fmt.Fprintln(report, "half")
			select {}
		}
		return n, err
	}))
	return err
}

type readerFunc func([]byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }

func TestKilledWhilePutting(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	cmd, lines := spawn(t, "put", dir)
	if !lines.Scan() {
		t.Fatal("the child reported nothing")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 1 {
		t.Fatalf("tmp contains %v, %v, want the incomplete track", left, err)
	}
	kill(t, cmd)
	s := open(t, dir)
	if list, _, err := s.Tracks.List(ctx, "", 100); err != nil || len(list) != 0 {
		t.Errorf("tracks are %v, %v, want none", list, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("tmp contains %v, %v, want nothing", left, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// childFull runs in a process whose files cannot grow beyond fileLimit.
func childFull(ctx context.Context, s store.Store, _ io.Writer) error {
	n, err := s.Videos.Append(ctx, "v1", 0, io.LimitReader(newEndless(0), 2*fileLimit))
	if sx.CodeOf(err) != sx.CodeStorageFull || n != fileLimit {
		return fmt.Errorf("Append stored %d bytes and returned %w", n, err)
	}
	if n, err = s.Videos.Append(ctx, "v1", n, io.LimitReader(newEndless(n), 1)); sx.CodeOf(err) != sx.CodeStorageFull || n != 0 {
		return fmt.Errorf("a second Append stored %d bytes and returned %w", n, err)
	}
	// sx.db cannot grow for this record.
	if err := s.Videos.Create(ctx, "v2", strings.Repeat("x", 2*fileLimit), 1); err == nil {
		return errors.New("Create succeeded")
	}
	if list, _, err := s.Videos.List(ctx, "", 100); err != nil || !slices.Equal(list, []string{"v1"}) {
		return fmt.Errorf("videos are %v, %w", list, err)
	}
	if _, err := s.Tracks.Put(ctx, "job-1", "a.mp3", store.Head{}, io.LimitReader(newEndless(0), 2*fileLimit)); sx.CodeOf(err) != sx.CodeStorageFull {
		return fmt.Errorf("Put returned %w", err)
	}
	if list, _, err := s.Tracks.List(ctx, "", 100); err != nil || len(list) != 0 {
		return fmt.Errorf("tracks are %v, %w", list, err)
	}
	return nil
}

// TestDiskFullMidway fills the "disk" in the middle of an Append, and continues once
// there is space.
func TestDiskFullMidway(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	if err := s.Videos.Create(ctx, "v1", "a.mp4", 2*fileLimit); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cmd, _ := spawn(t, "full", dir)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	up, err := s.Videos.Stat(ctx, "v1")
	if err != nil || up.Offset != fileLimit {
		t.Fatalf("the upload is %+v, %v, want offset %d", up, err, fileLimit)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("tmp contains %v, %v, want nothing", left, err)
	}
	if _, err := s.Videos.Append(ctx, "v1", fileLimit, io.LimitReader(newEndless(fileLimit), fileLimit)); err != nil {
		t.Fatal(err)
	}
	if up, err = s.Videos.Complete(ctx, "v1"); err != nil || up.SHA256 != endlessSum(t, 2*fileLimit) {
		t.Errorf("the video is %+v, %v", up, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
