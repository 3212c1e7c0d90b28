// Package charts embeds the Helm chart that installs SoundExtract, and its presets.
package charts

import "embed"

// FS contains the umbrella chart in the directory soundextract, and the presets, which
// are files of values, in the directory presets.
//
//go:embed all:soundextract presets
var FS embed.FS
