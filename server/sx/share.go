package sx

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// Share is a link with which anyone can play and download the MP3s of a job until it
// expires or is revoked. Only the hash of its secret is stored.
type Share struct {
	ID      string // the job's ID, a hyphen and more
	Hash    string // hex SHA-256 of the secret
	Created time.Time
	Expires time.Time
	Uses    int       // how often its page was opened, or its archive downloaded
	Used    time.Time // when that was last; zero if it never was
}

// MaxShares is how many links a job may have.
const MaxShares = 20

// shareIDSuffix is the length of what follows the job's ID in the ID of a link.
const shareIDSuffix = 6

// NewShareID returns an ID for a link of the job.
func NewShareID(jobID string) string {
	return jobID + "-" + strings.ToLower(rand.Text()[:shareIDSuffix])
}

// AddShare adds a link to a job with MP3s. Links that have expired make room for it.
func (j *Job) AddShare(s Share, now time.Time) error {
	if j.State != StateDone || len(j.Tracks) == 0 {
		return NewError(CodeConflict, "job %s is %s and has no MP3 to share", j.ID, j.State)
	}
	kept := slices.DeleteFunc(slices.Clone(j.Shares), func(old Share) bool { return !now.Before(old.Expires) })
	if len(kept) >= MaxShares {
		return NewError(CodeConflict, "job %s has %d links, which is the maximum", j.ID, MaxShares).
			WithHint("revoke one first")
	}
	kept = append(kept, s)
	j.Shares, j.Updated = kept, now
	return nil
}

// RemoveShare removes a link.
func (j *Job) RemoveShare(id string, now time.Time) error {
	i := slices.IndexFunc(j.Shares, func(s Share) bool { return s.ID == id })
	if i < 0 {
		return NewError(CodeNotFound, "link %s not found", id).WithHint("list your links to see their IDs")
	}
	j.Shares, j.Updated = slices.Delete(slices.Clone(j.Shares), i, i+1), now
	return nil
}

// UseShare counts n uses of the link.
func (j *Job) UseShare(id string, n int, now time.Time) error {
	i := slices.IndexFunc(j.Shares, func(s Share) bool { return s.ID == id })
	if i < 0 {
		return NewError(CodeNotFound, "link %s not found", id)
	}
	j.Shares = slices.Clone(j.Shares)
	j.Shares[i].Uses += n
	j.Shares[i].Used = now
	return nil
}

// ShareByHash returns the link with the hash, unless it has expired.
func (j *Job) ShareByHash(hash string, now time.Time) (Share, bool) {
	for _, s := range j.Shares {
		if s.Hash == hash && now.Before(s.Expires) {
			return s, true
		}
	}
	return Share{}, false
}

// sharedUntil returns when the last link of the job expires; zero if it has none.
func (j *Job) sharedUntil() (last time.Time) {
	for _, s := range j.Shares {
		if s.Expires.After(last) {
			last = s.Expires
		}
	}
	return last
}
