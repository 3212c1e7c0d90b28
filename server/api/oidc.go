package api

import "time"

// The paths of the sign-in through the organisation, whose OpenID provider authenticates
// people. The page starts a sign-in, goes to the provider, which sends the browser back to
// the page's root with a code, and finishes it with that code. Only browsers can do this;
// other programs are signed in by a browser, see PathDevices.
const (
	PathOIDCStart    = "/v1/auth/oidc/start"     // POST: OIDCRedirect; needs no token
	PathOIDC         = "/v1/auth/oidc"           // POST OIDCResponse: BrowserSession; needs no token
	PathBindingStart = "/v1/auth/binding/start"  // POST PasswordProof: OIDCRedirect
	PathBinding      = "/v1/auth/binding"        // POST OIDCResponse: User
	PathUnbind       = "/v1/auth/binding/delete" // POST PasswordProof: 204
)

// HeaderTransaction is internal: its value, between auth and the gateway, is what binds a
// sign-in at the provider to the browser that started it; "" ends it. The gateway keeps it
// in a cookie.
const HeaderTransaction = "Sx-Transaction"

// TransactionLife is how long a sign-in at the provider may take.
const TransactionLife = 10 * time.Minute

// OIDCRedirect is where the browser signs in.
type OIDCRedirect struct {
	URL string `json:"url"` // of the provider
}

// LinkState is the first character of the state of a link; that of a sign-in is another.
const LinkState = "l"

// OIDCResponse is what the provider has added to the address of the page.
type OIDCResponse struct {
	Code   string `json:"code"`
	State  string `json:"state"`
	Issuer string `json:"iss,omitempty"` // RFC 9207
}

// PasswordProof proves that the request comes from the owner of the account.
type PasswordProof struct {
	Password string `json:"password"`
}
