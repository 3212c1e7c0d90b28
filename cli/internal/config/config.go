// Package config merges sx's settings: flags, then SX_… variables, then the
// config file, then defaults.
package config

import (
	"strings"
	"time"
)

// Config is the merged configuration of one run.
type Config struct {
	Server       string        // the server's URL
	Account      string        // identifies the server in stored state: the context's name, else the URL
	Kubernetes   Kubernetes    // where Server is if it is reached through the cluster; else zero
	Installation Kubernetes    // where sx install installed Server, however it is reached; else zero
	Parallel     int           // number of files transferred at once
	RetryTimeout time.Duration // how long to retry without progress
	Token        string        // a personal token to use instead of the session; "" is none
	Credentials  string        // where sessions are stored: CredentialsAuto or CredentialsFile
	StateDir     string        // has the state of unfinished transfers
	Dir          string        // of the config file and of the file with the sessions

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

// DefaultServer is where sx up listens by default.
const DefaultServer = "http://127.0.0.1:8740"

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
		{keyServer, "SX_SERVER", DefaultServer, "server URL; overrides that of the current context"},
		{keyContext, "SX_CONTEXT", "", "the context to use; see: sx config use"},
		{keyParallel, "SX_PARALLEL", "2", "number of files transferred at once"},
		{keyRetryTimeout, "SX_RETRY_TIMEOUT", "15m", "how long to retry while the server is unreachable"},
		{keyCredentials, "SX_CREDENTIALS", CredentialsAuto, "auto (keyring, else file) or file"},
		{keyToken, "SX_TOKEN", "", "a personal token, used instead of a session;\n" +
			strings.Repeat(" ", 19) + "ignored in the config file; see: sx token create"},
	}
}
