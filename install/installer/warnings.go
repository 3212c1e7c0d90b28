package installer

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/server/sx"
)

// versionWarnings warns of a downgrade, and of values that name images of another
// version, as those of a release that Helm installed may do.
func (in *Installer) versionWarnings(p *plan, merged map[string]any) []string {
	var all []string
	before := p.keptVersion
	if p.last != nil {
		before = p.last.Version
	}
	if older(in.Version, before) {
		all = append(all, fmt.Sprintf("downgrade: SoundExtract %s is replaced by %s, which refuses data that a later version has stored in another format", before, in.Version))
	}
	var services []string
	var reset []string
	for _, service := range sx.Services() {
		values, _ := merged[service].(map[string]any)
		image, _ := values["image"].(map[string]any)
		tag, _ := image["tag"].(string)
		if tag != "" && tag != chart.Tag(in.Version) {
			services = append(services, service+" "+tag)
			reset = append(reset, service+".image.tag=null")
		}
	}
	if len(services) > 0 {
		all = append(all, fmt.Sprintf("the values set images whose version differs from the chart's %s: %s; remove them with: %s",
			chart.Tag(in.Version), strings.Join(services, ", "), in.Cluster.SX(in.Release, "install", "--set", strings.Join(reset, ","))))
	}
	return all
}

// older reports whether a version is older than another. Builds between releases cannot be
// compared.
func older(version, other string) bool {
	a, err := semver.StrictNewVersion(version)
	if err != nil {
		return false
	}
	b, err := semver.StrictNewVersion(other)
	return err == nil && a.LessThan(b)
}
