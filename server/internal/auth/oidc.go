package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/sx"
)

// organisationSignIn is how long a sign-in through the organisation lasts, whether it is
// used or not: then the provider is asked again, so that who leaves the organisation or
// a group of it does not keep what comes from it.
const organisationSignIn = 24 * time.Hour

// transaction has the values of a sign-in at the provider. They follow from a cookie of
// the browser that started it, so that auth stores nothing for strangers, and only that
// browser can finish it.
type transaction struct {
	state, nonce, verifier string
}

// signInPurpose is the purpose of transactions that sign in. linkPurpose has that of
// others.
const signInPurpose = "sign-in"

// transactionSecret is the purpose of the key of transactions.
const transactionSecret = "sign-ins at the provider"

// newTransaction returns a cookie and its transaction.
func (s *Service) newTransaction(purpose string) (string, transaction, error) {
	cookie := strconv.FormatInt(s.cfg.Now().Unix(), 10) + "." + rand.Text()
	t, err := s.transaction(cookie, purpose)
	return cookie, t, err
}

// transaction returns the transaction of a cookie. A cookie that was made up, or changed,
// has one that the provider knows nothing of.
func (s *Service) transaction(cookie, purpose string) (transaction, error) {
	text, _, _ := strings.Cut(cookie, ".")
	seconds, err := strconv.ParseInt(text, 10, 64)
	started := time.Unix(seconds, 0)
	if age := s.cfg.Now().Sub(started); err != nil || age < 0 || age >= api.TransactionLife {
		return transaction{}, badTransaction()
	}
	key, err := s.cfg.Signer.Secret(transactionSecret, started)
	if err != nil {
		return transaction{}, err
	}
	derive := func(what string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(what + "\x00" + purpose + "\x00" + cookie))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	kind := "s"
	if purpose != signInPurpose {
		kind = api.LinkState
	}
	return transaction{state: kind + derive("state"), nonce: derive("nonce"), verifier: derive("verifier")}, nil
}

func badTransaction() *sx.Error {
	return badResponse("this sign-in was not started in this browser, or too long ago")
}

// maxLogged is how much of an error is logged.
const maxLogged = 500

// startOIDC begins a sign-in.
func (s *Service) startOIDC(w http.ResponseWriter, r *http.Request) error {
	if err := s.limit(w, s.origin(r), ""); err != nil {
		return err
	}
	return s.redirect(w, r, signInPurpose)
}

// redirect begins a transaction and sends the address of the provider.
func (s *Service) redirect(w http.ResponseWriter, r *http.Request, purpose string) error {
	root, err := pageRoot(r)
	if err != nil {
		return err
	}
	d, err := s.provider.discover(r.Context())
	if err != nil {
		return err
	}
	cookie, t, err := s.newTransaction(purpose)
	if err != nil {
		return err
	}
	to := s.provider.oauth(d, root).AuthCodeURL(t.state, oidc.Nonce(t.nonce), oauth2.S256ChallengeOption(t.verifier))
	w.Header().Set(api.HeaderTransaction, cookie)
	api.Write(w, http.StatusOK, api.OIDCRedirect{URL: to})
	return nil
}

// pageRoot returns the address of the page that sent the request, to which the provider
// sends the browser back. The gateway has compared the origin with the host of the
// request, and the provider compares it with the addresses that are registered there.
func pageRoot(r *http.Request) (string, error) {
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || !isBrowser(r) || origin.Host == "" || origin.Scheme != "https" && origin.Scheme != "http" {
		return "", sx.NewError(sx.CodeInvalid, "the header Origin or %s is missing", api.HeaderBrowser).
			WithHint("sign in on the web page")
	}
	return origin.Scheme + "://" + origin.Host + "/", nil
}

// finishOIDC signs in whom the provider has authenticated.
func (s *Service) finishOIDC(w http.ResponseWriter, r *http.Request) error {
	if err := s.limit(w, s.origin(r), ""); err != nil {
		return err
	}
	who, err := s.returned(w, r, signInPurpose)
	var user sx.User
	if err == nil {
		user, err = s.organisationUser(r, who)
	}
	if err != nil {
		// Only the log says what the provider answered: operators need it to set up the sign-in.
		s.cfg.Log.WarnContext(r.Context(), "sign-in through the organisation refused", "error", sx.CleanLine(httpserver.Cause(err), maxLogged))
		return err
	}
	until := s.cfg.Now().Add(organisationSignIn)
	if user, err = s.updateRole(r, user, who, until); err != nil {
		return err
	}
	if user.Blocked() {
		return blocked(user)
	}
	if err := s.limitSessions(w, user); err != nil {
		return err
	}
	httpserver.SetUser(r.Context(), user.ID)
	return s.signInBrowser(w, r, user, until)
}

// returned ends the transaction of a browser that comes back from the provider, and
// returns whom that has authenticated.
func (s *Service) returned(w http.ResponseWriter, r *http.Request, purpose string) (person, error) {
	var in api.OIDCResponse
	if err := httpserver.Decode(w, r, &in); err != nil {
		return person{}, err
	}
	root, err := pageRoot(r)
	if err != nil {
		return person{}, err
	}
	d, err := s.provider.discover(r.Context())
	if err != nil {
		return person{}, err
	}
	t, err := s.transaction(r.Header.Get(api.HeaderTransaction), purpose)
	if err != nil {
		return person{}, err
	}
	switch {
	case !equalSecrets(in.State, t.state) || in.Code == "":
		return person{}, badTransaction()
	case in.Issuer != s.cfg.OIDC.Issuer && (in.Issuer != "" || d.IssuerInResponse): // RFC 9207 section 2.4
		return person{}, badResponse("the response comes from another provider")
	}
	w.Header().Set(api.HeaderTransaction, "")
	return s.provider.authenticate(r.Context(), in.Code, t, root)
}
