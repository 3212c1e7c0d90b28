package standalone

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store/localstore"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
)

// The files of the data directory that a backup contains besides the store.
const (
	keysDir      = "keys"
	smtpPassword = api.SMTPPasswordFile
	settingsFile = api.LocalSettingsFile
)

// backupFiles reads the files of a backup.
func backupFiles(data string) ([]backup.File, error) {
	var files []backup.File
	add := func(kind, name, path string) error {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		files = append(files, backup.File{Kind: kind, Name: name, Data: raw})
		return err
	}
	keys, err := filepath.Glob(filepath.Join(data, keysDir, "*.pem"))
	for _, k := range keys {
		err = errors.Join(err, add(backup.Secrets, backup.AuthKeys+"/"+filepath.Base(k), k))
	}
	err = errors.Join(err,
		add(backup.Secrets, smtpPassword, filepath.Join(data, smtpPassword)),
		add(backup.Values, settingsFile, filepath.Join(data, settingsFile)))
	if err != nil {
		return nil, fmt.Errorf("read the files of the data directory: %w", err)
	}
	return files, nil
}

// keepFile writes a file of a backup into the data directory. It leaves out those of an
// installation in a cluster that a local server has no use for. The directory becomes final
// later.
func keepFile(data, final string, f backup.File) error {
	var path string
	key, isKey := strings.CutPrefix(f.Name, backup.AuthKeys+"/")
	switch {
	case f.Kind == backup.Secrets && isKey && !strings.Contains(key, "/") && strings.HasSuffix(key, ".pem"):
		path = filepath.Join(data, keysDir, key)
	case f.Kind == backup.Secrets && f.Name == smtpPassword, f.Kind == backup.Values && f.Name == settingsFile:
		path = filepath.Join(data, f.Name)
	default:
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	if f.Name == settingsFile {
		f.Data = moveSettings(f.Data, final)
	}
	if err := atomicfile.Write(path, f.Data, 0o600); err != nil {
		return fmt.Errorf("restore %s: %w", f.Name, err)
	}
	return nil
}

// moveSettings returns the settings with the file of the mail server's password in another
// data directory.
func moveSettings(raw []byte, data string) []byte {
	const setting = "smtp-password-file"
	known := map[string]string{}
	if json.Unmarshal(raw, &known) != nil || !strings.HasSuffix(known[setting], smtpPassword) {
		return raw
	}
	known[setting] = filepath.Join(data, smtpPassword)
	moved, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return append(moved, '\n')
}

// CreateBackup writes a backup of the data directory of a server that is not running.
func CreateBackup(ctx context.Context, data string, out io.Writer, log *slog.Logger) (storebackup.Result, error) {
	if _, err := os.Stat(filepath.Join(data, "sx.db")); err != nil {
		return storebackup.Result{}, sx.NewError(sx.CodeInvalid, "%s is not the data directory of a server", data).WithCause(err).
			WithHint("name the directory with --data")
	}
	files, err := backupFiles(data)
	if err != nil {
		return storebackup.Result{}, err
	}
	stored, err := localstore.Open(ctx, localstore.Config{Dir: data, Log: log})
	if err != nil {
		return storebackup.Result{}, err
	}
	result, err := storebackup.Create(ctx, stored, files, out, log, time.Now())
	return result, errors.Join(err, stored.Close())
}

// restoring is the suffix of the directory that becomes the data directory when the whole
// backup is restored.
const restoring = ".restoring"

// RestoreBackup restores a backup into a data directory, which must be empty or not exist.
// It appears only once everything is restored.
func RestoreBackup(ctx context.Context, data string, in io.Reader, log *slog.Logger) (storebackup.Restored, error) {
	var none storebackup.Restored
	data, err := filepath.Abs(data)
	if err != nil {
		return none, fmt.Errorf("resolve the path of the data directory: %w", err)
	}
	entries, err := os.ReadDir(data)
	switch {
	case err == nil && len(entries) > 0:
		return none, sx.NewError(sx.CodeConflict, "the data directory %s is not empty; a backup is restored only into an empty one", data).
			WithHint("name another directory with --data")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return none, sx.NewError(sx.CodeInvalid, "the data directory cannot be used: %v", err).WithCause(err).
			WithHint("name another directory with --data")
	}
	temporary := data + restoring
	if err := os.RemoveAll(temporary); err != nil { // of a run that was killed
		return none, fmt.Errorf("remove what an interrupted restore has left: %w", err)
	}
	restored, err := restore(ctx, temporary, data, in, log)
	if err == nil {
		if err = os.Remove(data); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(temporary, data)
	}
	if err != nil {
		return none, errors.Join(err, os.RemoveAll(temporary))
	}
	return restored, nil
}

func restore(ctx context.Context, dir, final string, in io.Reader, log *slog.Logger) (storebackup.Restored, error) {
	stored, err := localstore.Open(ctx, localstore.Config{Dir: dir, Log: log})
	if err != nil {
		return storebackup.Restored{}, err
	}
	restored, err := storebackup.Restore(ctx, stored, in, func(f backup.File) error { return keepFile(dir, final, f) }, time.Now)
	return restored, errors.Join(err, stored.Close())
}

// backupHandler serves backups of the running server to those who can read its instance
// file, and with it the data directory.
func (d *dependencies) backupHandler(secret string) http.Handler {
	h := &storebackup.Handler{
		Store: d.store, Log: d.log("backup"),
		Files: func() ([]backup.File, error) { return backupFiles(d.data) },
	}
	return httpserver.OnlyThisMachine(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(sent), []byte(secret)) != 1 {
			api.WriteError(w, sx.NewError(sx.CodeForbidden, "the secret of the instance file is missing").
				WithHint("a backup is created with the command line program"))
			return
		}
		h.ServeHTTP(w, r)
	}))
}
