package main

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/service"
)

// addOIDC adds the settings of the sign-in through the organisation, but for the client's
// secret.
func addOIDC(flags *pflag.FlagSet) *auth.OIDC {
	o := &auth.OIDC{}
	flags.StringVar(&o.Issuer, "oidc-issuer", "", "`URL` of the OpenID provider that signs in people of the organisation; empty turns this off")
	flags.StringVar(&o.ClientID, "oidc-client-id", "", "`ID` that the provider has given this installation")
	flags.StringSliceVar(&o.Scopes, "oidc-scopes", nil, "`scopes` that the provider needs besides openid, profile and email")
	flags.StringVar(&o.GroupsClaim, "oidc-groups-claim", auth.DefaultGroupsClaim, "`claim` in which the provider lists the groups of a person")
	flags.StringSliceVar(&o.Domains, "oidc-domains", nil, "`domains` of verified e-mail addresses that get an account at the first sign-in")
	flags.StringSliceVar(&o.Groups, "oidc-groups", nil, "`groups` whose members get an account at the first sign-in")
	flags.StringVar(&o.AdminGroup, "oidc-admin-group", "", "`group` whose members are administrators")
	return o
}

// checkOIDC validates the settings, of which none is used without an issuer.
func checkOIDC(o auth.OIDC, passwords bool) error {
	if o.Issuer == "" {
		switch {
		case !passwords:
			return service.Invalid("passwords", "nobody could sign in without --oidc-issuer").WithHint("set --oidc-issuer, or leave passwords on")
		case o.ClientID != "" || o.ClientSecret != "" || len(o.Domains)+len(o.Groups) > 0 || o.AdminGroup != "":
			return service.Invalid("oidc-issuer", "required by the other settings of the provider")
		}
		return nil
	}
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil, u.Host == "", u.RawQuery != "", u.Fragment != "", u.User != nil,
		u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())):
		return service.Invalid("oidc-issuer", "%q is not the https:// address of a provider", o.Issuer)
	case o.ClientID == "":
		return service.Invalid("oidc-client-id", "required by --oidc-issuer")
	}
	for setting, list := range map[string][]string{"oidc-domains": o.Domains, "oidc-groups": o.Groups, "oidc-scopes": o.Scopes} {
		if slices.Contains(list, "") {
			return service.Invalid(setting, "contains an empty element")
		}
	}
	for _, d := range o.Domains {
		if strings.ContainsAny(d, "@*/ ") {
			return service.Invalid("oidc-domains", "%q is not a domain such as example.org", d)
		}
	}
	return nil
}

// onThisMachine reports whether nobody can read requests to the host on their way.
func onThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
