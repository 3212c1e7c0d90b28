package standalone_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/standalone"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// getBackup gets the backup of a running server.
func getBackup(t *testing.T, url, secret string) *http.Response {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url+api.PathLocalBackup, http.NoBody))(t)
	req.Header.Set("Authorization", "Bearer "+secret)
	res := must(http.DefaultClient.Do(req))(t)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// entries returns the entries of a backup except those that say when it was created.
func entries(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	r := must(backup.NewReader(bytes.NewReader(raw)))(t)
	found := map[string]string{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name] = string(e.Data)
	}
}

// TestBackup creates a backup of a running server and one of its directory, and restores
// one.
func TestBackup(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	quiet := slog.New(slog.DiscardHandler)
	data := t.TempDir()
	for name, text := range map[string]string{api.SMTPPasswordFile: "secret\n", api.LocalSettingsFile: `{"smtp-password-file":"` + filepath.ToSlash(filepath.Join(data, api.SMTPPasswordFile)) + `"}`} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url, stop := serveAt(t, data, "127.0.0.1:0")
	var instance struct{ Backup string }
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(data, api.InstanceFile)))(t), &instance); err != nil || len(instance.Backup) < 20 {
		t.Fatalf("the secret is %q: %v", instance.Backup, err)
	}
	for _, secret := range []string{"", "wrong", ownerToken(t, data)} {
		if res := getBackup(t, url, secret); res.StatusCode != http.StatusForbidden {
			t.Errorf("with the secret %q: %s", secret, res.Status)
		}
	}
	live := must(io.ReadAll(getBackup(t, url, instance.Backup).Body))(t)
	stop()

	var stopped bytes.Buffer
	if _, err := standalone.CreateBackup(t.Context(), data, &stopped, quiet); err != nil {
		t.Fatal(err)
	}
	a, b := entries(t, live), entries(t, stopped.Bytes())
	for name, text := range a {
		if name != "backup.json" && b[name] != text {
			t.Errorf("%s is %q in a backup of the running server, and later %q", name, text, b[name])
		}
	}
	if a["secrets/"+api.SMTPPasswordFile] != "secret\n" || a["values/"+api.LocalSettingsFile] == "" || len(a) < 4 {
		t.Errorf("the entries are %q and %q", a, b)
	}

	restored := filepath.Join(t.TempDir(), "new", "data")
	cut := live[:len(live)-10]
	if _, err := standalone.RestoreBackup(t.Context(), restored, bytes.NewReader(cut), quiet); sx.CodeOf(err) != sx.CodeBackupDamaged {
		t.Errorf("an incomplete backup: %v", err)
	}
	if _, err := os.Stat(restored); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an incomplete backup leaves a data directory: %v", err)
	}
	if _, err := standalone.RestoreBackup(t.Context(), restored, bytes.NewReader(live), quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := standalone.RestoreBackup(t.Context(), restored, bytes.NewReader(live), quiet); sx.CodeOf(err) != sx.CodeConflict {
		t.Errorf("a directory that is not empty: %v", err)
	}
	again := bytes.Buffer{}
	if _, err := standalone.CreateBackup(t.Context(), restored, &again, quiet); err != nil {
		t.Fatal(err)
	}
	for name := range a {
		if again := entries(t, again.Bytes())[name]; again == "" {
			t.Errorf("%s is not restored", name)
		}
	}
	var settings map[string]string
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(restored, api.LocalSettingsFile)))(t), &settings); err != nil ||
		settings["smtp-password-file"] != filepath.Join(restored, api.SMTPPasswordFile) {
		t.Errorf("the settings are %v: %v", settings, err)
	}
	url, stop = serveAt(t, restored, "127.0.0.1:0") // with the same keys and the same owner
	defer stop()
	if res := getBackup(t, url, instance.Backup); res.StatusCode != http.StatusForbidden {
		t.Errorf("the secret of another server: %s", res.Status)
	}
	if _, err := standalone.CreateBackup(t.Context(), t.TempDir(), io.Discard, quiet); sx.CodeOf(err) != sx.CodeInvalid {
		t.Errorf("a backup of an empty directory: %v", err)
	}
}
