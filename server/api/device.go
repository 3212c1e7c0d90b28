package api

import "time"

// The paths by which a program signs in that has no browser, or is on another machine than
// the browser: as in RFC 8628, between this server and its page. The program asks for a code
// and shows it, somebody who is signed in to the page approves it there, and the program,
// which asks again and again, gets the tokens. {code} is the user code.
const (
	PathDevices     = "/v1/auth/devices"        // POST: NewDevice; needs no token
	PathDeviceToken = "/v1/auth/devices/token"  //nolint:gosec // a path. POST DeviceToken: Tokens, or 202; needs no token
	PathDevice      = "/v1/auth/devices/{code}" // GET: Device; POST DeviceDecision: 204
)

// DeviceLife is how long a program waits for the approval, and DeviceInterval how long it
// pauses before it asks again.
const (
	DeviceLife     = 10 * time.Minute
	DeviceInterval = 2 * time.Second
)

// DevicePage is the fragment of the page that asks for the approval, before the user code.
const DevicePage = "#/device/"

// NewDevice is a sign-in of a program that waits for its approval.
type NewDevice struct {
	Code     string    `json:"code"`      // with which the program asks; secret
	UserCode string    `json:"user_code"` // which the person compares, such as BCDF-GHJK
	Expires  time.Time `json:"expires"`
}

// DeviceToken asks for the tokens.
type DeviceToken struct {
	Code string `json:"code"`
}

// Device is what the person is asked to approve.
type Device struct {
	UserCode string    `json:"user_code"`
	Address  string    `json:"address"` // where the program is; "" if unknown
	Expires  time.Time `json:"expires"`
}

// DeviceDecision is the person's answer.
type DeviceDecision struct {
	Approve bool `json:"approve"`
}
