// Package images is the command sx images.
package images

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/chart"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/release"
	"github.com/soundextract/sx/install/values"
	"github.com/soundextract/sx/server/sx"
)

// Options are the flags, arguments and dependencies of sx images.
type Options struct {
	IO *term.IOStreams

	Values values.Flags
	JSON   bool
}

// NewCmd returns the command; tests replace its run function with run.
func NewCmd(f *cmdutil.Factory, run func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO}
	if run == nil {
		run = runImages
	}
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List the container images of an installation",
		Long: `List the container images that sx install uses with the same values, one per
line, for example to copy them to a private registry. It does not connect to a
cluster. The image of the Helm test is included.`,
		Example: `  sx images
  sx images | xargs -n 1 docker pull
  sx images --preset production --image-registry registry.example.org`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), opts)
		},
	}
	cluster.AddValueFlags(cmd, &opts.Values)
	cmd.Flags().BoolVar(&opts.JSON, "json", false, "print the images as JSON")
	return cmd
}

// result is what --json prints.
type result struct {
	Images []string `json:"images"`
}

func runImages(_ context.Context, opts *Options) error {
	given, err := opts.Values.Values()
	if err != nil {
		return err
	}
	// Neither the namespace nor the cluster changes the images.
	rendered, err := release.Render(sx.Version, given, release.RenderOptions{Release: kube.DefaultRelease, Namespace: kube.DefaultNamespace})
	if err != nil {
		return err
	}
	found, err := chart.Images(rendered.All())
	if err != nil {
		return err
	}
	if opts.JSON {
		return opts.IO.WriteJSON(result{Images: found})
	}
	for _, image := range found {
		if err := opts.IO.Printf("%s\n", image); err != nil {
			return err
		}
	}
	return nil
}
