package localstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/store/storetest"
	"github.com/soundextract/sx/server/sx"
)

// nextFormat is a format after today's: users have their hash in another field.
func nextFormat() format.Format {
	return storetest.NextFormat("PasswordHash", "Secret")
}

// upgrade is a data directory that two releases use in turn: 1.1.0 with today's format
// and 1.2.0 with the next one.
type upgrade struct {
	t   *testing.T
	dir string
	now time.Time
}

func (u *upgrade) open(f format.Format) (store.Store, error) {
	release := "1.1.0"
	if f.Number > format.Current().Number {
		release = "1.2.0"
	}
	return localstore.Open(u.t.Context(), localstore.Config{Dir: u.dir, Format: f, Release: release, Now: func() time.Time { return u.now }})
}

// change opens the store, checks ada's hash and sets another one, which shows that the
// rest of the record is kept too.
func (u *upgrade) change(f format.Format, was, hash string) {
	u.t.Helper()
	s, err := u.open(f)
	if err != nil {
		u.t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			u.t.Error(err)
		}
	}()
	_, err = store.Update(u.t.Context(), "ada", s.Users.ByID, s.Users.Replace, func(v *sx.User) error {
		if v.PasswordHash != was || v.Epoch != 1<<60+1 {
			u.t.Errorf("the user is %+v, want the hash %q", v, was)
		}
		v.PasswordHash = hash
		return nil
	})
	if err != nil {
		u.t.Fatal(err)
	}
}

func (u *upgrade) wantRefused(f format.Format, words ...string) {
	u.t.Helper()
	s, err := u.open(f)
	if err == nil {
		_ = s.Close()
		u.t.Fatal("Open accepted the directory")
	}
	e := sx.AsError(err)
	if e.Code != sx.CodeStoredFormat {
		u.t.Errorf("Open returned %v (code %s), want code stored_format", err, e.Code)
	}
	for _, w := range append(words, filepath.Join(u.dir, "sx.db")) {
		if !strings.Contains(e.Message+"\n"+e.Hint, w) {
			u.t.Errorf("neither message nor hint contains %q: %s; %s", w, e.Message, e.Hint)
		}
	}
}

// read returns the bytes of sx.db.
func (u *upgrade) read() string {
	u.t.Helper()
	raw, err := os.ReadFile(filepath.Join(u.dir, "sx.db"))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(raw)
}

func startUpgrade(t *testing.T) *upgrade {
	t.Helper()
	u := &upgrade{t: t, dir: t.TempDir(), now: time.Now()}
	s, err := u.open(format.Current())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Users.Create(t.Context(), sx.User{ID: "ada", Name: "ada", PasswordHash: "first", Epoch: 1<<60 + 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestUpgrade goes from today's format to the next one, back, and there again.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	u := startUpgrade(t)
	u.change(nextFormat(), "first", "second")
	u.now = u.now.Add(format.FinalAfter - time.Second)
	u.change(nextFormat(), "second", "third")
	u.change(format.Current(), "third", "fourth") // back
	u.now = u.now.Add(2 * format.FinalAfter)
	u.change(nextFormat(), "fourth", "fifth") // a day from now
	u.now = u.now.Add(format.FinalAfter - time.Second)
	u.change(format.Current(), "fifth", "sixth")
	u.change(nextFormat(), "sixth", "seventh")
	if strings.Contains(u.read(), `"Secret"`) {
		t.Error("the next format was written before the upgrade was final")
	}
	u.now = u.now.Add(format.FinalAfter)
	u.change(nextFormat(), "seventh", "eighth")
	if !strings.Contains(u.read(), `"Secret":"eighth"`) {
		t.Error("the next format is not written although the upgrade is final")
	}
	u.wantRefused(format.Current(), "format 2", "1.2.0", "1.1.0")
	u.change(nextFormat(), "eighth", "ninth")
	after := nextFormat()
	after.Number++
	u.wantRefused(after, "format 1", "no format before 2") // until nothing is left in format 1
}

func TestFinishUpgrade(t *testing.T) {
	t.Parallel()
	u := startUpgrade(t)
	s, err := u.open(nextFormat())
	if err != nil {
		t.Fatal(err)
	}
	if status, err := s.Format.Finish(t.Context()); err != nil || status.Format != 2 {
		t.Errorf("Finish: %+v, %v", status, err)
	}
	if err := s.Close(); err != nil { // before anything is written in the next format
		t.Fatal(err)
	}
	u.wantRefused(format.Current(), "format 2")
	u.change(nextFormat(), "first", "second")
	if !strings.Contains(u.read(), `"Secret":"second"`) {
		t.Error("the next format is not written")
	}
}

// TestNewerFormat checks that data of a future release are refused, and not changed.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	u := startUpgrade(t)
	edit(t, u.dir, "meta", "format", `{"rev":7,"format":12,"oldest":11,"release":"9.8.7","unknown":"to this release"}`)
	before := u.read()
	u.wantRefused(format.Current(), "format 12", "9.8.7")
	if u.read() != before {
		t.Error("the refused sxd has changed sx.db")
	}
}
