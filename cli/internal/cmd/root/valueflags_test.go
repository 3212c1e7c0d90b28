package root_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/install/values"
)

func TestValueFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		want values.Flags
	}{
		{"", values.Flags{}},
		{
			"-f a.yaml --values b.yaml --set a=1,b=2 --set c=3 --set-string d=4 --set-file e=f --preset production --image-registry r --image-pull-secret s",
			values.Flags{
				Preset: "production", Files: []string{"a.yaml", "b.yaml"}, Set: []string{"a=1,b=2", "c=3"},
				SetString: []string{"d=4"}, SetFile: []string{"e=f"}, ImageRegistry: "r", ImagePullSecret: "s",
			},
		},
	} {
		var got values.Flags
		cmd := &cobra.Command{Use: "x"}
		cluster.AddValueFlags(cmd, &got)
		if err := cmd.ParseFlags(strings.Fields(tt.args)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v", tt.args, got)
		}
	}
}

func TestNoSuchPreset(t *testing.T) {
	t.Parallel()
	var f values.Flags
	cmd := &cobra.Command{Use: "x"}
	cluster.AddValueFlags(cmd, &f)
	err := cmd.ParseFlags([]string{"--preset", "enormous"})
	if err == nil || !strings.Contains(err.Error(), "quickstart") || f.Preset != "" {
		t.Errorf("got %v", err)
	}
}
