package mongostore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store/mongostore"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
)

// The environment of a child, which appends to the upload v1 instead of running the
// tests.
const (
	childURI      = "MONGOSTORE_TEST_URI"
	childDatabase = "MONGOSTORE_TEST_DATABASE"
	childKill     = "MONGOSTORE_TEST_KILL" // MiB of the video
	crashSize     = 20<<20 + 123
)

func TestMain(m *testing.M) {
	if uri := os.Getenv(childURI); uri != "" {
		if err := childAppend(context.Background(), uri, os.NewFile(3, "report")); err != nil {
			panic(err)
		}
		return
	}
	m.Run()
}

// childAppend reports how many MiB of the upload the store has read, whether they
// are stored or not. One MiB after the point where it is to be killed, it waits to
// be killed.
func childAppend(ctx context.Context, uri string, out io.Writer) error {
	s, err := mongostore.Open(ctx, mongostore.Config{
		URI: uri, Database: os.Getenv(childDatabase), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		return err
	}
	up, err := s.Videos.Stat(ctx, "v1")
	if err != nil {
		return err
	}
	kill, err := strconv.Atoi(os.Getenv(childKill))
	if err != nil {
		return err
	}
	rest, reported := bytes.NewReader(content(12, crashSize)[up.Offset:(kill+1)<<20]), 0
	_, err = s.Videos.Append(ctx, "v1", up.Offset, readerFunc(func(p []byte) (int, error) {
		n, err := rest.Read(p)
		if errors.Is(err, io.EOF) {
			select {}
		}
		if at := int(up.Offset+rest.Size()) - rest.Len(); at>>20 > reported {
			reported = at >> 20
			_, _ = fmt.Fprintln(out, reported)
		}
		return n, err
	}))
	return err
}

// TestKilledWhileAppending kills a process that appends: before it has committed
// anything, then after a commit, and then once more.
func TestKilledWhileAppending(t *testing.T) {
	t.Parallel()
	server := mongodb.Start(t)
	s, db := fresh(t, server)
	check(t, s.Videos.Create(t.Context(), "v1", "talk.mp4", crashSize))
	var offset int64
	for i, kill := range []int{3, 18, 19} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childURI+"="+server.URI, childDatabase+"="+db.Name(), childKill+"="+strconv.Itoa(kill))
		out, in, err := os.Pipe()
		check(t, err)
		cmd.ExtraFiles = []*os.File{in}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		check(t, cmd.Start())
		check(t, in.Close())
		reports := bufio.NewScanner(out)
		for reports.Scan() {
			if at, err := strconv.Atoi(reports.Text()); err != nil || at >= kill {
				break
			}
		}
		if i == 1 { // The child waits; what it has stored is committed after a while.
			testkit.Eventually(t, "the stored chunks are committed", func() bool {
				up, err := s.Videos.Stat(t.Context(), "v1")
				check(t, err)
				return up.Offset >= 16<<20-16*chunkSize
			})
		}
		check(t, cmd.Process.Kill())
		check(t, out.Close())
		if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
			t.Fatalf("the child exited before it was killed: %s", stderr.String())
		}
		up, err := s.Videos.Stat(t.Context(), "v1")
		check(t, err)
		if up.Offset < offset {
			t.Errorf("after %d MiB the upload is at %d", kill, up.Offset)
		}
		offset = up.Offset
	}
	data := content(12, crashSize)
	_, err := s.Videos.Append(t.Context(), "v1", offset, bytes.NewReader(data[offset:]))
	check(t, err)
	checkVideo(t, s, "v1", data)
	counts(t, db, map[string]int{"videos.chunks": (crashSize + chunkSize - 1) / chunkSize, "videos.files": 1})
	check(t, s.Videos.Remove(t.Context(), "v1"))
	counts(t, db, map[string]int{"videos.chunks": 0, "videos.files": 0})
}
