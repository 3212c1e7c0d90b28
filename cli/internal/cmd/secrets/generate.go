package secrets

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/secrets"
)

// GenerateOptions are the flags, arguments and dependencies of sx secrets generate.
type GenerateOptions struct {
	IO *term.IOStreams

	Namespace, Release string
}

// NewCmdGenerate returns the command; tests replace its run function with run.
func NewCmdGenerate(f *cmdutil.Factory, run func(context.Context, *GenerateOptions) error) *cobra.Command {
	opts := &GenerateOptions{IO: f.IO}
	if run == nil {
		run = runGenerate
	}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Print new Secrets as a manifest",
		Long: `Print the Secrets that an installation needs, with new contents, as a manifest.
The cluster is neither read nor changed.

This is for installations that Argo CD, Flux or Helm manages with
global.secrets.create=false: apply the manifest once, or store it in a vault or
encrypted in a repository. sx install creates its Secrets itself.`,
		Example: `  sx secrets generate -n soundextract | kubectl apply -f -
  sx secrets generate | kubeseal -o yaml > secrets.yaml`,
		Args: cmdutil.UsageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), opts) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.Namespace, "namespace", "n", kube.DefaultNamespace, "Kubernetes `NAMESPACE`")
	flags.StringVar(&opts.Release, "release", kube.DefaultRelease, "`NAME` of the release")
	return cmd
}

func runGenerate(_ context.Context, opts *GenerateOptions) error {
	s := &secrets.Secrets{Namespace: opts.Namespace, Release: opts.Release, Now: time.Now}
	for _, secret := range s.Generate() {
		text, err := yaml.Marshal(secret)
		if err != nil {
			return fmt.Errorf("encode the Secret %s: %w", secret.Name, err)
		}
		if err := opts.IO.Printf("---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
