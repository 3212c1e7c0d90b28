// Package config merges sx's settings: flags, then SX_… variables, then the
// config file, then defaults.
package config

import "time"

// Config is the merged configuration of one run.
type Config struct {
	Server   string        // the server's URL
	Account  string        // names the server in stored state: the context's name, else the URL
	Parallel int           // how many files are transferred at once
	Patience time.Duration // how long to go on without progress while the server is away
	StateDir string        // where unfinished transfers are remembered
}
