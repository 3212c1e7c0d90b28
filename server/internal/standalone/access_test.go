package standalone_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

const (
	password = "correct horse battery"
)

// serve runs the server and returns its URL and its data directory.
func serve(t *testing.T) (url, data string) {
	t.Helper()
	data = t.TempDir()
	cfg := config(data, "127.0.0.1:0")
	cfg.Registration = auth.RegistrationOpen
	url, stop := run(t, cfg)
	t.Cleanup(stop)
	return url, data
}

func as(t *testing.T, url, token string) *client.Client {
	t.Helper()
	c, err := client.New(url, &http.Client{Transport: client.Bearer{Token: token}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// operation is a method of a path in the OpenAPI document. The gateway's tests check that
// the document is complete.
type operation struct {
	method, path string
	public       bool
	json         bool   // requires a JSON body
	secret, job  string // of a link or a feed, and what it shows, instead of ones that do not exist
}

// public are the paths that need no token. Adding one must be a conscious decision.
var public = []string{
	api.PathRegister, api.PathLogin, api.PathBrowserSignIn, api.PathRecover, api.PathRefresh, api.PathLogout, api.PathKeys, api.PathOpenAPI,
	api.PathOIDCStart, api.PathOIDC, api.PathDevices, api.PathDeviceToken,
	api.PathHealth, api.PathReady, api.PathMetrics,
	api.PathSharePage, api.PathSharedArchive, api.PathSharedTrack, // they need the secret in the path, as the next ones
	api.PathFeedXML, api.PathFeedArtwork, api.PathFeedTrack, api.PathFeedChapters, api.PathFeedCover,
}

func operations(t *testing.T) []operation {
	t.Helper()
	doc := must(openapi3.NewLoader().LoadFromData(api.OpenAPI))(t)
	var list []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{method: method, path: path, public: op.Security != nil && len(*op.Security) == 0}
			o.json = op.RequestBody != nil && op.RequestBody.Value.Content["application/json"] != nil
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return list
}

// passwordOnly reports whether the operation requires a sign-in with a
// password.
func (o operation) passwordOnly() bool {
	return o.path == api.PathPassword || o.path == api.PathDelete || strings.HasPrefix(o.path, api.PathTokens) ||
		strings.HasPrefix(o.path, api.PathNotify) || o.path == api.PathBrowserCode ||
		strings.HasPrefix(o.path, api.PathBinding) || o.path == api.PathDevice || o.adminOnly()
}

func (o operation) adminOnly() bool { return strings.HasPrefix(o.path, "/v1/admin/") }

// byAuth reports whether auth itself authenticates the caller, so that the end
// of a sign-in takes effect immediately.
func (o operation) byAuth() bool { return o.passwordOnly() || o.path == api.PathMe }

// onOwned reports whether the operation is on an object that has an owner.
func (o operation) onOwned() bool {
	return (strings.Contains(o.path, "{id}") || o.path == api.PathArchive) && !o.adminOnly()
}

// owned returns the id of alice's object that the operation is tried on, or ""
// if populate creates none.
func (o operation) owned(p users) string {
	switch {
	case o.path == api.PathToken:
		return p.token
	case o.path == api.PathFeed:
		return p.feed
	case o.path == api.PathWebhook:
		return p.webhook
	case o.path == api.PathReplay:
		return p.delivery
	case strings.HasPrefix(o.path, api.PathJob), strings.HasPrefix(o.path, api.PathUploads), o.path == api.PathArchive:
		return p.job
	default:
		return ""
	}
}

// checkCovered fails the test if it cannot send a valid request for the
// operation, because the request would then be refused as invalid and not as
// unauthorized.
func (o operation) checkCovered(t *testing.T, p users) {
	t.Helper()
	switch _, body := bodies[o.method+" "+o.path]; {
	case o.public != slices.Contains(public, o.path):
		t.Errorf("%s %s: public is %v in the document, but not in this test", o.method, o.path, o.public)
	case !o.public && o.json && !body:
		t.Errorf("%s %s has no valid body: add one to bodies", o.method, o.path)
	case o.onOwned() && o.owned(p) == "":
		t.Errorf("%s %s is on an object that alice does not have: create it in populate", o.method, o.path)
	}
	rest := strings.NewReplacer("{id}", "", "{name}", "", "{number}", "", "{share}", "", "{secret}", "", "{job}", "", "{code}", "").Replace(o.path)
	if strings.ContainsAny(rest, "{}") {
		t.Errorf("%s %s has a parameter that request does not fill in", o.method, o.path)
	}
}

// request sends the operation with a token, and headers in pairs, and returns the
// response's status and code.
func request(t *testing.T, url, token string, o operation, id string, headers ...string) (int, sx.Code) {
	t.Helper()
	path := strings.NewReplacer("{id}", id, "{name}", "nobody", "{code}", "BCDF-GHJK", "{number}", "1", "{share}", id+"-aaaaaa",
		"{secret}", cmp.Or(o.secret, "sxl_none"), "{job}", cmp.Or(o.job, id)).Replace(o.path)
	if o.path == api.PathEvents || o.path == api.PathArchive {
		path += "?id=" + id
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	body := bodies[o.method+" "+o.path]
	req := must(http.NewRequestWithContext(ctx, o.method, url+path, strings.NewReader(body)))(t)
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(o.path, api.PathUploads) {
		req.Header.Set("Tus-Resumable", "1.0.0")
		if o.method == http.MethodPatch {
			req.Header.Set("Content-Type", "application/offset+octet-stream")
			req.Header.Set("Upload-Offset", "0")
		}
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res := must(client.Bearer{Token: token}.RoundTrip(req))(t)
	defer func() { _ = res.Body.Close() }()
	var e api.ErrorBody
	if res.StatusCode >= http.StatusBadRequest && o.method != http.MethodHead {
		raw := must(io.ReadAll(res.Body))(t)
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Errorf("%s %s answered %d with %q", o.method, o.path, res.StatusCode, raw)
		}
	}
	return res.StatusCode, e.Error.Code
}

// bodies are valid request bodies.
var bodies = map[string]string{
	"POST " + api.PathBindingStart: `{"password":"x"}`,
	"POST " + api.PathBinding:      `{"code":"x","state":"l"}`,
	"POST " + api.PathUnbind:       `{"password":"x"}`,
	"POST " + api.PathDevice:       `{"approve":true}`,
	"POST " + api.PathPassword:     `{"old_password":"` + password + `","new_password":"another horse battery"}`,
	"POST " + api.PathDelete:       `{"password":"` + password + `"}`,
	"POST " + api.PathTokens:       `{"name":"stolen","expires_in":60}`,
	"POST " + api.PathInvitations:  `{"expires_in":60}`,
	"PATCH " + api.PathLimits:      `{"bytes":1}`,
	"PUT " + api.PathEmail:         `{"address":"thief@example.org"}`,
	"POST " + api.PathConfirm:      `{"code":"12345678"}`,
	"PATCH " + api.PathJob:         `{"add_labels":["stolen"]}`,
	"POST " + api.PathLookup:       `{"items":[]}`,
	"POST " + api.PathShares:       `{"expires_in":3600}`,
	"POST " + api.PathFeeds:        `{"name":"stolen","server":"https://thief.example"}`,
	"POST " + api.PathWebhooks:     `{"url":"https://thief.example/"}`,
}

// users are the users whose tokens the test tries.
type users struct {
	root, alice, bob, gone, ended api.Tokens
	script, revoked, orphan       string // personal tokens: bob's, one of bob's, of gone
	job, token, webhook, feed     string // alice's
	delivery                      string // likewise
	browser, left                 string // cookies of bob's: a browser's, and that of one that signed out
	shown                         shown
}

// browserCookie signs in a browser and returns its cookie.
func browserCookie(t *testing.T, url, name string) string {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, url+api.PathLogin, strings.NewReader(`{"name":"`+name+`","password":"`+password+`"}`)))(t)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(api.HeaderBrowser, "1")
	res := must(http.DefaultTransport.RoundTrip(req))(t)
	_ = res.Body.Close()
	if len(res.Cookies()) != 1 {
		t.Fatalf("the sign-in of a browser: %s, %d cookies", res.Status, len(res.Cookies()))
	}
	return res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
}

func populate(t *testing.T, url, owner string) users {
	t.Helper()
	register := func(name string) api.Tokens {
		return must(as(t, url, "").Register(t.Context(), api.Credentials{Name: name, Password: password}))(t)
	}
	personal := func(of api.Tokens, name string) api.CreatedToken {
		return must(as(t, url, of.AccessToken).CreateToken(t.Context(), api.NewToken{Name: name, ExpiresIn: 3600}))(t)
	}
	p := users{root: api.Tokens{AccessToken: owner}, alice: register("alice"), bob: register("bob"), gone: register("gone"), ended: register("ended")}
	p.script, p.token, p.orphan = personal(p.bob, "script").Token, personal(p.alice, "hers").ID, personal(p.gone, "orphan").Token
	p.webhook = must(as(t, url, p.alice.AccessToken).AddWebhook(t.Context(), api.NewWebhook{URL: "https://alice.example/"}))(t).ID
	p.feed = must(as(t, url, p.alice.AccessToken).CreateFeed(t.Context(), api.NewFeed{Name: "hers", Server: url}))(t).ID
	p.delivery = must(as(t, url, p.alice.AccessToken).TestNotify(t.Context()))(t).Deliveries[0].ID
	p.browser, p.left = browserCookie(t, url, "bob"), browserCookie(t, url, "bob")
	if status, _ := request(t, url, "", operation{method: http.MethodPost, path: api.PathLogout}, "", "Cookie", p.left, api.HeaderBrowser, "1"); status != http.StatusNoContent {
		t.Fatalf("signing out a browser: %d", status)
	}
	revoked := personal(p.bob, "revoked")
	p.revoked = revoked.Token
	if err := errors.Join(
		as(t, url, p.bob.AccessToken).RevokeToken(t.Context(), revoked.ID),
		as(t, url, "").Logout(t.Context(), p.ended.RefreshToken),
	); err != nil {
		t.Fatal(err)
	}
	p.shown = show(t, url, p.alice, p.gone)
	must(as(t, url, p.root.AccessToken).Disable(t.Context(), "gone"))(t)

	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, url+api.PathUploads, http.NoBody))(t)
	for k, v := range map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": "1000",
		"Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte("talk.mp4")),
	} {
		req.Header.Set(k, v)
	}
	res := must(client.Bearer{Token: p.alice.AccessToken}.RoundTrip(req))(t)
	_ = res.Body.Close()
	p.job = filepath.Base(res.Header.Get("Location"))
	return p
}

