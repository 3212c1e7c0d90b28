package localstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// The files of TestPowerLoss.
const (
	lossSize = 40_000
	lossHalf = 25_000
	mp3Head  = 1000
	mp3Size  = 9000
)

func lossVideo() []byte { return fill(lossSize) }

func lossTrack() []byte { return fill(mp3Size) }

// fill returns the first bytes of newEndless.
func fill(n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(newEndless(0), b)
	return b
}

// childLoss uploads two videos, one in two parts, converts them, and removes one job. It
// reports what is stored, according to the store.
func childLoss(ctx context.Context, s store.Store, report io.Writer) error {
	say := func(what string, err error) error {
		if err == nil {
			_, err = fmt.Fprintln(report, what)
		}
		return err
	}
	video, track := lossVideo(), lossTrack()
	for _, id := range []string{"aa1", "ab2"} {
		j := sx.Job{ID: id, Owner: "u1", State: sx.StateUploading}
		err := say(id+" created", errors.Join(s.Videos.Create(ctx, id, "a.mp4", lossSize), s.Jobs.Create(ctx, j)))
		for _, part := range [][2]int{{0, lossHalf}, {lossHalf, lossSize}} {
			if err == nil {
				_, err = s.Videos.Append(ctx, id, int64(part[0]), bytes.NewReader(video[part[0]:part[1]]))
				err = say(fmt.Sprintf("%s offset %d", id, part[1]), err)
			}
		}
		if err != nil {
			return err
		}
		_, err = s.Videos.Complete(ctx, id)
		if err := say(id+" complete", err); err != nil {
			return err
		}
		head := store.Head{Size: mp3Head, Bytes: func() ([]byte, error) { return track[:mp3Head], nil }}
		_, err = s.Tracks.Put(ctx, id+"-1", "a.mp3", head, bytes.NewReader(track[mp3Head:]))
		if err := say(id+" track", err); err != nil {
			return err
		}
		j.Rev, j.State = 1, sx.StateDone
		if err := say(id+" done", s.Jobs.Replace(ctx, j)); err != nil {
			return err
		}
	}
	return say("aa1 removed", errors.Join(s.Videos.Remove(ctx, "aa1"), s.Tracks.Remove(ctx, "aa1-1"),
		s.Jobs.Delete(ctx, sx.Job{ID: "aa1", Rev: 2})))
}

// record runs the child under strace and returns the path of the recording.
func record(t *testing.T, dir string) string {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.CommandContext(t.Context(), "strace", "-f", "-o", trace, "-xx", "-s", "100000000",
		"-e", "signal=none", "-e", "trace="+strings.Join(traced, ","), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=loss", dirVar+"="+dir)
	cmd.ExtraFiles = []*os.File{w}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	reports, err := io.ReadAll(r)
	if err := errors.Join(err, cmd.Wait()); err != nil || !strings.HasSuffix(string(reports), "aa1 removed\n") {
		if strings.Contains(out.String(), "Operation not permitted") {
			t.Skip("this system does not allow ptrace")
		}
		t.Fatalf("%v, reported %q\n%s", err, reports, out.String())
	}
	return trace
}

// TestPowerLoss records the system calls of uploads, conversions and a removal. After each
// of them it restores the directory as a power loss at that moment would leave it,
// without anything that was not synced, and opens the store.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "strace")
	root := t.TempDir()
	d := newDisk(t, root)
	reported := map[string]bool{} // what the child has reported
	seen, losses, syncs := map[[32]byte]bool{}, 0, 0
	readTrace(t, record(t, filepath.Join(root, "new", "data")), d.start, func(c *call) {
		d.end(c)
		switch {
		case c.name == "write" && c.args[0] == "3":
			reported[strings.TrimSpace(string(c.bytes(t, 1)))] = true
		case c.name == "fsync" || c.name == "fdatasync":
			syncs++
		}
		for _, allNames := range []bool{false, true} {
			h := sha256.New()
			d.top.digest(h, allNames)
			_, _ = fmt.Fprint(h, reported)
			if state := [32]byte(h.Sum(nil)); !seen[state] {
				seen[state] = true
				losses++
				at := t.TempDir()
				d.top.restore(t, at, allNames)
				if err := checkLoss(t.Context(), filepath.Join(at, "new", "data"), reported); err != nil {
					t.Errorf("after %s(%s) and %v, with all names: %v: %v", c.name, c.args[0], keys(reported), allNames, err)
				}
			}
		}
	})
	t.Logf("%d syncs, %d states after a power loss", syncs, losses)
	if syncs < 30 || len(reported) != 13 {
		t.Errorf("the recording has %d syncs and %d reports", syncs, len(reported))
	}
}

func keys(m map[string]bool) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// checkLoss opens the store and checks that it has everything that the child reported as
// stored, and that what it serves is complete; then it continues the uploads.
func checkLoss(ctx context.Context, dir string, reported map[string]bool) (err error) {
	s, err := localstore.Open(ctx, localstore.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, id := range []string{"aa1", "ab2"} {
		if err := checkLossOf(ctx, s, id, reported); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

func checkLossOf(ctx context.Context, s store.Store, id string, reported map[string]bool) error {
	removing := id == "aa1" && reported["ab2 done"] // or already removed
	if err := checkBlob(ctx, s.Videos.Open, id, lossVideo(), reported[id+" complete"], removing); err != nil {
		return err
	}
	if err := checkBlob(ctx, s.Tracks.Open, id+"-1", lossTrack(), reported[id+" track"], removing); err != nil {
		return err
	}
	j, err := s.Jobs.Get(ctx, id)
	switch {
	case reported[id+" removed"] && sx.CodeOf(err) != sx.CodeNotFound:
		return fmt.Errorf("the removed job is there: %w", err)
	case removing:
		return nil
	case reported[id+" created"] && err != nil, reported[id+" done"] && j.State != sx.StateDone:
		return fmt.Errorf("the job is %q, %w", j.State, err)
	}
	up, err := s.Videos.Stat(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound && !reported[id+" created"]:
		return nil
	case err != nil:
		return err
	}
	for _, offset := range []int64{lossHalf, lossSize} {
		if reported[fmt.Sprintf("%s offset %d", id, offset)] && up.Offset < offset {
			return fmt.Errorf("the upload has %d bytes, but %d were acknowledged", up.Offset, offset)
		}
	}
	if _, err := s.Videos.Append(ctx, id, up.Offset, bytes.NewReader(lossVideo()[up.Offset:])); err != nil {
		return err
	}
	if _, err := s.Videos.Complete(ctx, id); err != nil {
		return err
	}
	return checkBlob(ctx, s.Videos.Open, id, lossVideo(), true, false)
}

// checkBlob checks that what can be opened is complete, and that it can be opened if it
// must be there. While it is being removed, opening it may fail in any way.
func checkBlob(ctx context.Context, open func(context.Context, string) (store.Blob, error), id string, want []byte, must, removing bool) error {
	b, err := open(ctx, id)
	if err != nil && removing || sx.CodeOf(err) == sx.CodeNotFound && !must {
		return nil
	}
	if err != nil {
		return err
	}
	got, err := io.ReadAll(b)
	if err := errors.Join(err, b.Close()); err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%s has %d of %d bytes, or other ones: %w", id, len(got), len(want), err)
	}
	return nil
}
