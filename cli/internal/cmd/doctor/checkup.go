package doctor

import (
	"context"
	"net/http"
	"slices"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/installer"
	"github.com/soundextract/sx/install/kube"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// Checkup runs the checks of sx doctor on one release in one cluster.
type Checkup struct {
	Cluster *kube.Cluster
	Release string
	// Request is the install that is checked, if there is no release or Given is true.
	Request installer.InstallRequest
	Given   bool

	// The settings of sx. If its server is this release, the address for users is
	// checked too.
	Config    func() (*config.Config, error)
	Transport func() (http.RoundTripper, error)
	Account   func() (*session.Account, error)
}

// NewCheckup returns a Checkup with the settings of the factory.
func NewCheckup(f *cmdutil.Factory, cluster *kube.Cluster, release string) *Checkup {
	return &Checkup{Cluster: cluster, Release: release, Config: f.Config, Transport: f.Transport, Account: f.Account}
}

// Run runs the checks, reports each result as soon as it and all earlier ones are
// known, and returns them all. If the API server does not respond, it runs no other
// check. An error means that the settings of sx or the record of the release cannot be
// used.
func (c *Checkup) Run(ctx context.Context, report func(check.Result)) ([]check.Result, error) {
	env := &check.Env{Cluster: c.Cluster, Release: c.Release, Version: sx.Version}
	first, rest := check.Preflight()[:1], check.Preflight()[1:]
	results := check.Run(ctx, env, first, report)
	if results[0].Outcome != check.OK || ctx.Err() != nil {
		return results, ctx.Err()
	}
	installed, err := c.prepare(ctx, env)
	if err != nil {
		return results, err
	}
	if installed {
		rest = running(rest)
	}
	results = append(results, check.Run(ctx, env, rest, report)...)
	return results, ctx.Err()
}

// running adds the checks of a running release to those of an install. It replaces
// those with the same ID, because a running release can be checked more closely.
func running(preflight []check.Check) []check.Check {
	all := slices.Clone(preflight)
	for _, c := range check.Running()[1:] { // the first one has run
		if i := slices.IndexFunc(all, func(p check.Check) bool { return p.ID == c.ID }); i >= 0 {
			all[i] = c
		} else {
			all = append(all, c)
		}
	}
	return all
}

// Role returns the permissions that sx needs, as YAML for an administrator.
func (c *Checkup) Role(ctx context.Context) (string, error) {
	env := &check.Env{Cluster: c.Cluster, Release: c.Release, Version: sx.Version}
	if _, err := c.prepare(ctx, env); err != nil {
		return "", err
	}
	return check.Role(ctx, env)
}

// prepare fills in what the checks examine and reports whether there is a release.
func (c *Checkup) prepare(ctx context.Context, env *check.Env) (installed bool, err error) {
	in := installer.New(c.Cluster, c.Release, sx.Version, nil)
	if !c.Given {
		last, err := in.Deployed(ctx)
		if err != nil && sx.CodeOf(err) != sx.CodeForbidden { // the checks report that one
			return false, err
		}
		if err == nil && last != nil {
			env.Manifest = last.Manifest
			return true, c.addServer(env)
		}
	}
	preview, err := in.Preview(ctx, c.Request)
	if err != nil {
		return false, err
	}
	env.Manifest, env.Current = preview.Manifest, preview.Current
	if preview.Installed {
		return true, c.addServer(env)
	}
	return false, nil
}

// addServer fills in how users reach the server, if sx uses this release or an address
// is given.
func (c *Checkup) addServer(env *check.Env) error {
	settings, err := c.Config()
	if err != nil {
		return err
	}
	if !isGiven(settings) && !c.covers(settings.Installation) {
		return nil
	}
	transport, err := c.Transport()
	if err != nil {
		return err
	}
	account, err := c.Account()
	if err != nil {
		return err
	}
	env.Server, env.Token, env.HTTP = settings.Server, account.Token, &http.Client{Transport: transport}
	var flags nextcmd.Flags
	if source(settings) == "flag" {
		flags = flags.Keep("--server", settings.Server, "")
	}
	env.SignIn = flags.SX("login")
	return nil
}

// isGiven reports whether the server's address was given for this run.
func isGiven(settings *config.Config) bool {
	from := source(settings)
	return from == "flag" || from == "SX_SERVER"
}

// source returns the source of the server's address.
func source(settings *config.Config) string {
	for _, v := range settings.Values {
		if v.Key == "server" {
			return v.Source
		}
	}
	return ""
}

// covers reports whether an installation that sx knows is the one that is checked.
func (c *Checkup) covers(location config.Kubernetes) bool {
	if location.Namespace != c.Cluster.Namespace || location.Release != c.Release {
		return false
	}
	known, err := kube.Connect(kube.Target{Kubeconfig: location.Kubeconfig, Context: location.Context, Namespace: location.Namespace})
	return err == nil && known.Config.Host == c.Cluster.Config.Host // a missing kubeconfig has no cluster
}
