// Package charts holds the Helm chart that installs SoundExtract and its
// presets, so that sx can carry them.
package charts

import "embed"

// FS holds the umbrella chart in the folder soundextract, and the presets, files
// of values, in the folder presets.
//
//go:embed all:soundextract presets
var FS embed.FS
