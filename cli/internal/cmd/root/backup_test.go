package root_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	backupcmd "github.com/soundextract/sx/cli/internal/cmd/backup"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

func TestBackupCreateFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  string
		tty   bool
		words string // of the error; none if the flags are accepted
	}{
		{args: "-o backup.age -r age1x"},
		{args: "-o backup.age -R recipients.txt --json"},
		{args: "-o - -r age1x"},
		{args: "-o - --plaintext"},
		{args: "-o - --plaintext --data dir"},
		{args: "", words: "no output"},
		{args: "-r age1x", words: "no output"},
		{args: "-o backup.age", words: "no recipient"},
		{args: "-o -", words: "no recipient"},
		{args: "-o backup.tar --plaintext", words: "--plaintext requires -o -"},
		{args: "-o - --plaintext -r age1x", words: "mutually exclusive"},
		{args: "-o - -r age1x --json", words: "mutually exclusive"},
		{args: "-o - -r age1x", tty: true, words: "terminal"},
		{args: "-o backup.age -r age1x --data dir -n music", words: "--data is for a local server"},
		{args: "-o backup.age -r age1x more", words: "more"},
	} {
		t.Run(c.args, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := term.Test("")
			streams.OutTTY = c.tty
			ran := false
			create := backupcmd.NewCmdCreate(&cmdutil.Factory{IO: streams}, func(context.Context, *backupcmd.CreateOptions) error {
				ran = true
				return nil
			})
			create.SetArgs(strings.Fields(c.args))
			create.SilenceErrors, create.SilenceUsage = true, true
			err := create.ExecuteContext(t.Context())
			switch {
			case c.words == "" && (err != nil || !ran):
				t.Errorf("got %v", err)
			case c.words != "" && (ran || err == nil || !strings.Contains(err.Error(), c.words)):
				t.Errorf("got %v, want an error with %q", err, c.words)
			}
		})
	}
}

// encryptedBackup returns a backup with settings and an identity for it.
func encryptedBackup(t *testing.T) (raw []byte, key string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	sealed, err := backup.Encrypt(&out, []age.Recipient{identity.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := backup.NewWriter(sealed, backup.Header{Format: 1, Release: "1.2.3"})
	if err == nil {
		err = w.Files([]backup.File{{Kind: backup.Secrets, Name: "a", Data: []byte("b")}, {Kind: backup.Values, Name: "values.yaml", Data: []byte("gateway: {}\n")}})
	}
	if err == nil {
		err = w.Document(backup.Users, "user", sx.User{ID: "user"})
	}
	if err = errors.Join(err, w.Close(), sealed.Close()); err != nil {
		t.Fatal(err)
	}
	key = filepath.Join(t.TempDir(), "key.txt")
	if err := os.WriteFile(key, []byte("# a comment\n"+identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), key
}

// runBackup runs a subcommand of sx backup on a backup in standard input.
func runBackup(t *testing.T, in []byte, args ...string) (out string, err error) {
	t.Helper()
	streams, stdout, _ := term.Test(string(in))
	c := backupcmd.NewCmd(&cmdutil.Factory{IO: streams})
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err = c.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestBackupVerify(t *testing.T) {
	t.Parallel()
	raw, key := encryptedBackup(t)
	out, err := runBackup(t, raw, "verify", "-i", key, "-")
	if err != nil || !strings.Contains(out, "complete and unchanged: 1 account, 0 jobs") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err = runBackup(t, raw, "settings", "-i", key, "-"); err != nil || out != "gateway: {}\n" {
		t.Errorf("%q, %v", out, err)
	}
	other := key + ".other"
	if err := os.WriteFile(other, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		args []string
		code sx.Code
	}{
		{"without an identity", raw, []string{"verify", "-"}, sx.CodeInvalid},
		{"an identity that is none", raw, []string{"verify", "-i", other, "-"}, sx.CodeInvalid},
		{"a missing identity", raw, []string{"verify", "-i", other + "x", "-"}, sx.CodeInvalid},
		{"a missing file", raw, []string{"verify", other + "x"}, sx.CodeInvalid},
		{"a file that is no backup", raw, []string{"verify", other}, sx.CodeBackupDamaged},
		{"an incomplete backup", raw[:len(raw)-1], []string{"verify", "-i", key, "-"}, sx.CodeBackupDamaged},
		{"nothing", nil, []string{"verify", "-i", key, "-"}, sx.CodeBackupDamaged},
	} {
		if _, err := runBackup(t, c.raw, c.args...); sx.CodeOf(err) != c.code || sx.AsError(err).Hint == "" {
			t.Errorf("%s: got %v (code %q), want code %q with a hint", c.name, err, sx.CodeOf(err), c.code)
		}
	}
}
