package release_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soundextract/sx/install/manifest"
)

// TestDashboard checks the ConfigMap with Grafana's dashboard: its label, by which the
// sidecar finds it, and the form of the dashboard. Its queries are tested with real metrics in
// server/internal/standalone.
func TestDashboard(t *testing.T) {
	t.Parallel()
	objects, err := manifest.Parse(scenario{values: "global: {metrics: {dashboard: true}}"}.render(t))
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, o := range objects {
		if o.GetName() == "soundextract-dashboard" {
			text, _, _ = unstructured.NestedString(o.Object, "data", "soundextract.json")
			if o.GetKind() != "ConfigMap" || o.GetLabels()["grafana_dashboard"] != "1" {
				t.Errorf("%s has the labels %v", o.GetKind(), o.GetLabels())
			}
		}
	}
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			ID                       int
			Type, Title, Description string
			GridPos                  struct{ X, Y, W, H int }
			Targets                  []struct{ RefID, Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if dashboard.UID == "" || dashboard.Title == "" || len(dashboard.Panels) < 20 {
		t.Errorf("the dashboard %q %q has %d panels", dashboard.UID, dashboard.Title, len(dashboard.Panels))
	}
	ids, cells := map[int]bool{}, map[string]string{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || ids[p.ID] {
			t.Errorf("panel %d %q has no title, or its ID twice", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				cell := fmt.Sprint(x, y)
				if other := cells[cell]; other != "" || x >= 24 {
					t.Fatalf("%q is where %q is, or beyond the right edge", p.Title, other)
				}
				cells[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%q has no description or no query", p.Title)
		}
		for _, query := range p.Targets {
			if !strings.Contains(query.Expr, `namespace="$namespace"`) || query.LegendFormat == "" || query.RefID == "" {
				t.Errorf("%q has a query without the namespace or a legend: %+v", p.Title, query)
			}
		}
	}
}
