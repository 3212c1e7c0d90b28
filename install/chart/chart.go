// Package chart loads the Helm chart that sx carries, and its presets.
package chart

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/soundextract/sx/charts"
	"github.com/soundextract/sx/server/sx"
)

const (
	folder  = "soundextract"
	presets = "presets"
)

// Load gives the chart for a version of SoundExtract: its images are those of
// the same version.
func Load(version string) (*chart.Chart, error) {
	files, err := files(charts.FS, folder)
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	for _, c := range append(loaded.Dependencies(), loaded) {
		c.Metadata.Version, c.Metadata.AppVersion = Semantic(version), Tag(version)
	}
	return loaded, nil
}

// files reads the chart's files. It goes through all folders, because a pattern
// forgets the next one that is made. Names have slashes on every system.
func files(fsys fs.FS, root string) ([]*loader.BufferedFile, error) {
	var all []*loader.BufferedFile
	err := fs.WalkDir(fsys, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		all = append(all, &loader.BufferedFile{Name: strings.TrimPrefix(name, root+"/"), Data: data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	return all, nil
}

// Semantic gives the version of a chart, which Helm wants to be a semantic
// version: that of a build between releases is 0.0.0- with its name.
func Semantic(version string) string {
	if v, err := semver.NewVersion(version); err == nil && strings.Count(version, ".") >= 2 {
		return v.String()
	}
	name := strings.TrimLeft(strings.Map(semantic, version), "-")
	if _, err := semver.StrictNewVersion("0.0.0-" + name); err != nil { // such as a commit's hash of digits alone
		name = "build-" + name
	}
	return "0.0.0-" + name
}

func semantic(r rune) rune {
	if r < 128 && (r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
		return r
	}
	return '-'
}

// Tag gives the tag of a version's images: what is no tag's character becomes a
// dash.
func Tag(version string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return r
		}
		return semantic(r)
	}, version)
}

// Presets lists the names of the presets.
func Presets() []string {
	names, err := fs.Glob(charts.FS, presets+"/*.yaml")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(path.Base(name), ".yaml")
	}
	slices.Sort(names)
	return names
}

// Preset gives the values of a preset. One that does not exist is an *sx.Error
// of code invalid.
func Preset(name string) (map[string]any, error) {
	if !slices.Contains(Presets(), name) {
		return nil, sx.NewError(sx.CodeInvalid, "there is no preset %q", name).
			WithHint("choose one of: %s", strings.Join(Presets(), ", "))
	}
	data, err := fs.ReadFile(charts.FS, path.Join(presets, name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the preset %s: %w", name, err)
	}
	values, err := chartutil.ReadValues(data)
	if err != nil {
		return nil, fmt.Errorf("read the preset %s: %w", name, err)
	}
	return values, nil
}
