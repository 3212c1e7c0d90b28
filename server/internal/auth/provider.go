package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/soundextract/sx/server/sx"
)

// OIDC is the sign-in through an OpenID provider. Without an Issuer there is none.
type OIDC struct {
	Issuer   string // the provider's URL, exactly as it writes it
	ClientID string
	// ClientSecret is "" for a public client, which has only PKCE.
	ClientSecret string
	Scopes       []string // requested besides openid, profile and email
	GroupsClaim  string   // the claim that lists the groups of a person; "" is DefaultGroupsClaim
	// Domains and Groups are the rules for new accounts: the verified address must be in
	// one of the domains, and the person in one of the groups. Without any rule, nobody gets
	// an account.
	Domains, Groups []string
	AdminGroup      string // whose members are administrators; "" is none
}

// DefaultGroupsClaim is the claim in which most providers list groups.
const DefaultGroupsClaim = "groups"

const (
	providerTimeout  = 10 * time.Second
	maxProviderReply = 1 << 20 // bytes
	// discoveryPause is how long after a failure the provider is not asked again.
	discoveryPause = 5 * time.Second
	// clockSkew is how far the provider's clock may be ahead or behind.
	clockSkew = 2 * time.Minute
	// maxSubject is the limit of OpenID Connect Core section 2.
	maxSubject = 255
)

// provider is the organisation's OpenID provider. What it says about itself is asked for
// when it is first needed, so that auth does not depend on it.
type provider struct {
	OIDC
	now    func() time.Time
	client *http.Client

	turn   chan struct{} // held while the fields below are used
	found  *discovered
	failed time.Time // the last failure
	err    error
}

// discovered is what the provider says about itself.
type discovered struct {
	*oidc.Provider
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	EndSession       string   `json:"end_session_endpoint"`
	IssuerInResponse bool     `json:"authorization_response_iss_parameter_supported"`
}

func newProvider(cfg OIDC, now func() time.Time) *provider {
	if cfg.Issuer == "" {
		return nil
	}
	cfg.GroupsClaim = cmp.Or(cfg.GroupsClaim, DefaultGroupsClaim)
	return &provider{
		OIDC: cfg, now: now, turn: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: providerTimeout, Transport: boundedReplies{http.DefaultTransport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the provider redirects") },
		},
	}
}

// boundedReplies cuts responses at maxProviderReply.
type boundedReplies struct{ next http.RoundTripper }

func (t boundedReplies) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxProviderReply), res.Body}
	}
	return res, err
}

func noProvider() *sx.Error {
	return sx.NewError(sx.CodeNotFound, "this server has no sign-in through an organisation").
		WithHint("sign in with name and password")
}

