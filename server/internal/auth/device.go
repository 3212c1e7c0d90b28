package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"math/big"
	"net/http"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// A user code is eight of these letters: without vowels it is no word, and none looks like
// another one (RFC 8628 section 6.1). Of the 25 billion codes a person can try one every
// 30 s (see limits), while each is valid for ten minutes.
const (
	codeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	codeLength  = 8
)

// newUserCode returns a user code as people read it.
func newUserCode() (string, error) {
	var code strings.Builder
	for i := range codeLength {
		if i == codeLength/2 {
			code.WriteByte('-')
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(codeLetters))))
		if err != nil {
			return "", err
		}
		code.WriteByte(codeLetters[n.Int64()])
	}
	return code.String(), nil
}

// deviceID returns the ID of the session with the user code, however it is written.
func deviceID(userCode string) string {
	sum := sha256.Sum256([]byte("device " + strings.ToUpper(strings.ReplaceAll(userCode, "-", ""))))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10])) // as sx.NewID
}

// createDevice begins the sign-in of a program: a session that waits for its user.
func (s *Service) createDevice(w http.ResponseWriter, r *http.Request) error {
	from := s.origin(r)
	if err := s.limit(w, from, ""); err != nil {
		return err
	}
	userCode, err := newUserCode()
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	session := sx.Session{
		ID: deviceID(userCode), Kind: sx.SessionDevice, Rotated: now, Expires: now.Add(api.DeviceLife), Address: from.address,
	}
	code := token.NewSecret(api.DevicePrefix, session.ID)
	session.Current = token.Hash(code)
	if err := s.cfg.Sessions.Create(r.Context(), session); err != nil {
		return err // of code conflict, which the client may repeat, if another program has the code
	}
	api.Write(w, http.StatusCreated, api.NewDevice{Code: code, UserCode: userCode, Expires: session.Expires.UTC()})
	return nil
}

func badDevice() *sx.Error {
	return sx.NewError(sx.CodeBadCredentials, "the sign-in was refused, or nobody approved it in time").
		WithHint("start it again, and approve it on the page within %d minutes", int(api.DeviceLife.Minutes()))
}

// deviceTokens sends a program its tokens, once, after its sign-in was approved.
func (s *Service) deviceTokens(w http.ResponseWriter, r *http.Request) error {
	var in api.DeviceToken
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	ctx, id := r.Context(), token.SecretID(api.DevicePrefix, in.Code)
	if id == "" {
		return badDevice()
	}
	session, err := s.cfg.Sessions.ByID(ctx, id)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && (!holds(session, sx.SessionDevice, in.Code) || !s.cfg.Now().Before(session.Expires)) {
		return badDevice()
	}
	if err != nil {
		return err
	}
	if session.UserID == "" {
		api.Write(w, http.StatusAccepted, struct{}{})
		return nil
	}
	httpserver.SetUser(ctx, session.UserID)
	user, err := s.cfg.Users.ByID(ctx, session.UserID)
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !s.sessionValid(session, user) {
		return badDevice()
	}
	if err != nil {
		return err
	}
	// The code of the program is used up by the compare-and-set.
	refresh := s.firstToken(&session)
	err = s.cfg.Sessions.Replace(ctx, session)
	if errors.Is(err, store.ErrStale) {
		return badDevice()
	}
	if err != nil {
		return err
	}
	if err := s.rememberNetwork(ctx, user, s.origin(r)); err != nil {
		return err
	}
	s.cfg.Log.InfoContext(ctx, "signed in", "session", session.ID, "kind", string(sx.SessionDevice))
	return s.issueTokens(w, user, session.ID, refresh)
}

// waitingDevice returns the user of a browser and the sign-in of the path that waits for
// its approval. Codes with which none waits are counted, so that nobody finds those of
// others; valid ones are not, and restore nothing, because anybody can have a valid one.
func (s *Service) waitingDevice(w http.ResponseWriter, r *http.Request) (user sx.User, by, waiting sx.Session, err error) {
	if user, err = s.signedIn(r); err != nil {
		return user, by, waiting, err
	}
	if by, err = s.browserSession(r); err != nil {
		return user, by, waiting, err
	}
	wait, _ := s.limits.codes.Begin(user.ID, s.cfg.Now())
	if err := tooMany(w, signInAttempts, wait); err != nil {
		return user, by, waiting, err
	}
	defer func() { s.limits.codes.End(user.ID, s.cfg.Now(), sx.CodeOf(err) == sx.CodeNotFound) }()
	waiting, err = s.cfg.Sessions.ByID(r.Context(), deviceID(r.PathValue("code")))
	if sx.CodeOf(err) == sx.CodeNotFound || err == nil && !s.waits(waiting) {
		err = sx.NewError(sx.CodeNotFound, "no sign-in waits with the code %s", sx.CleanLine(r.PathValue("code"), maxAuditedName)).
			WithHint("compare it with the code in the terminal, or start the sign-in again there")
	}
	return user, by, waiting, err
}

// waits reports whether the session is one of a program that nobody has approved.
func (s *Service) waits(session sx.Session) bool {
	return session.Kind == sx.SessionDevice && session.UserID == "" && s.cfg.Now().Before(session.Expires)
}

// device sends what a person needs to know before approving.
func (s *Service) device(w http.ResponseWriter, r *http.Request) error {
	_, _, waiting, err := s.waitingDevice(w, r)
	if err != nil {
		return err
	}
	code := strings.ToUpper(strings.ReplaceAll(r.PathValue("code"), "-", ""))
	api.Write(w, http.StatusOK, api.Device{
		UserCode: code[:codeLength/2] + "-" + code[codeLength/2:], Address: waiting.Address, Expires: waiting.Expires.UTC(),
	})
	return nil
}

// decideDevice signs the program in as the person who approves, or ends its sign-in. The
// program's session ends no later than that of the browser would if it came from the
// organisation.
func (s *Service) decideDevice(w http.ResponseWriter, r *http.Request) error {
	var in api.DeviceDecision
	if err := httpserver.Decode(w, r, &in); err != nil {
		return err
	}
	user, by, waiting, err := s.waitingDevice(w, r)
	if err != nil {
		return err
	}
	if !in.Approve {
		if err := s.cfg.Sessions.Delete(r.Context(), waiting.ID); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := s.limitChanges(w, user); err != nil {
		return err
	}
	_, err = store.Update(r.Context(), waiting.ID, s.cfg.Sessions.ByID, s.cfg.Sessions.Replace, func(session *sx.Session) error {
		if !s.waits(*session) {
			return sx.NewError(sx.CodeConflict, "somebody has answered already").WithHint("start the sign-in again")
		}
		session.UserID, session.Epoch, session.Until, session.OwnerToken = user.ID, user.Epoch, by.Until, by.OwnerToken
		return nil
	})
	if err != nil {
		return err
	}
	s.record(r, user.Name, sx.AuditApproveDevice, user.Name, nil)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
