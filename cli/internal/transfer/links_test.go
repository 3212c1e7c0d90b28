package transfer_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

func (d *downloadFixture) symlink(t *testing.T, to string) {
	t.Helper()
	if err := os.Symlink(to, d.path); err != nil {
		t.Fatal(err)
	}
}

func (d *downloadFixture) check(t *testing.T, path string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, d.mp3) {
		t.Errorf("%s has %d bytes of %d: %v", path, len(got), len(d.mp3), err)
	}
}

func TestLinksAreFollowed(t *testing.T) {
	t.Parallel()
	for name, exists := range map[string]bool{"to a file": true, "to nothing": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDownload(t)
			elsewhere := t.TempDir()
			to := filepath.Join(elsewhere, "kept.mp3")
			if exists {
				if err := os.WriteFile(to, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
				d.downloader.Force = true
			}
			relative, err := filepath.Rel(filepath.Dir(d.path), to)
			if err != nil {
				t.Fatal(err)
			}
			d.symlink(t, relative)
			if _, err := d.get(t.Context(), t); err != nil {
				t.Fatal(err)
			}
			d.check(t, to)
			if info, err := os.Lstat(d.path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("the link was replaced: %v, %v", info, err)
			}
			if entries, _ := os.ReadDir(elsewhere); len(entries) != 1 {
				t.Errorf("left in the directory: %v", entries)
			}
		})
	}
}

// A file that the server names is not written through a link.
func TestLinksAreNotFollowedForTheServer(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]string{"the file": "week/talk.mp3", "a directory": "week"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDownload(t)
			dir, elsewhere := filepath.Dir(d.path), t.TempDir()
			at := filepath.Join(dir, filepath.FromSlash(link))
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			to := elsewhere
			if name == "the file" {
				to = filepath.Join(elsewhere, "victim")
			}
			if err := os.Symlink(to, at); err != nil {
				t.Fatal(err)
			}
			d.downloader.Confined, d.downloader.Force = dir, true
			_, err := d.downloader.File(t.Context(), d.job(t), 1, filepath.Join(dir, "week", "talk.mp3"), d.progress)
			if err == nil || !strings.Contains(err.Error(), "symbolic link") {
				t.Errorf("got %v", err)
			}
			if entries, _ := os.ReadDir(elsewhere); len(entries) != 0 {
				t.Errorf("written through the link: %v", entries)
			}
		})
	}
}

// TestPartIsNoLink checks that the partial file is not opened through a link, which
// somebody else may have put there.
func TestPartIsNoLink(t *testing.T) {
	t.Parallel()
	for name, exists := range map[string]bool{"to a file": true, "to nothing": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDownload(t)
			elsewhere := t.TempDir()
			victim := filepath.Join(elsewhere, "victim")
			if exists {
				if err := os.WriteFile(victim, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(victim, d.part()); err != nil {
				t.Fatal(err)
			}
			if _, err := d.get(t.Context(), t); sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("got %v", err)
			}
			if got, err := os.ReadFile(victim); exists != (err == nil) || exists && string(got) != "old" {
				t.Errorf("the victim has %q, %v", got, err)
			}
			if _, err := os.Lstat(d.path); !os.IsNotExist(err) {
				t.Errorf("the MP3 was written: %v", err)
			}
		})
	}
}

func TestNamedPipe(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has none
	}
	d := newDownload(t)
	if err := exec.CommandContext(t.Context(), "mkfifo", d.path).Run(); err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte)
	go func() {
		file, err := os.Open(d.path)
		if err != nil {
			t.Error(err)
			close(read)
			return
		}
		all, _ := io.ReadAll(file)
		read <- all
	}()
	if _, err := d.get(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	if got := <-read; !bytes.Equal(got, d.mp3) {
		t.Errorf("%d bytes came through the pipe", len(got))
	}
	if info, err := os.Lstat(d.path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe was replaced: %v, %v", info, err)
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has none
	}
	d := newDownload(t)
	d.downloader.Force = true
	d.symlink(t, os.DevNull)
	if _, err := d.get(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		t.Fatalf("the device was replaced: %v, %v", info, err)
	}
}

func TestInputsAreNotReplaced(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(old, at string) error{
		"by another name": os.Link, "by a link": os.Symlink,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDownload(t)
			input := filepath.Join(t.TempDir(), "talk.mkv")
			if err := os.WriteFile(input, []byte("the only copy"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := link(input, d.path); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(input)
			if err != nil {
				t.Fatal(err)
			}
			d.downloader.Inputs, d.downloader.Force = []fs.FileInfo{info}, true
			_, err = d.get(t.Context(), t)
			if known := sx.AsError(err); known == nil || !strings.Contains(known.Message, "is one of the files to convert") || known.Hint == "" {
				t.Errorf("got %+v", known)
			}
			if got, _ := os.ReadFile(input); string(got) != "the only copy" {
				t.Error("it was replaced")
			}
		})
	}
}

func TestDirectoriesAreCreated(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.path = filepath.Join(filepath.Dir(d.path), "new", "deep", "talk.mp3")
	d.succeeds(t)
}

// The name of the partial file is not longer than file systems allow.
func TestLongName(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.path = filepath.Join(filepath.Dir(d.path), strings.Repeat("x", 251)+".mp3")
	d.succeeds(t)
}

// A disk is not overwritten, whoever asks for it. Only the check is called, so that no
// disk is damaged if the check fails to detect it.
func TestDisk(t *testing.T) {
	t.Parallel()
	d := newDownload(t)
	d.downloader.Force = true
	entries, _ := os.ReadDir("/dev")
	for _, e := range entries {
		if e.Type()&fs.ModeDevice == 0 || e.Type()&fs.ModeCharDevice != 0 {
			continue
		}
		d.symlink(t, filepath.Join("/dev", e.Name()))
		err := d.downloader.CheckTarget(d.path)
		if known := sx.AsError(err); known == nil || !strings.Contains(known.Message, "is a disk") || known.Hint == "" {
			t.Errorf("%s: got %v", e.Name(), err)
		}
		return
	}
	t.Skip("this machine shows no disk")
}