// discover returns what the provider says about itself.
func (p *provider) discover(ctx context.Context) (*discovered, error) {
	if p == nil {
		return nil, noProvider()
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.found != nil {
		return p.found, nil
	}
	if p.err != nil && p.now().Sub(p.failed) < discoveryPause {
		return nil, p.err
	}
	// The result is for all who wait, even if the client of this request is gone.
	found, err := oidc.NewProvider(p.context(context.WithoutCancel(ctx)), p.Issuer)
	d := &discovered{Provider: found}
	if err == nil {
		err = found.Claims(d)
	}
	if err != nil {
		p.failed, p.err = p.now(), unavailable(err)
		return nil, p.err
	}
	p.found, p.err = d, nil
	return d, nil
}

func unavailable(cause error) *sx.Error {
	return sx.NewError(sx.CodeUnavailable, "the sign-in of your organisation is currently unavailable").WithCause(cause)
}

func (p *provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// signOutURL returns the page that ends the sign-in at the provider; "" if it is not
// known.
func (p *provider) signOutURL() string {
	if p == nil {
		return ""
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	default:
		return "" // it is being asked
	}
	if p.found == nil {
		return ""
	}
	u, err := url.Parse(p.found.EndSession)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}

// oauth returns the client of the provider for sign-ins that return to the URL.
func (p *provider) oauth(d *discovered, redirect string) *oauth2.Config {
	endpoint := d.Endpoint()
	// Trying both, as the package does otherwise, could use up the code.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || len(d.AuthMethods) > 0 && !slices.Contains(d.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, RedirectURL: redirect,
		Scopes: append([]string{oidc.ScopeOpenID, "profile", "email"}, p.Scopes...),
	}
}

// person is whom the provider has authenticated.
type person struct {
	subject       string
	name          string // preferred_username; "" if it is unknown
	email         string
	emailVerified bool
	groups        []string
}

// authenticate exchanges the code for the person. Its errors do not repeat what the
// provider says, which is only logged.
func (p *provider) authenticate(ctx context.Context, code string, t transaction, redirect string) (person, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return person{}, err
	}
	ctx = p.context(ctx)
	tokens, err := p.oauth(d, redirect).Exchange(ctx, code, oauth2.VerifierOption(t.verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
			return person{}, badResponse("the provider does not accept the sign-in").WithCause(err)
		}
		return person{}, unavailable(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	// A token that expired less than clockSkew ago is accepted.
	verifier := d.Verifier(&oidc.Config{ClientID: p.ClientID, Now: func() time.Time { return p.now().Add(-clockSkew) }})
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return person{}, badResponse("the provider's response cannot be verified").WithCause(err)
	}
	var claims claims
	if err := id.Claims(&claims); err != nil {
		return person{}, badResponse("the provider's response cannot be read").WithCause(err)
	}
	switch {
	case !equalSecrets(id.Nonce, t.nonce):
		return person{}, badResponse("the provider's response belongs to another sign-in")
	case len(id.Audience) > 1 && claims.text("azp") != p.ClientID:
		return person{}, badResponse("the provider's response is for another program")
	case id.IssuedAt.After(p.now().Add(clockSkew)):
		return person{}, badResponse("the provider's response is from the future")
	case id.Subject == "" || len(id.Subject) > maxSubject:
		return person{}, badResponse("the provider's response names nobody")
	}
	if err := p.complete(ctx, d, tokens, id.Subject, claims); err != nil {
		return person{}, err
	}
	return person{
		subject: id.Subject, name: claims.text("preferred_username"),
		email: claims.text("email"), emailVerified: claims.bool("email_verified"), groups: claims.list(p.GroupsClaim),
	}, nil
}

// complete adds the claims that the provider sends only from its endpoint UserInfo.
func (p *provider) complete(ctx context.Context, d *discovered, tokens *oauth2.Token, subject string, all claims) error {
	names := []string{"preferred_username", "email", "email_verified"}
	if len(p.Groups) > 0 || p.AdminGroup != "" {
		names = append(names, p.GroupsClaim)
	}
	missing := func(name string) bool { return all[name] == nil }
	if !slices.ContainsFunc(names, missing) || d.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return unavailable(err)
	}
	var more claims
	if err := info.Claims(&more); err != nil || info.Subject != subject { // OpenID Connect Core section 5.3.2
		return badResponse("the provider's response is about another person").WithCause(err)
	}
	if missing("email") || missing("email_verified") { // both from the same response
		all["email"], all["email_verified"] = more["email"], more["email_verified"]
	}
	for _, name := range names {
		if missing(name) {
			all[name] = more[name]
		}
	}
	return nil
}

// claims are what a provider says about a person. A claim of another type than expected
// counts as absent.
type claims map[string]json.RawMessage

func (c claims) text(name string) (v string) {
	_ = json.Unmarshal(c[name], &v)
	return v
}

// bool accepts "true" too, which some providers send.
func (c claims) bool(name string) (v bool) {
	_ = json.Unmarshal(c[name], &v)
	return v || c.text(name) == "true"
}

// list accepts a single value.
func (c claims) list(name string) (v []string) {
	if json.Unmarshal(c[name], &v) == nil {
		return v
	}
	if one := c.text(name); one != "" {
		return []string{one}
	}
	return nil
}

// badResponse is the error for a response of the provider that signs in nobody.
func badResponse(what string) *sx.Error {
	return sx.NewError(sx.CodeBadCredentials, "%s", what).WithHint("start the sign-in again")
}