// forge returns access tokens in bob's name, each of which is invalid in one
// way.
func forge(t *testing.T, data string, bob api.Tokens) map[string]string {
	t.Helper()
	keys := must(token.LoadKeys(filepath.Join(data, "keys"), time.Now()))(t)
	key := keys[0].Private
	public, _ := key.Public().(ed25519.PublicKey)
	good, _, err := jwt.NewParser().ParseUnverified(bob.AccessToken, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := good.Claims.(jwt.MapClaims)
	sign := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		c := jwt.MapClaims{}
		for k, v := range claims {
			c[k] = v
		}
		if change != nil {
			change(c)
		}
		made := jwt.NewWithClaims(method, c)
		made.Header["kid"] = good.Header["kid"]
		return must(made.SignedString(key))(t)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(bob.AccessToken, ".")
	payload := must(json.Marshal(func() jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range claims {
			c[k] = v
		}
		c["sub"] = "root"
		return c
	}()))(t)
	return map[string]string{
		"no token":          "",
		"no JWT":            "opensesame",
		"expired":           sign(jwt.SigningMethodEdDSA, key, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"algorithm none":    sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HMAC, public key":  sign(jwt.SigningMethodHS256, []byte(public), nil),
		"tampered payload":  parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2],
		"another's key":     sign(jwt.SigningMethodEdDSA, stranger, nil),
		"another audience":  sign(jwt.SigningMethodEdDSA, key, func(c jwt.MapClaims) { c["aud"] = "elsewhere" }),
		"refresh token":     bob.RefreshToken,
		"no personal token": "sxp_",
		"no owner's token":  "sxo_",
		"another server's":  token.NewOwner(),
	}
}

