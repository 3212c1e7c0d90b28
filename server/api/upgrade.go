package api

import "time"

// Upgrade is the state of the last upgrade of the server.
type Upgrade struct {
	// Final reports that the running release writes its own format. If that is new, no earlier
	// release can read the stored data.
	Final bool `json:"final"`
	// Format is the format of stored data that is written, Next the one that will be
	// written when the upgrade is final; Format if it is.
	Format int `json:"format"`
	Next   int `json:"next"`
	// FinalAt is when the upgrade becomes final by itself; nil if it is, or while the
	// previous release is still running.
	FinalAt *time.Time `json:"final_at,omitempty"`
	// Previous are processes of the previous release that are still running.
	Previous []Process `json:"previous"`
}

// Process is a process of the server.
type Process struct {
	Name    string `json:"name"` // of the program and its host
	Release string `json:"release"`
}
