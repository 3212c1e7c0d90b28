package release

import (
	"fmt"
	"io/fs"
	"strings"

	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/soundextract/sx/charts"
	"github.com/soundextract/sx/install/chart"
)

// load returns the chart for a version of SoundExtract: its images have the tag of
// that version. Rendering modifies a chart, so each rendering needs a new one.
// Templates do not see its annotations, which Helm stores with each revision.
func load(version string, annotations map[string]string) (*helmchart.Chart, error) {
	files, err := chartFiles(charts.FS, "soundextract")
	if err != nil {
		return nil, fmt.Errorf("read the chart: %w", err)
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("load the chart: %w", err)
	}
	for _, c := range append(loaded.Dependencies(), loaded) {
		c.Metadata.Version, c.Metadata.AppVersion = chart.Semantic(version), chart.Tag(version)
	}
	loaded.Metadata.Annotations = annotations
	return loaded, nil
}

// chartFiles reads all files below root. Their names have slashes on every
// operating system.
func chartFiles(fsys fs.FS, root string) ([]*loader.BufferedFile, error) {
	var files []*loader.BufferedFile
	err := fs.WalkDir(fsys, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(name, root+"/"), Data: data})
		return err
	})
	return files, err
}
