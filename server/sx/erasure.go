package sx

import "time"

// Erasure is the deletion of an account and of everything stored for it. The services
// take turns: Step says whose it is, and Due when.
//
// The jobs and notifications are erased twice: at once, and again from Settled on, when
// no access token of the account is valid any more, so that nothing can be created
// afterwards. The account, and with it its name, goes last.
type Erasure struct {
	UserID    string
	Name      string // of the account
	Actor     string // the name of the account that requested it
	Requested time.Time
	Settled   time.Time
	Step      ErasureStep
	Last      bool      // whether this is the round from Settled on
	Since     time.Time // when the step began
	Due       time.Time // when the step continues
	Rev       int64     // see store.Erasures
}

// ErasureStep is a part of an Erasure.
type ErasureStep string

// The steps of an Erasure, in the order in which they begin.
const (
	EraseMark          ErasureStep = "mark"          // auth ends all sign-ins
	EraseJobs          ErasureStep = "jobs"          // the gateway
	EraseNotifications ErasureStep = "notifications" // the notifier
	EraseAccount       ErasureStep = "account"       // auth; the last one
)

// NewErasure returns an erasure whose first step is due at retry, in case its creator does
// not finish the step.
func NewErasure(u User, actor string, now, retry time.Time) Erasure {
	return Erasure{UserID: u.ID, Name: u.Name, Actor: actor, Requested: now, Step: EraseMark, Since: now, Due: retry}
}

// Marked ends the step EraseMark. settle is how long something may still be created for the
// account.
func (e *Erasure) Marked(now time.Time, settle time.Duration) {
	e.Settled = now.Add(settle)
	e.begin(EraseJobs, now, now)
}

// Advance ends a step of the other services.
func (e *Erasure) Advance(now time.Time) {
	switch {
	case e.Step == EraseJobs:
		e.begin(EraseNotifications, now, now)
	case e.Step == EraseNotifications && !e.Last:
		e.Last = true
		e.begin(EraseJobs, now, e.Settled)
	case e.Step == EraseNotifications:
		e.begin(EraseAccount, now, now)
	}
}

func (e *Erasure) begin(step ErasureStep, now, due time.Time) {
	e.Step, e.Since, e.Due = step, now, due
}
