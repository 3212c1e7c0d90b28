package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	format "github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
)

// TestFiles reads Secrets as Kubernetes mounts them.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secrets", "auth-keys")
	data := filepath.Join(secret, "..2026_11_28")
	values := filepath.Join(dir, "values.json")
	err := errors.Join(
		os.MkdirAll(data, 0o700),
		os.WriteFile(filepath.Join(data, "0.pem"), []byte("key"), 0o600),
		os.Symlink("..2026_11_28", filepath.Join(secret, "..data")),
		os.Symlink(filepath.Join("..data", "0.pem"), filepath.Join(secret, "0.pem")),
		os.WriteFile(values, []byte(`{"revision":1,"values":{"a":1}}`), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	f := createFlags{secrets: filepath.Join(dir, "secrets"), values: values}
	files, err := f.files()
	if err != nil || len(files) != 2 ||
		files[0].Kind != format.Secrets || files[0].Name != "auth-keys/0.pem" || string(files[0].Data) != "key" ||
		files[1].Name != "values.yaml" || string(files[1].Data) != `{"a":1}` {
		t.Errorf("%+v, %v", files, err)
	}
	f.values += ".missing"
	if files, err := f.files(); err != nil || len(files) != 1 {
		t.Errorf("without values: %+v, %v", files, err)
	}
}

func writeText(text string, err error) func(io.Writer) (storebackup.Result, error) {
	return func(w io.Writer) (storebackup.Result, error) {
		_, wrote := io.WriteString(w, text)
		return storebackup.Result{}, errors.Join(err, wrote)
	}
}

// TestNegativeKeep checks that the setting is refused before a backup is created.
func TestNegativeKeep(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f := createFlags{dir: t.TempDir(), recipients: identity.Recipient().String()}
	if _, err := f.check(); err != nil {
		t.Fatal(err)
	}
	f.keep = -1
	if _, err := f.check(); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("got %v, want an error of code %q", err, sx.CodeInvalid)
	}
}

func TestToFile(t *testing.T) {
	t.Parallel()
	f := createFlags{dir: t.TempDir(), keep: 2}
	for _, name := range []string{"sx-20200101T000000Z.age", "sx-20210101T000000Z.age", ".sx-20220101T000000Z.age.1", "other"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	killed := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(f.dir, ".sx-20220101T000000Z.age.1"), killed, killed); err != nil {
		t.Fatal(err)
	}
	unplugged := errors.New("unplugged")
	if _, err := f.toFile(writeText("half", unplugged)); !errors.Is(err, unplugged) {
		t.Errorf("got %v, want %v", err, unplugged)
	}
	if _, err := f.toFile(writeText("whole", nil)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) != 3 || names[0] != "other" || names[1] != "sx-20210101T000000Z.age" {
		t.Fatalf("the files are %q", names)
	}
	if raw, err := os.ReadFile(filepath.Join(f.dir, names[2])); err != nil || string(raw) != "whole" {
		t.Errorf("the backup is %q, %v", raw, err)
	}
}

// TestToCommand has a command that stores its input once it has all of it.
func TestToCommand(t *testing.T) {
	t.Parallel()
	stored := filepath.Join(t.TempDir(), "stored")
	f := createFlags{command: []string{"sh", "-c", `x=$(cat) && printf %s "$x" >"$0"`, stored}}
	unplugged := errors.New("unplugged")
	if _, err := f.toCommand(t.Context(), writeText("half", unplugged)); !errors.Is(err, unplugged) {
		t.Errorf("got %v, want %v", err, unplugged)
	}
	if raw, err := os.ReadFile(stored); err == nil {
		t.Errorf("the command has stored half of a backup: %q", raw)
	}
	if _, err := f.toCommand(t.Context(), writeText("whole", nil)); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(stored); err != nil || string(raw) != "whole" {
		t.Errorf("stored is %q, %v", raw, err)
	}
	f.command = []string{"sh", "-c", "cat >/dev/null; exit 3"}
	if _, err := f.toCommand(t.Context(), writeText("whole", nil)); err == nil {
		t.Error("the failure of the command is not reported")
	}
}

// TestDamagedBackup checks that a backup that lacks something never replaces a complete
// one, and that the next complete one replaces it.
func TestDamagedBackup(t *testing.T) {
	t.Parallel()
	f := createFlags{dir: t.TempDir(), keep: 2}
	for _, name := range []string{"sx-20200101T000000Z.age", "sx-20210101T000000Z.age", "sx-20220101T000000Z-damaged.age"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (list []string) {
		entries, err := os.ReadDir(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	damaged := func(w io.Writer) (storebackup.Result, error) {
		_, err := io.WriteString(w, "most")
		return storebackup.Result{Damaged: 1}, err
	}
	if _, err := f.toFile(damaged); err != nil {
		t.Fatal(err)
	}
	if got := names(); len(got) != 3 || got[0] != "sx-20200101T000000Z.age" || got[1] != "sx-20210101T000000Z.age" || !strings.HasSuffix(got[2], "-damaged.age") {
		t.Errorf("after a damaged backup, the files are %q", got)
	}
	if _, err := f.toFile(writeText("whole", nil)); err != nil {
		t.Fatal(err)
	}
	if got := names(); len(got) != 2 || got[0] != "sx-20210101T000000Z.age" || strings.HasSuffix(got[1], "-damaged.age") {
		t.Errorf("after a complete backup, the files are %q", got)
	}
}

// TestTwoBackupsAtOnce checks that a run does not remove what another one is writing.
func TestTwoBackupsAtOnce(t *testing.T) {
	t.Parallel()
	f := createFlags{dir: t.TempDir(), keep: 7}
	_, err := f.toFile(func(w io.Writer) (storebackup.Result, error) {
		_, err := io.WriteString(w, "the first")
		return storebackup.Result{}, errors.Join(err, f.removeLeftovers()) // as another run does at its beginning
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(f.dir, "sx-*.age"))
	if err != nil || len(found) != 1 {
		t.Errorf("the files are %q, %v", found, err)
	}
}
