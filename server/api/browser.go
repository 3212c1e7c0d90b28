package api

import "time"

// The web page signs in with the same requests as other clients. If these carry
// HeaderBrowser, the response sets a cookie, which scripts cannot read, and has a
// BrowserSession instead of Tokens.
const (
	PathBrowserCode   = "/v1/auth/browser-code" // POST: BrowserCode
	PathBrowserSignIn = "/v1/auth/browser"      // POST BrowserSignIn: BrowserSession; needs no token
)

// HeaderBrowser is required in every request that a cookie authenticates and that changes
// something. Pages of other sites cannot send it.
const HeaderBrowser = "Sx-Browser"

// HeaderBrowserSession is internal: its value, from auth to the gateway, is the secret of a
// new browser session, or "" if the session has ended. The gateway replaces it by a cookie.
const HeaderBrowserSession = "Sx-Browser-Session"

// BrowserCode is a code that signs in one browser, once, as the user who requested it. It
// is sent in a URL's fragment, which browsers do not send to servers.
type BrowserCode struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// BrowserCodeLife is how long a BrowserCode is valid.
const BrowserCodeLife = time.Minute

// BrowserSignIn signs in a browser with the code of a BrowserCode.
type BrowserSignIn struct {
	Code string `json:"code"`
}

// BrowserSession is the response to a browser's sign-in.
type BrowserSession struct {
	User User `json:"user"`
}
