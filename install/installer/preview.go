package installer

import "context"

// Preview is what an install would apply.
type Preview struct {
	Manifest string // the rendered release with its hooks
	Current  string // the manifest that is in force; "" if there is none
	// Installed reports that there is a release.
	Installed bool
}

// Preview renders the release that an install would apply, and changes nothing. Without
// the permission to read the release, it renders a first install.
func (in *Installer) Preview(ctx context.Context, request InstallRequest) (Preview, error) {
	p, err := in.plan(ctx, request)
	if err != nil {
		return Preview{}, err
	}
	preview := Preview{Manifest: p.rendered.All()}
	if p.last != nil {
		preview.Current, preview.Installed = p.last.Manifest, true
	}
	return preview, nil
}