// TestAccess checks that every operation of the API refuses every kind of token
// that must not authorize it.
func TestAccess(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "ffmpeg")
	url, data := serve(t)
	p := populate(t, url, ownerToken(t, data))
	bad := forge(t, data, p.bob)
	bad["revoked personal token"], bad["disabled user's personal token"] = p.revoked, p.orphan
	_, bad["a browser's secret"], _ = strings.Cut(p.browser, "=")
	bad["a link's secret"], bad["a feed's secret"] = p.shown.link, p.shown.feed
	tried := 0
	for _, o := range operations(t) {
		wantWith := func(headers []string, who, token, id string, status int, codes ...sx.Code) {
			t.Helper()
			tried++
			got, code := request(t, url, token, o, id, headers...)
			if got != status || o.method != http.MethodHead && !slices.Contains(codes, code) {
				t.Errorf("%s %s with %s: %d %s, want %d %v", o.method, o.path, who, got, code, status, codes)
			}
		}
		want := func(who, token, id string, status int, codes ...sx.Code) {
			t.Helper()
			wantWith(nil, who, token, id, status, codes...)
		}
		withCookie := func(headers ...string) []string { return append(headers, "Cookie", p.browser) }
		page := withCookie(api.HeaderBrowser, "1", "Sec-Fetch-Site", "same-origin")
		o.checkCovered(t, p)
		if o.public {
			if _, code := request(t, url, "", o, "none"); code == sx.CodeUnauthenticated || code == sx.CodeForbidden {
				t.Errorf("%s %s is public but returned %s", o.method, o.path, code)
			}
			tried += p.shown.check(t, url, o, p)
			continue
		}
		for who, token := range bad {
			want(who, token, p.job, http.StatusUnauthorized, sx.CodeUnauthenticated)
		}
		wantWith(withCookie(api.HeaderBrowser, "1", "Sec-Fetch-Site", "cross-site"), "a cookie and another site", "", p.job, http.StatusForbidden, sx.CodeForbidden)
		wantWith(withCookie(api.HeaderBrowser, "1", "Sec-Fetch-Site", "same-site"), "a cookie and another port", "", p.job, http.StatusForbidden, sx.CodeForbidden)
		if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, o.method) {
			wantWith(withCookie("Sec-Fetch-Site", "same-origin"), "a cookie without the page's header", "", p.job, http.StatusForbidden, sx.CodeForbidden)
		}
		for who, secret := range map[string]string{"a link's secret": p.shown.link, "a feed's secret": p.shown.feed} {
			name, _, _ := strings.Cut(p.browser, "=")
			wantWith([]string{"Cookie", name + "=" + secret, api.HeaderBrowser, "1"}, who+" as a cookie", "", p.job, http.StatusUnauthorized, sx.CodeUnauthenticated)
		}
		wantWith([]string{"Cookie", p.left, api.HeaderBrowser, "1"}, "the cookie of a browser that signed out", "", p.job, http.StatusUnauthorized, sx.CodeUnauthenticated)
		if o.byAuth() { // elsewhere these tokens are valid until they expire
			want("a sign-in that ended", p.ended.AccessToken, p.job, http.StatusUnauthorized, sx.CodeUnauthenticated)
			want("a disabled user", p.gone.AccessToken, p.job, http.StatusUnauthorized, sx.CodeUnauthenticated)
		}
		if o.passwordOnly() {
			want("a personal token", p.script, p.token, http.StatusForbidden, sx.CodeForbidden)
		}
		if o.adminOnly() {
			want("a user who is not an administrator", p.bob.AccessToken, "none", http.StatusForbidden, sx.CodeForbidden)
			wantWith(page, "the browser of a user who is not an administrator", "", "none", http.StatusForbidden, sx.CodeForbidden)
		}
		if o.onOwned() {
			id := o.owned(p)
			if !o.passwordOnly() {
				want("another's personal token", p.script, id, http.StatusNotFound, sx.CodeNotFound)
			}
			want("another user", p.bob.AccessToken, id, http.StatusNotFound, sx.CodeNotFound)
			wantWith(page, "another user's browser", "", id, http.StatusNotFound, sx.CodeNotFound)
			want("another user and an administrator", p.root.AccessToken, id, http.StatusNotFound, sx.CodeNotFound)
		}
	}
	t.Logf("%d refusals", tried)
	// None of the requests had an effect, and valid tokens still work.
	if j, err := as(t, url, p.alice.AccessToken).Job(t.Context(), p.job); err != nil || j.State != sx.StateUploading || len(j.Labels) > 0 {
		t.Errorf("alice's job is %+v, %v", j, err)
	}
	if _, err := as(t, url, p.script).Jobs(t.Context(), client.JobFilter{}); err != nil {
		t.Errorf("a valid personal token: %v", err)
	}
	if list, err := as(t, url, p.alice.AccessToken).PersonalTokens(t.Context()); err != nil || len(list.Tokens) != 1 {
		t.Errorf("alice's tokens are %v, %v", list, err)
	}
	if list, err := as(t, url, p.alice.AccessToken).Feeds(t.Context()); err != nil || len(list.Feeds) != 2 {
		t.Errorf("alice's feeds are %v, %v", list, err)
	}
	if n, err := as(t, url, p.alice.AccessToken).Notify(t.Context()); err != nil || len(n.Webhooks) != 1 {
		t.Errorf("alice's notification settings are %+v, %v", n, err)
	}
	// These are only available between services.
	for path, body := range map[string]string{api.PathExchange: `{"token":"` + p.script + `"}`, api.PathActive: `{"user_id":"x"}`} {
		res := must(http.Post(url+path, "application/json", strings.NewReader(body)))(t)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("the gateway forwards %s: %s", path, res.Status)
		}
	}
}
