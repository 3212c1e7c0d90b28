package localserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/sx"
)

// Settings returns the settings that the data directory remembers, by the names of
// sxd's flags.
func Settings(dir string) (map[string]string, error) {
	path := filepath.Join(dir, api.LocalSettingsFile)
	known := map[string]string{}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return known, nil
	case err == nil:
		err = json.Unmarshal(raw, &known)
	}
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "%s: %s", path, err).WithCause(err).WithHint("correct the file or remove it")
	}
	return known, nil
}

// remember adds settings to those of the data directory. "" removes one.
func remember(dir string, settings map[string]string) error {
	if len(settings) == 0 {
		return nil
	}
	known, err := Settings(dir)
	if err != nil {
		return err
	}
	maps.Copy(known, settings)
	maps.DeleteFunc(known, func(_, value string) bool { return value == "" })
	raw, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the settings: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, api.LocalSettingsFile), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("remember the settings: %w", err)
	}
	return nil
}

// StoreSMTPPassword writes the password for the mail server into the data directory and
// returns the file's path, for the setting smtp-password-file.
func StoreSMTPPassword(dir, password string) (path string, err error) {
	if err := createDir(dir); err != nil {
		return "", err
	}
	path = filepath.Join(dir, api.SMTPPasswordFile)
	if err := atomicfile.Write(path, []byte(password+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("store the password for the mail server: %w", err)
	}
	return path, nil
}

func createDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sx.NewError(sx.CodeInvalid, "cannot create the data directory: %s", err).WithCause(err).
			WithHint("choose another one with --data")
	}
	return nil
}

// SettingNames returns the names of the settings that a data directory remembers.
func SettingNames() []string { return api.LocalSettings() }
