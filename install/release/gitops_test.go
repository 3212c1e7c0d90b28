package release

import (
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestNothingRandom checks that renderings without the chart's own Secrets, as in Argo CD
// and Flux, are identical, and that renderings with them are not.
func TestNothingRandom(t *testing.T) {
	t.Parallel()
	render := func(create bool) string {
		r, err := Render("1.2.3", map[string]any{"global": map[string]any{"secrets": map[string]any{"create": create}}},
			RenderOptions{Release: "soundextract", Namespace: "music", Kubernetes: "v1.34.4"})
		if err != nil {
			t.Fatal(err)
		}
		return r.All()
	}
	first := render(false)
	if second := render(false); first != second {
		t.Error("two renderings differ")
	}
	if strings.Contains(first, "kind: Secret\n") {
		t.Error("a Secret is rendered")
	}
	if a, b := render(true), render(true); a == b {
		t.Error("the chart's own Secrets are the same in two renderings")
	}
}

// TestTemplateRefused checks that helm template, which finds no existing Secrets, does not
// render new ones.
func TestTemplateRefused(t *testing.T) {
	t.Parallel()
	o := RenderOptions{Release: "soundextract", Namespace: "music", Kubernetes: "v1.34.4", offline: true}
	if _, err := Render("1.2.3", nil, o); sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), "global.secrets.create=false") {
		t.Errorf("got %v", err)
	}
	if _, err := Render("1.2.3", map[string]any{"global": map[string]any{"secrets": map[string]any{"create": false}}}, o); err != nil {
		t.Error(err)
	}
}
