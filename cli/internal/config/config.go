// Package config merges sx's settings: flags, then SX_… variables, then the
// config file, then defaults.
package config

import (
	"strings"
	"time"
)

// Config is the merged configuration of one run.
type Config struct {
	Server       string        // the server's URL; "" if none is set
	Account      string        // identifies the server in stored state, whatever its address; see Context.ID
	Data         string        // the data directory of Server if sx up started it; else ""
	Kubernetes   Kubernetes    // where Server is if it is reached through the cluster; else zero
	Installation Kubernetes    // where sx install installed Server, however it is reached; else zero
	Parallel     int           // number of files transferred at once
	RetryTimeout time.Duration // how long to retry without progress
	Token        string        // a personal token to use instead of the session; "" is none
	Credentials  string        // where sessions are stored: CredentialsAuto or CredentialsFile
	StateDir     string        // has the state of unfinished transfers
	Dir          string        // of the config file and of the file with the sessions; "" without a home directory

	Preset string // of conversions if no flag chooses another encoding; "" is the server's default
	Output string // where convert and download write by default; "" is the current directory

	// Values are all settings and their sources, for sx config.
	Values []Value
}

// Value is the value of one setting.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"` // "flag", the variable's name, the file's path, "default" or "not set"
}

const sourceDefault = "default"

// The values of setting credentials.
const (
	CredentialsAuto = "auto" // the system's keyring, else a file
	CredentialsFile = "file"
)

// Setting describes one setting.
type Setting struct {
	Key     string
	Env     string
	Default string
	Usage   string
}

// The keys of the settings.
const (
	keyServer       = "server"
	keyContext      = "context"
	keyParallel     = "parallel"
	keyRetryTimeout = "retry-timeout"
	keyCredentials  = "credentials"
	keyPreset       = "preset"
	keyOutput       = "output"
	keyToken        = "token"
)

// The other keys of the config file.
const (
	keyContexts = "contexts"
	keyData     = "data" // of a context
)

// Settings lists all settings in the order in which they are shown.
func Settings() []Setting {
	return []Setting{
		{keyServer, "SX_SERVER", "", "server URL; overrides that of the current context"},
		{keyContext, "SX_CONTEXT", "", "the context to use; see: sx config use"},
		{keyParallel, "SX_PARALLEL", "2", "number of files transferred at once"},
		{keyRetryTimeout, "SX_RETRY_TIMEOUT", "15m", "how long to retry while the server is unreachable"},
		{keyCredentials, "SX_CREDENTIALS", CredentialsAuto, "auto (keyring, else file) or file"},
		{keyPreset, "SX_PRESET", "", "preset of conversions: speech, standard, high or small"},
		{keyOutput, "SX_OUTPUT", "", "directory that convert and download write to"},
		{keyToken, "SX_TOKEN", "", "a personal token, used instead of a session;\n" +
			strings.Repeat(" ", 19) + "ignored in the config file; see: sx token create"},
	}
}
