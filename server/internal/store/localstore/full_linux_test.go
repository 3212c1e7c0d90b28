package localstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

const (
	// volumeVar tells the child of TestRemovalOnFullDisk where to mount its file system.
	volumeVar  = "LOCALSTORE_TEST_VOLUME"
	volumeSize = 48 << 20
	noMount    = "no file system can be mounted"
)

// TestRemovalOnFullDisk fills a file system, then begins to delete an account and removes
// jobs without files, as the services do: only the spare file makes room for these
// changes. The file system is mounted in a child process, the only one that sees it.
func TestRemovalOnFullDisk(t *testing.T) {
	if dir := os.Getenv(volumeVar); dir != "" {
		removeOnFullDisk(t, dir)
		return
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), volumeVar+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, os.ErrPermission), strings.Contains(string(out), noMount):
		t.Skipf("%s: %v %s", noMount, err, out)
	case err != nil:
		t.Errorf("the child ended with %v:\n%s", err, out)
	}
}

func removeOnFullDisk(t *testing.T, dir string) {
	if err := syscall.Mount("sx-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", volumeSize)); err != nil {
		t.Skip(noMount, err)
	}
	ctx, data, filler := t.Context(), filepath.Join(dir, "data"), filepath.Join(dir, "filler")
	s := open(t, data)
	defer func() { _ = s.Close() }()
	ids := make([]string, 300)
	for i := range ids {
		j := sx.NewJob("ann", sx.NewUpload{Source: sx.Source{Name: "talk.mp4", Size: 1}, Size: 1}, time.Now())
		ids[i] = j.ID
		if err := s.Jobs.Create(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	spare := filepath.Join(data, "spare")
	if info, err := os.Stat(spare); err != nil || info.Size() == 0 {
		t.Fatalf("no spare file: %v", err)
	}
	fillDisk(t, filler)
	var err error
	for n := 0; err == nil && n < 10_000; n++ {
		err = s.Users.Create(ctx, sx.User{ID: fmt.Sprint("u", n), Name: fmt.Sprint("name", n), PasswordHash: strings.Repeat("x", 1000)})
	}
	if sx.CodeOf(err) != sx.CodeStorageFull {
		t.Fatalf("creating users until the disk is full returned %v", err)
	}
	_, err = store.Update(ctx, "u0", s.Users.ByID, s.Users.Replace, func(u *sx.User) error {
		u.Erasing = true
		return nil
	})
	if err = errors.Join(err, s.Erasures.Create(ctx, sx.Erasure{UserID: "u0", Step: sx.EraseJobs})); err != nil {
		t.Errorf("beginning to delete an account: %v", err)
	}
	for i, id := range ids {
		if err := removeJob(ctx, s, id); err != nil {
			t.Fatalf("removing job %d: %v", i, err)
		}
	}
	if _, err := os.Stat(spare); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spare file was not needed: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.Videos.Remove(ctx, "none"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(spare); err != nil {
		t.Errorf("the spare file is not restored: %v", err)
	}
}

// removeJob does what the gateway does to remove a job.
func removeJob(ctx context.Context, s store.Store, id string) error {
	_, err := store.Update(ctx, id, s.Jobs.Get, s.Jobs.Replace, func(j *sx.Job) error { return j.Cancel(time.Now()) })
	if err != nil {
		return err
	}
	j, err := s.Jobs.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := s.Videos.Remove(ctx, id); err != nil {
		return err
	}
	c := sx.Conversion{Owner: "ann", Identity: "audio1:" + id, Options: "k", Recorded: time.Now()}
	if err := s.Conversions.Put(ctx, c, len(id)*1000); err != nil {
		return err
	}
	return s.Jobs.Delete(ctx, j)
}

// fillDisk writes until the disk is full.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // what it contains does not matter
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
